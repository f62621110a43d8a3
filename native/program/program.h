// A planned program, decoded and completely validated: whatever `decode` returns is safe to run on bindings of the
// declared sizes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "program/format.h"

namespace zeroth {

// Says which instruction, what was expected, and what was found.
class ProgramError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

using format::DType;
using format::MapOpcode;
using format::ReduceKind;

// `offset` in 4-byte words from the start of the arena (space 0) or of input `space - 1`.
struct Ref {
  uint32_t space = 0;
  uint32_t offset = 0;
  bool operator==(const Ref& other) const { return space == other.space && offset == other.offset; }
};

struct Declaration {
  DType dtype;
  uint64_t count;  // elements
  uint64_t bytes() const { return count * (dtype == DType::f64 ? 8 : 4); }
};

struct Output : Declaration {
  Ref ref;
};

struct MapView {
  DType dtype;
  Ref ref;
  std::vector<uint64_t> strides;  // in elements, one a dimension
};

struct MapWrite : MapView {
  uint32_t source;  // register
};

struct MapOp {
  MapOpcode opcode;
  uint32_t operands[3];
  double immediate;
};

int operandCount(MapOpcode opcode);

// The integers that an op's immediate may be.
struct IntegerRange {
  int lowest, highest;
};
IntegerRange immediates(MapOpcode opcode);

// Registers: reads first, then one an op.
struct MapBody {
  std::vector<uint64_t> dims;
  std::vector<MapView> reads;
  std::vector<MapOp> ops;
  uint64_t elements() const;
};

struct Map : MapBody {
  std::vector<MapWrite> writes;
};

struct MapSum : MapBody {
  uint32_t source;  // register
  Ref dst;
};

struct Reduce {
  ReduceKind kind;
  uint64_t outer, reduce, inner;
  DType dstType;
  Ref dst, src;
};

struct Matmul {
  uint64_t batch, m, n, k;
  bool transposeA, transposeB;
  Ref a;
  uint64_t strideA;
  Ref b;
  uint64_t strideB;
  Ref dst;
};

struct Gather {
  uint64_t rows, width, count;
  Ref table, indices, dst;
};

struct ScatterAdd {
  uint64_t rows, width, count;
  Ref indices, updates, dst;
};

struct Iota {
  DType dtype;
  uint64_t outer, n, inner;
  Ref dst;
};

using Instruction = std::variant<Map, Reduce, MapSum, Matmul, Gather, ScatterAdd, Iota>;

struct Program {
  uint64_t arenaWords = 0;
  std::vector<Declaration> inputs;
  std::vector<Output> outputs;
  std::vector<Instruction> instructions;
};

// Throws ProgramError. The bytes may be anything; nothing is allocated beyond a small multiple of `length`.
Program decode(const uint8_t* bytes, size_t length);

// A readable disassembly, one line an instruction.
std::string describe(const Program& program);

const char* name(DType dtype);
const char* name(MapOpcode opcode);

namespace program {
// Throws ProgramError unless every operand of every instruction lies inside its space and no write can disturb a read.
// Part of decode.
void validate(const Program& program);
}  // namespace program

}  // namespace zeroth
