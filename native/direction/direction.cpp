#include "direction/direction.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

#include "direction/kernel.h"

namespace zeroth {
namespace {

void fillBlocksScalar(const Direction& direction, uint64_t firstBlock, size_t blocks, float* out) {
  fillBlocks<ScalarLane>(direction, firstBlock, blocks, out);
}

FillBlocks kernelOf(Isa isa) {
  checkIsa(isa, "fill");
  switch (isa) {
#if defined(__x86_64__)
    case Isa::avx2:
      return fillBlocksAvx2;
    case Isa::avx512:
      return fillBlocksAvx512;
#elif defined(__aarch64__)
    case Isa::neon:
      return fillBlocksNeon;
#endif
    default:
      return fillBlocksScalar;
  }
}

}  // namespace

void checkDirection(const Direction& direction, const char* caller) {
  if (static_cast<uint32_t>(direction.distribution) > static_cast<uint32_t>(Distribution::uniform)) {
    throw std::invalid_argument(std::string(caller) + ": expected a distribution from 0 to 2, received " +
                                std::to_string(static_cast<uint32_t>(direction.distribution)));
  }
}

void checkIsa(Isa isa, const char* caller) {
  static const std::vector<Isa> available = availableIsas();
  if (std::find(available.begin(), available.end(), isa) == available.end()) {
    throw std::invalid_argument(std::string(caller) + ": this machine cannot run " + isaName(isa));
  }
}

void fill(const Direction& direction, uint64_t first, size_t count, float* out, Isa isa) {
  checkDirection(direction, "fill");
  if (count == 0) return;
  if (count - 1 > UINT64_MAX - first) throw std::invalid_argument("fill: first + count exceeds 2^64 elements");
  const FillBlocks fillBlocks = kernelOf(isa);

  float partial[blockSize];
  uint64_t block = first / blockSize;
  const size_t skipped = static_cast<size_t>(first % blockSize);
  if (skipped > 0) {
    fillBlocks(direction, block, 1, partial);
    const size_t taken = std::min(count, blockSize - skipped);
    std::memcpy(out, partial + skipped, taken * sizeof(float));
    out += taken;
    count -= taken;
    ++block;
  }
  const size_t whole = count / blockSize, rest = count % blockSize;
  fillBlocks(direction, block, whole, out);
  if (rest > 0) {
    fillBlocks(direction, block + whole, 1, partial);
    std::memcpy(out + whole * blockSize, partial, rest * sizeof(float));
  }
}

}  // namespace zeroth
