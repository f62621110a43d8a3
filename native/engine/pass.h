// Passes over memory as commands of a job.
#pragma once
#include <cstddef>
#include <vector>

#include "backend.h"

namespace zeroth {

class Reader;
class Values;

// Its values are those of its ops: what a term is of and by, and whatever is a number in an op.
struct PassCommand {
  BufferRef in, out;
  size_t count;
  std::vector<PassOp> ops;
  bool fed = false;  // whether some coefficient comes from a slot
};

PassCommand readPass(Reader& reader, size_t slots);

size_t countValues(const PassCommand& command);
void setValues(PassCommand& command, Values& values);

// False, and nothing has been done, where a slot gives no number of f32.
bool run(Backend& backend, PassCommand& command, const std::vector<double>& slots);

}  // namespace zeroth
