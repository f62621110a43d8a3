// How a matrix product is divided among the members of a team.
#pragma once
#include <cstddef>
#include <cstdint>

namespace zeroth::cpu {

// Parts into which each dimension is cut; `k` parts are partial sums.
struct MatmulCut {
  uint64_t batch = 1, m = 1, n = 1, k = 1;
  uint64_t parts() const { return batch * m * n * k; }
};

// The cut of at most `threads` parts whose largest part is done soonest.
MatmulCut cutMatmul(uint64_t batch, uint64_t m, uint64_t n, uint64_t k, int threads);

}  // namespace zeroth::cpu
