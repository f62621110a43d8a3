// What a device holds for JavaScript, by number: its buffers and its programs. Any thread may call any method.
#pragma once
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "backend.h"

namespace zeroth::addon {

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

  // No longer held; null where there is none.
  BufferRef takeBuffer(uint32_t id);
  ExecutableRef takeProgram(uint32_t id);

  Memory memory() const;
  void clear();

 private:
  uint32_t freshId();

  mutable std::mutex mutex_;
  std::unordered_map<uint32_t, BufferRef> buffers_;
  std::unordered_map<uint32_t, ExecutableRef> programs_;
  uint32_t nextId_ = 1;
};

}  // namespace zeroth::addon
