// REDUCE: [outer, reduce, inner] → [outer, inner]. The work is cut into pieces by the shape alone (never by the number
// of threads), and partial results are joined in order, so any number of threads gives the same bits.
#include <algorithm>

#include "cpu/kernel.h"
#include "cpu/tile_kernels.h"

namespace zeroth::cpu {

namespace {

constexpr size_t kBlock = 256;     // columns at a time
constexpr size_t kPiece = 16384;   // elements of a piece, about
constexpr size_t kManyItems = 16;  // so many rows or blocks are enough to share, without cutting the reduced dimension
constexpr size_t kMostPieces = 64;
constexpr size_t kShortRow = 128;  // elements of a row that waits for its own additions longer than for memory

size_t ceilDivide(size_t a, size_t b) { return (a + b - 1) / b; }

struct Sum {
  using Value = double;
  static Value contiguous(const TileKernels& kernels, const float* x, size_t n) {
    if (n < 16) {
      double total = 0;
      for (size_t i = 0; i < n; ++i) total += x[i];
      return total;
    }
    double lanes[16] = {};
    kernels.sum(lanes, x, n);
    double total = 0;
    for (double lane : lanes) total += lane;
    return total;
  }
  static size_t rows(const TileKernels& kernels, Value* sums, const float* x, size_t rows, size_t n) {
    return kernels.sumRows(sums, x, rows, n);
  }
  static void first(Value* acc, const float* x, size_t n) { std::copy(x, x + n, acc); }
  static void row(const TileKernels& kernels, Value* acc, const float* x, size_t n) { kernels.addRow(acc, x, n); }
  static Value join(Value a, Value b) { return a + b; }
};

struct Max {
  using Value = float;
  static Value contiguous(const TileKernels& kernels, const float* x, size_t n) { return kernels.max(x, n); }
  static size_t rows(const TileKernels& kernels, Value* best, const float* x, size_t rows, size_t n) {
    return kernels.maxRows(best, x, rows, n);
  }
  static void first(Value* acc, const float* x, size_t n) { std::copy(x, x + n, acc); }
  static void row(const TileKernels& kernels, Value* acc, const float* x, size_t n) { kernels.maxRow(acc, x, n); }
  static Value join(Value a, Value b) { return a > b || a != a ? a : b; }
};

template <class Value>
void store(const Context& context, DType type, Ref to, size_t at, const Value* values, size_t count) {
  if (type == DType::f64) {
    std::copy(values, values + count, context.at<double>(to) + at);
  } else {
    float* dst = context.at<float>(to) + at;
    for (size_t i = 0; i < count; ++i) dst[i] = static_cast<float>(values[i]);
  }
}

// Many short rows, next to one another.
template <class Kind>
class ReduceShortRows : public Kernel {
 public:
  ReduceShortRows(const Reduce& reduce, int threads)
      : reduce_(reduce),
        rows_(std::clamp<size_t>(kPiece / 4 / reduce.reduce, 16, kBlock)),
        blocks_(ceilDivide(reduce.outer, rows_)),
        threads_(threadsFor(0.4 * reduce.outer * reduce.reduce, blocks_, threads)) {}

  void run(const Context& context) override {
    const TileKernels& kernels = tileKernels();
    const size_t length = reduce_.reduce;
    parallelShares(context.team, blocks_, threads_, [&](size_t begin, size_t end, int) {
      const size_t last = std::min<size_t>(reduce_.outer, end * rows_);
      for (size_t row = begin * rows_; row < last; row += rows_) {
        const size_t count = std::min(rows_, last - row);
        const float* from = context.at<const float>(reduce_.src) + row * length;
        typename Kind::Value values[kBlock];
        size_t done = Kind::rows(kernels, values, from, count, length);
        for (; done < count; ++done) values[done] = Kind::contiguous(kernels, from + done * length, length);
        store(context, reduce_.dstType, reduce_.dst, row, values, count);
      }
    });
  }

 private:
  Reduce reduce_;
  size_t rows_, blocks_;
  int threads_;
};

template <class Kind>
class ReduceKernel : public Kernel {
 public:
  using Value = typename Kind::Value;

  ReduceKernel(const Reduce& reduce, int threads)
      : outer_(reduce.outer),
        reduce_(reduce.reduce),
        inner_(reduce.inner),
        dstType_(reduce.dstType),
        dst_(reduce.dst),
        src_(reduce.src) {
    blocks_ = ceilDivide(inner_, kBlock);
    if (outer_ * blocks_ < kManyItems) rows_ = std::max(ceilDivide(kPiece, inner_), ceilDivide(reduce_, kMostPieces));
    if (rows_ == 0 || rows_ > reduce_) rows_ = reduce_;
    pieces_ = ceilDivide(reduce_, rows_);
    threads_ = threadsFor(0.1 * outer_ * reduce_ * inner_, outer_ * pieces_ * blocks_, threads);
  }

  size_t scratchBytes() const override { return pieces_ > 1 ? outer_ * pieces_ * inner_ * sizeof(Value) : 0; }

  void run(const Context& context) override {
    const float* src = context.at<const float>(src_);
    Value* partials = reinterpret_cast<Value*>(context.scratch);
    const TileKernels& kernels = tileKernels();
    parallelShares(context.team, outer_ * pieces_ * blocks_, threads_, [&](size_t begin, size_t end, int) {
      for (size_t item = begin; item < end; ++item) {
        const size_t block = item % blocks_, piece = item / blocks_ % pieces_, o = item / blocks_ / pieces_;
        const size_t firstRow = piece * rows_, lastRow = std::min(reduce_, firstRow + rows_);
        const size_t column = block * kBlock, width = std::min(kBlock, inner_ - column);
        const float* from = src + (o * reduce_ + firstRow) * inner_ + column;
        Value acc[kBlock];
        if (inner_ == 1) {
          acc[0] = Kind::contiguous(kernels, from, lastRow - firstRow);
        } else {
          Kind::first(acc, from, width);
          for (size_t r = firstRow + 1; r < lastRow; ++r) Kind::row(kernels, acc, from += inner_, width);
        }
        if (pieces_ == 1) {
          store(context, dstType_, dst_, o * inner_ + column, acc, width);
        } else {
          std::copy(acc, acc + width, partials + (o * pieces_ + piece) * inner_ + column);
        }
      }
    });
    if (pieces_ == 1) return;
    for (size_t o = 0; o < outer_; ++o) {
      for (size_t i = 0; i < inner_; ++i) {
        const Value* partial = partials + o * pieces_ * inner_ + i;
        Value value = *partial;
        for (size_t p = 1; p < pieces_; ++p) value = Kind::join(value, partial[p * inner_]);
        store(context, dstType_, dst_, o * inner_ + i, &value, 1);
      }
    }
  }

 private:
  size_t outer_, reduce_, inner_;
  DType dstType_;
  Ref dst_, src_;
  size_t blocks_, rows_ = 0, pieces_;
  int threads_;
};

template <class Kind>
KernelRef prepareAs(const Reduce& reduce, int threads) {
  if (reduce.inner == 1 && reduce.reduce <= kShortRow && reduce.outer >= kManyItems)
    return std::make_unique<ReduceShortRows<Kind>>(reduce, threads);
  return std::make_unique<ReduceKernel<Kind>>(reduce, threads);
}

}  // namespace

KernelRef prepare(const Reduce& reduce, int threads) {
  return reduce.kind == ReduceKind::sum ? prepareAs<Sum>(reduce, threads) : prepareAs<Max>(reduce, threads);
}

}  // namespace zeroth::cpu
