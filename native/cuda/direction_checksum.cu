// A stand-alone program: makes the stretches of direction/checksum.h on the GPU, holds every element to the bits that
// the same header yields on the host, and prints the checksums, which direction_checksum_test prints (and has on
// record) for the CPU. Build: nvcc -O2 -std=c++17 -Xcompiler -ffp-contract=off -I native
// native/cuda/direction_checksum.cu
#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "direction/checksum.h"

namespace {

__global__ void fillDirection(zeroth::Direction direction, uint64_t first, size_t count, float* out) {
  const size_t stride = static_cast<size_t>(gridDim.x) * blockDim.x;
  for (size_t i = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += stride) {
    out[i] = zeroth::directionElement(direction, first + i);
  }
}

void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  std::fprintf(stderr, "direction_checksum: %s failed: %s. This program needs an NVIDIA GPU and its driver.\n", what,
               cudaGetErrorString(status));
  std::exit(EXIT_FAILURE);
}

}  // namespace

int main() {
  int devices = 0;
  check(cudaGetDeviceCount(&devices), "looking for a CUDA device");
  if (devices == 0) {
    std::fprintf(stderr, "direction_checksum: no CUDA device found. This program needs an NVIDIA GPU.\n");
    return EXIT_FAILURE;
  }
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, 0), "reading the device's properties");
  std::fprintf(stderr, "device: %s, compute capability %d.%d\n", properties.name, properties.major, properties.minor);

  size_t differences = 0;
  for (const zeroth::ChecksumCase& stretch : zeroth::checksumCases) {
    float* onDevice = nullptr;
    const size_t bytes = stretch.count * sizeof(float);
    check(cudaMalloc(&onDevice, bytes), "allocating device memory");
    fillDirection<<<512, 256>>>(stretch.direction, stretch.first, stretch.count, onDevice);
    check(cudaGetLastError(), "launching the kernel");
    std::vector<float> z(stretch.count);
    check(cudaMemcpy(z.data(), onDevice, bytes, cudaMemcpyDeviceToHost), "running the kernel and reading its result");
    check(cudaFree(onDevice), "freeing device memory");
    std::printf("%s\n", zeroth::checksumLine(stretch, zeroth::checksumOf(z.data(), z.size())).c_str());

    for (size_t i = 0; i < stretch.count; ++i) {
      const float expected = zeroth::directionElement(stretch.direction, stretch.first + i);
      if (std::memcmp(&expected, &z[i], sizeof expected) == 0) continue;
      if (differences++ < 5) {
        std::fprintf(stderr, "element %zu: %a on the device, %a on the host\n", i, z[i], expected);
      }
    }
  }
  if (differences > 0) {
    std::fprintf(stderr, "direction_checksum: %zu elements differ between device and host\n", differences);
    return EXIT_FAILURE;
  }
  std::fprintf(stderr, "every element has the same bits on device and host\n");
  return EXIT_SUCCESS;
}
