#include "cpu/sums.h"

#include <vector>

namespace zeroth {
namespace {

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
  std::vector<Sums> parts(chunksOf(count));
  parallelChunks(team, count, [&](size_t chunk, size_t begin, size_t end) {
    parts[chunk] = sumsOfChunk(values + begin, end - begin);
  });
  Sums total;
  for (const Sums& part : parts) {
    total.sum += part.sum;
    total.squares += part.squares;
  }
  return total;
}

}  // namespace zeroth
