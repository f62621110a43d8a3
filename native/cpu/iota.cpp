// IOTA: dst[o, i, j] = i.
#include <algorithm>

#include "cpu/kernel.h"

namespace zeroth::cpu {

namespace {

template <class T>
class IotaKernel : public Kernel {
 public:
  IotaKernel(const Iota& iota, int threads)
      : iota_(iota), threads_(threadsFor(0.1 * iota.outer * iota.n * iota.inner, iota.outer * iota.n, threads)) {}

  void run(const Context& context) override {
    T* dst = context.at<T>(iota_.dst);
    parallelShares(context.team, iota_.outer * iota_.n, threads_, [&](size_t begin, size_t end, int) {
      for (size_t row = begin; row < end; ++row) {
        std::fill_n(dst + row * iota_.inner, iota_.inner, static_cast<T>(row % iota_.n));
      }
    });
  }

 private:
  Iota iota_;
  int threads_;
};

}  // namespace

KernelRef prepare(const Iota& iota, int threads) {
  if (iota.dtype == DType::i32) return std::make_unique<IotaKernel<int32_t>>(iota, threads);
  return std::make_unique<IotaKernel<float>>(iota, threads);
}

}  // namespace zeroth::cpu
