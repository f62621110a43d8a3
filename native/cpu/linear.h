// Linear combinations of vectors and their scalar products, in f64, tile by tile.
#pragma once
#include <atomic>
#include <cstddef>
#include <vector>

#include "direction/isa.h"
#include "thread/team.h"

namespace zeroth {

// LinearOp with its vectors where they are.
struct LinearVectors {
  size_t count;
  std::vector<const float*> inputs;
  std::vector<float*> outputs;  // null: only its scalar products are wanted
  const double* coefficients;   // outputs × inputs
  const float* factor;          // may be null
  std::vector<const float*> with;
};

// Returns outputs × with scalar products. The order of the additions, and so every bit, is the same for any team (null:
// the calling thread alone) and any instruction set. `stopped` may be null; once it is up, what is returned is nothing.
std::vector<double> linear(const LinearVectors& op, Team* team, Isa isa, const std::atomic<bool>* stopped);

}  // namespace zeroth
