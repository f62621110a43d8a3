// Memory of the CPU as a backend's.
#pragma once
#include "backend.h"
#include "cpu/memory.h"

namespace zeroth::cpu {

class CpuBuffer : public Buffer {
 public:
  explicit CpuBuffer(size_t bytes) : Buffer(bytes), block_(bytes) {}

  char* at(size_t byte) const { return reinterpret_cast<char*>(block_.data()) + byte; }

 private:
  ZeroedBlock block_;
};

inline char* at(const Buffer& buffer, size_t byte) { return static_cast<const CpuBuffer&>(buffer).at(byte); }
inline float* floats(const Buffer& buffer, size_t byte = 0) { return reinterpret_cast<float*>(at(buffer, byte)); }
inline float* floats(const BufferRef& buffer) { return buffer ? floats(*buffer) : nullptr; }

}  // namespace zeroth::cpu
