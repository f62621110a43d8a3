#include "direction/kernel.h"
#include "direction/vector.neon.h"

namespace zeroth {

void fillBlocksNeon(const Direction& direction, uint64_t firstBlock, size_t blocks, float* out) {
  fillBlocks<NeonLane>(direction, firstBlock, blocks, out);
}

}  // namespace zeroth
