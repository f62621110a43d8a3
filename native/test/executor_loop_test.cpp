// LOOP against plain loops and against the same program unrolled.
#include <atomic>

#include "executor_test_support.h"
#include "loops.h"
#include "unroll.h"

using namespace zeroth;
using namespace zeroth::test;

namespace {

using Windows = std::vector<At>;

ViewSpec f32(At at, uint32_t elements) { return {DType::f32, at, {elements == 1 ? 0u : 1u}}; }

// to = op(a, b) over n elements; `a` or `b` may be `to`.
void binary(ProgramBuilder& builder, uint32_t n, Op op, At a, At b, At to) {
  builder.map({n}, {f32(a, n), f32(b, n)}, {{op, 0, 1}}, {{DType::f32, to, 2, {1}}});
}

void copy(ProgramBuilder& builder, uint32_t n, At from, At to) {
  builder.map({n}, {f32(from, n)}, {}, {{DType::f32, to, 0, {1}}});
}

void fill(ProgramBuilder& builder, uint32_t n, double value, At to) {
  builder.map({n}, {}, {{Op::constant, 0, 0, 0, value}}, {{DType::f32, to, 0, {1}}});
}

// All that a run leaves, for any number of threads: the bits of the unrolled program, which is a valid one.
void agreesUnrolled(const ProgramBuilder& builder, const std::vector<Floats>& inputs, const char* what) {
  const Words words = builder.words();
  const Program looped = decode(bytesOf(words), words.size() * 4);
  std::vector<const void*> bindings;
  for (const Floats& values : inputs) bindings.push_back(values.data());
  for (int threads : {1, 2, 3}) {
    Program flat = unroll(looped);
    program::validate(flat);
    cpu::Executor expected(std::move(flat), threads), found(looped, threads);
    Team team(threads);
    for (int again = 0; again < 2; ++again) {
      CHECK(expected.run(bindings, &team) && found.run(bindings, &team), "%s", what);
      for (size_t i = 0; i < looped.outputs.size(); ++i) {
        CHECK(sameBits(expected.output(i), found.output(i), looped.outputs[i].bytes()), "%s, output %zu, %d threads",
              what, i, threads);
      }
    }
    CHECK(expected.scratchBytes() == found.scratchBytes(), "%s: scratch of %zu bytes", what, found.scratchBytes());
  }
}

void aCarryGoesFromTripToTripInPlace() {
  for (uint32_t n : {1u, 3u, 5000u}) {
    for (uint32_t trips : {1u, 2u, 7u}) {
      for (bool reverse : {false, true}) {
        ProgramBuilder builder;
        const At xs = builder.input(DType::f32, trips * n), sum = builder.allocate(n),
                 sums = builder.allocate(trips * n);
        fill(builder, n, 3, sum);
        builder.loop(trips, reverse, {{xs, n, n}, {sums, n, n, true}}, [&](const Windows& w) {
          binary(builder, n, Op::add, sum, w[0], sum);
          copy(builder, n, sum, w[1]);
        });
        builder.output(DType::f32, n, sum);
        builder.output(DType::f32, trips * n, sums);
        const Floats values = integers(trips * n, 1);
        Floats expected(trips * n), carry(n, 3.0f);
        for (uint32_t t = 0; t < trips; ++t) {
          const uint32_t row = reverse ? trips - 1 - t : t;
          for (uint32_t i = 0; i < n; ++i) expected[row * n + i] = carry[i] += values[row * n + i];
        }
        for (int threads : {1, 2, 3}) {
          Run run(builder, threads);
          run.bind(values).go();
          CHECK(run.output(0) == carry && run.output(1) == expected, "%u trips of %u, reverse %d, %d threads", trips, n,
                reverse, threads);
        }
        agreesUnrolled(builder, {values}, "running sums");
      }
    }
  }
}

// Steps that are shorter than a window, longer, and none at all; a window that is read and written.
void windowsMayOverlapLeaveGapsOrStay() {
  const uint32_t trips = 6;
  ProgramBuilder builder;
  const At x = builder.input(DType::f32, 40), wide = builder.allocate(40), stay = builder.allocate(5);
  copy(builder, 40, x, wide);
  // Fibonacci in steps of one: w[2] = w[0] + w[1].
  builder.loop(trips, false, {{wide, 1, 3, true}}, [&](const Windows& w) {
    binary(builder, 1, Op::add, w[0], {w[0].space, 1}, {w[0].space, 2});
  });
  builder.loop(trips, true, {{{0, wide.offset + 8}, 5, 2, true}, {x, 0, 5}, {stay, 0, 5, true}}, [&](const Windows& w) {
    binary(builder, 2, Op::mul, w[0], {w[1].space, 3}, w[0]);
    binary(builder, 5, Op::add, w[2], w[1], w[2]);
  });
  builder.output(DType::f32, 40, wide);
  const Floats values = integers(40, 3, 1, 4);
  Floats expected = values;
  for (uint32_t t = 0; t < trips; ++t) expected[t + 2] = expected[t] + expected[t + 1];
  for (uint32_t t = 0; t < trips; ++t) {
    for (uint32_t i = 0; i < 2; ++i) expected[8 + 5 * t + i] *= values[3 + i];
  }
  Run run(builder, 1);
  run.bind(values).go();
  CHECK(run.output(0) == expected, "overlapping and gapped windows");
  agreesUnrolled(builder, {values}, "overlapping and gapped windows");
}

// h = tanh(W h + x) of a batch, large enough that a team shares the kernels; h is not computed in place.
void aRecurrenceHasTheBitsOfItsUnrolledProgram() {
  for (uint32_t batch : {1u, 64u}) {
    const uint32_t n = 96, trips = 5;
    ProgramBuilder builder;
    const At xs = builder.input(DType::f32, trips * batch * n), w = builder.input(DType::f32, n * n);
    const At h = builder.allocate(batch * n), product = builder.allocate(batch * n),
             hs = builder.allocate(trips * batch * n), loss = builder.allocate(2), losses = builder.allocate(2 * trips);
    fill(builder, batch * n, 0.1, h);
    builder.loop(trips, false, {{xs, batch * n, batch * n}, {hs, batch * n, batch * n, true}, {losses, 2, 2, true}},
                 [&](const Windows& at) {
                   builder.matmul(1, batch, n, n, false, false, h, 0, w, 0, product);
                   builder.map({batch * n}, {f32(product, batch * n), f32(at[0], batch * n)},
                               {{Op::add, 0, 1}, {Op::tanh, 2}},
                               {{DType::f32, h, 3, {1}}, {DType::f32, at[1], 3, {1}}});
                   builder.mapSum({batch * n}, {f32(h, batch * n)}, {{Op::integerPow, 0, 0, 0, 2}}, 1, at[2]);
                 });
    // Then back over what was stored, adding the losses in f64.
    builder.map({}, {}, {{Op::constant, 0, 0, 0, 0}}, {{DType::f64, loss, 0, {}}});
    builder.loop(trips, true, {{losses, 2, 2}, {hs, batch * n, batch * n, true}}, [&](const Windows& at) {
      builder.map({}, {{DType::f64, loss, {}}, {DType::f64, at[0], {}}}, {{Op::add, 0, 1}},
                  {{DType::f64, loss, 2, {}}});
      binary(builder, batch * n, Op::mul, at[1], h, at[1]);
    });
    builder.output(DType::f32, batch * n, h);
    builder.output(DType::f32, trips * batch * n, hs);
    builder.output(DType::f64, 1, loss);
    agreesUnrolled(builder, {normals(trips * batch * n, 1), normals(n * n, 2)}, "recurrence");
  }
}

// [a, b, n], its rows from the last to the first: sums along b that begin anew for each of a, then a window of a window
// of a window.
void loopsNest() {
  const uint32_t a = 3, b = 4, n = 6;
  ProgramBuilder builder;
  const At x = builder.input(DType::f32, a * b * n), first = builder.input(DType::f32, n), sum = builder.allocate(n),
           sums = builder.allocate(a * b * n), doubled = builder.allocate(a * b * n);
  builder.loop(a, true, {{x, b * n, b * n}, {sums, b * n, b * n, true}}, [&](const Windows& outer) {
    copy(builder, n, first, sum);
    builder.loop(b, false, {{outer[0], n, n}, {outer[1], n, n, true}}, [&](const Windows& inner) {
      binary(builder, n, Op::add, sum, inner[0], sum);
      copy(builder, n, sum, inner[1]);
    });
    copy(builder, n, sum, outer[1]);
  });
  builder.loop(a, false, {{sums, b * n, b * n}, {doubled, b * n, b * n, true}}, [&](const Windows& one) {
    builder.loop(b, true, {{one[1], n, n, true}, {one[0], n, n}}, [&](const Windows& two) {
      builder.loop(n, false, {{two[0], 1, 1, true}, {two[1], 1, 1}},
                   [&](const Windows& three) { binary(builder, 1, Op::add, three[1], three[1], three[0]); });
    });
  });
  builder.output(DType::f32, a * b * n, sums);
  builder.output(DType::f32, a * b * n, doubled);
  const Floats values = integers(a * b * n, 1), start = integers(n, 2);
  Floats expected(a * b * n);
  for (uint32_t i = 0; i < a; ++i) {
    for (uint32_t k = 0; k < n; ++k) {
      float carry = start[k];
      for (uint32_t j = 0; j < b; ++j) expected[(i * b + j) * n + k] = carry += values[(i * b + j) * n + k];
      expected[i * b * n + k] = carry;
    }
  }
  for (int threads : {1, 2, 3}) {
    Run run(builder, threads);
    run.bind(values).bind(start).go();
    CHECK(run.output(0) == expected, "nested loops, %d threads", threads);
    for (float& value : expected) value *= 2;
    CHECK(run.output(1) == expected, "three loops, %d threads", threads);
    for (float& value : expected) value /= 2;
  }
  agreesUnrolled(builder, {values, start}, "nested loops");
}

void anErrorNamesThePlaceAndTheRow() {
  for (bool reverse : {false, true}) {
    ProgramBuilder builder;
    const At table = builder.input(DType::f32, 20), indices = builder.input(DType::i32, 12), dst = builder.allocate(16);
    fill(builder, 16, 0, dst);
    builder.loop(3, reverse, {{indices, 4, 4}}, [&](const Windows& outer) {
      fill(builder, 16, 0, dst);
      builder.loop(2, reverse, {{outer[0], 2, 2}},
                   [&](const Windows& inner) { builder.gather(5, 4, 2, table, inner[0], dst); });
    });
    Run run(builder, 1);
    run.bind(integers(20, 1)).bind(std::vector<int32_t>{0, 1, 2, 3, 4, 0, 1, 2, 0, 7, 0, 0});
    const std::string message = messageOf<cpu::ExecutionError>([&] { run.go(); });
    CHECK(message ==
              "instruction 1: 1 of its loop at row 2: 0 of its loop at row 0: gather: expected indices from 0 to 4, "
              "received 7 at position 1",
          "message: %s", message.c_str());
  }
}

// Every instruction, its operands in windows of all the loops around: with the results, or the error, of the unrolled
// program.
void anyProgramOfLoopsHasTheBitsOfItsUnrolledProgram() {
  int failed = 0, trips = 0;
  for (int seed = 0; seed < 400; ++seed) {
    Random random(seed);
    ProgramBuilder builder;
    RandomLoops(builder, random).add(1 + seed % 3);
    const Words words = builder.words();
    const Program looped = decode(bytesOf(words), words.size() * 4);
    Program flat = unroll(looped);
    program::validate(flat);
    trips += flat.instructions.size() > 3;
    std::vector<int32_t> indices(looped.inputs[1].count);
    for (int32_t& index : indices) index = seed % 4 == 0 ? static_cast<int32_t>(random.below(3)) : 0;
    const Floats floats = normals(looped.inputs[0].count, seed);
    const std::vector<double> doubles(floats.begin(), floats.begin() + looped.inputs[2].count);
    const std::vector<const void*> bindings{floats.data(), indices.data(), doubles.data()};
    const int threads = 1 + seed % 2;
    Team team(threads);
    cpu::Executor expected(std::move(flat), 1), found(looped, threads);
    const std::string reason = messageOf<cpu::ExecutionError>([&] { expected.run(bindings, nullptr); });
    const std::string message = messageOf<cpu::ExecutionError>([&] { found.run(bindings, &team); });
    failed += !reason.empty();
    const auto what = [](const std::string& text) {
      return text.substr(std::min(text.size(), text.rfind(": expected")));
    };
    CHECK(what(message) == what(reason), "seed %d: \"%s\", unrolled \"%s\"", seed, message.c_str(), reason.c_str());
    for (size_t i = 0; i < looped.outputs.size(); ++i) {
      CHECK(sameBits(expected.output(i), found.output(i), looped.outputs[i].bytes()), "seed %d, output %zu", seed, i);
    }
  }
  CHECK(failed > 10 && failed < 100 && trips > 200, "%d errors, %d programs of some length", failed, trips);
}

// The flag lies in the program's own arena, where it raises it itself: so the moment is the same in every run.
void anAbortStopsALoopBetweenItsKernels() {
  for (int depth : {1, 2, 3}) {
    for (bool last : {false, true}) {
      for (int threads : {1, 2}) {
        ProgramBuilder builder;
        const At flag = builder.allocate(1), trips = builder.allocate(1), late = builder.allocate(1),
                 after = builder.allocate(1), one = builder.input(DType::f32, 1);
        const auto body = [&] {
          binary(builder, 1, Op::add, trips, one, trips);
          builder.map({1}, {f32(trips, 1)}, {{Op::constant, 0, 0, 0, 10}, {Op::ge, 0, 1}},
                      {{DType::i32, flag, 2, {1}}});
          binary(builder, 1, Op::add, late, one, late);
        };
        const auto nest = [&](const auto& self, int loops) -> void {
          if (loops == 0) return body();
          builder.loop(1000, loops == 2, {}, [&](const Windows&) { self(self, loops - 1); });
        };
        nest(nest, depth);
        if (!last) fill(builder, 1, 5, after);
        for (At at : {flag, trips, late, after}) builder.output(DType::f32, 1, at);
        Run run(builder, threads);
        run.bind(Floats{1});
        const auto* raised = static_cast<const std::atomic<bool>*>(run.executor().output(0));
        CHECK(!run.go(raised), "%d loops", depth);
        CHECK(run.output(1)[0] == 10 && run.output(2)[0] == 9 && run.output(3)[0] == 0, "%d loops: %g trips, %g", depth,
              run.output(1)[0], run.output(2)[0]);
        const std::atomic<bool> before{true}, never{false};
        CHECK(!run.go(&before) && run.output(1)[0] == 10, "raised before the run");
        if (depth > 1) continue;
        CHECK(run.go(&never) && run.output(2)[0] == 1009 && run.output(3)[0] == (last ? 0 : 5), "to the end: %g",
              run.output(2)[0]);
      }
    }
  }
}

}  // namespace

int main() {
  aCarryGoesFromTripToTripInPlace();
  windowsMayOverlapLeaveGapsOrStay();
  aRecurrenceHasTheBitsOfItsUnrolledProgram();
  loopsNest();
  anyProgramOfLoopsHasTheBitsOfItsUnrolledProgram();
  anErrorNamesThePlaceAndTheRow();
  anAbortStopsALoopBetweenItsKernels();
  return summary("executor_loop_test");
}
