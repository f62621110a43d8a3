// LOOP: the kernels of its body, once a trip, between which only the windows move.
#include "cpu/sequence.h"

namespace zeroth::cpu {

namespace {

class LoopKernel : public Kernel {
 public:
  LoopKernel(const Loop& loop, int threads)
      : trips_(loop.trips),
        reverse_(loop.reverse),
        firstSpace_(loop.firstSpace),
        windows_(loop.windows),
        body_(loop.body, threads) {}

  size_t scratchBytes() const override { return body_.scratchBytes(); }

  void run(const Context& context) override {
    for (uint64_t trip = 0; trip < trips_; ++trip) {
      const uint64_t row = reverse_ ? trips_ - 1 - trip : trip;
      for (size_t i = 0; i < windows_.size(); ++i) {
        const Window& window = windows_[i];
        context.spaces[firstSpace_ + i] = context.at<uint8_t>(window.ref) + row * window.step * 4;
      }
      body_.run(context, [&](size_t i) { return std::to_string(i) + " of its loop at row " + std::to_string(row); });
    }
  }

 private:
  uint64_t trips_;
  bool reverse_;
  uint32_t firstSpace_;
  std::vector<Window> windows_;
  Sequence body_;
};

}  // namespace

KernelRef prepare(const Loop& loop, int threads) { return std::make_unique<LoopKernel>(loop, threads); }

}  // namespace zeroth::cpu
