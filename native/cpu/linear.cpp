#include "cpu/linear.h"

#include <algorithm>

#include "cpu/linear_kernels.h"

namespace zeroth {
namespace {

// Elements whose sums stay in the fastest cache.
constexpr size_t kTile = 1024;
// Elements that a thread takes at a time: enough of them that partial sums are nothing beside them.
constexpr size_t kPiece = 16 * kTile;

const LinearKernels& kernelsOf(Isa isa) {
  static constexpr LinearKernels plain = LinearLoops<struct PlainLoops>::kernels();
  switch (isa) {
#if defined(__x86_64__)
    case Isa::avx2:
      return linearKernelsAvx2;
    case Isa::avx512:
      return linearKernelsAvx512;
#endif
    default:
      return plain;
  }
}

// One thread's way through the elements.
class Pieces {
 public:
  Pieces(const LinearVectors& op, const LinearKernels& kernels)
      : op_(op),
        kernels_(kernels),
        sum_(kTile),
        made_(op.outputs.size() * kTile),
        lanes_(op.outputs.size() * op.with.size()) {}

  // The scalar products over elements [begin, end) go to `products`.
  void run(size_t begin, size_t end, double* products) {
    for (Lanes& lanes : lanes_) std::fill_n(lanes.of, kDotLanes, 0.0);
    for (; begin < end; begin += kTile) tile(begin, std::min(kTile, end - begin));
    for (const Lanes& lanes : lanes_) {
      double total = 0;
      for (double lane : lanes.of) total += lane;
      *products++ = total;
    }
  }

 private:
  struct Lanes {
    double of[kDotLanes];
  };

  void tile(size_t begin, size_t count) {
    if (asItIs()) return dots(op_.inputs[0] + begin, 0, begin, count);
    for (size_t output = 0; output < op_.outputs.size(); ++output) make(output, begin, count);
    for (size_t output = 0; output < op_.outputs.size(); ++output) {
      float* const to = op_.outputs[output];
      if (to != nullptr) std::copy_n(made_.data() + output * kTile, count, to + begin);
    }
    for (size_t output = 0; output < op_.outputs.size(); ++output) {
      dots(made_.data() + output * kTile, output, begin, count);
    }
  }

  // Nothing to compute but the scalar products of a vector.
  bool asItIs() const {
    return op_.outputs.size() == 1 && op_.outputs[0] == nullptr && op_.inputs.size() == 1 && op_.coefficients[0] == 1 &&
           op_.factor == nullptr;
  }

  void dots(const float* y, size_t output, size_t begin, size_t count) {
    const float* with[kVectorsAtATime];
    for (size_t first = 0; first < op_.with.size(); first += kVectorsAtATime) {
      const size_t vectors = std::min(kVectorsAtATime, op_.with.size() - first);
      for (size_t v = 0; v < vectors; ++v) with[v] = op_.with[first + v] + begin;
      kernels_.dots(y, with, vectors, &lanes_[output * op_.with.size() + first].of, count);
    }
  }

  void make(size_t output, size_t begin, size_t count) {
    const double* const c = op_.coefficients + output * op_.inputs.size();
    kernels_.begin(c[0], op_.inputs[0] + begin, sum_.data(), count);
    const float* x[kVectorsAtATime];
    for (size_t first = 1; first < op_.inputs.size(); first += kVectorsAtATime) {
      const size_t vectors = std::min(kVectorsAtATime, op_.inputs.size() - first);
      for (size_t v = 0; v < vectors; ++v) x[v] = op_.inputs[first + v] + begin;
      kernels_.add(c + first, x, vectors, sum_.data(), count);
    }
    kernels_.round(sum_.data(), op_.factor == nullptr ? nullptr : op_.factor + begin, made_.data() + output * kTile,
                   count);
  }

  const LinearVectors& op_;
  const LinearKernels& kernels_;
  std::vector<double> sum_;
  std::vector<float> made_;
  std::vector<Lanes> lanes_;
};

}  // namespace

std::vector<double> linear(const LinearVectors& op, Team* team, Isa isa, const std::atomic<bool>* stopped) {
  const size_t products = op.outputs.size() * op.with.size();
  const size_t pieces = op.count / kPiece + (op.count % kPiece != 0);
  const size_t threads = team == nullptr ? 1 : static_cast<size_t>(team->size());
  const LinearKernels& kernels = kernelsOf(isa);
  // Made here: an exception on another thread would end the process.
  std::vector<double> parts(pieces * products);
  const size_t members = std::clamp<size_t>(pieces, 1, threads);
  std::vector<Pieces> ways(members, Pieces(op, kernels));
  parallelShares(team, pieces, static_cast<int>(members), [&](size_t piece, size_t end, int member) {
    for (; piece < end; ++piece) {
      if (stopped != nullptr && stopped->load(std::memory_order_relaxed)) return;
      ways[static_cast<size_t>(member)].run(piece * kPiece, std::min(op.count, (piece + 1) * kPiece),
                                            parts.data() + piece * products);
    }
  });
  std::vector<double> totals(products);
  for (size_t piece = 0; piece < pieces; ++piece) {
    for (size_t i = 0; i < products; ++i) totals[i] += parts[piece * products + i];
  }
  return totals;
}

}  // namespace zeroth
