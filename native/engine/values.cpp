#include "engine/values.h"

#include <string>

#include "engine/reader.h"

namespace zeroth {
namespace {

size_t countValues(const CallCommand& command) {
  size_t count = 0;
  for (const Call& call : command.group) count += call.outputs.size();
  return count;
}

void setValues(CallCommand& command, Values& values) {
  for (Call& call : command.group) {
    for (OutputBinding& output : call.outputs) {
      // Buffers hold f32, slots f64.
      const bool slot = output.mode == OutputBinding::Mode::addToSlot;
      output.weight = slot ? values.finite("weight") : static_cast<double>(values.finiteFloat("weight"));
    }
  }
}

size_t countValues(const FillCommand&) { return Values::kOfDirection + 1; }

void setValues(FillCommand& command, Values& values) {
  values.direction(command.direction);
  command.scale = values.finiteFloat("scale");
}

size_t countValues(const GatherRowsCommand& command) { return command.count; }

void setValues(GatherRowsCommand& command, Values& values) {
  command.rows.resize(command.count);
  for (uint32_t& row : command.rows) {
    row = values.word("row");
    checkExtent(*command.from, row, 1, command.rowBytes, "row");
  }
}

size_t countValues(const CombineCommand& command) { return command.terms.size() + 1; }

void setValues(CombineCommand& command, Values& values) {
  for (CombineCommand::Term& term : command.terms) term.weight = values.finite("weight");
  command.divisor = values.finite("divisor");
}

// What these do is known without.
size_t countValues(const CopyCommand&) { return 0; }
size_t countValues(const SumsCommand&) { return 0; }
void setValues(CopyCommand&, Values&) {}
void setValues(SumsCommand&, Values&) {}

}  // namespace

size_t countValues(const Job& job) {
  size_t count = 0;
  for (const Command& command : job.commands) {
    count += std::visit([](const auto& one) { return countValues(one); }, command);
  }
  return count;
}

void setValues(Job& job, const double* values, size_t length) {
  if (length != job.values) {
    throw CommandError("job: expected " + std::to_string(job.values) + " values, received " + std::to_string(length));
  }
  Values all(values, length);
  for (Command& command : job.commands) {
    std::visit([&all](auto& one) { setValues(one, all); }, command);
  }
}

}  // namespace zeroth
