// Linear combinations of vectors as commands of a job.
#pragma once
#include <cstdint>
#include <vector>

#include "backend.h"

namespace zeroth {

class Reader;
class Values;

// A coefficient that is known once the job has come to it: factor · slots[slot], or factor / √slots[slot], which makes
// unit vectors; of a vector of zeros, whose square is 0, it makes one of zeros.
struct FedFactor {
  size_t coefficient;
  uint32_t slot;
  double factor;
  bool inverseRoot;
};

struct LinearCommand {
  LinearOp op;  // its coefficients: values
  std::vector<FedFactor> fed;
  uint32_t slot;  // the scalar products are added to the slots from here on
};

LinearCommand readLinear(Reader& reader, size_t slots);

size_t countValues(const LinearCommand& command);
void setValues(LinearCommand& command, Values& values);

void run(Backend& backend, LinearCommand& command, std::vector<double>& slots);

}  // namespace zeroth
