#include "cuda/perturb.cuh"

namespace zeroth::cuda {

template __global__ void perturbBlocks<Distribution::normal, 1>(Streams<1>, uint64_t, const float*, float*);
template __global__ void perturbBlocks<Distribution::normal, 2>(Streams<2>, uint64_t, const float*, float*);
template __global__ void perturbBlocks<Distribution::uniform, 1>(Streams<1>, uint64_t, const float*, float*);

}  // namespace zeroth::cuda
