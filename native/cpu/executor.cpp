#include "cpu/executor.h"

#include "cpu/sequence.h"

namespace zeroth::cpu {

namespace {

// What refs may name: these, or the windows of loops beyond them.
size_t spacesOf(const std::vector<Instruction>& instructions, size_t around) {
  size_t most = around;
  for (const Instruction& instruction : instructions) {
    const Loop* loop = std::get_if<Loop>(&instruction);
    if (loop != nullptr) most = std::max(most, spacesOf(loop->body, around + loop->windows.size()));
  }
  return most;
}

}  // namespace

struct Executor::Impl {
  Impl(const Program& program, int threads)
      : threads(threads),
        arena(program.arenaWords * 4),
        sequence(program.instructions, threads),
        scratch(sequence.scratchBytes()),
        spaces(spacesOf(program.instructions, 1 + program.inputs.size())) {
    spaces[0] = arena.data();
  }

  int threads;
  ZeroedBlock arena;
  Sequence sequence;
  ZeroedBlock scratch;
  std::vector<uint8_t*> spaces;
};

Executor::Executor(Program program, int threads) : program_(std::move(program)) {
  if (threads < 1)
    throw std::invalid_argument("Executor: expected at least 1 thread, received " + std::to_string(threads));
  impl_ = std::make_unique<Impl>(program_, threads);
  scratchBytes_ = impl_->sequence.scratchBytes();
}

Executor::~Executor() = default;

bool Executor::run(const std::vector<const void*>& inputs, Team* team, const std::atomic<bool>* aborted) {
  if (team != nullptr && team->size() < impl_->threads) {
    throw std::invalid_argument("run: expected a team of at least " + std::to_string(impl_->threads) +
                                " threads, received " + std::to_string(team->size()));
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    // Validation has made sure that no instruction writes to an input.
    impl_->spaces[i + 1] = static_cast<uint8_t*>(const_cast<void*>(inputs[i]));
  }
  const Context context{impl_->spaces.data(), impl_->scratch.data(), team, aborted};
  try {
    impl_->sequence.run(context, [](size_t i) { return "instruction " + std::to_string(i); });
  } catch (const Aborted&) {
    return false;
  }
  return true;
}

const void* Executor::output(size_t i) const {
  const Ref ref = program_.outputs.at(i).ref;
  const uint8_t* base = impl_->spaces[ref.space];
  if (base == nullptr) throw ExecutionError("output: expected a run before output " + std::to_string(i) + " is read");
  return base + size_t{ref.offset} * 4;
}

}  // namespace zeroth::cpu
