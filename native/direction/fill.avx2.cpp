#include "direction/kernel.h"
#include "direction/vector.avx2.h"

namespace zeroth {

void fillBlocksAvx2(const Direction& direction, uint64_t firstBlock, size_t blocks, float* out) {
  fillBlocks<Avx2Lane>(direction, firstBlock, blocks, out);
}

}  // namespace zeroth
