// Sums over a vector of f32, in f64.
#pragma once
#include <cstddef>

#include "backend.h"
#include "thread/team.h"

namespace zeroth {

// The order of the additions, and so every bit, is the same for any team (null: the calling thread alone) and any
// instruction set.
Sums sums(const float* values, size_t count, Team* team);

}  // namespace zeroth
