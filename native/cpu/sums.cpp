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

Sums sums(const float* values, size_t count, Team* team) {
  const size_t chunks = (count + kChunk - 1) / kChunk;
  std::vector<Sums> parts(chunks);
  const size_t threads = team == nullptr ? 1 : static_cast<size_t>(team->size());
  parallelShares(team, chunks, static_cast<int>(std::min(chunks, threads)), [&](size_t chunk, size_t end, int) {
    for (; chunk < end; ++chunk) {
      const size_t begin = chunk * kChunk;
      parts[chunk] = sumsOfChunk(values + begin, std::min(kChunk, count - begin));
    }
  });
  Sums total;
  for (const Sums& part : parts) {
    total.sum += part.sum;
    total.squares += part.squares;
  }
  return total;
}

}  // namespace zeroth
