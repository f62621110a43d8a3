#include "cuda/update.cuh"

namespace zeroth::cuda {

template __global__ void updateBlocks<Distribution::normal, MomentumRule>(Stream, MomentumRule, uint64_t, const float*,
                                                                          float*);
template __global__ void updateBlocks<Distribution::normal, AdamRule>(Stream, AdamRule, uint64_t, const float*, float*);

}  // namespace zeroth::cuda
