// GATHER and SCATTER_ADD. Indices are data, so they are checked at each run, before anything is written.
#include <algorithm>
#include <string>

#include "cpu/executor.h"
#include "cpu/kernel.h"
#include "cpu/tile_kernels.h"

namespace zeroth::cpu {

namespace {

void checkIndices(const char* what, const int32_t* indices, size_t count, size_t rows) {
  for (size_t i = 0; i < count; ++i) {
    if (indices[i] < 0 || static_cast<size_t>(indices[i]) >= rows) {
      throw ExecutionError(std::string(what) + ": expected indices from 0 to " + std::to_string(rows - 1) +
                           ", received " + std::to_string(indices[i]) + " at position " + std::to_string(i));
    }
  }
}

class GatherKernel : public Kernel {
 public:
  GatherKernel(const Gather& gather, int threads)
      : gather_(gather), threads_(threadsFor(0.2 * gather.count * gather.width, gather.count, threads)) {}

  void run(const Context& context) override {
    const float* table = context.at<const float>(gather_.table);
    const int32_t* indices = context.at<const int32_t>(gather_.indices);
    float* dst = context.at<float>(gather_.dst);
    const size_t width = gather_.width;
    checkIndices("gather", indices, gather_.count, gather_.rows);
    parallelShares(context.team, gather_.count, threads_, [&](size_t begin, size_t end, int) {
      for (size_t i = begin; i < end; ++i)
        std::memcpy(dst + i * width, table + indices[i] * width, width * sizeof(float));
    });
  }

 private:
  Gather gather_;
  int threads_;
};

// Each thread owns a range of destination rows and adds what falls there, in order: no atomics, and the same bits for
// any team.
class ScatterAddKernel : public Kernel {
 public:
  ScatterAddKernel(const ScatterAdd& scatter, int threads)
      : scatter_(scatter),
        threads_(threadsFor(0.2 * (scatter.count + scatter.rows) * scatter.width, scatter.rows, threads)) {}

  void run(const Context& context) override {
    const int32_t* indices = context.at<const int32_t>(scatter_.indices);
    const float* updates = context.at<const float>(scatter_.updates);
    float* dst = context.at<float>(scatter_.dst);
    const size_t width = scatter_.width;
    checkIndices("scatterAdd", indices, scatter_.count, scatter_.rows);
    const TileKernels& kernels = tileKernels();
    parallelShares(context.team, scatter_.rows, threads_, [&](size_t begin, size_t end, int) {
      std::fill(dst + begin * width, dst + end * width, 0.0f);
      for (size_t i = 0; i < scatter_.count; ++i) {
        const size_t row = indices[i];
        if (row < begin || row >= end) continue;
        float* to = dst + row * width;
        const float* from = updates + i * width;
        if (width < 16) {
          for (size_t j = 0; j < width; ++j) to[j] += from[j];
        } else {
          kernels.add(to, from, width);
        }
      }
    });
  }

 private:
  ScatterAdd scatter_;
  int threads_;
};

}  // namespace

KernelRef prepare(const Gather& gather, int threads) { return std::make_unique<GatherKernel>(gather, threads); }

KernelRef prepare(const ScatterAdd& scatter, int threads) {
  return std::make_unique<ScatterAddKernel>(scatter, threads);
}

}  // namespace zeroth::cpu
