// Outputs of programs on their way into buffers.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "thread/team.h"

namespace zeroth {

// Rows of `rowLength` of the `count` elements at `value` go to buffer[offset + row · rowStride], times weight.
struct Delivery {
  const float* value;
  uint64_t count;
  float* buffer;
  size_t offset, rowLength, rowStride;
  float weight;
  bool accumulate;
};

// Delivers all, in this order, wherever they go; the same bits for any team (null: the calling thread alone). None of
// the values lies where one goes.
void deliver(const std::vector<Delivery>& deliveries, Team* team);

}  // namespace zeroth
