// Names, and what the list of map ops says of each.
#include "program/program.h"

namespace zeroth {

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

}  // namespace zeroth
