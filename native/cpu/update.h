// Parameter updates: any number of them in one pass over memory, with directions regenerated on the fly.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <variant>
#include <vector>

#include "cpu/executor.h"
#include "direction/direction.h"
#include "thread/team.h"

namespace zeroth {

/** g = Σ coefficient · z(direction) [+ denseCoefficient · dense], each summand added with one rounding, in this order.
 */
struct Gradient {
  std::vector<Term> terms;
  const float* dense = nullptr;
  float denseCoefficient = 0;
};

/** x ← x + c z for one summand of the gradient after the other, so that +c z, -c z restores x but for rare roundings.
 */
struct AddUpdate {
  Gradient gradient;
};

/** m ← β m + g;  x ← x - lr m */
struct MomentumUpdate {
  Gradient gradient;
  double beta, lr;
  float* m;
};

/**
 * m ← β1 m + (1-β1) g;  v ← β2 v + (1-β2) g²;  x ← x - lr · (m / (1-β1^t)) / (√(v / (1-β2^t)) + ε), t from 1.
 * The bias corrections are computed once, in double.
 */
struct AdamUpdate {
  Gradient gradient;
  double beta1, beta2, lr, epsilon;
  int64_t t;
  float* m;
  float* v;
};

/** m ← β1 m + (1-β1) g;  x ← x - lr m / p */
struct FrozenAdamUpdate {
  Gradient gradient;
  double beta1, lr;
  float* m;
  const float* p;
};

/** to = x as it is here; x goes on. `to` may be the pass's `in`, and overlaps nothing else. */
struct KeepUpdate {
  float* to;
};

/** x = what `from` holds: kept by an op before, or the pass's `in` where `out` is another vector. */
struct ResumeUpdate {
  const float* from;
};

/**
 * x, and the first of the states, ← what the program says, piece by piece: inputs are pieces of x, g and each state,
 * then the scalars; outputs are x and the states that change. The program is one of element-wise maps.
 */
struct TracedUpdate {
  Gradient gradient;
  std::vector<cpu::Executor*> members;  // the program, prepared once for each member of the team
  std::vector<float*> states;
  std::vector<float> scalars;
};

using UpdateOp =
    std::variant<AddUpdate, MomentumUpdate, AdamUpdate, FrozenAdamUpdate, TracedUpdate, KeepUpdate, ResumeUpdate>;

/** Of the kinds of update: whether it has a gradient. */
template <class Update>
inline constexpr bool hasGradient = !std::is_same_v<Update, KeepUpdate> && !std::is_same_v<Update, ResumeUpdate>;

/**
 * out = ops, in order, of in; `count` elements, element i taking z's element i. One multi-threaded pass over memory:
 * tile by tile, all ops on a tile while it is in the L1 cache, and every direction generated once a tile however often
 * it occurs. `out` may be `in`, or must not overlap it. States (m, v) are updated in place; they overlap neither each
 * other nor in or out. No ops: a copy. The bits do not depend on `team` (null: the calling thread alone) or `isa`.
 * Once `stopped` (may be null) is set, the rest is left as it is. Throws std::invalid_argument, before anything is
 * written, for bad pointers, coefficients or hyper-parameters.
 */
void pass(const float* in, float* out, size_t count, const std::vector<UpdateOp>& ops, Team* team,
          Isa isa = activeIsa(), const std::atomic<bool>* stopped = nullptr);

}  // namespace zeroth
