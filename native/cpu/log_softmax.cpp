// LOG_SOFTMAX: x − log Σ exp(x) of each row, in one pass over memory. Rows are many to a tile, and each step goes
// through all of them, so that no loop is as short as a short row.
#include <algorithm>

#include "cpu/kernel.h"
#include "cpu/tile_kernels.h"

namespace zeroth::cpu {

namespace {

constexpr size_t kTile = 1024;  // elements
constexpr size_t kShort = 128;  // rows up to here are gone through column by column: they do not wait for one another

class LogSoftmaxKernel : public Kernel {
 public:
  LogSoftmaxKernel(const LogSoftmax& softmax, int threads)
      : softmax_(softmax),
        rowsOfTile_(std::max<size_t>(1, kTile / softmax.width)),
        tiles_((softmax.rows + rowsOfTile_ - 1) / rowsOfTile_),
        threads_(threadsFor(1.0 * softmax.rows * softmax.width, tiles_, threads)),
        exp_(tileKernels().op(MapOpcode::exp, 0)),
        log_(tileKernels().op(MapOpcode::log, 0)),
        subtract_(tileKernels().op(MapOpcode::sub, 2)) {}

  void run(const Context& context) override {
    const float* src = context.at<const float>(softmax_.src);
    float* dst = context.at<float>(softmax_.dst);
    parallelShares(context.team, tiles_, threads_, [&](size_t begin, size_t end, int) {
      for (size_t tile = begin; tile < end; ++tile) {
        const size_t first = tile * rowsOfTile_, at = first * softmax_.width;
        rows(src + at, dst + at, std::min<size_t>(rowsOfTile_, softmax_.rows - first));
      }
    });
  }

 private:
  void rows(const float* x, float* y, size_t count) const {
    float numbers[kTile];  // one a row: its largest element, then the logarithm of its sum
    double sums[kTile] = {};
    largest(x, numbers, count);
    subtract(y, x, numbers, count);
    // A row that is wider than a tile comes in pieces.
    for (size_t i = 0, all = count * softmax_.width; i < all; i += kTile) {
      const size_t elements = std::min(kTile, all - i);
      float powers[kTile];
      const float* shifted = y + i;
      exp_(powers, &shifted, elements, 0);
      add(sums, powers, count, std::min<size_t>(softmax_.width, elements));
    }
    std::copy(sums, sums + count, numbers);
    const float* totals = numbers;
    log_(numbers, &totals, count, 0);
    subtract(y, y, numbers, count);
  }

  // Where a row has a NaN, this may be another number: the sum is NaN all the same.
  void largest(const float* x, float* most, size_t count) const {
    const size_t width = softmax_.width;
    if (width > kShort) {
      for (size_t r = 0; r < count; ++r) most[r] = tileKernels().max(x + r * width, width);
      return;
    }
    for (size_t r = 0; r < count; ++r) most[r] = x[r * width];
    for (size_t j = 1; j < width; ++j) {
      for (size_t r = 0; r < count; ++r) {
        const float element = x[r * width + j];
        most[r] = element > most[r] ? element : most[r];
      }
    }
  }

  // y = x − a number a row.
  void subtract(float* y, const float* x, const float* numbers, size_t count) const {
    const size_t width = softmax_.width;
    for (size_t r = 0; r < count; ++r) {
      if (width > kShort) {
        const float* operands[] = {x + r * width, numbers + r};
        subtract_(y + r * width, operands, width, 0);
      } else {
        for (size_t j = 0; j < width; ++j) y[r * width + j] = x[r * width + j] - numbers[r];
      }
    }
  }

  static void add(double* sums, const float* powers, size_t count, size_t width) {
    if (width > kShort) {
      for (size_t r = 0; r < count; ++r) {
        double lanes[16] = {};
        tileKernels().sum(lanes, powers + r * width, width);
        for (double lane : lanes) sums[r] += lane;
      }
      return;
    }
    for (size_t j = 0; j < width; ++j) {
      for (size_t r = 0; r < count; ++r) sums[r] += powers[r * width + j];
    }
  }

  LogSoftmax softmax_;
  size_t rowsOfTile_, tiles_;
  int threads_;
  TileOp exp_, log_, subtract_;
};

}  // namespace

KernelRef prepare(const LogSoftmax& softmax, int threads) {
  return std::make_unique<LogSoftmaxKernel>(softmax, threads);
}

}  // namespace zeroth::cpu
