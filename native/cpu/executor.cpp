#include "cpu/executor.h"

#include <algorithm>

#include "cpu/kernel.h"

namespace zeroth::cpu {

struct Executor::Impl {
  Impl(const Program& program, int threads)
      : threads(threads), arena(program.arenaWords * 4), spaces(1 + program.inputs.size()) {
    spaces[0] = arena.data();
    for (const Instruction& instruction : program.instructions)
      kernels.push_back(std::visit([&](const auto& row) { return prepare(row, threads); }, instruction));
    for (const KernelRef& kernel : kernels) scratchBytes = std::max(scratchBytes, kernel->scratchBytes());
    scratch = std::make_unique<ZeroedBlock>(scratchBytes);
  }

  int threads;
  ZeroedBlock arena;
  size_t scratchBytes = 0;
  std::unique_ptr<ZeroedBlock> scratch;
  std::vector<uint8_t*> spaces;
  std::vector<KernelRef> kernels;
};

Executor::Executor(Program program, int threads) : program_(std::move(program)) {
  if (threads < 1)
    throw std::invalid_argument("Executor: expected at least 1 thread, received " + std::to_string(threads));
  impl_ = std::make_unique<Impl>(program_, threads);
  scratchBytes_ = impl_->scratchBytes;
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
  const Context context{impl_->spaces.data(), impl_->scratch->data(), team};
  for (size_t i = 0; i < impl_->kernels.size(); ++i) {
    if (aborted != nullptr && aborted->load(std::memory_order_relaxed)) return false;
    try {
      impl_->kernels[i]->run(context);
    } catch (const ExecutionError& error) {
      throw ExecutionError("instruction " + std::to_string(i) + ": " + error.what());
    }
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
