// A traced update on a tile: its program, piece by piece, between the tile's g and where x and the states are.
#pragma once
#include <vector>

#include "cpu/update.h"

namespace zeroth {

// Of one thread.
struct TracedScratch {
  std::vector<const void*> inputs;
  std::vector<float> padded;  // of a piece that is shorter than the program's
};

// to = x after the update of `from`; states are updated in place. g is the tile's; all begin at element `begin` of the
// vectors. `to` may be `from`.
void runTraced(const TracedUpdate& update, size_t member, const float* g, size_t begin, const float* from, float* to,
               size_t count, TracedScratch& scratch);

}  // namespace zeroth
