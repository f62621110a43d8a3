// Directions in spaces, element by element: the pass and the fill, on every instruction set and number of threads, are
// the definition to the bit, and what a space leaves out keeps its bits.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "check.h"
#include "cpu/update.h"
#include "inputs.h"

using namespace zeroth;
using test::Inputs;

namespace {

bool keeps(const Mask& mask, uint64_t e) {
  const uint64_t counter = e / 64 * 16 + e % 16;
  const Words4 words = philox({{static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32),
                                static_cast<uint32_t>(mask.stream), static_cast<uint32_t>(mask.stream >> 32)}},
                              mask.seed);
  return words.word[e / 16 % 4] >> 1 < mask.threshold;
}

/** The segment that an element is on, and kept by; null where it is not. */
const Segment* segmentOf(const Space& space, uint64_t e) {
  for (const Segment& segment : space.segments) {
    if (e >= segment.begin && e < segment.end) return !segment.masked || keeps(segment.mask, e) ? &segment : nullptr;
  }
  return nullptr;
}

float sum(float x, const std::vector<Term>& terms, uint64_t e) {
  for (const Term& term : terms) {
    const Segment* const segment = term.space == nullptr ? nullptr : segmentOf(*term.space, e);
    if (term.space != nullptr && segment == nullptr) continue;
    const float scale = segment == nullptr ? 1.0f : segment->scale;
    x = std::fma(term.coefficient * scale, directionElement(term.direction, e), x);
  }
  return x;
}

/** Segments of any length, from one element to several tiles, with gaps and without. */
Space someSpace(Inputs& inputs, uint64_t length) {
  std::vector<Segment> segments;
  const uint64_t longest = inputs.below(2) == 0 ? 40 : 3000;
  for (uint64_t at = inputs.below(3) == 0 ? 0 : inputs.below(longest); at < length;) {
    Segment segment{at, at + 1 + inputs.below(longest)};
    if (inputs.below(2) == 0) segment.scale = static_cast<float>(inputs.below(2000)) / 1000 - 1.0005f;
    segment.masked = inputs.below(3) == 0;
    if (segment.masked) segment.mask = {inputs.next(), inputs.next(), static_cast<uint32_t>(inputs.next() >> 33)};
    segments.push_back(segment);
    at = segment.end + (inputs.below(2) == 0 ? 0 : inputs.below(longest));
  }
  return makeSpace(segments);
}

bool sameBits(const float* a, const float* b, size_t count) { return std::memcmp(a, b, count * sizeof(float)) == 0; }

void passesAreTheDefinition() {
  Inputs inputs;
  Team two(2), three(3);
  Team* const teams[] = {nullptr, &two, &three};
  constexpr Distribution distributions[] = {Distribution::normal, Distribution::rademacher, Distribution::uniform};
  for (int round = 0; round < 60; ++round) {
    const size_t count = round == 0 ? 1 : 1 + inputs.below(round % 4 == 0 ? 40000 : 5000);
    const Space one = someSpace(inputs, count + 500), other = someSpace(inputs, count);
    const auto term = [&] {
      const Space* const spaces[] = {nullptr, &one, &other};
      // Few streams, so that directions come again, in other spaces, too.
      return Term{{distributions[inputs.below(3)], 7, inputs.below(2)},
                  static_cast<float>(inputs.below(4000)) / 2000 - 1.0f,
                  spaces[inputs.below(3)]};
    };
    std::vector<Term> first, second;
    for (size_t i = 1 + inputs.below(4); i > 0; --i) first.push_back(term());
    if (inputs.below(2) == 0) first.push_back({first.back().direction, 0.25f, first.back().space});
    for (size_t i = inputs.below(4); i > 0; --i) second.push_back(term());

    std::vector<float> start(count), m(count);
    fill({Distribution::normal, 1, 1}, 0, count, start.data());
    for (size_t i = 0; i < count; i += 3) start[i] = -0.0f;
    fill({Distribution::normal, 1, 2}, 0, count, m.data());
    std::vector<float> expected(count), expectedM(count);
    for (size_t e = 0; e < count; ++e) {
      const float x = sum(start[e], first, e);
      expectedM[e] = std::fma(0.5f, m[e], sum(0.0f, second, e));
      expected[e] = std::fma(-0.125f, expectedM[e], x);
    }
    for (Isa isa : availableIsas()) {
      for (Team* team : teams) {
        for (const bool inPlace : {false, true}) {
          std::vector<float> x = start, out(count, 9.0f), state = m;
          float* const to = inPlace ? x.data() : out.data();
          pass(x.data(), to, count, {AddUpdate{{first}}, MomentumUpdate{{second}, 0.5, 0.125, state.data()}}, team,
               isa);
          CHECK(sameBits(to, expected.data(), count) && sameBits(state.data(), expectedM.data(), count),
                "round %d, %zu elements, %s, %s", round, count, isaName(isa), inPlace ? "in place" : "elsewhere");
        }
      }
    }
  }
}

void fillsAreTheDefinition() {
  Inputs inputs;
  for (int round = 0; round < 60; ++round) {
    const Space space = someSpace(inputs, 9000);
    const Direction direction{static_cast<Distribution>(round % 3), inputs.next(), inputs.next()};
    const uint64_t first = inputs.below(9500);
    const size_t count = 1 + inputs.below(3000);
    std::vector<float> expected(count), out(count);
    for (size_t i = 0; i < count; ++i) {
      const Segment* const segment = segmentOf(space, first + i);
      expected[i] = segment == nullptr ? 0.0f : directionElement(direction, first + i) * segment->scale;
    }
    for (Isa isa : availableIsas()) {
      std::fill(out.begin(), out.end(), 9.0f);
      fill(direction, space, first, count, out.data(), isa);
      CHECK(sameBits(out.data(), expected.data(), count), "round %d, %s", round, isaName(isa));
    }
  }
}

void whatIsLeftOutKeepsItsBits() {
  constexpr size_t count = 6000;
  const Space space = makeSpace({{100, 3000, 2}, {4000, 5000, 1, true, {1, 2, uint32_t{1} << 30}}});
  std::vector<float> x(count, -0.0f);
  const Direction z{Distribution::normal, 3, 4};
  pass(x.data(), x.data(), count, {AddUpdate{{{{z, 0.5f, &space}, {z, -0.5f, &space}}}}}, nullptr);
  size_t kept = 0;
  for (size_t e = 0; e < count; ++e) {
    const bool moved = segmentOf(space, e) != nullptr;
    kept += moved && e >= 4000;
    CHECK(std::signbit(x[e]) == !moved, "element %zu", e);
  }
  CHECK(kept > 440 && kept < 560, "%zu of 1000 are kept by half", kept);  // 500 ± 3.8 standard deviations
}

/** A threshold of 0 keeps nothing, one of 2^31 everything, and more of it never less. */
void masksGrowWithTheirThreshold() {
  const auto sizeOf = [](uint32_t threshold) {
    std::vector<float> z(20000);
    fill({Distribution::rademacher, 1, 1}, makeSpace({{0, z.size(), 1, true, {5, 6, threshold}}}), 0, z.size(),
         z.data());
    return std::count_if(z.begin(), z.end(), [](float value) { return value != 0; });
  };
  CHECK(sizeOf(0) == 0);
  CHECK(sizeOf(uint32_t{1} << 31) == 20000);
  const auto tenth = sizeOf(214748365);
  CHECK(tenth > 1830 && tenth < 2170, "%lld of 20000 kept by a tenth", static_cast<long long>(tenth));  // 4 σ
}

template <class Function>
bool refuses(const Function& function) {
  try {
    function();
  } catch (const std::invalid_argument&) {
    return true;
  }
  return false;
}

void badSpacesAreRefused() {
  CHECK(refuses([] { makeSpace({{5, 5}}); }));
  CHECK(refuses([] { makeSpace({{5, 4}}); }));
  CHECK(refuses([] { makeSpace({{0, 5}, {4, 6}}); }));
  CHECK(refuses([] { makeSpace({{4, 6}, {0, 2}}); }));
  CHECK(refuses([] { makeSpace({{0, 5, 0}}); }));
  CHECK(refuses([] { makeSpace({{0, 5, INFINITY}}); }));
  CHECK(refuses([] { makeSpace({{0, 5, NAN}}); }));
  CHECK(refuses([] { makeSpace({{0, 5, 1, true, {1, 1, (uint32_t{1} << 31) + 1}}}); }));
  CHECK(makeSpace({}).segments.empty());
  const Space large = makeSpace({{0, 5, 1e30f}});
  float x[5] = {};
  const Term term{{Distribution::normal, 1, 1}, 1e30f, &large};
  CHECK(refuses([&] { pass(x, x, 5, {AddUpdate{{{term}}}}, nullptr); }), "a coefficient that a scale takes out of f32");
}

}  // namespace

int main() {
  passesAreTheDefinition();
  fillsAreTheDefinition();
  whatIsLeftOutKeepsItsBits();
  masksGrowWithTheirThreshold();
  badSpacesAreRefused();
  return test::summary("update_space_test");
}
