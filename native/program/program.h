// A planned program, decoded and completely validated: whatever `decode` returns is safe to run on bindings of the
// declared sizes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "program/instructions.h"

namespace zeroth {

// Says which instruction, what was expected, and what was found.
class ProgramError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Declaration {
  DType dtype;
  uint64_t count;  // elements
  uint64_t bytes() const { return count * format::bytesOf(dtype); }
};

struct Output : Declaration {
  Ref ref;
};

int operandCount(MapOpcode opcode);

// The integers that an op's immediate may be.
struct IntegerRange {
  int lowest, highest;
};
IntegerRange immediates(MapOpcode opcode);

struct Program {
  uint64_t arenaWords = 0;
  std::vector<Declaration> inputs;
  std::vector<Output> outputs;
  std::vector<Instruction> instructions;
};

// Throws ProgramError. The bytes may be anything; nothing is allocated beyond a small multiple of `length`.
Program decode(const uint8_t* bytes, size_t length);

const char* name(DType dtype);
const char* name(MapOpcode opcode);

namespace program {
// Throws ProgramError unless every operand of every instruction lies inside its space and no write can disturb a read.
// Part of decode.
void validate(const Program& program);
}  // namespace program

}  // namespace zeroth
