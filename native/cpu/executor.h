// Runs a program on the CPU. All that depends on the program alone is made once: of what runs, only oneDNN allocates, a
// few small objects a product.
#pragma once
#include <atomic>
#include <memory>
#include <stdexcept>
#include <vector>

#include "program/program.h"
#include "thread/team.h"

namespace zeroth::cpu {

// A run that could not go on because of its data: an index outside its table.
class ExecutionError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Executor {
 public:
  // `threads` ≥ 1: how many members of a team a kernel may use. Throws std::bad_alloc where the arena cannot be had,
  // and what oneDNN throws.
  Executor(Program program, int threads);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  const Program& program() const { return program_; }
  // Bytes held while this lives: the arena of the plan, and the executor's scratch.
  size_t arenaBytes() const { return program_.arenaWords * 4; }
  size_t scratchBytes() const { return scratchBytes_; }

  // Where each input is, in order: at a multiple of 4 bytes, and as long as it was declared. That is not looked at
  // again here: the engine has held what a call binds to it (engine/bindings.h). `aborted` (may be null) is looked at
  // between kernels, those of loops too; false says that it stopped the run. Without a team, the calling thread does it
  // all, to the same bits. Throws ExecutionError. Not re-entrant.
  bool run(const std::vector<const void*>& inputs, Team* team, const std::atomic<bool>* aborted = nullptr);

  // Where output i is after a run: in the arena, or in an input's binding. Valid until the next run.
  const void* output(size_t i) const;

 private:
  struct Impl;
  Program program_;
  size_t scratchBytes_ = 0;
  std::unique_ptr<Impl> impl_;
};

}  // namespace zeroth::cpu
