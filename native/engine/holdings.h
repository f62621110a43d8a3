// What a device holds for JavaScript: its buffers and programs, by number, and the jobs that were made of them last.
// Any thread may call any method.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "backend.h"
#include "engine/recent_jobs.h"

namespace zeroth {

class Holdings {
 public:
  struct Memory {
    uint64_t buffers = 0, arenas = 0;
  };

  // Numbers are never 0, and come round after 2^32.
  uint32_t add(BufferRef buffer);
  uint32_t add(ExecutableRef program);

  // Throw CommandError where there is none of that number.
  BufferRef buffer(uint32_t id) const;
  ExecutableRef program(uint32_t id) const;

  // The job of these words, decoded unless it was lately. Throws CommandError. A device runs one job at a time.
  std::shared_ptr<Job> job(const double* words, size_t length, size_t lanes);

  // No longer held, nor by jobs but those that are still to run; null where there is none.
  BufferRef takeBuffer(uint32_t id);
  ExecutableRef takeProgram(uint32_t id);

  Memory memory() const;
  void clear();

 private:
  uint32_t freshId();

  mutable std::mutex mutex_;
  std::unordered_map<uint32_t, BufferRef> buffers_;
  std::unordered_map<uint32_t, ExecutableRef> programs_;
  RecentJobs recent_;
  uint32_t nextId_ = 1;
};

}  // namespace zeroth
