// The CUDA kernels that fill a stretch with a direction, on the host: the bits of `fill` on the CPU, in any order of
// threads, for any grid, and nothing beside the stretch.
#include <vector>

#include "check.h"
#include "cuda/fill.cuh"
#include "cuda_host.h"
#include "direction/direction.h"

using namespace zeroth;
using namespace zeroth::cuda;

namespace {

void expectSame(const Direction& direction, uint64_t first, size_t count, float scale, Vector& found,
                const char* what) {
  std::vector<float> expected(count);
  fill(direction, first, count, expected.data());
  for (float& x : expected) x *= scale;
  CHECK(found.holds(expected), "%s: distribution %u, from %llu, %zu elements", what,
        static_cast<unsigned>(direction.distribution), static_cast<unsigned long long>(first), count);
}

const std::vector<uint64_t> kFirstBlocks = {0, 1, 31, 32, 45, (uint64_t{1} << 28) - 1, uint64_t{1} << 33};

template <class Kernel>
void wholeBlocks(Distribution distribution, Kernel kernel) {
  const Direction direction{distribution, 0x123456789abcdef0u, 0xfedcba9876543210u};
  for (uint64_t firstBlock : kFirstBlocks) {
    for (uint64_t blocks : {0u, 1u, 2u, 31u, 33u, 100u}) {
      for (uint32_t grid : {1u, 3u}) {
        for (Order order : kOrders) {
          Vector out(blocks * kBlock);
          launch(order, kernel, grid, 32, direction, firstBlock, blocks, 0.75f, out.data());
          expectSame(direction, firstBlock * kBlock, blocks * kBlock, 0.75f, out, "whole blocks");
        }
      }
    }
  }
}

void elementsOfAnyStretch() {
  for (Distribution distribution : {Distribution::normal, Distribution::rademacher, Distribution::uniform}) {
    const Direction direction{distribution, 3, 5};
    for (uint64_t first : {uint64_t{0}, uint64_t{1}, uint64_t{63}, uint64_t{2047}, (uint64_t{1} << 34) - 5}) {
      for (uint64_t count : {1u, 7u, 63u, 200u}) {
        for (Order order : kOrders) {
          Vector out(count);
          launch(order, fillElements, static_cast<uint32_t>((count + 31) / 32), 32, direction, first, count, -1.5f,
                 out.data());
          expectSame(direction, first, count, -1.5f, out, "elements");
        }
      }
    }
  }
}

}  // namespace

int main() {
  wholeBlocks(Distribution::normal, fillBlocks<Distribution::normal>);
  wholeBlocks(Distribution::uniform, fillBlocks<Distribution::uniform>);
  wholeBlocks(Distribution::rademacher, fillSignBlocks);
  elementsOfAnyStretch();
  return zeroth::test::summary("cuda_fill_test");
}
