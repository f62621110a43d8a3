// Which instruction set the random directions and the parameter updates run on.
#pragma once
#include <vector>

namespace zeroth {

enum class Isa { scalar, avx2, avx512, neon };

const char* isaName(Isa isa);

/** What this build and this CPU can run, slowest (scalar) first. */
std::vector<Isa> availableIsas();

/**
 * The fastest available, or the one that the environment variable ZEROTH_ISA (scalar, avx2, avx512, neon) names; read
 * once. Throws std::invalid_argument for a name that is unknown or not available here. All choices yield the same bits.
 */
Isa activeIsa();

}  // namespace zeroth
