#include "cpu/matmul_shares.h"

#include <algorithm>
#include <limits>

namespace zeroth::cpu {

namespace {

// Costs in multiply-adds that a core makes in the time, as measured with oneDNN's kernels for AVX-512.
constexpr double kMoved = 8;      // an operand's element copied into the order of the inner loop
constexpr double kPartial = 64;   // an element of a partial sum written and read again
constexpr double kWoken = 20000;  // one more member told to begin
constexpr uint64_t kRows = 8;     // the inner loop's tile of the result: narrower parts take as long
constexpr uint64_t kColumns = 32;
constexpr uint64_t kLeastDepth = 512;  // a part of the sum is at least so long

uint64_t ceilDivide(uint64_t a, uint64_t b) { return (a + b - 1) / b; }
double roundUp(uint64_t a, uint64_t unit) { return static_cast<double>(ceilDivide(a, unit) * unit); }

double cost(const MatmulCut& cut, uint64_t batch, uint64_t m, uint64_t n, uint64_t k) {
  const auto products = static_cast<double>(ceilDivide(batch, cut.batch));
  const double rows = roundUp(ceilDivide(m, cut.m), kRows), columns = roundUp(ceilDivide(n, cut.n), kColumns);
  const auto depth = static_cast<double>(ceilDivide(k, cut.k));
  double one = rows * columns * depth + kMoved * depth * (rows + columns);
  if (cut.k > 1) {
    one += kPartial * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(cut.k + 1) /
           static_cast<double>(cut.parts());
  }
  return products * one + kWoken * static_cast<double>(cut.parts());
}

}  // namespace

MatmulCut cutMatmul(uint64_t batch, uint64_t m, uint64_t n, uint64_t k, int threads) {
  const auto most = static_cast<uint64_t>(std::max(threads, 1));
  MatmulCut best;
  double least = std::numeric_limits<double>::infinity();
  const auto consider = [&](const MatmulCut& cut) {
    const double price = cost(cut, batch, m, n, k);
    if (price < least) {
      least = price;
      best = cut;
    }
  };
  for (uint64_t b = 1; b <= std::min(most, batch); ++b) {
    for (uint64_t rows = 1; rows <= std::min(most / b, m); ++rows) {
      for (uint64_t columns = 1; columns <= std::min(most / b / rows, n); ++columns) {
        consider({b, rows, columns, 1});
        const uint64_t depth = std::min(most / b / rows / columns, k / kLeastDepth);
        if (depth > 1) consider({b, rows, columns, depth});
      }
    }
  }
  return best;
}

}  // namespace zeroth::cpu
