#include "cpu/sums.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace zeroth {
namespace {

constexpr size_t kChunk = 1 << 16;
// Independent chains of additions: a vector register or several, whatever the instruction set.
constexpr size_t kLanes = 16;

Sums sumsOfChunk(const float* values, size_t count) {
  double sum[kLanes] = {}, squares[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const double value = values[i + lane];
      sum[lane] += value;
      squares[lane] += value * value;
    }
  }
  for (size_t lane = 0; i + lane < count; ++lane) {
    const double value = values[i + lane];
    sum[lane] += value;
    squares[lane] += value * value;
  }
  Sums total;
  for (size_t lane = 0; lane < kLanes; ++lane) {
    total.sum += sum[lane];
    total.squares += squares[lane];
  }
  return total;
}

}  // namespace

Sums sums(const float* values, size_t count, int threads) {
  const size_t chunks = (count + kChunk - 1) / kChunk;
  std::vector<Sums> parts(chunks);
#pragma omp parallel for schedule(static) num_threads(threads) if (chunks > 1)
  for (int64_t chunk = 0; chunk < static_cast<int64_t>(chunks); ++chunk) {
    const size_t begin = static_cast<size_t>(chunk) * kChunk;
    parts[static_cast<size_t>(chunk)] = sumsOfChunk(values + begin, std::min(kChunk, count - begin));
  }
  Sums total;
  for (const Sums& part : parts) {
    total.sum += part.sum;
    total.squares += part.squares;
  }
  return total;
}

}  // namespace zeroth
