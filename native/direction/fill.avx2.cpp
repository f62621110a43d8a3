#include "direction/kernel.h"
#include "direction/vector.avx2.h"

namespace zeroth {

namespace {

void fill(const Direction& direction, uint64_t firstBlock, size_t blocks, float* out) {
  fillBlocks<Avx2Lane>(direction, firstBlock, blocks, out);
}

void keep(const Mask& mask, uint64_t firstBlock, size_t blocks, float* out) {
  keepBlocks<Avx2Lane>(mask, firstBlock, blocks, out);
}

}  // namespace

const DirectionKernels directionKernelsAvx2 = {fill, keep};

}  // namespace zeroth
