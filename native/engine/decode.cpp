#include "engine/decode.h"

#include <algorithm>
#include <string>
#include <utility>

#include "engine/bindings.h"
#include "engine/reader.h"
#include "engine/values.h"

namespace zeroth {
namespace {

enum CommandCode : uint32_t {
  kPass = 1,
  kCall = 2,
  kCopy = 3,
  kFill = 4,
  kGatherRows = 5,
  kSums = 6,
  kCombine = 7,
  kLinear = 8,
  kSpace = 9
};

Call readCall(Reader& reader, size_t slots) {
  Call command;
  command.program = reader.program();
  const size_t inputs = reader.count("inputs");
  for (size_t i = 0; i < inputs; ++i) {
    InputBinding binding{reader.buffer(), reader.integer("byte offset")};
    checkExtent(*binding.buffer, binding.byteOffset, 0, 1, "input");
    if (binding.byteOffset % 4 != 0) throw CommandError("job: an input's byte offset is not a multiple of 4");
    command.inputs.push_back(std::move(binding));
  }
  const size_t outputs = reader.count("outputs");
  for (size_t i = 0; i < outputs; ++i) {
    OutputBinding binding;
    const uint64_t mode = reader.integer("output mode", 3);
    if (mode == 0) throw CommandError("job: output mode 0");
    binding.mode = static_cast<OutputBinding::Mode>(mode);
    if (binding.mode == OutputBinding::Mode::addToSlot) {
      binding.slot = reader.slot("a slot", slots);
    } else {
      binding.buffer = reader.buffer();
      binding.byteOffset = reader.bytes("offset");
      binding.rowLength = reader.integer("row length");
      binding.byteStride = reader.bytes("row stride");
    }
    command.outputs.push_back(std::move(binding));
  }
  checkBindings(command);
  return command;
}

CopyCommand readCopy(Reader& reader) {
  CopyCommand command;
  command.from = reader.buffer();
  command.fromByte = reader.integer("source offset");
  command.to = reader.buffer();
  command.toByte = reader.integer("target offset");
  command.bytes = reader.integer("bytes");
  checkExtent(*command.from, command.fromByte, command.bytes, 1, "copy source");
  checkExtent(*command.to, command.toByte, command.bytes, 1, "copy target");
  return command;
}

FillCommand readFill(Reader& reader) {
  FillCommand command;
  command.to = reader.buffer();
  command.byteOffset = reader.bytes("offset");
  command.direction.distribution = reader.direction(command.space);
  command.first = reader.integer("first element");
  command.count = reader.integer("count");
  checkVector(*command.to, command.byteOffset, command.count, "fill");
  return command;
}

GatherRowsCommand readGatherRows(Reader& reader) {
  GatherRowsCommand command;
  command.from = reader.buffer();
  command.to = reader.buffer();
  command.rowBytes = reader.integer("row bytes");
  command.count = reader.integer("rows");
  if (command.rowBytes == 0) throw CommandError("job: rows of no bytes");
  if (command.from == command.to) throw CommandError("job: rows gathered from the buffer that they go to");
  checkExtent(*command.to, 0, command.count, command.rowBytes, "gathered rows");
  return command;
}

SumsCommand readSums(Reader& reader, size_t slots) {
  SumsCommand command;
  command.of = reader.buffer();
  command.byteOffset = reader.bytes("offset");
  command.count = reader.integer("count");
  command.slot = reader.word("slot");
  checkVector(*command.of, command.byteOffset, command.count, "sums");
  if (slots < 2 || command.slot > slots - 2) throw CommandError("job: a slot beyond the declared results");
  return command;
}

CombineCommand readCombine(Reader& reader, size_t slots) {
  CombineCommand command;
  command.out = reader.slot("a slot", slots);
  const size_t terms = reader.count("terms");
  for (size_t i = 0; i < terms; ++i) command.terms.push_back({0, reader.slot("a slot", slots)});
  command.divisorSlot = reader.slotOrNone(slots);
  return command;
}

// A concurrent call joins the group before it; a program has one arena, so it can be there only once.
void joinCall(Job& job, Call call, bool concurrent, size_t lanes) {
  if (!concurrent) job.commands.emplace_back(CallCommand{});
  auto* const command = job.commands.empty() ? nullptr : std::get_if<CallCommand>(&job.commands.back());
  if (command == nullptr) throw CommandError("job: a concurrent call without a call before it");
  for (const Call& other : command->group) {
    if (other.program == call.program) throw CommandError("job: a program that is called twice at the same time");
  }
  command->group.push_back(std::move(call));
  if (command->group.size() > lanes) {
    throw CommandError("job: " + std::to_string(command->group.size()) + " calls at the same time on a device of " +
                       std::to_string(lanes) + " threads");
  }
}

}  // namespace

Job decodeJob(const double* words, size_t length, const Registry& registry) {
  Reader reader(words, length, registry);
  Job job;
  job.slots = reader.integer("result slots", 1 << 20);
  while (!reader.done()) {
    switch (reader.integer("command", kSpace)) {
      case kPass:
        job.commands.push_back(readPass(reader, job.slots));
        job.fed = job.fed || std::get<PassCommand>(job.commands.back()).fed;
        break;
      case kCall: {
        const bool concurrent = reader.integer("concurrent", 1) == 1;
        joinCall(job, readCall(reader, job.slots), concurrent, registry.lanes);
        break;
      }
      case kCopy:
        job.commands.push_back(readCopy(reader));
        break;
      case kFill:
        job.commands.push_back(readFill(reader));
        break;
      case kGatherRows:
        job.commands.push_back(readGatherRows(reader));
        break;
      case kSums:
        job.commands.push_back(readSums(reader, job.slots));
        break;
      case kCombine:
        job.commands.push_back(readCombine(reader, job.slots));
        break;
      case kSpace:
        reader.space();
        break;
      case kLinear:
        job.commands.push_back(readLinear(reader, job.slots));
        break;
      default:
        throw CommandError("job: unknown command");
    }
  }
  job.values = countValues(job);
  job.spaces = reader.takeSpaces();
  job.names = reader.takeNames();
  std::sort(job.names.begin(), job.names.end());
  job.names.erase(std::unique(job.names.begin(), job.names.end()), job.names.end());
  return job;
}

}  // namespace zeroth
