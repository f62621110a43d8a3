#include "engine/bindings.h"

#include <algorithm>
#include <string>

namespace zeroth {
namespace {

void checkInput(const Declaration& declared, const InputBinding& binding, size_t index) {
  const uint64_t held = binding.buffer->bytes();
  if (binding.byteOffset <= held && held - binding.byteOffset >= declared.bytes()) return;
  throw CommandError("job: input " + std::to_string(index) + ": expected at least " + std::to_string(declared.bytes()) +
                     " bytes, received " + std::to_string(held - std::min(held, uint64_t{binding.byteOffset})));
}

void checkOutput(const Output& declared, const OutputBinding& binding, size_t index) {
  // Made only where something is wrong: this runs at every step.
  const auto where = [index] { return "job: output " + std::to_string(index); };
  const bool toSlot = binding.mode == OutputBinding::Mode::addToSlot;
  if (declared.dtype != (toSlot ? DType::f64 : DType::f32)) {
    throw CommandError(where() + " is bound as what it is not (f64 goes to slots, f32 to buffers); it is of dtype " +
                       name(declared.dtype));
  }
  if (toSlot) {
    if (declared.count == 1) return;
    throw CommandError(where() + ": expected one number for a slot, received " + std::to_string(declared.count));
  }
  const size_t length = binding.rowLength;
  if (length == 0 || declared.count % length != 0) {
    throw CommandError(where() + " does not consist of rows of the given length");
  }
  const uint64_t rows = declared.count / length;
  if (rows == 0) return;
  const uint64_t rowBytes = length * format::bytesOf(declared.dtype);
  const uint64_t capacity = binding.buffer->bytes();
  if (binding.byteOffset > capacity || rowBytes > capacity - binding.byteOffset ||
      (rows > 1 && binding.byteStride > (capacity - binding.byteOffset - rowBytes) / (rows - 1))) {
    throw CommandError(where() + " ends beyond its buffer");
  }
}

}  // namespace

void checkBindings(const Call& call) {
  const auto& inputs = call.program->program().inputs;
  const auto& outputs = call.program->program().outputs;
  if (call.inputs.size() != inputs.size() || call.outputs.size() != outputs.size()) {
    throw CommandError("job: a program of " + std::to_string(inputs.size()) + " inputs and " +
                       std::to_string(outputs.size()) + " outputs was called with " +
                       std::to_string(call.inputs.size()) + " and " + std::to_string(call.outputs.size()));
  }
  for (size_t i = 0; i < inputs.size(); ++i) checkInput(inputs[i], call.inputs[i], i);
  for (size_t i = 0; i < outputs.size(); ++i) checkOutput(outputs[i], call.outputs[i], i);
}

}  // namespace zeroth
