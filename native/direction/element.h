// Directions by definition: element e of z(distribution, seed, stream), on the host and in a CUDA kernel.
//
// Element e = 64 k + 16 j + i is output j of Philox counter 16 k + i, key = seed, stream = the counter's high half.
// Sixteen neighbouring elements are one output of sixteen neighbouring counters, so vectors and warps need no shuffle.
// A sign takes one bit of a word, so that 32 blocks of 64 elements share their counters, in the same order:
// element e = 2048 k + 64 b + 16 j + i is bit 31 - b of output j of counter 16 k + i.
#pragma once
#include <cstdint>

#include "random/normal.h"
#include "random/philox.h"

namespace zeroth {

enum class Distribution : uint32_t { normal = 0, rademacher = 1, uniform = 2 };

/** A vector that is never stored: its elements are a pure function of these three. */
struct Direction {
  Distribution distribution;
  uint64_t seed;
  uint64_t stream;
};

ZEROTH_HD bool operator==(const Direction& a, const Direction& b) {
  return a.distribution == b.distribution && a.seed == b.seed && a.stream == b.stream;
}

constexpr uint64_t signsOfWord = 32;

/** Four Philox words of one counter (or of one counter a lane) to four variates; of signs, to those of the top bits. */
template <class Lane, Distribution distribution>
ZEROTH_HD void variates(const typename Lane::U (&x)[4], typename Lane::F (&z)[4]) {
  if (distribution == Distribution::normal) {
    normalPair<Lane>(x[0], x[1], z[0], z[1]);
    normalPair<Lane>(x[2], x[3], z[2], z[3]);
  } else if (distribution == Distribution::rademacher) {
    for (int j = 0; j < 4; ++j) z[j] = rademacher<Lane>(x[j]);
  } else {
    for (int j = 0; j < 4; ++j) z[j] = symmetricUniform<Lane>(x[j]);
  }
}

/** Element e of a direction. */
ZEROTH_HD float directionElement(const Direction& direction, uint64_t e) {
  const bool signs = direction.distribution == Distribution::rademacher;
  const uint64_t block = e >> 6;
  const uint64_t counter = (signs ? block / signsOfWord : block) * 16 + (e & 15);
  Words4 words = philox(philoxCounter(counter, direction.stream), direction.seed);
  float z[4];
  if (direction.distribution == Distribution::normal) {
    variates<ScalarLane, Distribution::normal>(words.word, z);
  } else if (signs) {
    for (uint32_t& word : words.word) word <<= block % signsOfWord;
    variates<ScalarLane, Distribution::rademacher>(words.word, z);
  } else {
    variates<ScalarLane, Distribution::uniform>(words.word, z);
  }
  return z[(e >> 4) & 3];
}

}  // namespace zeroth
