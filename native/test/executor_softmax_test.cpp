// LOG_SOFTMAX against a loop in f64, at the ends of f32, and for any number of threads.
#include "executor_test_support.h"

using namespace zeroth;
using namespace zeroth::test;

namespace {

Floats logSoftmax(const Floats& values, uint32_t rows, uint32_t width, int threads) {
  ProgramBuilder builder;
  const At x = builder.input(DType::f32, rows * width), dst = builder.allocate(rows * width);
  builder.add(LogSoftmax{rows, width, dst, x});
  builder.output(DType::f32, rows * width, dst);
  Run run(builder, threads);
  run.bind(values).go();
  return run.output(0);
}

// Rows of every length around those where the kernel goes another way, and numbers of rows that fill no tile.
const std::vector<uint32_t> kWidths = {1,  2,  3,  4,   5,   10,  15,  16,  17,   31,   32,   33,  63,
                                       64, 65, 96, 127, 128, 129, 255, 512, 1023, 1024, 1025, 3000};

void rowsAgreeWithALoop() {
  for (uint32_t width : kWidths) {
    for (uint32_t rows : {1u, 2u, 7u, 70u}) {
      Floats values = normals(rows * width, width);
      for (size_t i = 0; i < values.size(); ++i)
        values[i] = values[i] * (1 + i / width % 5) + (i / width % 3) * 1000.0f;
      const Floats found = logSoftmax(values, rows, width, 1);
      double worst = 0;
      for (uint32_t r = 0; r < rows; ++r) {
        const float* x = values.data() + r * width;
        double most = x[0], sum = 0;
        for (uint32_t j = 0; j < width; ++j) most = std::fmax(most, x[j]);
        for (uint32_t j = 0; j < width; ++j) sum += std::exp(x[j] - most);
        for (uint32_t j = 0; j < width; ++j) {
          const double expected = x[j] - most - std::log(sum);
          worst = std::fmax(worst, std::fabs(found[r * width + j] - expected) / (1 + std::fabs(expected)));
        }
      }
      CHECK(worst < 3e-7, "%u rows of %u: %g", rows, width, worst);
    }
  }
}

void itGivesTheSameBitsForAnyNumberOfThreads() {
  for (uint32_t width : {3u, 10u, 64u, 200u, 5000u}) {
    const uint32_t rows = 200000 / width;
    const Floats values = wide(rows * width, 5), one = logSoftmax(values, rows, width, 1);
    for (int threads : {2, 3, 7}) {
      CHECK(sameBits(one, logSoftmax(values, rows, width, threads)), "rows of %u, %d threads", width, threads);
    }
  }
}

// What one row holds reaches no other.
void whatIsNoNumberStaysInItsRow() {
  const float inf = INFINITY, most = 3.4028235e38f;
  for (uint32_t width : kWidths) {
    if (width < 3) continue;
    const Floats row = normals(width, 9);
    const Floats alone = logSoftmax(row, 1, width, 1);
    for (float odd : {NAN, inf, -inf, most, -most}) {
      for (uint32_t place : {0u, 1u, width - 1}) {
        Floats values;
        for (int copy = 0; copy < 3; ++copy) values.insert(values.end(), row.begin(), row.end());
        values[width + place] = odd;
        const Floats found = logSoftmax(values, 3, width, 1);
        CHECK(sameBits(Floats(found.begin(), found.begin() + width), alone), "the row before, width %u", width);
        CHECK(sameBits(Floats(found.end() - width, found.end()), alone), "the row after, width %u", width);
        const float there = found[width + place], elsewhere = found[width + (place == 0 ? 1 : 0)];
        if (std::isnan(odd)) CHECK(std::isnan(there) && std::isnan(elsewhere), "NaN, width %u", width);
        if (odd == inf) CHECK(std::isnan(there), "∞ − ∞, width %u", width);
        if (odd == -inf) CHECK(there == -inf && std::isfinite(elsewhere), "−∞ of a possible class, width %u", width);
        if (odd == most) CHECK(there == 0 && elsewhere == -most, "the largest number: %g %g", there, elsewhere);
        if (odd == -most) CHECK(there == -most && std::isfinite(elsewhere), "the least: %g %g", there, elsewhere);
      }
    }
  }
}

}  // namespace

int main() {
  rowsAgreeWithALoop();
  itGivesTheSameBitsForAnyNumberOfThreads();
  whatIsNoNumberStaysInItsRow();
  return summary("executor_softmax_test");
}
