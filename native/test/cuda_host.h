// CUDA kernels on the host: the threads of a launch one after the other, in the order that the caller says. For kernels
// whose threads do not wait for each other.
#pragma once
#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "cuda/platform.h"

namespace zeroth::cuda {

inline thread_local Index3 gridDim, blockDim, blockIdx, threadIdx;

// A kernel that depends on the order of its threads gives other results in one of these.
enum class Order { forward, reverse, shuffled };

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
