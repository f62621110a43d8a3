// Programs that are called: several at the same time, and what becomes of their outputs.
#pragma once
#include <atomic>
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

  Executor executor;
  std::vector<const void*> bindings;
};

// As Backend::call.
bool runCalls(const std::vector<Call>& group, std::vector<double>& slots, Team& team, const std::atomic<bool>& aborted);

}  // namespace zeroth::cpu
