// Four neighbouring counters of a direction: each of their four outputs is four neighbouring elements, one access of 16
// bytes. What a thread of fill.cuh and perturb.cuh takes at a time; a warp's accesses are whole sectors.
#pragma once
#include "cuda/platform.h"
#include "direction/element.h"

namespace zeroth::cuda {

constexpr uint64_t kBlock = 64;  // elements that sixteen counters yield at a time
constexpr uint64_t kGroups = 4;  // of four counters, in sixteen
constexpr int kThreads = 256;    // of a block of the grid

struct FourCounters {
  Words4 words[4];
};

ZEROTH_HD FourCounters fourCounters(const Direction& direction, uint64_t firstCounter) {
  FourCounters four;
  for (int i = 0; i < 4; ++i) four.words[i] = philox(philoxCounter(firstCounter + i, direction.stream), direction.seed);
  return four;
}

// z[j] are elements 64 block + 16 j + 4 group … + 3; of signs, those of the words' top bits.
template <Distribution distribution>
ZEROTH_HD void variatesOf(const FourCounters& four, float4 (&z)[4]) {
  float all[4][4];
  for (int i = 0; i < 4; ++i) variates<ScalarLane, distribution>(four.words[i].word, all[i]);
  for (int j = 0; j < 4; ++j) z[j] = {all[0][j], all[1][j], all[2][j], all[3][j]};
}

// The signs of the next block.
ZEROTH_HD void shift(FourCounters& four) {
  for (Words4& words : four.words)
    for (uint32_t& word : words.word) word <<= 1;
}

// The first of the threads' pieces of work that is this one's, and how many further on the next one is.
ZEROTH_HD uint64_t firstPiece() { return uint64_t{blockIdx.x} * blockDim.x + threadIdx.x; }
ZEROTH_HD uint64_t nextPiece() { return uint64_t{gridDim.x} * blockDim.x; }

}  // namespace zeroth::cuda
