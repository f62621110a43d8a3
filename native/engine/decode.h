// From the words of a job to the job.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>

#include "engine/job.h"

namespace zeroth {

// Resolves the ids that a job names, and says how many calls may run at the same time.
struct Registry {
  std::function<BufferRef(uint32_t id)> buffer;
  std::function<ExecutableRef(uint32_t id)> program;
  size_t lanes;
};

// Decodes and checks every command, with all that it binds; throws CommandError. Buffers are held by the job, so a
// later release cannot pull them away.
Job decodeJob(const double* words, size_t length, const Registry& registry);

}  // namespace zeroth
