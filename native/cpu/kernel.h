// A kernel is one instruction made ready to run: everything that depends only on the program is decided once, at
// preparation.
#pragma once
#include <omp.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include "program/program.h"

namespace zeroth::cpu {

constexpr size_t kAlignment = 64;
// A parallel region costs a few microseconds, so work estimated below this stays on one thread.
constexpr double kParallelNanoseconds = 12000;

struct Context {
  uint8_t* const* spaces;  // the arena, then the inputs of this run
  uint8_t* scratch;        // 64-byte aligned, at least scratchBytes() of the kernel

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

KernelRef prepareMap(const Map& map, int threads);
KernelRef prepareMapSum(const MapSum& sum, int threads);
KernelRef prepareScalarMap(const Map& map);
KernelRef prepareReduce(const Reduce& reduce, int threads);
KernelRef prepareMatmul(const Matmul& matmul, int threads);
KernelRef prepareGather(const Gather& gather, int threads);
KernelRef prepareScatterAdd(const ScatterAdd& scatter, int threads);
KernelRef prepareIota(const Iota& iota, int threads);

// Threads that a kernel should use; it is fixed at preparation.
inline int threadsFor(double nanoseconds, size_t pieces, int threads) {
  if (nanoseconds < kParallelNanoseconds || threads <= 1) return 1;
  return pieces < static_cast<size_t>(threads) ? static_cast<int>(pieces ? pieces : 1) : threads;
}

// body(begin, end, thread) over consecutive shares of [0, count). What is computed must not depend on where the shares
// are cut.
template <class Body>
void parallelShares(size_t count, int threads, const Body& body) {
  if (threads <= 1) {
    body(size_t{0}, count, 0);
    return;
  }
#pragma omp parallel num_threads(threads)
  {
    const size_t thread = omp_get_thread_num(), team = omp_get_num_threads();
    body(count * thread / team, count * (thread + 1) / team, static_cast<int>(thread));
  }
}

inline size_t alignUp(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace zeroth::cpu
