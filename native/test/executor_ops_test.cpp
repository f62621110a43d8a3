// REDUCE, MATMUL, GATHER, SCATTER_ADD and IOTA against plain loops, and the executor's own duties.
#include <omp.h>

#include <atomic>

#include "cpu/matmul_shares.h"
#include "executor_test_support.h"

using namespace zeroth;
using namespace zeroth::test;

namespace {

void reductionsAgreeWithALoop() {
  const std::vector<std::vector<uint32_t>> shapes = {
      {1, 1, 1},     {3, 5, 7},     {1, 1000, 64}, {4, 1, 9},    {1, 100000, 1}, {7, 33, 1},  {1000, 10, 1},
      {2, 40000, 3}, {1, 300, 700}, {16, 50, 17},  {1, 2, 5000}, {5, 257, 256},  {16, 1, 1},  {37, 4, 1},
      {300, 15, 1},  {33, 16, 1},   {999, 17, 1},  {50, 64, 1},  {21, 128, 1},   {21, 129, 1}};
  for (const auto& shape : shapes) {
    const uint32_t outer = shape[0], reduce = shape[1], inner = shape[2];
    for (ReduceKind kind : {ReduceKind::sum, ReduceKind::max}) {
      ProgramBuilder builder;
      const At x = builder.input(DType::f32, outer * reduce * inner), dst = builder.allocate(outer * inner);
      builder.reduce(kind, outer, reduce, inner, DType::f32, dst, x);
      builder.output(DType::f32, outer * inner, dst);
      if (outer * inner == 1) {
        const At number = builder.allocate(2);
        builder.reduce(kind, outer, reduce, inner, DType::f64, number, x);
        builder.output(DType::f64, 1, number);
      }
      const Floats values = integers(outer * reduce * inner, reduce);
      Floats expected(outer * inner);
      for (uint32_t o = 0; o < outer; ++o) {
        for (uint32_t i = 0; i < inner; ++i) {
          double result = values[o * reduce * inner + i];
          for (uint32_t r = 1; r < reduce; ++r) {
            const double v = values[(o * reduce + r) * inner + i];
            result = kind == ReduceKind::sum ? result + v : std::fmax(result, v);
          }
          expected[o * inner + i] = static_cast<float>(result);
        }
      }
      for (int threads : {1, 2, 3}) {
        Run run(builder, threads);
        run.bind(values).go();
        CHECK(run.output(0) == expected, "kind %d [%u %u %u], %d threads", static_cast<int>(kind), outer, reduce, inner,
              threads);
        if (outer * inner == 1) CHECK(run.output<double>(1)[0] == expected[0], "f64 result of %u elements", reduce);
      }
    }
  }
}

void reductionsGiveTheSameBitsForAnyNumberOfThreads() {
  const std::vector<std::vector<uint32_t>> shapes = {
      {1, 1000000, 1}, {1, 5000, 64}, {3, 100000, 2}, {64, 1000, 16}, {4000, 100, 1}};
  for (const auto& shape : shapes) {
    ProgramBuilder builder;
    const uint32_t results = shape[0] * shape[2];
    const At x = builder.input(DType::f32, results * shape[1]), dst = builder.allocate(results);
    builder.reduce(ReduceKind::sum, shape[0], shape[1], shape[2], DType::f32, dst, x);
    builder.output(DType::f32, results, dst);
    const bool single = results == 1;  // an f64 result shows what rounding to f32 would hide
    if (single) {
      const At number = builder.allocate(2);
      builder.reduce(ReduceKind::sum, 1, shape[1], 1, DType::f64, number, x);
      builder.output(DType::f64, 1, number);
    }
    const Floats values = wide(results * shape[1], 3);
    Run one(builder, 1);
    one.bind(values).go();
    for (int threads : {2, 3, 7}) {
      Run many(builder, threads);
      many.bind(values).go();
      CHECK(sameBits(one.output(0), many.output(0)), "[%u %u %u], %d threads", shape[0], shape[1], shape[2], threads);
      if (single) CHECK(sameBits(one.output<double>(1), many.output<double>(1)), "f64, %d threads", threads);
    }
  }
}

// Short rows are taken several at a time, and the last of them alone.
void aRowGivesTheSameBitsWhereverItStands() {
  for (uint32_t n : {2u, 4u, 10u, 16u, 17u, 40u, 128u}) {
    const uint32_t rows = 29;
    const Floats row = wide(n, 7);
    Floats values;
    for (uint32_t r = 0; r < rows; ++r) values.insert(values.end(), row.begin(), row.end());
    double lanes[16] = {}, expected = 0;
    for (uint32_t i = 0; i < n; ++i) lanes[i % 16] += row[i];
    for (double lane : lanes) expected += lane;
    ProgramBuilder builder;
    const At x = builder.input(DType::f32, rows * n), sums = builder.allocate(rows);
    builder.reduce(ReduceKind::sum, rows, n, 1, DType::f32, sums, x);
    builder.output(DType::f32, rows, sums);
    Run run(builder, 2);
    run.bind(values).go();
    CHECK(sameBits(run.output(0), Floats(rows, static_cast<float>(expected))), "rows of %u", n);
  }
}

void aMaximumKeepsNaN() {
  for (uint32_t row : {0u, 7u, 8u, 30u}) {
    for (uint32_t column : {0u, 2u, 4u}) {
      const uint32_t rows = 31, n = 5;
      Floats values = normals(rows * n, 1);
      values[row * n + column] = NAN;
      ProgramBuilder builder;
      const At x = builder.input(DType::f32, rows * n), dst = builder.allocate(rows);
      builder.reduce(ReduceKind::max, rows, n, 1, DType::f32, dst, x);
      builder.output(DType::f32, rows, dst);
      Run run(builder, 1);
      run.bind(values).go();
      for (uint32_t r = 0; r < rows; ++r)
        CHECK(std::isnan(run.output(0)[r]) == (r == row), "row %u of %u, column %u", r, row, column);
    }
  }
  for (uint32_t inner : {1u, 3u, 40u}) {
    const uint32_t n = 100;
    for (uint32_t row : {0u, 50u, 99u}) {
      Floats values = normals(n * inner, 1);
      values[row * inner] = NAN;
      ProgramBuilder builder;
      const At x = builder.input(DType::f32, n * inner), dst = builder.allocate(inner);
      builder.reduce(ReduceKind::max, 1, n, inner, DType::f32, dst, x);
      builder.output(DType::f32, inner, dst);
      Run run(builder, 1);
      run.bind(values).go();
      CHECK(std::isnan(run.output(0)[0]), "inner %u row %u", inner, row);
      if (inner > 1) CHECK(!std::isnan(run.output(0)[1]), "inner %u row %u", inner, row);
    }
  }
}

// With small integers every product and sum is exact, so the order of additions does not matter.
void checkProduct(uint32_t batch, uint32_t m, uint32_t n, uint32_t k, int flags, int threads) {
  const bool transposeA = flags & 1, transposeB = flags & 2, sharedA = flags & 4, sharedB = flags & 8;
  const uint32_t gapA = flags & 16 ? 5 : 0, gapB = flags & 32 ? 3 : 0;
  if ((sharedA && gapA) || (sharedB && gapB) || (batch == 1 && (gapA || gapB))) return;
  const uint32_t strideA = sharedA ? 0 : m * k + gapA, strideB = sharedB ? 0 : k * n + gapB;
  const Floats a = integers(strideA * (batch - 1) + m * k, 1), b = integers(strideB * (batch - 1) + k * n, 2);
  ProgramBuilder builder;
  const At atA = builder.input(DType::f32, static_cast<uint32_t>(a.size())),
           atB = builder.input(DType::f32, static_cast<uint32_t>(b.size()));
  const At dst = builder.allocate(batch * m * n);
  builder.matmul(batch, m, n, k, transposeA, transposeB, atA, strideA, atB, strideB, dst);
  builder.output(DType::f32, batch * m * n, dst);
  Run run(builder, threads);
  run.bind(a).bind(b).go();
  const Floats found = run.output(0);
  bool equal = true;
  for (uint32_t i = 0; i < batch * m * n; ++i) {
    const uint32_t z = i / (m * n), row = i / n % m, column = i % n;
    double sum = 0;
    for (uint32_t j = 0; j < k; ++j) {
      sum += static_cast<double>(a[z * strideA + (transposeA ? j * m + row : row * k + j)]) *
             b[z * strideB + (transposeB ? column * k + j : j * n + column)];
    }
    equal = equal && found[i] == sum;
  }
  CHECK(equal, "%u × [%u %u %u] flags %d, %d threads", batch, m, n, k, flags, threads);
}

void productsAgreeWithALoop() {
  const std::vector<std::vector<uint32_t>> sizes = {{1, 1, 1},     {3, 5, 7},     {17, 1, 9}, {1, 16, 33},
                                                    {64, 48, 100}, {130, 65, 31}, {2, 3, 1}};
  for (const auto& size : sizes) {
    for (uint32_t batch : {1u, 3u}) {
      for (int flags = 0; flags < 64; ++flags) checkProduct(batch, size[0], size[1], size[2], flags, 2);
    }
  }
}

void productsThatATeamSharesAgreeWithALoop() {
  struct Case {
    uint32_t batch, m, n, k;
    uint64_t cpu::MatmulCut::*cut;  // the dimension that this shape has cut
  };
  for (const Case& c : {Case{1, 600, 40, 64, &cpu::MatmulCut::m}, Case{1, 8, 601, 90, &cpu::MatmulCut::n},
                        Case{1, 9, 5, 5001, &cpu::MatmulCut::k}, Case{8, 16, 16, 70, &cpu::MatmulCut::batch}}) {
    for (int threads : {2, 3, 7}) {
      const cpu::MatmulCut cut = cpu::cutMatmul(c.batch, c.m, c.n, c.k, threads);
      CHECK(cut.*c.cut > 1 && cut.parts() <= static_cast<uint64_t>(threads), "[%u %u %u]", c.m, c.n, c.k);
      for (int flags : {0, 1, 2, 3, 4, 8, 16 + 32}) checkProduct(c.batch, c.m, c.n, c.k, flags, threads);
    }
  }
}

// So that no part is empty.
void aCutNeverHasMoreThanThereIs() {
  for (uint64_t batch : {1u, 2u, 16u}) {
    for (uint64_t m : {1u, 7u, 64u, 1000u}) {
      for (uint64_t n : {1u, 30u, 512u}) {
        for (uint64_t k : {1u, 100u, 4096u}) {
          for (int threads : {1, 2, 3, 8, 64}) {
            const cpu::MatmulCut cut = cpu::cutMatmul(batch, m, n, k, threads);
            CHECK(cut.parts() >= 1 && cut.parts() <= static_cast<uint64_t>(threads), "parts");
            CHECK(cut.batch <= batch && cut.m <= m && cut.n <= n && cut.k <= k, "%lu × [%lu %lu %lu]", batch, m, n, k);
          }
        }
      }
    }
  }
}

void aLargeBatchWithASharedOperandIsRight() {
  const uint32_t batch = 4, m = 200, n = 64, k = 96;
  for (bool transposeA : {false, true}) {
    ProgramBuilder builder;
    const At a = builder.input(DType::f32, m * k), b = builder.input(DType::f32, batch * k * n),
             dst = builder.allocate(batch * m * n);
    builder.matmul(batch, m, n, k, transposeA, false, a, 0, b, k * n, dst);
    builder.output(DType::f32, batch * m * n, dst);
    const Floats valuesA = integers(m * k, 1), valuesB = integers(batch * k * n, 2);
    Run run(builder, 2);
    run.bind(valuesA).bind(valuesB).go();
    const Floats found = run.output(0);
    bool equal = true;
    for (uint32_t i = 0; i < batch * m * n; ++i) {
      const uint32_t z = i / (m * n), row = i / n % m, column = i % n;
      double sum = 0;
      for (uint32_t j = 0; j < k; ++j)
        sum += valuesA[transposeA ? j * m + row : row * k + j] * valuesB[(z * k + j) * n + column];
      equal = equal && found[i] == sum;
    }
    CHECK(equal, "transposeA %d", transposeA);
  }
}

void rowsAreGatheredAndScattered() {
  for (uint32_t width : {1u, 3u, 16u, 65u}) {
    for (int threads : {1, 2, 3}) {
      const uint32_t rows = 37, count = 900;
      std::mt19937 random(width);
      std::vector<int32_t> indices(count);
      for (int32_t& index : indices) index = static_cast<int32_t>(random() % rows);
      indices[0] = 0;
      indices[1] = rows - 1;
      const Floats table = normals(rows * width, 1), updates = normals(count * width, 2);
      ProgramBuilder builder;
      const At atTable = builder.input(DType::f32, rows * width), atIndices = builder.input(DType::i32, count);
      const At atUpdates = builder.input(DType::f32, count * width), gathered = builder.allocate(count * width);
      const At scattered = builder.allocate(rows * width);
      builder.gather(rows, width, count, atTable, atIndices, gathered);
      builder.scatterAdd(rows, width, count, atIndices, atUpdates, scattered);
      builder.output(DType::f32, count * width, gathered);
      builder.output(DType::f32, rows * width, scattered);
      Floats expectedRows(count * width), expectedSums(rows * width);
      for (uint32_t i = 0; i < count; ++i) {
        for (uint32_t j = 0; j < width; ++j) {
          expectedRows[i * width + j] = table[indices[i] * width + j];
          expectedSums[indices[i] * width + j] += updates[i * width + j];  // in order of i: equal bits
        }
      }
      Run run(builder, threads);
      run.bind(table).bind(indices).bind(updates);
      for (int again = 0; again < 2; ++again) {  // the sums start from zero each time
        run.go();
        CHECK(run.output(0) == expectedRows, "gather, width %u, %d threads", width, threads);
        CHECK(sameBits(run.output(1), expectedSums), "scatter-add, width %u, %d threads", width, threads);
      }
    }
  }
}

void anIndexOutsideItsTableIsAnError() {
  for (int32_t bad : {-1, 5, INT32_MAX, INT32_MIN}) {
    for (bool scatter : {false, true}) {
      ProgramBuilder builder;
      const At values = builder.input(DType::f32, 20), indices = builder.input(DType::i32, 4),
               dst = builder.allocate(20);
      if (scatter) {
        builder.scatterAdd(5, 4, 4, indices, values, dst);
      } else {
        builder.gather(5, 4, 4, values, indices, dst);
      }
      Run run(builder, 1);
      run.bind(integers(20, 1)).bind(std::vector<int32_t>{0, 4, bad, 1});
      const std::string message = messageOf<cpu::ExecutionError>([&] { run.go(); });
      CHECK(contains(message, "instruction 0") && contains(message, "from 0 to 4") &&
                contains(message, std::to_string(bad).c_str()) && contains(message, "position 2"),
            "message: %s", message.c_str());
    }
  }
}

void iotaCountsAlongItsAxis() {
  for (DType dtype : {DType::f32, DType::i32}) {
    ProgramBuilder builder;
    const At dst = builder.allocate(3 * 5 * 2);
    builder.iota(dtype, 3, 5, 2, dst);
    builder.output(dtype, 30, dst);
    Run run(builder, 2);
    run.go();
    for (uint32_t i = 0; i < 30; ++i) {
      const double found = dtype == DType::f32 ? run.output(0)[i] : run.output<int32_t>(0)[i];
      CHECK(found == i / 2 % 5, "element %u: %g", i, found);
    }
  }
}

void misuseIsAnError() {
  ProgramBuilder builder;
  const At x = builder.input(DType::f32, 10);
  builder.input(DType::f64, 2);
  builder.output(DType::f32, 5, {x.space, 3});
  const Words words = builder.words();
  cpu::Executor executor(decode(bytesOf(words), words.size() * 4), 1);
  Floats data(20);
  CHECK(contains(messageOf<cpu::ExecutionError>([&] { executor.output(0); }), "before"), "output before a run");
  CHECK(executor.run({data.data(), data.data() + 1}, nullptr), "a run");
  CHECK(executor.output(0) == data.data() + 3, "an output may be a part of an input");
  CHECK(contains(messageOf<std::invalid_argument>([&] { cpu::Executor(decode(bytesOf(words), words.size() * 4), 0); }),
                 "1 thread"),
        "threads");
  cpu::Executor wide(decode(bytesOf(words), words.size() * 4), 3);
  Team two(2);
  CHECK(contains(messageOf<std::invalid_argument>([&] {
                   wide.run({data.data(), data.data() + 1}, &two);
                 }),
                 "a team of at least 3 threads, received 2"),
        "team");
}

void anotherBindingIsReadOnTheNextRun() {
  ProgramBuilder builder;
  const At x = builder.input(DType::f32, 64), w = builder.input(DType::f32, 64), dst = builder.allocate(64),
           sum = builder.allocate(2);
  builder.matmul(1, 8, 8, 8, false, false, x, 0, w, 0, dst);
  builder.mapSum({64}, {{DType::f32, dst, {1}}}, {}, 0, sum);
  builder.output(DType::f64, 1, sum);
  const Words words = builder.words();
  cpu::Executor executor(decode(bytesOf(words), words.size() * 4), 1);
  const Floats ones(64, 1.0f), twos(64, 2.0f);
  for (const Floats* a : {&ones, &twos, &ones}) {
    executor.run({a->data(), ones.data()}, nullptr);
    CHECK(*static_cast<const double*>(executor.output(0)) == 512 * (*a)[0], "sum");
  }
}

void anAbortStopsBeforeTheNextKernel() {
  ProgramBuilder builder;
  const At dst = builder.allocate(4);
  builder.iota(DType::f32, 1, 4, 1, dst);
  builder.output(DType::f32, 4, dst);
  Run run(builder, 1);
  std::atomic<bool> aborted{true};
  CHECK(!run.go(&aborted), "aborted");
  CHECK(run.output(0) == Floats(4, 0.0f), "nothing ran");
  aborted = false;
  CHECK(run.go(&aborted), "not aborted");
  CHECK((run.output(0) == Floats{0, 1, 2, 3}), "it ran");
}

void theCallersTeamSizeIsLeftAsItWas() {
  ProgramBuilder builder;
  const At x = builder.input(DType::f32, 256 * 256), dst = builder.allocate(256 * 256);
  builder.matmul(1, 256, 256, 256, false, false, x, 0, x, 0, dst);
  builder.matmul(1, 4, 4, 4, false, false, x, 0, x, 0, dst);
  omp_set_num_threads(3);
  Run run(builder, 2);
  run.bind(integers(256 * 256, 1)).go();
  CHECK(omp_get_max_threads() == 3, "%d", omp_get_max_threads());
}

}  // namespace

int main() {
  reductionsAgreeWithALoop();
  reductionsGiveTheSameBitsForAnyNumberOfThreads();
  aRowGivesTheSameBitsWhereverItStands();
  aMaximumKeepsNaN();
  productsAgreeWithALoop();
  productsThatATeamSharesAgreeWithALoop();
  aCutNeverHasMoreThanThereIs();
  aLargeBatchWithASharedOperandIsRight();
  rowsAreGatheredAndScattered();
  anIndexOutsideItsTableIsAnError();
  iotaCountsAlongItsAxis();
  misuseIsAnError();
  anotherBindingIsReadOnTheNextRun();
  anAbortStopsBeforeTheNextKernel();
  theCallersTeamSizeIsLeftAsItWas();
  return summary("executor_ops_test");
}
