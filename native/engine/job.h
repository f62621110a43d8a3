// A job is a list of commands that JavaScript encodes (lib/device/commands.ts) and the engine runs in order: one call
// across the language boundary a step, not one an operation.
//
// Its words say what it does to what: commands, buffers, programs, sizes, distributions, slots. They are decoded once
// (decode.h). What is another number at every step, its values, they leave open: seeds and streams, coefficients,
// weights, rates, step numbers, the rows of a mini-batch. Each run brings its own (values.h).
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "backend.h"
#include "engine/linear.h"
#include "engine/pass.h"

namespace zeroth {

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
  size_t byteOffset;
  Direction direction{};  // seed and stream: values
  const Space* space;
  uint64_t first;
  size_t count;
  float scale = 0;  // value
};

struct GatherRowsCommand {
  BufferRef from, to;
  size_t rowBytes;
  size_t count;
  std::vector<uint32_t> rows;  // values
};

// Adds the sum of the elements to a slot, and that of their squares to the next.
struct SumsCommand {
  BufferRef of;
  size_t byteOffset, count;
  uint32_t slot;
};

// slots[out] = Σ weight · slots[slot], in this order, / (divisor, times slots[divisorSlot] where there is one)
struct CombineCommand {
  struct Term {
    double weight;  // value
    uint32_t slot;
  };
  uint32_t out;
  std::vector<Term> terms;
  double divisor = 0;  // value
  std::optional<uint32_t> divisorSlot;
};

using Command = std::variant<PassCommand, CallCommand, CopyCommand, FillCommand, GatherRowsCommand, SumsCommand,
                             CombineCommand, LinearCommand>;

// Runs one at a time, on one thread, for its values and what slots feed are put in their places.
struct Job {
  size_t slots = 0;
  size_t values = 0;  // how many it takes
  // Its passes take coefficients from slots: without these there is nothing right to do.
  bool fed = false;
  std::vector<Command> commands;
  // What its directions are in.
  std::vector<std::shared_ptr<const Space>> spaces;
  // The ids of its buffers and programs, each once, in order.
  std::vector<uint32_t> names;
};

}  // namespace zeroth
