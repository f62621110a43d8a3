// What kernels are written in: CUDA's own words where nvcc compiles them, and a host's that mean the same where a C++
// compiler does, which is how they are tested without a GPU (test/cuda_host.h).
#pragma once
#include <cstdint>

#if defined(__CUDACC__)
#define ZEROTH_UNROLL _Pragma("unroll")
#else
#define ZEROTH_UNROLL
#define __global__ inline
#define __launch_bounds__(threads)

namespace zeroth::cuda {
struct Index3 {
  uint32_t x = 1, y = 1, z = 1;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
// Of the thread that runs.
extern thread_local Index3 gridDim, blockDim, blockIdx, threadIdx;
}  // namespace zeroth::cuda
#endif

#include "random/lane.h"

namespace zeroth::cuda {

// Accesses of 16 bytes, which are aligned to as many.
ZEROTH_HD void store4(float* to, float4 values) {
#if defined(__CUDA_ARCH__)
  __stwb(reinterpret_cast<float4*>(to), values);  // an assignment, nvcc may take apart
#else
  *reinterpret_cast<float4*>(to) = values;
#endif
}

ZEROTH_HD float4 load4(const float* from) { return *reinterpret_cast<const float4*>(from); }

}  // namespace zeroth::cuda
