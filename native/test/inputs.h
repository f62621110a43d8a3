// What several native tests are fed with.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "direction/direction.h"

namespace zeroth::test {

// A simple generator that shares nothing with the directions that are tested (xorshift64*).
struct Inputs {
  uint64_t state = 0x9E3779B97F4A7C15u;
  uint64_t next() {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545F4914F6CDD1Du;
  }
  uint64_t below(uint64_t n) { return (next() >> 8) % n; }
};

// Values for tests of what is no direction.
inline std::vector<float> normalValues(size_t count, uint64_t stream) {
  std::vector<float> values(count);
  fill({Distribution::normal, 5, stream}, 0, count, values.data());
  return values;
}

}  // namespace zeroth::test
