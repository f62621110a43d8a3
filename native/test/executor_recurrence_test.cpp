// RECURRENCE against a loop in f64, in both directions and for any number of threads.
#include "executor_test_support.h"

using namespace zeroth;
using namespace zeroth::test;

namespace {

Floats recurrence(const Floats& a, const Floats& b, const Floats& start, bool reverse, int threads) {
  const uint32_t width = static_cast<uint32_t>(start.size()), rows = static_cast<uint32_t>(a.size() / width);
  ProgramBuilder builder;
  const At atA = builder.input(DType::f32, rows * width), atB = builder.input(DType::f32, rows * width),
           atStart = builder.input(DType::f32, width), dst = builder.allocate(rows * width);
  builder.add(Recurrence{rows, width, reverse, atA, atB, atStart, dst});
  builder.output(DType::f32, rows * width, dst);
  Run run(builder, threads);
  run.bind(a).bind(b).bind(start).go();
  return run.output(0);
}

void itAgreesWithALoop() {
  for (uint32_t width : {1u, 2u, 15u, 16u, 17u, 40u, 300u}) {
    for (uint32_t rows : {1u, 2u, 9u, 100u}) {
      for (bool reverse : {false, true}) {
        const Floats a = normals(rows * width, 1), b = normals(rows * width, 2), start = normals(width, 3);
        const Floats found = recurrence(a, b, start, reverse, 1);
        double worst = 0;
        for (uint32_t j = 0; j < width; ++j) {
          double state = start[j], size = std::fabs(start[j]);
          for (uint32_t step = 0; step < rows; ++step) {
            const uint32_t at = (reverse ? rows - 1 - step : step) * width + j;
            state = a[at] * state + b[at];
            size = std::fabs(a[at]) * size + std::fabs(b[at]);
            worst = std::fmax(worst, std::fabs(found[at] - state) / size);
          }
        }
        CHECK(worst < 1e-6, "%u rows of %u, reverse %d: %g", rows, width, reverse, worst);
      }
    }
  }
}

void itGivesTheSameBitsForAnyNumberOfThreads() {
  for (uint32_t width : {3u, 33u, 64u, 1000u}) {
    const uint32_t rows = 300000 / width;
    const Floats a = wide(rows * width, 5), b = wide(rows * width, 6), start = wide(width, 7);
    for (bool reverse : {false, true}) {
      const Floats one = recurrence(a, b, start, reverse, 1);
      for (int threads : {2, 3, 7})
        CHECK(sameBits(one, recurrence(a, b, start, reverse, threads)), "rows of %u, %d threads", width, threads);
    }
  }
}

}  // namespace

int main() {
  itAgreesWithALoop();
  itGivesTheSameBitsForAnyNumberOfThreads();
  return summary("executor_recurrence_test");
}
