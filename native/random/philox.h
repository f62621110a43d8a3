// Philox4x32-10: four random 32-bit words, a pure function of a 128-bit counter and a 64-bit key.
// Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy as 1, 2, 3. SC 2011.
#pragma once
#include <cstdint>

#include "random/lane.h"

namespace zeroth {

constexpr uint32_t philoxMultiplier0 = 0xD2511F53u;
constexpr uint32_t philoxMultiplier1 = 0xCD9E8D57u;
constexpr uint32_t philoxKeyStep0 = 0x9E3779B9u;
constexpr uint32_t philoxKeyStep1 = 0xBB67AE85u;
constexpr int philoxRounds = 10;

struct Words4 {
  uint32_t word[4];
};

/** One round, in place. */
template <class Lane>
ZEROTH_HD void philoxRound(typename Lane::U (&counter)[4], uint32_t key0, uint32_t key1) {
  typename Lane::U high0, low0, high1, low1;
  Lane::multiply(counter[0], philoxMultiplier0, high0, low0);
  Lane::multiply(counter[2], philoxMultiplier1, high1, low1);
  counter[0] = Lane::bitXor(high1, counter[1], Lane::set(key0));
  counter[1] = low1;
  counter[2] = Lane::bitXor(high0, counter[3], Lane::set(key1));
  counter[3] = low0;
}

/** The four words of a counter (least significant word first) under a 64-bit key. */
ZEROTH_HD Words4 philox(Words4 counter, uint64_t key) {
  const uint32_t key0 = static_cast<uint32_t>(key), key1 = static_cast<uint32_t>(key >> 32);
  for (uint32_t round = 0; round < philoxRounds; ++round) {
    philoxRound<ScalarLane>(counter.word, key0 + round * philoxKeyStep0, key1 + round * philoxKeyStep1);
  }
  return counter;
}

/** The counter that directions use: low 64 bits the block, high 64 bits the stream. */
ZEROTH_HD Words4 philoxCounter(uint64_t block, uint64_t stream) {
  return {{static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), static_cast<uint32_t>(stream),
           static_cast<uint32_t>(stream >> 32)}};
}

}  // namespace zeroth
