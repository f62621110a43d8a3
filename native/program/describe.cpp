// Names and the disassembly.
#include <cstdio>

#include "program/program.h"

namespace zeroth {

namespace {

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

std::string list(const std::vector<uint64_t>& values) {
  std::string text = "[";
  for (size_t i = 0; i < values.size(); ++i) text += (i ? " " : "") + std::to_string(values[i]);
  return text + "]";
}

std::string at(Ref ref) {
  return (ref.space == 0 ? std::string("arena") : "in" + std::to_string(ref.space - 1)) + "+" +
         std::to_string(ref.offset);
}

std::string at(DType dtype, Ref ref) { return std::string(name(dtype)) + " " + at(ref); }

std::string body(const MapBody& map) {
  std::string text = list(map.dims);
  uint32_t next = 0;
  for (const MapView& read : map.reads) {
    text += " r" + std::to_string(next++) + "=" + at(read.dtype, read.ref) + list(read.strides);
  }
  for (const MapOp& op : map.ops) {
    text += " r" + std::to_string(next++) + "=" + name(op.opcode);
    for (int i = 0; i < operandCount(op.opcode); ++i) text += " r" + std::to_string(op.operands[i]);
    if (op.opcode == MapOpcode::constant || op.immediate != 0) text += " " + number(op.immediate);
  }
  return text;
}

std::string line(const Map& map) {
  std::string text = "map " + body(map);
  for (const MapWrite& write : map.writes) {
    text += " → " + at(write.dtype, write.ref) + list(write.strides) + "=r" + std::to_string(write.source);
  }
  return text;
}

std::string line(const MapSum& sum) {
  return "map-sum " + body(sum) + " → " + at(DType::f64, sum.dst) + "=Σ r" + std::to_string(sum.source);
}

std::string line(const Reduce& reduce) {
  return std::string(reduce.kind == ReduceKind::sum ? "sum" : "max") + " " + at(reduce.src) +
         list({reduce.outer, reduce.reduce, reduce.inner}) + " → " + at(reduce.dstType, reduce.dst);
}

std::string line(const Matmul& matmul) {
  return "matmul " + std::to_string(matmul.batch) + " × " + list({matmul.m, matmul.n, matmul.k}) + " " + at(matmul.a) +
         (matmul.transposeA ? "ᵀ" : "") + "/" + std::to_string(matmul.strideA) + " " + at(matmul.b) +
         (matmul.transposeB ? "ᵀ" : "") + "/" + std::to_string(matmul.strideB) + " → " + at(matmul.dst);
}

std::string line(const Gather& gather) {
  return "gather " + at(gather.table) + list({gather.rows, gather.width}) + " " + at(gather.indices) +
         list({gather.count}) + " → " + at(gather.dst);
}

std::string line(const ScatterAdd& scatter) {
  return "scatter-add " + at(scatter.updates) + list({scatter.count, scatter.width}) + " " + at(scatter.indices) +
         " → " + at(scatter.dst) + list({scatter.rows, scatter.width});
}

std::string line(const Iota& iota) {
  return "iota " + list({iota.outer, iota.n, iota.inner}) + " → " + at(iota.dtype, iota.dst);
}

}  // namespace

const char* name(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "f32";
    case DType::i32:
      return "i32";
    case DType::f64:
      return "f64";
  }
  return "?";
}

#define ZEROTH_NAME(name, opcode, operands, lowest, highest, nanoseconds) \
  case MapOpcode::name:                                                   \
    return #name;
const char* name(MapOpcode opcode) {
  switch (opcode) { ZEROTH_MAP_OPS(ZEROTH_NAME) }
  return "?";
}
#undef ZEROTH_NAME

#define ZEROTH_OPERANDS(name, opcode, operands, lowest, highest, nanoseconds) \
  case MapOpcode::name:                                                       \
    return operands;
int operandCount(MapOpcode opcode) {
  switch (opcode) { ZEROTH_MAP_OPS(ZEROTH_OPERANDS) }
  return -1;
}
#undef ZEROTH_OPERANDS

#define ZEROTH_IMMEDIATES(name, opcode, operands, lowest, highest, nanoseconds) \
  case MapOpcode::name:                                                         \
    return {lowest, highest};
IntegerRange immediates(MapOpcode opcode) {
  switch (opcode) { ZEROTH_MAP_OPS(ZEROTH_IMMEDIATES) }
  return {0, 0};
}
#undef ZEROTH_IMMEDIATES

std::string describe(const Program& program) {
  std::string text = "arena " + std::to_string(program.arenaWords * 4) + " bytes\n";
  for (size_t i = 0; i < program.inputs.size(); ++i) {
    const Declaration& input = program.inputs[i];
    text += "in" + std::to_string(i) + " " + name(input.dtype) + "[" + std::to_string(input.count) + "]\n";
  }
  for (size_t i = 0; i < program.instructions.size(); ++i) {
    text += std::to_string(i) + ": " +
            std::visit([](const auto& instruction) { return line(instruction); }, program.instructions[i]) + "\n";
  }
  for (size_t i = 0; i < program.outputs.size(); ++i) {
    const Output& output = program.outputs[i];
    text += "out" + std::to_string(i) + " " + at(output.dtype, output.ref) + "[" + std::to_string(output.count) + "]\n";
  }
  return text;
}

}  // namespace zeroth
