#include "direction/kernel.h"
#include "direction/vector.avx512.h"

namespace zeroth {

namespace {

void fill(const Direction& direction, uint64_t firstBlock, size_t blocks, float* out) {
  fillBlocks<Avx512Lane>(direction, firstBlock, blocks, out);
}

void keep(const Mask& mask, uint64_t firstBlock, size_t blocks, float* out) {
  keepBlocks<Avx512Lane>(mask, firstBlock, blocks, out);
}

}  // namespace

const DirectionKernels directionKernelsAvx512 = {fill, keep};

}  // namespace zeroth
