// Figures of the CPU executor: GFLOP/s of products, ns an element of fused chains, µs of a whole small loss.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include "cpu/executor.h"
#include "program_builder.h"
#include "unroll.h"

using namespace zeroth;
using test::At;
using test::ProgramBuilder;
using Op = format::MapOpcode;

namespace {

int threads = 2;

Program programOf(const ProgramBuilder& builder) {
  const test::Words words = builder.words();
  return decode(test::bytesOf(words), words.size() * 4);
}

// Microseconds of a run, the best of several batches.
double microseconds(Program program) {
  cpu::Executor executor(std::move(program), threads);
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<std::vector<float>> data;
  std::vector<const void*> bindings;
  for (const Declaration& input : executor.program().inputs) {
    data.emplace_back(input.count);
    for (float& x : data.back()) x = 0.1f * normal(random);
    bindings.push_back(data.back().data());
  }
  Team team(threads);
  executor.run(bindings, &team);
  double best = 1e30;
  int repeats = 1;
  for (int batch = 0; batch < 12; ++batch) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < repeats; ++i) executor.run(bindings, &team);
    const double us = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
    if (us / repeats < best) best = us / repeats;
    if (us < 20000) repeats *= 4;
  }
  return best;
}

double microseconds(const ProgramBuilder& builder) { return microseconds(programOf(builder)); }

void matmul(const char* what, uint32_t batch, uint32_t m, uint32_t n, uint32_t k, bool ta, bool tb, bool sharedA,
            bool sharedB) {
  ProgramBuilder builder;
  const At a = builder.input(DType::f32, (sharedA ? 1 : batch) * m * k),
           b = builder.input(DType::f32, (sharedB ? 1 : batch) * k * n);
  builder.matmul(batch, m, n, k, ta, tb, a, sharedA ? 0 : m * k, b, sharedB ? 0 : k * n,
                 builder.allocate(batch * m * n));
  const double us = microseconds(builder);
  std::printf("matmul %-28s %3u × [%5u %5u %5u] %9.1f µs %7.1f GFLOP/s\n", what, batch, m, n, k, us,
              2e-3 * batch * m * n * k / us);
}

void chain(const char* what, uint32_t rows, uint32_t columns, const std::vector<test::OpSpec>& ops, bool bias) {
  ProgramBuilder builder;
  const At x = builder.input(DType::f32, rows * columns), b = builder.input(DType::f32, columns);
  std::vector<test::ViewSpec> reads{{DType::f32, x, {columns, 1}}};
  if (bias) reads.push_back({DType::f32, b, {0, 1}});
  const uint32_t last = reads.size() + ops.size() - 1;
  builder.map({rows, columns}, reads, ops, {{DType::f32, builder.allocate(rows * columns), last, {columns, 1}}});
  const double us = microseconds(builder);
  std::printf("map    %-28s       [%5u × %4u]   %9.1f µs %7.3f ns an element\n", what, rows, columns, us,
              1e3 * us / rows / columns);
}

void reduce(uint32_t outer, uint32_t count, uint32_t inner, ReduceKind kind = ReduceKind::sum) {
  ProgramBuilder builder;
  const At x = builder.input(DType::f32, outer * count * inner);
  builder.reduce(kind, outer, count, inner, DType::f32, builder.allocate(outer * inner), x);
  const double us = microseconds(builder);
  std::printf("%-6s [%5u %5u %5u] %9.1f µs %7.3f ns an element\n", kind == ReduceKind::sum ? "sum" : "max", outer,
              count, inner, us, 1e3 * us / outer / count / inner);
}

// Squared loss of an MLP with gelu, as the planner lays it out: matmul, then bias and gelu in place; at the end one
// MAP_SUM.
void mlp(const char* what, uint32_t rows, const std::vector<uint32_t>& sizes) {
  ProgramBuilder builder;
  At activation = builder.input(DType::f32, rows * sizes[0]);
  const At target = builder.input(DType::f32, rows * sizes.back());
  double flops = 0;
  for (size_t layer = 1; layer < sizes.size(); ++layer) {
    const uint32_t k = sizes[layer - 1], n = sizes[layer];
    const At weight = builder.input(DType::f32, k * n), bias = builder.input(DType::f32, n),
             out = builder.allocate(rows * n);
    builder.matmul(1, rows, n, k, false, false, activation, 0, weight, 0, out);
    flops += 2.0 * rows * n * k;
    if (layer + 1 < sizes.size()) {
      builder.map({rows, n}, {{DType::f32, out, {n, 1}}, {DType::f32, bias, {0, 1}}}, {{Op::add, 0, 1}, {Op::gelu, 2}},
                  {{DType::f32, out, 3, {n, 1}}});
    } else {
      const At sum = builder.allocate(2), loss = builder.allocate(2);
      builder.mapSum({rows, n}, {{DType::f32, out, {n, 1}}, {DType::f32, bias, {0, 1}}, {DType::f32, target, {n, 1}}},
                     {{Op::add, 0, 1}, {Op::sub, 3, 2}, {Op::mul, 4, 4}}, 5, sum);
      builder.map({}, {{DType::f64, sum, {}}}, {{Op::constant, 0, 0, 0, 0.5 / rows}, {Op::mul, 0, 1}},
                  {{DType::f64, loss, 2, {}}});
      builder.output(DType::f64, 1, loss);
    }
    activation = out;
  }
  const double us = microseconds(builder);
  std::printf("loss   %-28s %9.1f µs %7.1f GFLOP/s\n", what, us, 1e-3 * flops / us);
}

// A trip of three kernels, in a loop and unrolled: h = tanh(W h + x), or without W three maps.
void loop(uint32_t width, bool product) {
  const uint32_t trips = 256;
  ProgramBuilder builder;
  const At x = builder.input(DType::f32, trips * width), w = builder.input(DType::f32, width * width),
           h = builder.allocate(width), next = builder.allocate(width), hs = builder.allocate(trips * width);
  const auto dense = [](At at) { return test::ViewSpec{DType::f32, at, {1}}; };
  builder.loop(trips, false, {{x, width, width}, {hs, width, width, true}}, [&](const std::vector<At>& row) {
    if (product) {
      builder.matmul(1, 1, width, width, false, false, h, 0, w, 0, next);
    } else {
      builder.map({width}, {dense(h), dense(w)}, {{Op::mul, 0, 1}}, {{DType::f32, next, 2, {1}}});
    }
    builder.map({width}, {dense(next), dense(row[0])}, {{Op::add, 0, 1}, {Op::tanh, 2}}, {{DType::f32, h, 3, {1}}});
    builder.map({width}, {dense(h)}, {}, {{DType::f32, row[1], 0, {1}}});
  });
  const double us = microseconds(builder), unrolled = microseconds(test::unroll(programOf(builder)));
  std::printf("loop   %-7s of %4u              %9.1f µs %7.3f µs a trip, unrolled %7.3f\n", product ? "matmul" : "maps",
              width, us, us / trips, unrolled / trips);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) threads = std::atoi(argv[1]);
  std::printf("%d threads\n", threads);
  matmul("1024³", 1, 1024, 1024, 1024, false, false, false, false);
  for (uint32_t k : {32u, 256u, 3072u}) {
    for (uint32_t n : {64u, 256u}) matmul("activations", 1, 1000, n, k, false, false, false, false);
  }
  matmul("small", 1, 1000, 32, 32, false, false, false, false);
  matmul("tiny", 1, 32, 32, 32, false, false, false, false);
  matmul("dX, B transposed", 1, 1000, 64, 64, false, true, false, false);
  matmul("dW, A transposed", 1, 64, 64, 1000, true, false, false, false);
  matmul("dW, A shared and transposed", 16, 64, 64, 1000, true, false, true, false);
  matmul("dW, A batched, B shared", 16, 64, 64, 1000, true, false, false, true);
  matmul("dW, both batched", 16, 64, 64, 1000, true, false, false, false);
  matmul("batched, B shared", 16, 1000, 64, 64, false, false, false, true);
  matmul("batched, A shared", 16, 1000, 64, 64, false, false, true, false);
  matmul("batched", 16, 1000, 64, 64, false, false, false, false);
  matmul("batched, B transposed", 16, 1000, 64, 64, false, true, false, false);
  chain("gelu", 1000, 64, {{Op::gelu, 0}}, false);
  chain("bias, gelu", 1000, 64, {{Op::add, 0, 1}, {Op::gelu, 2}}, true);
  chain("exp", 1000, 64, {{Op::exp, 0}}, false);
  chain("tanh", 1000, 64, {{Op::tanh, 0}}, false);
  chain("log", 1000, 64, {{Op::abs, 0}, {Op::log, 1}}, false);
  chain("add one", 1000, 64, {{Op::constant, 0, 0, 0, 1}, {Op::add, 0, 1}}, false);
  chain("gelu, 16 Mi", 16384, 1024, {{Op::gelu, 0}}, false);
  chain("add one, 16 Mi", 16384, 1024, {{Op::constant, 0, 0, 0, 1}, {Op::add, 0, 1}}, false);
  for (uint32_t width : {1u, 16u, 64u, 256u}) {
    for (bool product : {false, true}) loop(width, product);
  }
  reduce(1, 1000, 64);
  reduce(16, 1000, 64);
  for (uint32_t length : {4u, 10u, 16u, 64u, 128u, 1024u}) {
    for (ReduceKind kind : {ReduceKind::sum, ReduceKind::max}) reduce(65536 / length, length, 1, kind);
  }
  reduce(1, 1 << 24, 1);
  mlp("1 → 8 → 8 → 1, n = 8", 8, {1, 8, 8, 1});
  mlp("32 → 64 → 64 → 32, n = 1000", 1000, {32, 64, 64, 32});
  mlp("192 → 32 → 32 → 4, n = 500", 500, {192, 32, 32, 4});
  mlp("3072 → 256 → 256 → 4, n = 1000", 1000, {3072, 256, 256, 4});
  return 0;
}
