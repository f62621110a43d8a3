// CUDA kernels on the host: the threads of a launch one after the other, in the order that the caller says. For kernels
// whose threads do not wait for each other.
#pragma once
#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>
#include <vector>

#include "cuda/platform.h"

namespace zeroth::cuda {

inline thread_local Index3 gridDim, blockDim, blockIdx, threadIdx;

constexpr float kPoison = -12345.0f;

// Numbers that begin at a multiple of 16 bytes, with some beside them that nobody may touch.
class Vector {
 public:
  explicit Vector(const std::vector<float>& values) : count_(values.size()), lines_(count_ / 4 + 2 * kMargin + 1) {
    for (Line& line : lines_) std::fill(line.numbers, line.numbers + 4, kPoison);
    std::copy(values.begin(), values.end(), data());
  }
  explicit Vector(size_t count) : Vector(std::vector<float>(count, kPoison)) {}

  float* data() { return lines_[kMargin].numbers; }

  // To the bit, and nothing else has changed.
  bool holds(const std::vector<float>& expected) {
    std::vector<float> all(lines_.size() * 4, kPoison);
    std::copy(expected.begin(), expected.end(), all.begin() + 4 * kMargin);
    return expected.size() == count_ && std::memcmp(all.data(), lines_[0].numbers, all.size() * sizeof(float)) == 0;
  }

 private:
  static constexpr size_t kMargin = 16;  // lines
  struct alignas(16) Line {
    float numbers[4];
  };
  size_t count_;
  std::vector<Line> lines_;
};

// A kernel that depends on the order of its threads gives other results in one of these.
enum class Order { forward, reverse, shuffled };
constexpr Order kOrders[] = {Order::forward, Order::reverse, Order::shuffled};

inline std::vector<uint64_t> threadsIn(Order order, uint64_t threads) {
  std::vector<uint64_t> list(threads);
  std::iota(list.begin(), list.end(), uint64_t{0});
  if (order == Order::reverse) std::reverse(list.begin(), list.end());
  if (order == Order::shuffled) {
    uint64_t state = threads;
    for (uint64_t i = threads; i > 1; --i) {  // Fisher and Yates, by Knuth's linear congruential numbers
      state = state * 6364136223846793005u + 1442695040888963407u;
      std::swap(list[i - 1], list[(state >> 33) % i]);
    }
  }
  return list;
}

template <class Kernel, class... Arguments>
void launch(Order order, Kernel kernel, uint32_t grid, uint32_t block, const Arguments&... arguments) {
  gridDim = {grid, 1, 1};
  blockDim = {block, 1, 1};
  for (uint64_t thread : threadsIn(order, uint64_t{grid} * block)) {
    blockIdx = {static_cast<uint32_t>(thread / block), 0, 0};
    threadIdx = {static_cast<uint32_t>(thread % block), 0, 0};
    kernel(arguments...);
  }
}

}  // namespace zeroth::cuda
