// A job is a list of commands that JavaScript encodes as doubles (lib/device/commands.ts) and the engine runs in order:
// one call across the language boundary a step, not one an operation.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "backend.h"
#include "engine/linear.h"

namespace zeroth {

struct PassCommand {
  BufferRef in, out;
  size_t count;
  std::vector<PassOp> ops;
  bool fed = false;  // whether some coefficient comes from a slot
};

// Calls that run at the same time.
struct CallCommand {
  std::vector<Call> group;
};

struct CopyCommand {
  BufferRef from, to;
  size_t fromByte, toByte, bytes;
};

struct FillCommand {
  BufferRef to;
  size_t offset;
  Direction direction;
  const Space* space;
  uint64_t first;
  size_t count;
  float scale;
};

struct GatherRowsCommand {
  BufferRef from, to;
  size_t rowBytes;
  std::vector<uint32_t> rows;
};

// Adds the sum of the elements to a slot, and that of their squares to the next.
struct SumsCommand {
  BufferRef of;
  size_t offset, count;
  uint32_t slot;
};

// slots[out] = Σ weight · slots[slot], in this order, / (divisor, times slots[divisorSlot] where there is one)
struct CombineCommand {
  struct Term {
    double weight;
    uint32_t slot;
  };
  uint32_t out;
  std::vector<Term> terms;
  double divisor;
  std::optional<uint32_t> divisorSlot;
};

using Command = std::variant<PassCommand, CallCommand, CopyCommand, FillCommand, GatherRowsCommand, SumsCommand,
                             CombineCommand, LinearCommand>;

struct Job {
  size_t slots = 0;
  // Its passes take coefficients from slots: without these there is nothing right to do.
  bool fed = false;
  std::vector<Command> commands;
  // What its directions are in.
  std::vector<std::shared_ptr<const Space>> spaces;
};

// Resolves the ids that a job names, and says how many calls may run at the same time.
struct Registry {
  std::function<BufferRef(uint32_t id)> buffer;
  std::function<ExecutableRef(uint32_t id)> program;
  size_t lanes;
};

// Decodes and checks every command, with all that it binds; throws CommandError, and then nothing of the job has run.
// Buffers are held by the job, so a later release cannot pull them away.
Job decodeJob(const double* words, size_t length, const Registry& registry);

// Runs a job into its result slots; false when it was aborted. After an abort or a failure only the job's passes still
// run, so that the parameters hold what the caller expects; a failure is rethrown at the end. Of a job whose passes are
// fed from slots nothing runs after that, and it ends early, as if complete, where a slot gives no number of f32: the
// caller has kept what it needs to start over. Once the backend is stopped, nothing runs.
bool runJob(Backend& backend, const Job& job, const std::atomic<bool>& aborted, std::vector<double>& slots);

}  // namespace zeroth
