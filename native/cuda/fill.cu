#include "cuda/fill.cuh"

namespace zeroth::cuda {

template __global__ void fillBlocks<Distribution::normal>(Direction, uint64_t, uint64_t, float, float*);
template __global__ void fillBlocks<Distribution::uniform>(Direction, uint64_t, uint64_t, float, float*);

}  // namespace zeroth::cuda
