#include "engine/linear.h"

#include <cmath>

#include "engine/reader.h"
#include "engine/values.h"

namespace zeroth {
namespace {

VectorRef readVector(Reader& reader, BufferRef buffer, size_t count) {
  VectorRef vector{std::move(buffer), reader.bytes("offset")};
  if (vector.buffer) checkVector(*vector.buffer, vector.byteOffset, count, "vector");
  return vector;
}

std::vector<VectorRef> readVectors(Reader& reader, size_t count, const char* what, bool orNone = false) {
  std::vector<VectorRef> vectors(reader.count(what));
  for (VectorRef& vector : vectors) {
    vector = readVector(reader, orNone ? reader.bufferOrNull() : reader.buffer(), count);
  }
  return vectors;
}

bool same(const VectorRef& a, const VectorRef& b) { return a.buffer == b.buffer && a.byteOffset == b.byteOffset; }

bool overlap(const VectorRef& a, const VectorRef& b, size_t count) {
  if (!a.buffer || a.buffer != b.buffer) return false;
  const size_t bytes = count * format::bytesOf(DType::f32);
  return a.byteOffset < b.byteOffset ? b.byteOffset - a.byteOffset < bytes : a.byteOffset - b.byteOffset < bytes;
}

// What is written is read, if at all, at the same elements.
void checkOutputs(const LinearOp& op) {
  const auto apart = [&op](const VectorRef& output, const VectorRef& read) {
    if (same(output, read) || !overlap(output, read, op.count)) return;
    throw CommandError("job: a vector that is written overlaps one that is read");
  };
  for (size_t i = 0; i < op.outputs.size(); ++i) {
    for (const VectorRef& input : op.inputs) apart(op.outputs[i], input);
    for (const VectorRef& with : op.with) apart(op.outputs[i], with);
    apart(op.outputs[i], op.factor);
    for (size_t j = 0; j < i; ++j) {
      if (overlap(op.outputs[i], op.outputs[j], op.count))
        throw CommandError("job: two vectors are written to the same elements");
    }
  }
}

}  // namespace

LinearCommand readLinear(Reader& reader, size_t slots) {
  LinearCommand command;
  LinearOp& op = command.op;
  op.count = reader.integer("count");
  op.inputs = readVectors(reader, op.count, "inputs");
  op.outputs = readVectors(reader, op.count, "outputs", true);
  if (op.inputs.empty() || op.outputs.empty()) throw CommandError("job: a combination without vectors");
  for (size_t output = 0; output < op.outputs.size(); ++output) {
    for (size_t input = 0; input < op.inputs.size(); ++input) {
      const auto slot = reader.slotOrNone(slots);
      const bool inverseRoot = reader.integer("inverse root", 1) == 1;
      if (slot) command.fed.push_back({op.coefficients.size(), *slot, 0, inverseRoot});
      op.coefficients.push_back(0);
    }
  }
  op.factor = readVector(reader, reader.bufferOrNull(), op.count);
  op.with = readVectors(reader, op.count, "vectors of scalar products");
  command.slot = reader.word("slot");
  if (command.slot > slots || op.outputs.size() * op.with.size() > slots - command.slot)
    throw CommandError("job: a slot beyond the declared results");
  checkOutputs(op);
  return command;
}

size_t countValues(const LinearCommand& command) { return command.op.coefficients.size(); }

void setValues(LinearCommand& command, Values& values) {
  for (double& coefficient : command.op.coefficients) coefficient = values.finite("coefficient");
  for (FedFactor& fed : command.fed) fed.factor = command.op.coefficients[fed.coefficient];
}

void run(Backend& backend, LinearCommand& command, std::vector<double>& slots) {
  for (const FedFactor& fed : command.fed) {
    const double value = slots[fed.slot];
    double& coefficient = command.op.coefficients[fed.coefficient];
    if (!fed.inverseRoot)
      coefficient = fed.factor * value;
    else
      coefficient = value == 0 ? 0 : fed.factor / std::sqrt(value);
  }
  const std::vector<double> products = backend.linear(command.op);
  for (size_t i = 0; i < products.size(); ++i) slots[command.slot + i] += products[i];
}

}  // namespace zeroth
