// Programs that are called: several at the same time, and what becomes of their outputs.
#pragma once
#include <atomic>
#include <memory>
#include <vector>

#include "backend.h"
#include "cpu/executor.h"
#include "thread/team.h"

namespace zeroth::cpu {

class CpuExecutable : public Executable {
 public:
  CpuExecutable(Program program, int threads) : executor(std::move(program), threads) {}
  size_t arenaBytes() const override { return executor.arenaBytes() + executor.scratchBytes(); }
  const Program& program() const override { return executor.program(); }

  // One for each of so many threads that run it at the same time, each on its own piece: the first is `executor`.
  Executor& of(size_t member) { return member == 0 ? executor : *others.at(member - 1); }
  void makeMembers(size_t count);

  Executor executor;
  std::vector<const void*> bindings;
  std::vector<std::unique_ptr<Executor>> others;
};

// As Backend::call.
bool runCalls(const std::vector<Call>& group, std::vector<double>& slots, Team& team, const std::atomic<bool>& aborted);

}  // namespace zeroth::cpu
