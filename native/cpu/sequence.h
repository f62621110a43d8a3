// Kernels one after the other: of a program, or of the body of a loop.
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include "cpu/executor.h"
#include "cpu/kernel.h"

namespace zeroth::cpu {

// Thrown where a run is to stop, through the loops that it is in.
struct Aborted {};

class Sequence {
 public:
  Sequence(const std::vector<Instruction>& instructions, int threads) {
    for (const Instruction& instruction : instructions)
      kernels_.push_back(std::visit([&](const auto& row) { return prepare(row, threads); }, instruction));
  }

  size_t scratchBytes() const {
    size_t most = 0;
    for (const KernelRef& kernel : kernels_) most = std::max(most, kernel->scratchBytes());
    return most;
  }

  // placeOf(i) names kernel i to errors. Throws ExecutionError, and Aborted.
  template <class PlaceOf>
  void run(const Context& context, const PlaceOf& placeOf) const {
    for (size_t i = 0; i < kernels_.size(); ++i) {
      if (context.aborted != nullptr && context.aborted->load(std::memory_order_relaxed)) throw Aborted();
      try {
        kernels_[i]->run(context);
      } catch (const ExecutionError& error) {
        throw ExecutionError(placeOf(i) + ": " + error.what());
      }
    }
  }

 private:
  std::vector<KernelRef> kernels_;
};

}  // namespace zeroth::cpu
