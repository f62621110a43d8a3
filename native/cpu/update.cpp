#include "cpu/update.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "cpu/traced_update.h"
#include "cpu/update_kernel.h"

namespace zeroth {
namespace {

constexpr size_t tileSize = 2048;     // elements: 8 KiB of x beside as much gradient and state stays in L1
constexpr size_t tilesPerThread = 8;  // less takes about as long as waking a thread
static_assert(tileSize % blockSize == 0, "a tile is whole blocks, so that z does not depend on the tiling");

constexpr UpdateKernels updateKernelsScalar = UpdateLoops<ScalarLane>::kernels();

const UpdateKernels& kernelsOf(Isa isa) {
  checkIsa(isa, "pass");
  switch (isa) {
#if defined(__x86_64__)
    case Isa::avx2:
      return updateKernelsAvx2;
    case Isa::avx512:
      return updateKernelsAvx512;
#elif defined(__aarch64__)
    case Isa::neon:
      return updateKernelsNeon;
#endif
    default:
      return updateKernelsScalar;
  }
}

[[noreturn]] void invalid(const std::string& what) { throw std::invalid_argument("pass: " + what); }

void checkFinite(double value, const char* name) {
  if (!std::isfinite(value))
    invalid(std::string(name) + ": expected a finite number, received " + std::to_string(value));
}

void checkFloat(double value, const char* name) {
  // Beyond the range of f32 the conversion itself would be undefined.
  if (!(std::abs(value) <= static_cast<double>(std::numeric_limits<float>::max())))
    invalid(std::string(name) + ": expected a finite number in f32, received " + std::to_string(value));
}

void checkDecay(double beta, const char* name) {
  if (!(beta >= 0 && beta < 1 && static_cast<float>(beta) < 1))
    invalid(std::string(name) + ": expected 0 ≤ β < 1 in f32, received " + std::to_string(beta));
}

void checkState(const void* state, const char* name) {
  if (state == nullptr) invalid(std::string("the state ") + name + " is missing");
}

/** Consecutive summands of one direction in one space: what one generation of z serves. */
struct Run {
  Direction direction;
  const Space* space;
  std::vector<float> coefficients;
  int slot;  // where z is kept for a later run of the same direction, or -1

  bool takes(const Direction& other, const Space* otherSpace) const {
    return direction == other && space == otherSpace;
  }
};

/** One op, prepared: checked, its directions planned, its constants rounded. */
struct Step {
  std::vector<Run> runs;
  const float* dense = nullptr;
  float denseCoefficient = 0;
  enum class Rule { add, momentum, adam, frozenAdam, traced, keep, resume } rule = Rule::add;
  MomentumFactors momentum{};
  AdamFactors adam{};
  FrozenAdamFactors frozenAdam{};
  float* m = nullptr;
  float* v = nullptr;
  const float* p = nullptr;
  float* kept = nullptr;
  const float* resumed = nullptr;
  const TracedUpdate* traced = nullptr;  // the op itself, which outlives the plan

  bool hasGradient() const { return rule != Rule::keep && rule != Rule::resume; }

  void operator()(const AddUpdate&) { rule = Rule::add; }

  void operator()(const KeepUpdate& op) {
    rule = Rule::keep;
    if ((kept = op.to) == nullptr) invalid("to keep values takes a pointer to where");
  }

  void operator()(const ResumeUpdate& op) {
    rule = Rule::resume;
    if ((resumed = op.from) == nullptr) invalid("to go on from kept values takes a pointer to them");
  }

  void operator()(const TracedUpdate& op) {
    rule = Rule::traced;
    traced = &op;
    if (op.members.empty()) invalid("a traced update takes a program");
    for (const float* state : op.states) checkState(state, "of a traced update");
  }

  void operator()(const MomentumUpdate& op) {
    rule = Rule::momentum;
    checkDecay(op.beta, "beta");
    checkFloat(op.lr, "lr");
    checkState(m = op.m, "m");
    momentum = momentumFactors(op.beta, op.lr);
  }

  void operator()(const AdamUpdate& op) {
    rule = Rule::adam;
    checkDecay(op.beta1, "beta1");
    checkDecay(op.beta2, "beta2");
    checkFloat(op.lr, "lr");
    checkFloat(op.epsilon, "epsilon");
    if (!(static_cast<float>(op.epsilon) > 0)) invalid("epsilon: expected a number > 0 in f32");
    if (op.t < 1) invalid("t: expected Adam's step count, from 1, received " + std::to_string(op.t));
    checkState(m = op.m, "m");
    checkState(v = op.v, "v");
    const double t = static_cast<double>(op.t);
    checkFloat(op.lr / (1 - std::pow(op.beta1, t)), "the step lr / (1 - β1^t)");
    adam = adamFactors(op.beta1, op.beta2, op.lr, op.epsilon, t);
  }

  void operator()(const FrozenAdamUpdate& op) {
    rule = Rule::frozenAdam;
    checkDecay(op.beta1, "beta1");
    checkFloat(op.lr, "lr");
    checkState(m = op.m, "m");
    checkState(p = op.p, "p");
    frozenAdam = frozenAdamFactors(op.beta1, op.lr);
  }
};

struct Plan {
  std::vector<Step> steps;
  int slots = 0;
  bool gradientTile = false;
  bool spaces = false;  // whether some direction is in one
};

const Gradient& gradientOf(const UpdateOp& op) {
  static const Gradient none;
  return std::visit(
      [](const auto& update) -> const Gradient& {
        if constexpr (hasGradient<std::decay_t<decltype(update)>>)
          return update.gradient;
        else
          return none;
      },
      op);
}

Plan planOf(const std::vector<UpdateOp>& ops) {
  Plan plan;
  for (const UpdateOp& op : ops) {
    Step step;
    std::visit(step, op);
    const Gradient& gradient = gradientOf(op);
    for (const Term& term : gradient.terms) {
      checkDirection(term.direction, "pass");
      checkFinite(term.coefficient, "coefficient");
      if (term.space != nullptr) {
        checkFinite(term.coefficient * term.space->largestScale, "coefficient times scale");
        plan.spaces = true;
      }
      if (step.runs.empty() || !step.runs.back().takes(term.direction, term.space)) {
        step.runs.push_back({term.direction, term.space, {}, -1});
      }
      step.runs.back().coefficients.push_back(term.coefficient);
    }
    if (gradient.dense != nullptr) checkFinite(gradient.denseCoefficient, "dense coefficient");
    step.dense = gradient.dense;
    step.denseCoefficient = gradient.denseCoefficient;
    plan.gradientTile = plan.gradientTile || (step.rule != Step::Rule::add && step.hasGradient());

    // An add that goes on from where the add before it ended, with nothing between, is one longer add.
    const bool joins = !plan.steps.empty() && step.rule == Step::Rule::add && !step.runs.empty() &&
                       plan.steps.back().rule == Step::Rule::add && plan.steps.back().dense == nullptr;
    if (!joins) {
      plan.steps.push_back(std::move(step));
      continue;
    }
    Step& last = plan.steps.back();
    size_t first = 0;
    const Run& next = step.runs.front();
    if (!last.runs.empty() && last.runs.back().takes(next.direction, next.space)) {
      std::vector<float>& known = last.runs.back().coefficients;
      const std::vector<float>& more = next.coefficients;
      known.insert(known.end(), more.begin(), more.end());
      first = 1;
    }
    last.runs.insert(last.runs.end(), step.runs.begin() + static_cast<std::ptrdiff_t>(first), step.runs.end());
    last.dense = step.dense;
    last.denseCoefficient = step.denseCoefficient;
  }

  // A direction with several runs gets a slot, where its z is kept until the tile is done.
  std::vector<Run*> runs;
  for (Step& step : plan.steps) {
    for (Run& run : step.runs) runs.push_back(&run);
  }
  const auto order = [](const Run* a, const Run* b) {
    const Direction &x = a->direction, &y = b->direction;
    if (x.stream != y.stream) return x.stream < y.stream;
    if (x.seed != y.seed) return x.seed < y.seed;
    return x.distribution < y.distribution;
  };
  std::sort(runs.begin(), runs.end(), order);
  for (size_t i = 1; i < runs.size(); ++i) {
    if (!(runs[i]->direction == runs[i - 1]->direction)) continue;
    if (runs[i - 1]->slot < 0) runs[i - 1]->slot = plan.slots++;
    runs[i]->slot = runs[i - 1]->slot;
  }
  return plan;
}

/** What one thread needs: a gradient tile, the kept tiles of z, and tiles for what is in a space. */
struct Scratch {
  explicit Scratch(const Plan& plan)
      : gradient(plan.gradientTile ? tileSize : 0),
        z(static_cast<size_t>(plan.slots) * tileSize),
        filled(static_cast<size_t>(plan.slots)),
        passing(plan.spaces ? tileSize : 0),
        keep(plan.spaces ? tileSize : 0) {}
  std::vector<float> gradient, z;
  std::vector<char> filled;
  std::vector<float> passing, keep, scaled;
  TracedScratch traced;
  size_t member = 0;
};

class TilePass {
 public:
  TilePass(const Plan& plan, const UpdateKernels& kernels, const DirectionKernels& directions, const float* in,
           float* out)
      : plan_(plan), kernels_(kernels), directions_(directions), in_(in), out_(out) {}

  void run(size_t begin, size_t count, Scratch& scratch) const {
    std::fill(scratch.filled.begin(), scratch.filled.end(), 0);
    const float* from = in_ + begin;
    float* const to = out_ + begin;
    for (const Step& step : plan_.steps) {
      if (step.rule == Step::Rule::add) {
        from = accumulate(step, begin, count, from, to, scratch);
        continue;
      }
      if (step.rule == Step::Rule::keep) {
        if (step.kept + begin != from) std::memcpy(step.kept + begin, from, count * sizeof(float));
        continue;
      }
      if (step.rule == Step::Rule::resume) {
        from = step.resumed + begin;
        continue;
      }
      float* const g = scratch.gradient.data();
      std::fill_n(g, count, 0.0f);
      accumulate(step, begin, count, g, g, scratch);
      if (step.rule == Step::Rule::traced)
        runTraced(*step.traced, scratch.member, g, begin, from, to, count, scratch.traced);
      else
        apply(step, g, begin, from, to, count);
      from = to;
    }
    if (from != to) std::memcpy(to, from, count * sizeof(float));
  }

 private:
  /** to = from + the summands of a step; returns where the result is: `from` itself where there are none. */
  const float* accumulate(const Step& step, size_t begin, size_t count, const float* from, float* to,
                          Scratch& scratch) const {
    const uint64_t firstBlock = begin / blockSize;
    for (const Run& run : step.runs) {
      if (run.space != nullptr) {
        from = addInSpace(run, begin, count, from, to, scratch);
        continue;
      }
      if (run.slot < 0) {
        kernels_.addDirection(run.direction, firstBlock, run.coefficients.data(), run.coefficients.size(), from, to,
                              count);
        from = to;
        continue;
      }
      const float* const z = kept(run, begin, count, scratch);
      for (float coefficient : run.coefficients) {
        kernels_.addVector(coefficient, z, from, to, count);
        from = to;
      }
    }
    if (step.dense != nullptr) {
      kernels_.addVector(step.denseCoefficient, step.dense + begin, from, to, count);
      from = to;
    }
    return from;
  }

  /** The tile of z in the slot of a run, made by the first run that has it. */
  const float* kept(const Run& run, size_t begin, size_t count, Scratch& scratch) const {
    float* const z = scratch.z.data() + static_cast<size_t>(run.slot) * tileSize;
    char& filled = scratch.filled[static_cast<size_t>(run.slot)];
    if (!filled) directions_.fillBlocks(run.direction, begin / blockSize, (count + blockSize - 1) / blockSize, z);
    filled = 1;
    return z;
  }

  /**
   * As `accumulate`, of one run, on the segments of its space; elements between them keep their bits. Apart: inlined,
   * it takes registers from the loop over tiles, whose reloads then wait for the tile's stores, and all passes are
   * slower.
   */
  __attribute__((noinline)) const float* addInSpace(const Run& run, size_t begin, size_t count, const float* from,
                                                    float* to, Scratch& scratch) const {
    const Space& space = *run.space;
    size_t done = 0;
    for (auto segment = space.after(begin); segment != space.segments.end() && segment->begin < begin + count;
         ++segment) {
      const size_t first = static_cast<size_t>(std::max<uint64_t>(segment->begin, begin)) - begin;
      const size_t last = static_cast<size_t>(std::min<uint64_t>(segment->end, begin + count)) - begin;
      if (from != to) std::memcpy(to + done, from + done, (first - done) * sizeof(float));
      scratch.scaled = run.coefficients;
      if (segment->scale != 1) {
        for (float& coefficient : scratch.scaled) coefficient *= segment->scale;
      }
      addSegment(run, *segment, begin, count, {first, last}, from, to, scratch);
      done = last;
    }
    if (done == 0) return from;
    if (from != to) std::memcpy(to + done, from + done, (count - done) * sizeof(float));
    return to;
  }

  struct Range {
    size_t first, last;
  };

  /** On elements first … last - 1 of the tile, which one segment covers. */
  void addSegment(const Run& run, const Segment& segment, size_t begin, size_t count, Range range, const float* from,
                  float* to, Scratch& scratch) const {
    const float* const c = scratch.scaled.data();
    const size_t n = scratch.scaled.size();
    // What begins with a block, or where z need not be at hand, is added while z is made.
    const bool whole = run.slot < 0 && !segment.masked;
    const size_t aligned = (range.first + blockSize - 1) / blockSize * blockSize;
    const size_t split = whole ? std::min(aligned, range.last) : range.last;
    if (range.first < split) {
      const size_t block = range.first / blockSize, blocks = (split + blockSize - 1) / blockSize - block;
      const float* z = nullptr;
      if (run.slot >= 0) {
        z = kept(run, begin, count, scratch);
      } else {
        float* const passing = scratch.passing.data();
        directions_.fillBlocks(run.direction, begin / blockSize + block, blocks, passing + block * blockSize);
        z = passing;
      }
      const size_t at = range.first, length = split - range.first;
      if (segment.masked) {
        float* const keep = scratch.keep.data();
        directions_.keepBlocks(segment.mask, begin / blockSize + block, blocks, keep + block * blockSize);
        kernels_.addKept(keep + at, c, n, z + at, from + at, to + at, length);
      } else {
        const float* source = from + at;
        for (size_t k = 0; k < n; ++k) {
          kernels_.addVector(c[k], z + at, source, to + at, length);
          source = to + at;
        }
      }
    }
    if (split < range.last) {
      kernels_.addDirection(run.direction, (begin + split) / blockSize, c, n, from + split, to + split,
                            range.last - split);
    }
  }

  void apply(const Step& step, const float* g, size_t begin, const float* from, float* to, size_t count) const {
    float* const m = step.m + begin;
    switch (step.rule) {
      case Step::Rule::momentum:
        return kernels_.momentum(step.momentum, g, m, from, to, count);
      case Step::Rule::adam:
        return kernels_.adam(step.adam, g, m, step.v + begin, from, to, count);
      case Step::Rule::frozenAdam:
        return kernels_.frozenAdam(step.frozenAdam, g, m, step.p + begin, from, to, count);
      case Step::Rule::traced:
      case Step::Rule::add:
      case Step::Rule::keep:
      case Step::Rule::resume:
        return;
    }
  }

  const Plan& plan_;
  const UpdateKernels& kernels_;
  const DirectionKernels& directions_;
  const float* in_;
  float* out_;
};

}  // namespace

void pass(const float* in, float* out, size_t count, const std::vector<UpdateOp>& ops, Team* team, Isa isa,
          const std::atomic<bool>* stopped) {
  const UpdateKernels& kernels = kernelsOf(isa);
  if (count > 0 && (in == nullptr || out == nullptr)) invalid("in and out: expected pointers to the elements");
  const Plan plan = planOf(ops);
  if (count == 0 || (plan.steps.empty() && in == out)) return;

  const TilePass tilePass(plan, kernels, directionKernels(isa, "pass"), in, out);
  const size_t tiles = (count + tileSize - 1) / tileSize;
  const size_t threads = team == nullptr ? 1 : static_cast<size_t>(team->size());
  const int members = static_cast<int>(std::clamp<size_t>(tiles / tilesPerThread, 1, threads));
  std::vector<Scratch> scratch(static_cast<size_t>(members), Scratch(plan));
  for (size_t i = 0; i < scratch.size(); ++i) scratch[i].member = i;
  parallelShares(team, tiles, members, [&](size_t first, size_t end, int member) {
    for (size_t tile = first; tile < end; ++tile) {
      if (stopped != nullptr && stopped->load(std::memory_order_relaxed)) return;
      const size_t begin = tile * tileSize;
      tilePass.run(begin, std::min(tileSize, count - begin), scratch[static_cast<size_t>(member)]);
    }
  });
}

}  // namespace zeroth
