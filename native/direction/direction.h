// Directions in bulk: a stretch of z(distribution, seed, stream), on the fastest instruction set of the machine.
#pragma once
#include <cstddef>
#include <cstdint>

#include "direction/element.h"
#include "direction/isa.h"
#include "direction/space.h"

namespace zeroth {

/** coefficient · z(direction), in a space; null: all of it. Whoever makes the term keeps the space. */
struct Term {
  Direction direction;
  float coefficient;
  const Space* space = nullptr;
};

/**
 * Writes elements first … first + count - 1 of a direction. Any first, count and alignment; one thread. Every
 * instruction set writes the same bits as directionElement. Throws std::invalid_argument for an unknown distribution, a
 * range beyond 2^64, or an instruction set that is not available.
 */
void fill(const Direction& direction, uint64_t first, size_t count, float* out, Isa isa = activeIsa());

/** As `fill`, of the direction in a space. */
void fill(const Direction& direction, const Space& space, uint64_t first, size_t count, float* out,
          Isa isa = activeIsa());

/** Throws std::invalid_argument, in the name of `caller`, unless the distribution is one of the three. */
void checkDirection(const Direction& direction, const char* caller);

/** Throws std::invalid_argument, in the name of `caller`, unless this machine can run it. */
void checkIsa(Isa isa, const char* caller);

}  // namespace zeroth
