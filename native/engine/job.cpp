#include "engine/job.h"

#include <cmath>
#include <exception>
#include <initializer_list>
#include <limits>
#include <string>

#include "engine/bindings.h"
#include "engine/reader.h"

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

double decay(Reader& reader, const char* what) {
  const double beta = reader.finite(what);
  // The arithmetic is in f32, where what is close to 1 is 1.
  if (beta < 0 || static_cast<float>(beta) >= 1) {
    throw CommandError(std::string("job: ") + what + ": expected 0 ≤ β < 1 in f32, received " + show(beta));
  }
  return beta;
}

// What is 0 or infinite in f32 would make NaN of a gradient of 0.
void checkAdam(const PassOp& op) {
  if (op.t < 1) throw CommandError("job: Adam's t starts at 1");
  if (!(static_cast<float>(op.epsilon) > 0)) {
    throw CommandError("job: epsilon: expected a number > 0 in f32, received " + show(op.epsilon));
  }
  const double step = op.lr / (1 - std::pow(op.beta1, static_cast<double>(op.t)));
  if (!(std::abs(step) <= static_cast<double>(std::numeric_limits<float>::max()))) {
    throw CommandError("job: expected a step lr / (1 - β1^t) in the range of f32, received " + show(step));
  }
}

// Whether a coefficient times each scale of its space is a number of f32.
bool isScalable(const Term& term) {
  return term.space == nullptr || std::isfinite(term.coefficient * term.space->largestScale);
}

// Everything that a backend could refuse is refused here: a pass that fails half-way through a job would leave the
// parameters in a state that the caller does not know of.
PassOp readPassOp(Reader& reader, const Buffer& in, const Buffer& out, size_t count, size_t slots) {
  PassOp op;
  op.kind = static_cast<PassOp::Kind>(reader.integer("update kind", 5));
  const size_t terms = reader.count("terms");
  op.terms.reserve(terms);
  for (size_t i = 0; i < terms; ++i) {
    const Space* space = nullptr;
    const Direction direction = reader.direction(space);
    const float coefficient = reader.finiteFloat("coefficient");
    const double factor = reader.last();
    op.terms.push_back({direction, coefficient, space});
    if (!isScalable(op.terms.back())) {
      throw CommandError(
          "job: coefficient: expected a number that stays in the range of f32 when it is scaled, received " +
          show(factor));
    }
    if (const auto slot = reader.slotOrNone(slots)) op.fed.push_back({i, *slot, factor});
  }
  op.dense = reader.bufferOrNull();
  op.denseCoefficient = reader.finiteFloat("dense coefficient");
  op.lr = reader.finiteFloat("lr");
  op.beta1 = decay(reader, "beta1");
  op.beta2 = decay(reader, "beta2");
  op.epsilon = reader.finiteFloat("epsilon");
  if (op.epsilon < 0) throw CommandError("job: epsilon: expected at least 0, received " + show(op.epsilon));
  op.t = static_cast<int64_t>(reader.integer("t"));
  const bool places = op.kind == PassOp::Kind::keep || op.kind == PassOp::Kind::resume;
  (places ? op.to : op.m) = reader.bufferOrNull();
  op.v = reader.bufferOrNull();
  if (op.dense) checkExtent(*op.dense, 0, count, 4, "dense gradient");
  if (op.m) checkExtent(*op.m, 0, count, 4, "state m");
  if (op.v) checkExtent(*op.v, 0, count, 4, "state v or p");
  if (op.to) checkExtent(*op.to, 0, count, 4, "kept values");
  const bool needsM = op.kind != PassOp::Kind::add && !places;
  const bool needsV = op.kind == PassOp::Kind::adam || op.kind == PassOp::Kind::frozenAdam;
  if ((needsM && !op.m) || (needsV && !op.v)) throw CommandError("job: an update lacks its state buffer");
  if (places && (!op.to || !op.terms.empty() || op.dense || op.v)) {
    throw CommandError("job: to keep values, or to go on from kept ones, takes a buffer and nothing else");
  }
  if (op.kind == PassOp::Kind::adam) checkAdam(op);
  const auto among = [](const BufferRef& one, std::initializer_list<const Buffer*> others) {
    for (const Buffer* other : others) {
      if (one && one.get() == other) return true;
    }
    return false;
  };
  if (among(op.m, {&in, &out, op.dense.get(), op.v.get()}) || among(op.v, {&in, &out, op.dense.get()}) ||
      among(op.dense, {&out})) {
    throw CommandError("job: an update that overwrites what it still has to read: it needs separate buffers");
  }
  return op;
}

// Kept values may replace the pass's source, element by element, but nothing else that the pass still uses.
void checkKept(const PassCommand& command) {
  for (const PassOp& keep : command.ops) {
    if (keep.kind != PassOp::Kind::keep) continue;
    bool taken = keep.to == command.out;
    for (const PassOp& op : command.ops) {
      const bool again = op.kind == PassOp::Kind::keep && &op != &keep && keep.to == op.to;
      taken = taken || keep.to == op.m || keep.to == op.v || keep.to == op.dense || again;
    }
    if (taken) throw CommandError("job: values kept in a buffer that the pass uses: they need one of their own");
  }
}

// What ops go on from must be there: kept by an op before, or the source, of which nothing has been overwritten.
void checkResumed(const PassCommand& command) {
  for (size_t i = 0; i < command.ops.size(); ++i) {
    const PassOp& resume = command.ops[i];
    if (resume.kind != PassOp::Kind::resume) continue;
    bool there = resume.to == command.in && command.in != command.out;
    for (size_t j = 0; j < i; ++j)
      there = there || (command.ops[j].kind == PassOp::Kind::keep && command.ops[j].to == resume.to);
    if (!there) throw CommandError("job: an update that goes on from values that the pass has not kept");
  }
}

PassCommand readPass(Reader& reader, size_t slots) {
  PassCommand command;
  command.in = reader.buffer();
  command.out = reader.buffer();
  command.count = reader.integer("count");
  checkExtent(*command.in, 0, command.count, 4, "pass source");
  checkExtent(*command.out, 0, command.count, 4, "pass target");
  const size_t ops = reader.count("updates");
  for (size_t i = 0; i < ops; ++i) {
    command.ops.push_back(readPassOp(reader, *command.in, *command.out, command.count, slots));
    command.fed = command.fed || !command.ops.back().fed.empty();
  }
  checkKept(command);
  checkResumed(command);
  return command;
}

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
      binding.offset = reader.integer("offset");
      binding.rowLength = reader.integer("row length");
      binding.rowStride = reader.integer("row stride");
    }
    // Buffers hold f32, slots f64.
    const bool slot = binding.mode == OutputBinding::Mode::addToSlot;
    binding.weight = slot ? reader.finite("weight") : static_cast<double>(reader.finiteFloat("weight"));
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
  command.offset = reader.integer("offset");
  command.direction = reader.direction(command.space);
  command.first = reader.integer("first element");
  command.count = reader.integer("count");
  command.scale = reader.finiteFloat("scale");
  checkExtent(*command.to, command.offset, command.count, 4, "fill");
  return command;
}

GatherRowsCommand readGatherRows(Reader& reader) {
  GatherRowsCommand command;
  command.from = reader.buffer();
  command.to = reader.buffer();
  command.rowBytes = reader.integer("row bytes");
  const size_t rows = reader.count("rows");
  if (command.rowBytes == 0) throw CommandError("job: rows of no bytes");
  if (command.from == command.to) throw CommandError("job: rows gathered from the buffer that they go to");
  checkExtent(*command.to, 0, rows, command.rowBytes, "gathered rows");
  command.rows.reserve(rows);
  for (size_t i = 0; i < rows; ++i) {
    command.rows.push_back(reader.word("row"));
    checkExtent(*command.from, command.rows.back(), 1, command.rowBytes, "row");
  }
  return command;
}

SumsCommand readSums(Reader& reader, size_t slots) {
  SumsCommand command;
  command.of = reader.buffer();
  command.offset = reader.integer("offset");
  command.count = reader.integer("count");
  command.slot = reader.word("slot");
  checkExtent(*command.of, command.offset, command.count, 4, "sums");
  if (slots < 2 || command.slot > slots - 2) throw CommandError("job: a slot beyond the declared results");
  return command;
}

CombineCommand readCombine(Reader& reader, size_t slots) {
  CombineCommand command;
  command.out = reader.slot("a slot", slots);
  const size_t terms = reader.count("terms");
  for (size_t i = 0; i < terms; ++i) {
    const double weight = reader.finite("weight");
    command.terms.push_back({weight, reader.slot("a slot", slots)});
  }
  command.divisor = reader.finite("divisor");
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
  job.spaces = reader.takeSpaces();
  return job;
}

namespace {

// False where a slot gives no number of f32.
bool feed(std::vector<PassOp>& ops, const std::vector<double>& slots) {
  for (PassOp& op : ops) {
    for (const FedCoefficient& fed : op.fed) {
      const double coefficient = fed.factor * slots[fed.slot];
      if (!(std::abs(coefficient) <= static_cast<double>(std::numeric_limits<float>::max()))) return false;
      op.terms[fed.term].coefficient = static_cast<float>(coefficient);
      if (!isScalable(op.terms[fed.term])) return false;
    }
  }
  return true;
}

double combined(const CombineCommand& command, const std::vector<double>& slots) {
  double sum = 0;
  for (const CombineCommand::Term& term : command.terms) sum += term.weight * slots[term.slot];
  return sum / (command.divisorSlot ? command.divisor * slots[*command.divisorSlot] : command.divisor);
}

}  // namespace

bool runJob(Backend& backend, const Job& job, const std::atomic<bool>& aborted, std::vector<double>& slots) {
  slots.assign(job.slots, 0.0);
  std::exception_ptr failure;
  bool complete = true;
  for (const Command& command : job.commands) {
    if (backend.stopped()) return false;
    // Passes run whatever happens to the rest: the caller's record of what the parameters hold must stay true. Decoding
    // has made sure that they can; where one still fails (no memory), the record is lost and nothing more is done.
    if (job.fed && (!complete || failure || aborted.load(std::memory_order_relaxed))) {
      complete = false;
      break;
    }
    if (const auto* pass = std::get_if<PassCommand>(&command)) {
      if (!pass->fed) {
        backend.pass(*pass->in, *pass->out, pass->count, pass->ops);
        continue;
      }
      std::vector<PassOp> ops = pass->ops;
      if (!feed(ops, slots)) return true;
      backend.pass(*pass->in, *pass->out, pass->count, ops);
      continue;
    }
    if (aborted.load(std::memory_order_relaxed)) complete = false;
    if (!complete || failure) continue;
    try {
      if (const auto* call = std::get_if<CallCommand>(&command)) {
        complete = backend.call(call->group, slots, aborted);
      } else if (const auto* copy = std::get_if<CopyCommand>(&command)) {
        backend.copy(*copy->from, copy->fromByte, *copy->to, copy->toByte, copy->bytes);
      } else if (const auto* fill = std::get_if<FillCommand>(&command)) {
        backend.fill(*fill->to, fill->offset, fill->direction, fill->space, fill->first, fill->count, fill->scale);
      } else if (const auto* gather = std::get_if<GatherRowsCommand>(&command)) {
        backend.gatherRows(*gather->from, gather->rowBytes, *gather->to, gather->rows);
      } else if (const auto* sums = std::get_if<SumsCommand>(&command)) {
        const Sums found = backend.sums(*sums->of, sums->offset, sums->count);
        slots[sums->slot] += found.sum;
        slots[sums->slot + 1] += found.squares;
      } else if (const auto* combine = std::get_if<CombineCommand>(&command)) {
        slots[combine->out] = combined(*combine, slots);
      } else if (const auto* linear = std::get_if<LinearCommand>(&command)) {
        run(backend, *linear, slots);
      }
    } catch (...) {
      failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
  return complete && !backend.stopped();  // what ran may have ended early
}

}  // namespace zeroth
