// MAP and MAP_SUM of rank at least 1.
#include "cpu/map_plan.h"

namespace zeroth::cpu {

namespace {

class MapKernel : public Kernel {
 public:
  MapKernel(const Map& map, int threads)
      : plan_(map, map.writes, MapPlan::kNone), threads_(threadsFor(plan_.nanoseconds(), plan_.tiles(), threads)) {}

  size_t scratchBytes() const override { return plan_.scratchBytesPerThread() * threads_; }

  void run(const Context& context) override {
    plan_.begin(context);
    parallelShares(context.team, plan_.tiles(), threads_, [&](size_t first, size_t last, int thread) {
      plan_.run(context, context.scratch + thread * plan_.scratchBytesPerThread(), first, last,
                [](const float*, size_t) {});
    });
  }

 private:
  MapPlan plan_;
  int threads_;
};

// Partial sums over stretches whose size depends on the shape alone, then their sum in order: the same bits for any
// number of threads.
class MapSumKernel : public Kernel {
 public:
  MapSumKernel(const MapSum& sum, int threads)
      : plan_(sum, {}, sum.source),
        dst_(sum.dst),
        stretch_(plan_.tiles() / 4096 + 16),
        stretches_((plan_.tiles() + stretch_ - 1) / stretch_),
        threads_(threadsFor(plan_.nanoseconds(), stretches_, threads)) {}

  size_t scratchBytes() const override { return partialBytes() + plan_.scratchBytesPerThread() * threads_; }

  void run(const Context& context) override {
    plan_.begin(context);
    double* partials = reinterpret_cast<double*>(context.scratch);
    const TileKernels& kernels = tileKernels();
    parallelShares(context.team, stretches_, threads_, [&](size_t first, size_t last, int thread) {
      uint8_t* scratch = context.scratch + partialBytes() + thread * plan_.scratchBytesPerThread();
      for (size_t s = first; s < last; ++s) {
        double lanes[16] = {};
        const size_t end = (s + 1) * stretch_ < plan_.tiles() ? (s + 1) * stretch_ : plan_.tiles();
        plan_.run(context, scratch, s * stretch_, end,
                  [&](const float* tile, size_t count) { kernels.sum(lanes, tile, count); });
        double total = 0;
        for (double lane : lanes) total += lane;
        partials[s] = total;
      }
    });
    double total = 0;
    for (size_t s = 0; s < stretches_; ++s) total += partials[s];
    *context.at<double>(dst_) = total;
  }

 private:
  size_t partialBytes() const { return alignUp(stretches_ * sizeof(double)); }

  MapPlan plan_;
  Ref dst_;
  size_t stretch_;  // in tiles
  size_t stretches_;
  int threads_;
};

}  // namespace

KernelRef prepare(const Map& map, int threads) {
  if (map.dims.empty()) return prepareScalarMap(map);
  return std::make_unique<MapKernel>(map, threads);
}

KernelRef prepare(const MapSum& sum, int threads) { return std::make_unique<MapSumKernel>(sum, threads); }

}  // namespace zeroth::cpu
