// A kernel is one instruction made ready to run: everything that depends only on the program is decided once, at
// preparation.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include "cpu/memory.h"
#include "program/program.h"
#include "thread/team.h"

namespace zeroth::cpu {

// Meeting costs a team a few microseconds, so work estimated below this stays on one thread.
constexpr double kParallelNanoseconds = 12000;

struct Context {
  uint8_t** spaces;                  // the arena, the inputs of this run, then the windows of loops, which move them
  uint8_t* scratch;                  // 64-byte aligned, at least scratchBytes() of the kernel
  Team* team;                        // whose members share a kernel; null: the calling thread alone
  const std::atomic<bool>* aborted;  // may be null

  template <class T>
  T* at(Ref ref) const {
    return reinterpret_cast<T*>(spaces[ref.space] + size_t{ref.offset} * 4);
  }
};

class Kernel {
 public:
  virtual ~Kernel() = default;
  virtual size_t scratchBytes() const { return 0; }
  virtual void run(const Context& context) = 0;
};

using KernelRef = std::unique_ptr<Kernel>;

// One an instruction.
KernelRef prepare(const Map& map, int threads);
KernelRef prepare(const MapSum& sum, int threads);
KernelRef prepare(const Reduce& reduce, int threads);
KernelRef prepare(const Matmul& matmul, int threads);
KernelRef prepare(const Gather& gather, int threads);
KernelRef prepare(const ScatterAdd& scatter, int threads);
KernelRef prepare(const Iota& iota, int threads);
KernelRef prepare(const LogSoftmax& softmax, int threads);
KernelRef prepare(const Recurrence& recurrence, int threads);
KernelRef prepare(const Loop& loop, int threads);
// A map of rank 0, which computes in f64.
KernelRef prepareScalarMap(const Map& map);

// Threads that a kernel should use; it is fixed at preparation.
inline int threadsFor(double nanoseconds, size_t pieces, int threads) {
  if (nanoseconds < kParallelNanoseconds || threads <= 1) return 1;
  return pieces < static_cast<size_t>(threads) ? static_cast<int>(pieces ? pieces : 1) : threads;
}

}  // namespace zeroth::cpu
