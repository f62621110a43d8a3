// Linear combinations of vectors as commands of a job.
#pragma once
#include <cstdint>
#include <vector>

#include "backend.h"

namespace zeroth {

class Reader;

// A coefficient that is known once the job has come to it: factor · slots[slot], or factor / √slots[slot], which makes
// unit vectors; of a vector of zeros, whose square is 0, it makes one of zeros.
struct FedFactor {
  size_t coefficient;
  uint32_t slot;
  double factor;
  bool inverseRoot;
};

struct LinearCommand {
  LinearOp op;
  std::vector<FedFactor> fed;
  uint32_t slot;  // the scalar products are added to the slots from here on
};

LinearCommand readLinear(Reader& reader, size_t slots);

void run(Backend& backend, const LinearCommand& command, std::vector<double>& slots);

}  // namespace zeroth
