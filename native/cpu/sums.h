// Sums over a vector of f32, in f64.
#pragma once
#include <cstddef>

#include "backend.h"

namespace zeroth {

// The order of the additions, and so every bit, is the same for any number of threads and any instruction set.
Sums sums(const float* values, size_t count, int threads);

}  // namespace zeroth
