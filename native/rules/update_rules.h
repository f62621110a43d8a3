// The update rules that have kernels written by hand, for one element or for as many as a lane type holds: the same
// bits on the host and in a CUDA kernel.
#pragma once
#include <cmath>
#include <cstddef>

#include "random/lane.h"

namespace zeroth {

struct MomentumFactors {
  float beta, minusLr;
};

struct AdamFactors {
  float beta1, oneMinusBeta1, beta2, oneMinusBeta2;
  float minusStep;    // -lr / (1 - β1^t)
  float correction2;  // 1 / (1 - β2^t)
  float epsilon;
};

struct FrozenAdamFactors {
  float beta1, oneMinusBeta1, minusLr;
};

// Constants of a step, computed in f64 and rounded once.

inline MomentumFactors momentumFactors(double beta, double lr) {
  return {static_cast<float>(beta), static_cast<float>(-lr)};
}

// t from 1.
inline AdamFactors adamFactors(double beta1, double beta2, double lr, double epsilon, double t) {
  return {static_cast<float>(beta1),
          static_cast<float>(1 - beta1),
          static_cast<float>(beta2),
          static_cast<float>(1 - beta2),
          static_cast<float>(-(lr / (1 - std::pow(beta1, t)))),
          static_cast<float>(1 / (1 - std::pow(beta2, t))),
          static_cast<float>(epsilon)};
}

inline FrozenAdamFactors frozenAdamFactors(double beta1, double lr) {
  return {static_cast<float>(beta1), static_cast<float>(1 - beta1), static_cast<float>(-lr)};
}

template <class Lane>
struct UpdateRules {
  using F = typename Lane::F;

  static ZEROTH_HD void addVector(float c, const float* y, const float* in, float* out) {
    Lane::store(out, Lane::fma(Lane::set(c), Lane::load(y), Lane::load(in)));
  }

  static ZEROTH_HD void addKept(const float* keep, const float* c, size_t n, const float* z, const float* in,
                                float* out) {
    const F x = Lane::load(in);
    F sum = x;
    for (size_t k = 0; k < n; ++k) sum = Lane::fma(Lane::set(c[k]), Lane::load(z), sum);
    Lane::store(out, Lane::selectByBit30(Lane::asBits(Lane::load(keep)), sum, x));
  }

  static ZEROTH_HD void momentum(const MomentumFactors& k, const float* g, float* m, const float* in, float* out) {
    const F next = Lane::fma(Lane::set(k.beta), Lane::load(m), Lane::load(g));
    Lane::store(m, next);
    Lane::store(out, Lane::fma(Lane::set(k.minusLr), next, Lane::load(in)));
  }

  static ZEROTH_HD F average(float beta, float oneMinusBeta, F old, F latest) {
    return Lane::fma(Lane::set(beta), old, Lane::multiply(Lane::set(oneMinusBeta), latest));
  }

  static ZEROTH_HD void adam(const AdamFactors& k, const float* g, float* m, float* v, const float* in, float* out) {
    const F gradient = Lane::load(g);
    const F mean = average(k.beta1, k.oneMinusBeta1, Lane::load(m), gradient);
    const F square = average(k.beta2, k.oneMinusBeta2, Lane::load(v), Lane::multiply(gradient, gradient));
    Lane::store(m, mean);
    Lane::store(v, square);
    const F scale = Lane::add(Lane::squareRoot(Lane::multiply(square, Lane::set(k.correction2))), Lane::set(k.epsilon));
    Lane::store(out, Lane::fma(Lane::set(k.minusStep), Lane::divide(mean, scale), Lane::load(in)));
  }

  static ZEROTH_HD void frozenAdam(const FrozenAdamFactors& k, const float* g, float* m, const float* p,
                                   const float* in, float* out) {
    const F mean = average(k.beta1, k.oneMinusBeta1, Lane::load(m), Lane::load(g));
    Lane::store(m, mean);
    Lane::store(out, Lane::fma(Lane::set(k.minusLr), Lane::divide(mean, Lane::load(p)), Lane::load(in)));
  }
};

}  // namespace zeroth
