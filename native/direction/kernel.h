// The one loop that makes directions, for any lane type. Private to the files that are compiled for an instruction set.
#pragma once
#include <cstddef>
#include <cstdint>

#include "direction/element.h"
#include "direction/interleaved.h"
#include "direction/isa.h"
#include "direction/space.h"

namespace zeroth {

constexpr size_t blockSize = 64;  // elements that sixteen Philox counters yield at a time

/** What the first two rounds share in all counters of a block: stream and counter's high word do not vary across lanes.
 */
struct SharedRounds {
  uint32_t key0, key1;
  uint32_t first2, second0, second2, third2;

  ZEROTH_HD SharedRounds(const Direction& direction, uint32_t counterHigh)
      : key0(static_cast<uint32_t>(direction.seed)), key1(static_cast<uint32_t>(direction.seed >> 32)) {
    const Words4 start = philoxCounter(0, direction.stream);
    uint32_t high, low;
    ScalarLane::multiply(start.word[2], philoxMultiplier1, high, low);
    const uint32_t word0 = high ^ counterHigh ^ key0;
    first2 = start.word[3] ^ key1;
    second0 = low ^ (key0 + philoxKeyStep0);
    ScalarLane::multiply(word0, philoxMultiplier0, high, low);
    second2 = high ^ (key1 + philoxKeyStep1);
    third2 = low ^ (key1 + 2 * philoxKeyStep1);
  }
};

/** Philox of the counters whose low words are base, base + 1, … */
template <class Lane>
ZEROTH_HD void philoxLanes(const SharedRounds& shared, typename Lane::Words::U counterLow, typename Lane::U (&x)[4]) {
  using Words = typename Lane::Words;
  using U = typename Words::U;
  U state[4];
  U high0, low0, high1, low1;
  Words::multiply(counterLow, philoxMultiplier0, high0, low0);
  const U word2 = Words::bitXor(high0, Words::set(shared.first2));
  const U word3 = low0;
  Words::multiply(word2, philoxMultiplier1, high1, low1);
  state[0] = Words::bitXor(high1, Words::set(shared.second0));
  state[1] = low1;
  state[2] = Words::bitXor(word3, Words::set(shared.second2));
  Words::multiply(state[0], philoxMultiplier0, high0, low0);
  Words::multiply(state[2], philoxMultiplier1, high1, low1);
  state[0] = Words::bitXor(high1, state[1], Words::set(shared.key0 + 2 * philoxKeyStep0));
  state[1] = low1;
  state[2] = Words::bitXor(high0, Words::set(shared.third2));
  state[3] = low0;
#pragma GCC unroll 8
  for (uint32_t round = 3; round < philoxRounds; ++round) {
    philoxRound<Words>(state, shared.key0 + round * philoxKeyStep0, shared.key1 + round * philoxKeyStep1);
  }
  for (int i = 0; i < 4; ++i) x[i] = Lane::fromWords(state[i]);
}

/**
 * Calls sink(offset, z) for every group of lanes of `blocks` blocks from `firstBlock` on: z[j] holds the elements
 * offset + 16 j … + lanes - 1, counted from the first element of the first block.
 */
template <class Lane, Distribution distribution, class Sink>
ZEROTH_HD void eachBlock(const Direction& direction, uint64_t firstBlock, size_t blocks, const Sink& sink) {
  constexpr uint64_t blocksOfHighWord = uint64_t{1} << 28;  // a block takes 16 counters
  size_t done = 0;
  while (done < blocks) {
    const uint64_t block = firstBlock + done;
    const uint64_t untilCarry = blocksOfHighWord - block % blocksOfHighWord;
    const size_t end = blocks - done < untilCarry ? blocks : done + static_cast<size_t>(untilCarry);
    const SharedRounds shared(direction, static_cast<uint32_t>(block / blocksOfHighWord));
    uint32_t counter = static_cast<uint32_t>(block) * 16;
    for (; Lane::lanes == 16 && done + 2 <= end; done += 2, counter += 32) {
      using Two = Interleaved<Lane>;
      typename Two::U x[4];
      typename Two::F z[4];
      philoxLanes<Two>(shared, {Lane::Words::iota(counter), Lane::Words::iota(counter + 16)}, x);
      variates<Two, distribution>(x, z);
      const typename Lane::F first[4] = {z[0].a, z[1].a, z[2].a, z[3].a};
      const typename Lane::F second[4] = {z[0].b, z[1].b, z[2].b, z[3].b};
      sink(done * blockSize, first);
      sink((done + 1) * blockSize, second);
    }
    for (; done < end; ++done, counter += 16) {
      for (int lane = 0; lane < 16; lane += Lane::lanes) {
        typename Lane::U x[4];
        typename Lane::F z[4];
        philoxLanes<Lane>(shared, Lane::Words::iota(counter + static_cast<uint32_t>(lane)), x);
        variates<Lane, distribution>(x, z);
        sink(done * blockSize + static_cast<size_t>(lane), z);
      }
    }
  }
}

/** As eachBlock, of signs: the words of sixteen counters serve 32 blocks, each of which takes their top bits and moves
 * on to the next ones. */
template <class Lane, class Sink>
ZEROTH_HD void eachSignBlock(const Direction& direction, uint64_t firstBlock, size_t blocks, const Sink& sink) {
  size_t done = 0;
  while (done < blocks) {
    const uint64_t block = firstBlock + done;
    const uint64_t counter = block / signsOfWord * 16, taken = block % signsOfWord;
    const size_t left = static_cast<size_t>(signsOfWord - taken);
    const size_t end = blocks - done < left ? blocks : done + left;
    const SharedRounds shared(direction, static_cast<uint32_t>(counter >> 32));
    for (int lane = 0; lane < 16; lane += Lane::lanes) {
      typename Lane::U x[4];
      philoxLanes<Lane>(shared, Lane::Words::iota(static_cast<uint32_t>(counter) + static_cast<uint32_t>(lane)), x);
      for (uint64_t bit = 0; bit < taken; ++bit) {
        for (int j = 0; j < 4; ++j) x[j] = Lane::template shiftLeft<1>(x[j]);
      }
      for (size_t at = done; at < end; ++at) {
        typename Lane::F z[4];
        variates<Lane, Distribution::rademacher>(x, z);
        sink(at * blockSize + static_cast<size_t>(lane), z);
        for (int j = 0; j < 4; ++j) x[j] = Lane::template shiftLeft<1>(x[j]);
      }
    }
    done = end;
  }
}

template <class Lane, class Sink>
ZEROTH_HD void eachBlock(const Direction& direction, uint64_t firstBlock, size_t blocks, const Sink& sink) {
  switch (direction.distribution) {
    case Distribution::normal:
      return eachBlock<Lane, Distribution::normal>(direction, firstBlock, blocks, sink);
    case Distribution::rademacher:
      return eachSignBlock<Lane>(direction, firstBlock, blocks, sink);
    case Distribution::uniform:
      return eachBlock<Lane, Distribution::uniform>(direction, firstBlock, blocks, sink);
  }
}

/** Writes whole blocks of a direction. */
template <class Lane>
ZEROTH_HD void fillBlocks(const Direction& direction, uint64_t firstBlock, size_t blocks, float* out) {
  eachBlock<Lane>(direction, firstBlock, blocks, [out](size_t offset, const typename Lane::F(&z)[4]) {
    for (size_t j = 0; j < 4; ++j) Lane::store(out + offset + 16 * j, z[j]);
  });
}

/** Marks the elements of whole blocks that a mask keeps by bit 30: 2.0f and 0.0f. */
template <class Lane>
ZEROTH_HD void keepBlocks(const Mask& mask, uint64_t firstBlock, size_t blocks, float* out) {
  using U = typename Lane::U;
  const Direction words{Distribution::uniform, mask.seed, mask.stream};
  for (size_t done = 0; done < blocks; ++done, out += blockSize) {
    const uint64_t counter = (firstBlock + done) * 16;
    const SharedRounds shared(words, static_cast<uint32_t>(counter >> 32));
    for (int lane = 0; lane < 16; lane += Lane::lanes) {
      U x[4];
      philoxLanes<Lane>(shared, Lane::Words::iota(static_cast<uint32_t>(counter) + static_cast<uint32_t>(lane)), x);
      for (int j = 0; j < 4; ++j) {
        // Of 31 bits, so that the difference's top bit says which is less.
        const U less = Lane::sub(Lane::template shiftRight<1>(x[j]), Lane::set(mask.threshold));
        Lane::store(out + 16 * j + lane,
                    Lane::asFloat(Lane::bitAnd(Lane::template shiftRight<1>(less), Lane::set(0x40000000u))));
      }
    }
  }
}

using FillBlocks = void (*)(const Direction& direction, uint64_t firstBlock, size_t blocks, float* out);
using KeepBlocks = void (*)(const Mask& mask, uint64_t firstBlock, size_t blocks, float* out);

/** The kernels of one instruction set. */
struct DirectionKernels {
  FillBlocks fillBlocks;
  KeepBlocks keepBlocks;
};

// One definition a file; a file exists only where its instruction set can be compiled.
extern const DirectionKernels directionKernelsAvx2, directionKernelsAvx512, directionKernelsNeon;

/** Throws std::invalid_argument, in the name of `caller`, where the machine cannot run it. */
const DirectionKernels& directionKernels(Isa isa, const char* caller);

}  // namespace zeroth
