// Stretches of directions whose checksums are on record: the CPU test and the CUDA program print the same lines.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

#include "direction/element.h"

namespace zeroth {

struct ChecksumCase {
  Direction direction;
  uint64_t first;
  size_t count;
};

// Word boundaries of seed, stream and counter, odd lengths, and one stretch of a realistic size for each distribution.
constexpr ChecksumCase checksumCases[] = {
    {{Distribution::normal, 0, 0}, 0, 1000003},
    {{Distribution::normal, 0x0123456789abcdefu, 0xfedcba9876543210u}, 12345, 1000003},
    {{Distribution::normal, UINT64_MAX, UINT64_MAX}, (uint64_t{1} << 34) - 500001, 1000003},
    {{Distribution::normal, 42, uint64_t{1} << 56}, UINT64_MAX - 1000003, 1000003},
    {{Distribution::rademacher, 1, 2}, 0, 1000003},
    {{Distribution::rademacher, uint64_t{1} << 32, uint64_t{1} << 32}, 77, 1000003},
    {{Distribution::uniform, 1, 2}, 0, 1000003},
    {{Distribution::uniform, uint64_t{1} << 63, 3}, (uint64_t{1} << 40) + 63, 1000003},
};

/** Two 64-bit sums over the bits of z: of the bits alone, and of a hash of bits and place. Neither depends on the order
 * of summation. */
struct Checksum {
  uint64_t bits = 0;
  uint64_t placed = 0;
};

inline Checksum checksumOf(const float* z, size_t count) {
  Checksum sum;
  for (size_t i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, z + i, sizeof bits);
    sum.bits += bits;
    uint64_t hash = (static_cast<uint64_t>(i) << 32 | bits) * 0x9E3779B97F4A7C15u;
    hash = (hash ^ hash >> 29) * 0xBF58476D1CE4E5B9u;
    sum.placed += hash ^ hash >> 32;
  }
  return sum;
}

inline std::string checksumLine(const ChecksumCase& stretch, const Checksum& sum) {
  constexpr const char* names[] = {"normal", "rademacher", "uniform"};
  char line[200];
  std::snprintf(line, sizeof line, "%-10s seed %016llx stream %016llx first %20llu count %zu: %016llx %016llx",
                names[static_cast<uint32_t>(stretch.direction.distribution)],
                static_cast<unsigned long long>(stretch.direction.seed),
                static_cast<unsigned long long>(stretch.direction.stream),
                static_cast<unsigned long long>(stretch.first), stretch.count,
                static_cast<unsigned long long>(sum.bits), static_cast<unsigned long long>(sum.placed));
  return line;
}

}  // namespace zeroth
