// A step of a rule with states in one pass over memory: g = c z(direction), made on the way; θ and the states change.
// Bits are those of the CPU's passes (cpu/update.h).
#pragma once
#include "cuda/perturb.cuh"
#include "rules/update_rules.h"

namespace zeroth::cuda {

using Rules = UpdateRules<ScalarLane>;

// Each rule on one element: `x` and the states of it.
struct MomentumRule {
  MomentumFactors factors;
  float* m;

  struct States {
    float4 m;
  };
  ZEROTH_HD States load(uint64_t at) const { return {load4(m + at)}; }
  ZEROTH_HD void store(uint64_t at, const States& states) const { store4(m + at, states.m); }
  ZEROTH_HD void step(const float& g, float& x, States& states, float float4::*part) const {
    Rules::momentum(factors, &g, &(states.m.*part), &x, &x);
  }
};

struct AdamRule {
  AdamFactors factors;
  float *m, *v;

  struct States {
    float4 m, v;
  };
  ZEROTH_HD States load(uint64_t at) const { return {load4(m + at), load4(v + at)}; }
  ZEROTH_HD void store(uint64_t at, const States& states) const {
    store4(m + at, states.m);
    store4(v + at, states.v);
  }
  ZEROTH_HD void step(const float& g, float& x, States& states, float float4::*part) const {
    Rules::adam(factors, &g, &(states.m.*part), &(states.v.*part), &x, &x);
  }
};

// Whole blocks. `out` may be `in`; they and the states are aligned to 16 bytes, begin at element 0, and do not overlap
// each other.
template <Distribution distribution, class Rule>
__global__ void __launch_bounds__(kThreads)
    updateBlocks(Stream stream, Rule rule, uint64_t blocks, const float* in, float* out) {
  for (uint64_t at = firstPiece(); at < blocks * kGroups; at += nextPiece()) {
    const uint64_t block = at / kGroups, group = at % kGroups;
    float4 z[4];
    variatesOf<distribution>(fourCounters(stream.direction, block * 16 + 4 * group), z);
    for (int j = 0; j < 4; ++j) {
      const uint64_t first = block * kBlock + 4 * group + 16 * j;
      const float4 g = addScaled(stream.coefficient, z[j], {0, 0, 0, 0});
      float4 x = load4(in + first);
      typename Rule::States states = rule.load(first);
      rule.step(g.x, x.x, states, &float4::x);
      rule.step(g.y, x.y, states, &float4::y);
      rule.step(g.z, x.z, states, &float4::z);
      rule.step(g.w, x.w, states, &float4::w);
      store4(out + first, x);
      rule.store(first, states);
    }
  }
}

}  // namespace zeroth::cuda
