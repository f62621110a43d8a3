#include "direction/kernel.h"
#include "direction/vector.avx512.h"

namespace zeroth {

void fillBlocksAvx512(const Direction& direction, uint64_t firstBlock, size_t blocks, float* out) {
  fillBlocks<Avx512Lane>(direction, firstBlock, blocks, out);
}

}  // namespace zeroth
