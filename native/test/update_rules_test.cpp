// The fused pass against a straightforward double-precision reimplementation, and against itself: every instruction
// set, thread count and grouping of ops yields the same bits.
#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.h"
#include "cpu/update.h"

using namespace zeroth;

namespace {

const Direction z0{Distribution::normal, 7, 100}, z1{Distribution::normal, 7, 101};
const Direction signs{Distribution::rademacher, 7, 102}, uniform{Distribution::uniform, 7, 103};

using Vector = std::vector<float>;

Team two(2), three(3);

Vector filled(const Direction& direction, size_t count, float scale, float offset = 0) {
  Vector values(count);
  fill(direction, 0, count, values.data());
  for (float& value : values) value = scale * value + offset;
  return values;
}

/** Everything a pass may touch. */
struct State {
  explicit State(size_t count)
      : x(filled({Distribution::normal, 1, 1}, count, 0.1f)),
        m(filled({Distribution::normal, 1, 2}, count, 0.5f)),
        v(filled({Distribution::uniform, 1, 3}, count, 0.4f, 0.5f)),
        p(filled({Distribution::uniform, 1, 4}, count, 1.0f, 1.5f)),
        dense(filled({Distribution::normal, 1, 5}, count, 1.0f)) {}
  Vector x, m, v, p, dense;

  std::vector<UpdateOp> ops() {
    const Gradient gradient{{{z0, 0.3f}, {signs, -0.2f}, {z0, 0.1f}}, dense.data(), 0.7f};
    return {AddUpdate{{{{z0, -1e-3f}, {z0, -2e-3f}, {z1, 1e-3f}}}},
            AddUpdate{{{{z1, 0.5f}, {uniform, 0.25f}}, dense.data(), -0.1f}},
            MomentumUpdate{gradient, 0.9, 0.01, m.data()},
            AdamUpdate{gradient, 0.9, 0.999, 0.01, 1e-8, 3, m.data(), v.data()},
            FrozenAdamUpdate{gradient, 0.9, 0.01, m.data(), p.data()},
            AddUpdate{{{{z0, 0.125f}}}}};
  }
};

bool same(const Vector& a, const Vector& b) { return std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0; }

/** The update rules as the documentation states them, one element, in double. */
struct Reference {
  double x, m, v, p;

  void apply(const UpdateOp& op, size_t element, float dense) {
    const Gradient gradient = std::visit(
        [](const auto& update) {
          if constexpr (hasGradient<std::decay_t<decltype(update)>>) {
            return update.gradient;
          } else {
            return Gradient{};
          }
        },
        op);
    double g = 0;
    for (const Term& term : gradient.terms) {
      g += static_cast<double>(term.coefficient) * directionElement(term.direction, element);
    }
    if (gradient.dense != nullptr) g += static_cast<double>(gradient.denseCoefficient) * dense;
    if (std::holds_alternative<AddUpdate>(op)) x += g;
    if (const auto* momentum = std::get_if<MomentumUpdate>(&op)) {
      m = momentum->beta * m + g;
      x -= momentum->lr * m;
    }
    if (const auto* adam = std::get_if<AdamUpdate>(&op)) {
      m = adam->beta1 * m + (1 - adam->beta1) * g;
      v = adam->beta2 * v + (1 - adam->beta2) * g * g;
      const double mHat = m / (1 - std::pow(adam->beta1, adam->t)), vHat = v / (1 - std::pow(adam->beta2, adam->t));
      x -= adam->lr * mHat / (std::sqrt(vHat) + adam->epsilon);
    }
    if (const auto* frozen = std::get_if<FrozenAdamUpdate>(&op)) {
      m = frozen->beta1 * m + (1 - frozen->beta1) * g;
      x -= frozen->lr * m / p;
    }
  }
};

void theRulesAreTheDocumentedOnes() {
  constexpr size_t count = 5003;
  const State start(count);
  const size_t kinds = State(1).ops().size();
  // Each op by itself, then all in one pass.
  for (size_t only = 0; only <= kinds; ++only) {
    State state = start;
    std::vector<UpdateOp> ops = state.ops();
    if (only < kinds) ops = {ops[only]};
    pass(state.x.data(), state.x.data(), count, ops, &two);
    double worst = 0;
    for (size_t i = 0; i < count; ++i) {
      Reference reference{start.x[i], start.m[i], start.v[i], start.p[i]};
      for (const UpdateOp& op : ops) reference.apply(op, i, start.dense[i]);
      worst = std::max({worst, std::abs(reference.x - state.x[i]), std::abs(reference.m - state.m[i]),
                        std::abs(reference.v - state.v[i])});
    }
    CHECK(worst < 1.5e-6, "op %zu: absolute error %g with values of order 1", only, worst);
  }
}

void anAddIsOneRoundingASummand() {
  constexpr size_t count = 4099;
  const State start(count);
  Vector out(count);
  pass(start.x.data(), out.data(), count,
       {AddUpdate{{{{z0, -1e-3f}, {z0, 0.3f}}}}, AddUpdate{{{{z1, 0.7f}}, start.dense.data(), 0.2f}}}, &two);
  for (size_t i = 0; i < count; ++i) {
    float x = std::fma(-1e-3f, directionElement(z0, i), start.x[i]);
    x = std::fma(0.3f, directionElement(z0, i), x);
    x = std::fma(0.7f, directionElement(z1, i), x);
    x = std::fma(0.2f, start.dense[i], x);
    CHECK(out[i] == x, "element %zu: %a, expected %a", i, out[i], x);
  }
}

/** In place or not, any count of threads, any instruction set, one pass or one pass an op: the same bits, in states as
 * well. */
void theBitsDoNotDependOnHowAPassIsRun() {
  std::vector<std::unique_ptr<Team>> teams(1);  // no team
  for (int size : {1, 2, 3, 7}) teams.push_back(std::make_unique<Team>(size));
  for (size_t count : {1, 15, 63, 64, 65, 2047, 2048, 2049, 100003}) {
    const State start(count);
    State expected = start;
    for (const UpdateOp& op : expected.ops()) {
      pass(expected.x.data(), expected.x.data(), count, {op}, nullptr, Isa::scalar);
    }
    for (Isa isa : availableIsas()) {
      for (const std::unique_ptr<Team>& team : teams) {
        State state = start;
        Vector out(count + 2, 123.0f);
        pass(state.x.data(), out.data() + 1, count, state.ops(), team.get(), isa);
        CHECK(same(state.x, start.x), "the input is untouched");
        CHECK(std::memcmp(out.data() + 1, expected.x.data(), count * sizeof(float)) == 0 && same(state.m, expected.m) &&
                  same(state.v, expected.v),
              "%s, %d threads, %zu elements", isaName(isa), team ? team->size() : 0, count);
        CHECK(out.front() == 123.0f && out.back() == 123.0f, "%s wrote outside", isaName(isa));

        State inPlace = start;
        pass(inPlace.x.data(), inPlace.x.data(), count, inPlace.ops(), team.get(), isa);
        CHECK(same(inPlace.x, expected.x) && same(inPlace.m, expected.m) && same(inPlace.v, expected.v),
              "%s, %d threads, %zu elements, in place", isaName(isa), team ? team->size() : 0, count);
      }
    }
  }
}

/** Values are kept as they are between two ops, in the pass's source or elsewhere, and the pass goes on as if nothing
 * had been. */
void valuesAreKeptInMidPass() {
  for (size_t count : {1, 65, 2049, 50003}) {
    const State start(count);
    State first = start;
    const std::vector<UpdateOp> before = first.ops();
    const AddUpdate after{{{{z1, 0.5f}, {z0, -0.25f}}}};
    pass(first.x.data(), first.x.data(), count, before, nullptr, Isa::scalar);
    Vector last(count);
    pass(first.x.data(), last.data(), count, {after}, nullptr, Isa::scalar);
    for (Isa isa : availableIsas()) {
      for (Team* const team : {static_cast<Team*>(nullptr), &two, &three}) {
        for (bool inSource : {true, false}) {
          State state = start;
          Vector elsewhere(count), out(count);
          float* const kept = inSource ? state.x.data() : elsewhere.data();
          std::vector<UpdateOp> ops = state.ops();
          ops.push_back(KeepUpdate{kept});
          ops.push_back(after);
          pass(state.x.data(), out.data(), count, ops, team, isa);
          CHECK(std::memcmp(kept, first.x.data(), count * sizeof(float)) == 0, "%s, %zu kept", isaName(isa), count);
          CHECK(same(out, last) && same(state.m, first.m) && same(state.v, first.v), "%s, %zu", isaName(isa), count);
          CHECK(inSource || same(state.x, start.x), "the input is untouched");
        }
      }
    }
    // First and last among the ops: what came in, and what goes out.
    Vector in(count), out(count), result(count);
    pass(start.x.data(), result.data(), count, {KeepUpdate{in.data()}, after, KeepUpdate{out.data()}}, &two);
    CHECK(same(in, start.x) && same(out, result) && !same(in, out));
  }
}

/** Two results of one pass are those of two passes, whether it goes on from what was kept or from its source. */
void aPassGoesOnFromKeptValues() {
  const AddUpdate plus{{{{z1, 0.5f}, {z0, 0.25f}}}};
  const AddUpdate minus{{{{z1, -0.5f}, {z0, -0.25f}}}};
  for (size_t count : {1, 65, 2049, 50003}) {
    const State start(count);
    State moved = start;
    pass(moved.x.data(), moved.x.data(), count, moved.ops(), nullptr, Isa::scalar);
    Vector up(count), down(count), upHere(count), downHere(count);
    pass(moved.x.data(), up.data(), count, {plus}, nullptr, Isa::scalar);
    pass(moved.x.data(), down.data(), count, {minus}, nullptr, Isa::scalar);
    pass(start.x.data(), upHere.data(), count, {plus}, nullptr, Isa::scalar);
    pass(start.x.data(), downHere.data(), count, {minus}, nullptr, Isa::scalar);
    for (Isa isa : availableIsas()) {
      for (Team* const team : {static_cast<Team*>(nullptr), &two, &three}) {
        State state = start;
        Vector first(count), second(count);
        std::vector<UpdateOp> ops = state.ops();
        ops.insert(ops.end(),
                   {KeepUpdate{state.x.data()}, plus, KeepUpdate{first.data()}, ResumeUpdate{state.x.data()}, minus});
        pass(state.x.data(), second.data(), count, ops, team, isa);
        CHECK(same(first, up) && same(second, down) && same(state.x, moved.x) && same(state.v, moved.v),
              "%s, %zu elements", isaName(isa), count);

        state = start;
        pass(state.x.data(), second.data(), count,
             {plus, KeepUpdate{first.data()}, ResumeUpdate{state.x.data()}, minus}, team, isa);
        CHECK(same(first, upHere) && same(second, downHere) && same(state.x, start.x), "%s, from the source",
              isaName(isa));
        pass(state.x.data(), second.data(), count, {plus, ResumeUpdate{state.x.data()}}, team, isa);
        CHECK(same(second, start.x), "%s, nothing after it", isaName(isa));
      }
    }
  }
}

void anEmptyPassCopies() {
  const State start(3000);
  for (const std::vector<UpdateOp>& ops : {std::vector<UpdateOp>{}, {AddUpdate{}}, {AddUpdate{}, AddUpdate{}}}) {
    Vector out(3000);
    pass(start.x.data(), out.data(), out.size(), ops, &two);
    CHECK(same(out, start.x), "%zu ops without a gradient", ops.size());
  }
  pass(nullptr, nullptr, 0, {}, nullptr);
}

void aPassThatIsStoppedLeavesTheRestAsItIs() {
  constexpr size_t count = 100000;
  const State start(count);
  std::atomic<bool> stopped{true};
  for (Team* const team : {&two, static_cast<Team*>(nullptr)}) {
    State state = start;
    pass(state.x.data(), state.x.data(), count, state.ops(), team, activeIsa(), &stopped);
    CHECK(same(state.x, start.x) && same(state.m, start.m) && same(state.v, start.v));
  }
}

void badInputIsRefusedBeforeAnythingIsWritten() {
  constexpr size_t count = 100;
  const State start(count);
  State state = start;
  float* const x = state.x.data();
  float* const m = state.m.data();
  float* const v = state.v.data();
  const Gradient g{{{z0, 1.0f}}};
  const AddUpdate good{g};
  struct Case {
    const char* names;
    std::function<void()> call;
  };
  const auto with = [&](const UpdateOp& op) { return [=] { pass(x, x, count, {good, op}, nullptr); }; };
  const Case cases[] = {
      {"in and out", [&] { pass(nullptr, x, count, {good}, nullptr); }},
      {"in and out", [&] { pass(x, nullptr, count, {good}, nullptr); }},
      {"coefficient", with(AddUpdate{{{{z0, NAN}}}})},
      {"dense coefficient", with(AddUpdate{{{}, start.dense.data(), INFINITY}})},
      {"distribution", with(AddUpdate{{{{{static_cast<Distribution>(9), 1, 1}, 1.0f}}}})},
      {"beta", with(MomentumUpdate{g, 1.0, 0.1, m})},
      {"beta", with(MomentumUpdate{g, 1 - 0x1p-25, 0.1, m})},
      {"step", with(AdamUpdate{g, 0.9, 0.999, 1e38, 1e-8, 1, m, v})},
      {"epsilon", with(AdamUpdate{g, 0.9, 0.999, 0.1, 1e-46, 1, m, v})},
      {"lr", with(MomentumUpdate{g, 0.9, 1e39, m})},
      {"lr", with(MomentumUpdate{g, 0.9, NAN, m})},
      {"state m", with(MomentumUpdate{g, 0.9, 0.1, nullptr})},
      {"beta1", with(AdamUpdate{g, -0.1, 0.999, 0.1, 1e-8, 1, m, v})},
      {"beta2", with(AdamUpdate{g, 0.9, NAN, 0.1, 1e-8, 1, m, v})},
      {"epsilon", with(AdamUpdate{g, 0.9, 0.999, 0.1, -1e-8, 1, m, v})},
      {"t: ", with(AdamUpdate{g, 0.9, 0.999, 0.1, 1e-8, 0, m, v})},
      {"state v", with(AdamUpdate{g, 0.9, 0.999, 0.1, 1e-8, 1, m, nullptr})},
      {"to keep", with(KeepUpdate{nullptr})},
      {"to go on from", with(ResumeUpdate{nullptr})},
      {"state p", with(FrozenAdamUpdate{g, 0.9, 0.1, m, nullptr})},
  };
  for (const Case& bad : cases) {
    std::string message;
    try {
      bad.call();
    } catch (const std::invalid_argument& error) {
      message = error.what();
    }
    CHECK(message.find(bad.names) != std::string::npos, "expected a complaint about %s, got \"%s\"", bad.names,
          message.c_str());
  }
  CHECK(same(state.x, start.x) && same(state.m, start.m) && same(state.v, start.v));
}

}  // namespace

int main() {
  theRulesAreTheDocumentedOnes();
  anAddIsOneRoundingASummand();
  theBitsDoNotDependOnHowAPassIsRun();
  valuesAreKeptInMidPass();
  aPassGoesOnFromKeptValues();
  anEmptyPassCopies();
  aPassThatIsStoppedLeavesTheRestAsItIs();
  badInputIsRefusedBeforeAnythingIsWritten();
  return test::summary("update_rules_test");
}
