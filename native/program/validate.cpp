// Nothing a program says is trusted. All extents are computed in 64 bits from 32-bit words with every product checked.
#include <algorithm>
#include <cmath>

#include "program/program.h"

namespace zeroth::program {

using namespace format;

namespace {

// A half-open range of words in one space.
struct Extent {
  uint32_t space;
  uint64_t begin, end;
};

bool overlap(const Extent& a, const Extent& b) { return a.space == b.space && a.begin < b.end && b.begin < a.end; }

std::string text(const Extent& extent) {
  return (extent.space == 0 ? std::string("arena") : "input " + std::to_string(extent.space - 1)) + "[" +
         std::to_string(extent.begin) + ", " + std::to_string(extent.end) + ")";
}

class Validator {
 public:
  explicit Validator(const Program& program) : program_(program) {}

  void run() {
    if (program_.arenaWords > kMaxArenaWords) fail("expected an arena of at most 2^32 words");
    for (size_t i = 0; i < program_.outputs.size(); ++i) {
      place_ = "output " + std::to_string(i);
      const Output& output = program_.outputs[i];
      dense("output", output.dtype, output.ref, output.count, 1, 1);
    }
    for (size_t i = 0; i < program_.instructions.size(); ++i) {
      place_ = "instruction " + std::to_string(i);
      std::visit([this](const auto& instruction) { check(instruction); }, program_.instructions[i]);
    }
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    throw ProgramError("program: " + place_ + ": " + message);
  }

  uint64_t product(uint64_t a, uint64_t b, uint64_t c) const {
    uint64_t ab, abc;
    if (__builtin_mul_overflow(a, b, &ab) || __builtin_mul_overflow(ab, c, &abc) || abc > kMaxElements) {
      fail("expected at most 2^40 elements, found " + std::to_string(a) + " × " + std::to_string(b) + " × " +
           std::to_string(c));
    }
    return abc;
  }

  void positive(const char* what, uint64_t value) const {
    if (value == 0) fail(std::string("expected ") + what + " of at least 1, found 0");
  }

  // The words of `elements` consecutive elements (≤ 2^40) at ref, which must exist.
  Extent extent(const char* what, DType dtype, Ref ref, uint64_t elements) const {
    uint64_t limit = program_.arenaWords;
    if (ref.space > program_.inputs.size()) {
      fail(std::string(what) + ": expected the arena (0) or an input (up to " + std::to_string(program_.inputs.size()) +
           "), found space " + std::to_string(ref.space));
    }
    if (ref.space > 0) {
      const Declaration& input = program_.inputs[ref.space - 1];
      limit = input.bytes() / 4;
      if (dtype != input.dtype) {
        fail(std::string(what) + ": expected " + name(dtype) + ", found that input " + std::to_string(ref.space - 1) +
             " is " + name(input.dtype));
      }
    }
    if (dtype == DType::f64 && ref.offset % 2 != 0) {
      fail(std::string(what) + ": expected f64 at an even word, found offset " + std::to_string(ref.offset));
    }
    const Extent extent{ref.space, ref.offset, ref.offset + elements * (dtype == DType::f64 ? 2 : 1)};
    if (extent.end > limit) {
      fail(std::string(what) + ": expected at most " + std::to_string(limit) + " words, found " + text(extent));
    }
    return extent;
  }

  Extent dense(const char* what, DType dtype, Ref ref, uint64_t a, uint64_t b, uint64_t c) const {
    return extent(what, dtype, ref, product(a, b, c));
  }

  void arena(const char* what, Ref ref) const {
    if (ref.space != 0)
      fail(std::string(what) + ": expected a write to the arena, found input " + std::to_string(ref.space - 1));
  }

  void disjoint(const char* whatA, const Extent& a, const char* whatB, const Extent& b) const {
    if (overlap(a, b)) {
      fail(std::string("expected that ") + whatA + " and " + whatB + " do not overlap, found " + text(a) + " and " +
           text(b));
    }
  }

  Extent viewExtent(const char* what, const MapBody& body, const MapView& view) const {
    uint64_t last = 0;
    for (size_t d = 0; d < body.dims.size(); ++d) {
      uint64_t step;
      if (__builtin_mul_overflow(body.dims[d] - 1, view.strides[d], &step) ||
          __builtin_add_overflow(last, step, &last) || last > kMaxElements) {
        fail(std::string(what) + ": expected a view of at most 2^40 elements, found dimension " +
             std::to_string(body.dims[d]) + " with stride " + std::to_string(view.strides[d]));
      }
    }
    return extent(what, view.dtype, view.ref, last + 1);
  }

  static bool rowMajor(const MapBody& body, const MapView& view) {
    uint64_t expected = 1;
    for (size_t d = body.dims.size(); d-- > 0;) {
      if (body.dims[d] == 1) continue;
      if (view.strides[d] != expected) return false;
      expected *= body.dims[d];
    }
    return true;
  }

  // Each stride steps over all that the smaller strides reach: true of every permuted, sliced or padded view of a dense
  // array.
  void injective(const MapBody& body, const MapView& view) const {
    std::vector<std::pair<uint64_t, uint64_t>> order;
    for (size_t d = 0; d < body.dims.size(); ++d) {
      if (body.dims[d] > 1) order.emplace_back(view.strides[d], body.dims[d]);
    }
    std::sort(order.begin(), order.end());
    uint64_t reach = 0;
    for (const auto& [stride, dim] : order) {
      if (stride <= reach) {
        fail("expected a write that visits each element once, found stride " + std::to_string(stride) +
             " where smaller strides reach " + std::to_string(reach));
      }
      reach += stride * (dim - 1);
    }
  }

  void registers(const MapBody& body) const {
    for (size_t i = 0; i < body.ops.size(); ++i) {
      const MapOp& op = body.ops[i];
      const size_t defined = body.reads.size() + i;
      for (int j = 0; j < operandCount(op.opcode); ++j) {
        if (op.operands[j] >= defined) {
          fail("op " + std::to_string(i) + ": expected a register below " + std::to_string(defined) + ", found " +
               std::to_string(op.operands[j]));
        }
      }
      const IntegerRange range = immediates(op.opcode);
      if (op.opcode != MapOpcode::constant && !(op.immediate == std::nearbyint(op.immediate) &&
                                                op.immediate >= range.lowest && op.immediate <= range.highest)) {
        fail("op " + std::to_string(i) + ": expected for " + name(op.opcode) + " an integer from " +
             std::to_string(range.lowest) + " to " + std::to_string(range.highest) + ", found " +
             std::to_string(op.immediate));
      }
    }
  }

  void source(const MapBody& body, uint32_t source) const {
    const size_t defined = body.reads.size() + body.ops.size();
    if (source >= defined)
      fail("expected a register below " + std::to_string(defined) + ", found " + std::to_string(source));
  }

  void limit(const char* what, size_t count, uint32_t limit) const {
    if (count > limit) {
      fail(std::string("expected at most ") + std::to_string(limit) + " " + what + ", found " + std::to_string(count));
    }
  }

  std::vector<Extent> checkBody(const MapBody& body) const {
    limit("dimensions", body.dims.size(), kMaxRank);
    limit("reads", body.reads.size(), kMaxMapReads);
    limit("ops", body.ops.size(), kMaxMapOps);
    uint64_t elements = 1;
    for (uint64_t dim : body.dims) {
      positive("a dimension", dim);
      elements = product(elements, dim, 1);
    }
    registers(body);
    std::vector<Extent> reads;
    for (const MapView& read : body.reads) reads.push_back(viewExtent("a read", body, read));
    return reads;
  }

  void check(const Map& map) const {
    const std::vector<Extent> reads = checkBody(map);
    limit("writes", map.writes.size(), kMaxMapWrites);
    if (map.writes.empty()) fail("expected a write, found none");
    std::vector<Extent> writes;
    for (const MapWrite& write : map.writes) {
      source(map, write.source);
      arena("a write", write.ref);
      if ((write.dtype == DType::f64) != map.dims.empty()) {
        fail(std::string("expected f64 writes exactly at rank 0, found ") + name(write.dtype) + " at rank " +
             std::to_string(map.dims.size()));
      }
      injective(map, write);
      const Extent extent = viewExtent("a write", map, write);
      for (const Extent& other : writes) disjoint("a write", extent, "another write", other);
      writes.push_back(extent);
      for (size_t r = 0; r < reads.size(); ++r) {
        const MapView& read = map.reads[r];
        const bool inPlace = (read.dtype == DType::f64) == (write.dtype == DType::f64) && read.ref == write.ref &&
                             rowMajor(map, read) && rowMajor(map, write);
        if (!inPlace) disjoint("a write", extent, "a read that is not the same dense view", reads[r]);
      }
    }
  }

  void check(const MapSum& sum) const {
    const std::vector<Extent> reads = checkBody(sum);
    if (sum.dims.empty()) fail("expected a MAP_SUM of rank at least 1, found rank 0");
    source(sum, sum.source);
    arena("dst", sum.dst);
    const Extent dst = extent("dst", DType::f64, sum.dst, 1);
    for (const Extent& read : reads) disjoint("dst", dst, "a read", read);
  }

  void check(const Reduce& reduce) const {
    positive("outer", reduce.outer);
    positive("reduce", reduce.reduce);
    positive("inner", reduce.inner);
    const uint64_t results = product(reduce.outer, reduce.inner, 1);
    if (reduce.dstType == DType::i32) fail("expected dst of f32 or f64, found i32");
    if (reduce.dstType == DType::f64 && results != 1) {
      fail("expected f64 only for a single result, found " + std::to_string(results) + " results");
    }
    arena("dst", reduce.dst);
    const Extent dst = extent("dst", reduce.dstType, reduce.dst, results);
    disjoint("dst", dst, "src", dense("src", DType::f32, reduce.src, reduce.outer, reduce.reduce, reduce.inner));
  }

  Extent matrices(const char* what, Ref ref, uint64_t batch, uint64_t rows, uint64_t columns, uint64_t stride) const {
    const uint64_t one = product(rows, columns, 1);
    if (stride != 0 && stride < one) {
      fail(std::string(what) + ": expected a batch stride of 0 or at least " + std::to_string(one) + ", found " +
           std::to_string(stride));
    }
    return extent(what, DType::f32, ref, product(batch - 1, stride, 1) + one);
  }

  void check(const Matmul& matmul) const {
    positive("batch", matmul.batch);
    positive("m", matmul.m);
    positive("n", matmul.n);
    positive("k", matmul.k);
    arena("dst", matmul.dst);
    const Extent a = matrices("a", matmul.a, matmul.batch, matmul.m, matmul.k, matmul.strideA);
    const Extent b = matrices("b", matmul.b, matmul.batch, matmul.k, matmul.n, matmul.strideB);
    const Extent dst = dense("dst", DType::f32, matmul.dst, matmul.batch, matmul.m, matmul.n);
    disjoint("dst", dst, "a", a);
    disjoint("dst", dst, "b", b);
  }

  void check(const Gather& gather) const {
    positive("rows", gather.rows);
    positive("width", gather.width);
    positive("count", gather.count);
    arena("dst", gather.dst);
    const Extent dst = dense("dst", DType::f32, gather.dst, gather.count, gather.width, 1);
    disjoint("dst", dst, "table", dense("table", DType::f32, gather.table, gather.rows, gather.width, 1));
    disjoint("dst", dst, "indices", dense("indices", DType::i32, gather.indices, gather.count, 1, 1));
  }

  void check(const ScatterAdd& scatter) const {
    positive("rows", scatter.rows);
    positive("width", scatter.width);
    positive("count", scatter.count);
    arena("dst", scatter.dst);
    const Extent dst = dense("dst", DType::f32, scatter.dst, scatter.rows, scatter.width, 1);
    disjoint("dst", dst, "indices", dense("indices", DType::i32, scatter.indices, scatter.count, 1, 1));
    disjoint("dst", dst, "updates", dense("updates", DType::f32, scatter.updates, scatter.count, scatter.width, 1));
  }

  void check(const Iota& iota) const {
    positive("outer", iota.outer);
    positive("n", iota.n);
    positive("inner", iota.inner);
    if (iota.dtype == DType::f64) fail("expected a dtype of f32 or i32, found f64");
    arena("dst", iota.dst);
    dense("dst", iota.dtype, iota.dst, iota.outer, iota.n, iota.inner);
  }

  const Program& program_;
  std::string place_ = "header";
};

}  // namespace

void validate(const Program& program) { Validator(program).run(); }

}  // namespace zeroth::program
