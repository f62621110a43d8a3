// The checksums of directions on record: a change of one bit of one element on any path shows here, and on a GPU in
// native/cuda/direction_checksum.cu, which prints the same lines.
#include <vector>

#include "check.h"
#include "direction/checksum.h"
#include "direction/direction.h"

using namespace zeroth;

namespace {

constexpr Checksum recorded[] = {
    {0x000792dd6232cd32, 0xd5203d92562ff119}, {0x0007941776753b9a, 0xe9e8117933c76859},
    {0x0007941ce8b40394, 0x100d507e95be92e2}, {0x0007925310eedf75, 0x48f3cebad05b1900},
    {0x00079bbc9e800000, 0x127aff451c337a0b}, {0x0007986f9e800000, 0x7ff1be7a4fbcc93c},
    {0x00078dcd787d55b0, 0xee74c8062dc1a0a5}, {0x00078d7b27a221b1, 0xc4421e8089db6e74},
};

}  // namespace

int main() {
  constexpr size_t cases = sizeof checksumCases / sizeof checksumCases[0];
  static_assert(sizeof recorded / sizeof recorded[0] == cases, "one record a case");
  for (size_t i = 0; i < cases; ++i) {
    const ChecksumCase& stretch = checksumCases[i];
    std::vector<float> z(stretch.count);
    for (Isa isa : availableIsas()) {
      fill(stretch.direction, stretch.first, stretch.count, z.data(), isa);
      const Checksum sum = checksumOf(z.data(), z.size());
      if (isa == Isa::scalar) std::printf("%s\n", checksumLine(stretch, sum).c_str());
      CHECK(sum.bits == recorded[i].bits && sum.placed == recorded[i].placed, "%s: %s", isaName(isa),
            checksumLine(stretch, sum).c_str());
    }
  }
  return test::summary("direction_checksum_test");
}
