#include "direction/kernel.h"
#include "direction/vector.neon.h"

namespace zeroth {

namespace {

void fill(const Direction& direction, uint64_t firstBlock, size_t blocks, float* out) {
  fillBlocks<NeonLane>(direction, firstBlock, blocks, out);
}

void keep(const Mask& mask, uint64_t firstBlock, size_t blocks, float* out) {
  keepBlocks<NeonLane>(mask, firstBlock, blocks, out);
}

}  // namespace

const DirectionKernels directionKernelsNeon = {fill, keep};

}  // namespace zeroth
