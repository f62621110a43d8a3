#include "engine/pass.h"

#include <cmath>
#include <initializer_list>
#include <limits>
#include <variant>

#include "engine/reader.h"
#include "engine/values.h"

namespace zeroth {
namespace {

double decay(Values& values, const char* what) {
  const double beta = values.finite(what);
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

[[noreturn]] void refuseTraced(const char* what) { throw CommandError(std::string("job: a traced update: ") + what); }

// Whether a program is an update of such states by so many scalars.
void checkTraced(const Program& program, const PassOp& op, uint64_t scalars) {
  const size_t vectors = 2 + op.states.size();
  if (program.inputs.size() < vectors || program.inputs.size() - vectors != scalars)
    refuseTraced("its program has other inputs than it is given");
  const uint64_t piece = program.inputs[0].count;
  if (piece == 0) refuseTraced("its program takes no elements");
  for (size_t i = 0; i < program.inputs.size(); ++i) {
    const Declaration& input = program.inputs[i];
    if (input.dtype != DType::f32 || input.count != (i < vectors ? piece : 1))
      refuseTraced("expected inputs of as many f32 as the first, then single ones");
  }
  if (program.outputs.empty() || program.outputs.size() > 1 + op.states.size())
    refuseTraced("expected the parameters and some of the states as outputs");
  for (const Output& output : program.outputs) {
    if (output.dtype != DType::f32 || output.count != piece) refuseTraced("expected outputs as long as its inputs");
    if (output.ref.space != 0) refuseTraced("expected outputs apart from its inputs");
  }
  for (const Instruction& instruction : program.instructions) {
    if (!std::holds_alternative<Map>(instruction)) refuseTraced("expected a program of maps, element by element");
  }
}

// The programs of a traced update, one a lane, with what they take: one piece of each vector at a time.
void readTraced(Reader& reader, PassOp& op, size_t lanes) {
  op.programs.resize(reader.count("programs"));
  for (ExecutableRef& program : op.programs) program = reader.program();
  op.states.resize(reader.count("states"));
  for (BufferRef& state : op.states) state = reader.buffer();
  const uint64_t scalars = reader.integer("scalars");

  if (op.programs.size() != lanes) refuseTraced("expected a program for each lane of the device");
  for (size_t i = 0; i < lanes; ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (op.programs[i] == op.programs[j]) refuseTraced("one program for two lanes, which run at the same time");
    }
    checkTraced(op.programs[i]->program(), op, scalars);
  }
  op.scalars.resize(scalars);  // of which the programs have as many
}

// Everything that a backend could refuse is refused here and with the values: a pass that fails half-way through a job
// would leave the parameters in a state that the caller does not know of.
PassOp readPassOp(Reader& reader, const Buffer& in, const Buffer& out, size_t count, size_t slots) {
  PassOp op;
  op.kind = static_cast<PassOp::Kind>(reader.integer("update kind", 6));
  const size_t terms = reader.count("terms");
  op.terms.reserve(terms);
  for (size_t i = 0; i < terms; ++i) {
    Term term{};
    term.direction.distribution = reader.direction(term.space);
    op.terms.push_back(term);
    if (const auto slot = reader.slotOrNone(slots)) op.fed.push_back({i, *slot, 0});
  }
  op.dense = reader.bufferOrNull();
  const bool places = op.kind == PassOp::Kind::keep || op.kind == PassOp::Kind::resume;
  (places ? op.to : op.m) = reader.bufferOrNull();
  op.v = reader.bufferOrNull();
  const bool traced = op.kind == PassOp::Kind::traced;
  if (traced) readTraced(reader, op, reader.lanes());
  if (op.dense) checkVector(*op.dense, 0, count, "dense gradient");
  for (const BufferRef& state : op.states) checkVector(*state, 0, count, "state");
  if (op.m) checkVector(*op.m, 0, count, "state m");
  if (op.v) checkVector(*op.v, 0, count, "state v or p");
  if (op.to) checkVector(*op.to, 0, count, "kept values");
  const bool needsM = op.kind != PassOp::Kind::add && !places && !traced;
  const bool needsV = op.kind == PassOp::Kind::adam || op.kind == PassOp::Kind::frozenAdam;
  if ((needsM && !op.m) || (needsV && !op.v)) throw CommandError("job: an update lacks its state buffer");
  if (places && (!op.to || !op.terms.empty() || op.dense || op.v)) {
    throw CommandError("job: to keep values, or to go on from kept ones, takes a buffer and nothing else");
  }
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
  for (size_t i = 0; i < op.states.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (op.states[j] == op.states[i]) throw CommandError("job: two states of an update in one buffer");
    }
    if (among(op.states[i], {&in, &out, op.dense.get()})) {
      throw CommandError("job: a state of an update in a buffer that its pass uses: it needs one of its own");
    }
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
      for (const BufferRef& state : op.states) taken = taken || keep.to == state;
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

size_t countValues(const PassOp& op) {
  constexpr size_t ofTerm = Values::kOfDirection + 1, ofRule = 6;
  return op.terms.size() * ofTerm + ofRule + op.scalars.size();
}

void setValues(PassOp& op, Values& values) {
  auto fed = op.fed.begin();
  for (size_t i = 0; i < op.terms.size(); ++i) {
    Term& term = op.terms[i];
    values.direction(term.direction);
    term.coefficient = values.finiteFloat("coefficient");
    const double factor = values.last();
    if (!isScalable(term)) {
      throw CommandError(
          "job: coefficient: expected a number that stays in the range of f32 when it is scaled, received " +
          show(factor));
    }
    if (fed != op.fed.end() && fed->term == i) fed++->factor = factor;
  }
  op.denseCoefficient = values.finiteFloat("dense coefficient");
  op.lr = values.finiteFloat("lr");
  op.beta1 = decay(values, "beta1");
  op.beta2 = decay(values, "beta2");
  op.epsilon = values.finiteFloat("epsilon");
  if (op.epsilon < 0) throw CommandError("job: epsilon: expected at least 0, received " + show(op.epsilon));
  op.t = static_cast<int64_t>(values.integer("t"));
  if (op.kind == PassOp::Kind::adam) checkAdam(op);
  for (float& scalar : op.scalars) scalar = values.finiteFloat("scalar of an update");
}

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

}  // namespace

PassCommand readPass(Reader& reader, size_t slots) {
  PassCommand command;
  command.in = reader.buffer();
  command.out = reader.buffer();
  command.count = reader.integer("count");
  checkVector(*command.in, 0, command.count, "pass source");
  checkVector(*command.out, 0, command.count, "pass target");
  const size_t ops = reader.count("updates");
  for (size_t i = 0; i < ops; ++i) {
    command.ops.push_back(readPassOp(reader, *command.in, *command.out, command.count, slots));
    command.fed = command.fed || !command.ops.back().fed.empty();
  }
  checkKept(command);
  checkResumed(command);
  return command;
}

size_t countValues(const PassCommand& command) {
  size_t count = 0;
  for (const PassOp& op : command.ops) count += countValues(op);
  return count;
}

void setValues(PassCommand& command, Values& values) {
  for (PassOp& op : command.ops) setValues(op, values);
}

bool run(Backend& backend, PassCommand& command, const std::vector<double>& slots) {
  if (!feed(command.ops, slots)) return false;
  backend.pass(*command.in, *command.out, command.count, command.ops);
  return true;
}

}  // namespace zeroth
