// RECURRENCE: h_t = a_t h_{t−1} + b_t. Columns do not know of each other, so a thread takes some of them through all
// rows.
#include <algorithm>

#include "cpu/kernel.h"

namespace zeroth::cpu {

namespace {

constexpr size_t kColumns = 16;  // a cache line: what two threads write does not meet in one

class RecurrenceKernel : public Kernel {
 public:
  RecurrenceKernel(const Recurrence& recurrence, int threads)
      : recurrence_(recurrence),
        pieces_((recurrence.width + kColumns - 1) / kColumns),
        threads_(threadsFor(0.3 * recurrence.rows * recurrence.width, pieces_, threads)) {}

  void run(const Context& context) override {
    const size_t rows = recurrence_.rows, width = recurrence_.width;
    const float* a = context.at<const float>(recurrence_.a);
    const float* b = context.at<const float>(recurrence_.b);
    const float* start = context.at<const float>(recurrence_.start);
    float* dst = context.at<float>(recurrence_.dst);
    parallelShares(context.team, pieces_, threads_, [&](size_t firstPiece, size_t endPiece, int) {
      const size_t first = firstPiece * kColumns, end = std::min(width, endPiece * kColumns);
      const float* before = start;
      for (size_t step = 0; step < rows; ++step) {
        const size_t at = (recurrence_.reverse ? rows - 1 - step : step) * width;
        for (size_t j = first; j < end; ++j) dst[at + j] = a[at + j] * before[j] + b[at + j];
        before = dst + at;
      }
    });
  }

 private:
  Recurrence recurrence_;
  size_t pieces_;
  int threads_;
};

}  // namespace

KernelRef prepare(const Recurrence& recurrence, int threads) {
  return std::make_unique<RecurrenceKernel>(recurrence, threads);
}

}  // namespace zeroth::cpu
