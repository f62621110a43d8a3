// Memory of the host as kernels need it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace zeroth::cpu {

constexpr size_t kAlignment = 64;

inline size_t alignUp(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// Aligned, and zero-filled by the system: what is read before it is written is the same in every run, memory that is
// never touched costs nothing, and to allocate does not wait.
class ZeroedBlock {
 public:
  explicit ZeroedBlock(size_t bytes) : raw_(std::calloc(bytes + kAlignment, 1)) {
    if (bytes + kAlignment < bytes || raw_ == nullptr) {
      std::free(raw_);
      throw std::bad_alloc();
    }
    data_ = reinterpret_cast<uint8_t*>(alignUp(reinterpret_cast<uintptr_t>(raw_)));
  }
  ~ZeroedBlock() { std::free(raw_); }
  ZeroedBlock(const ZeroedBlock&) = delete;
  ZeroedBlock& operator=(const ZeroedBlock&) = delete;

  uint8_t* data() const { return data_; }

 private:
  void* raw_;
  uint8_t* data_;
};

}  // namespace zeroth::cpu
