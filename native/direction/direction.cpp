#include "direction/direction.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

#include "direction/kernel.h"

namespace zeroth {
namespace {

void fillScalar(const Direction& direction, uint64_t firstBlock, size_t blocks, float* out) {
  fillBlocks<ScalarLane>(direction, firstBlock, blocks, out);
}

void keepScalar(const Mask& mask, uint64_t firstBlock, size_t blocks, float* out) {
  keepBlocks<ScalarLane>(mask, firstBlock, blocks, out);
}

constexpr DirectionKernels directionKernelsScalar = {fillScalar, keepScalar};

void checkRange(uint64_t first, size_t count) {
  if (count > 0 && count - 1 > UINT64_MAX - first)
    throw std::invalid_argument("fill: first + count exceeds 2^64 elements");
}

/** Multiplies by the scale of a segment, and zeroes what its mask does not keep. */
void applySegment(const Segment& segment, const DirectionKernels& kernels, uint64_t first, size_t count, float* z) {
  if (segment.scale != 1) {
    for (size_t i = 0; i < count; ++i) z[i] *= segment.scale;
  }
  if (!segment.masked) return;
  float keep[blockSize];
  for (size_t done = 0; done < count;) {
    const size_t skipped = static_cast<size_t>((first + done) % blockSize);
    const size_t taken = std::min(count - done, blockSize - skipped);
    kernels.keepBlocks(segment.mask, (first + done) / blockSize, 1, keep);
    for (size_t i = 0; i < taken; ++i) {
      if (keep[skipped + i] == 0) z[done + i] = 0;
    }
    done += taken;
  }
}

}  // namespace

const DirectionKernels& directionKernels(Isa isa, const char* caller) {
  checkIsa(isa, caller);
  switch (isa) {
#if defined(__x86_64__)
    case Isa::avx2:
      return directionKernelsAvx2;
    case Isa::avx512:
      return directionKernelsAvx512;
#elif defined(__aarch64__)
    case Isa::neon:
      return directionKernelsNeon;
#endif
    default:
      return directionKernelsScalar;
  }
}

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
  checkRange(first, count);
  const FillBlocks fillBlocks = directionKernels(isa, "fill").fillBlocks;

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

void fill(const Direction& direction, const Space& space, uint64_t first, size_t count, float* out, Isa isa) {
  checkDirection(direction, "fill");
  if (count == 0) return;
  checkRange(first, count);
  const DirectionKernels& kernels = directionKernels(isa, "fill");
  std::fill_n(out, count, 0.0f);
  const uint64_t last = first + (count - 1);
  for (auto segment = space.after(first); segment != space.segments.end() && segment->begin <= last; ++segment) {
    const uint64_t from = std::max(first, segment->begin);
    const size_t length = static_cast<size_t>(std::min(last, segment->end - 1) - from + 1);
    float* const z = out + (from - first);
    fill(direction, from, length, z, isa);
    applySegment(*segment, kernels, from, length, z);
  }
}

}  // namespace zeroth
