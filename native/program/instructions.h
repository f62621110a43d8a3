// What an instruction is made of: one struct a row. `fields` names its fields in the order of their words, and says of
// each what it may be, and of an operand which elements it takes: decoding, validation and the fuzz test are visitors
// of it. lib/graph/plan/instructions.ts says the same; a test compares the two. MAP and MAP_SUM, whose operands are
// strided views, and LOOP, which holds instructions, are read and checked by hand.
//
// A visitor has, with references to the values:
//   size(name, number)              a number of something: at least 1
//   stride(name, number)            elements from one matrix of a batch to the next: at least a matrix, or 0
//   flag(name, value)
//   code(name, value, first, last)  an enumerator from first to last
//   dtype(name, value, {allowed…})
//   read, write(name, ref, dtype, elements)
#pragma once
#include <cstddef>
#include <cstdint>
#include <variant>
#include <vector>

#include "program/format.h"

namespace zeroth {

using format::DType;
using format::MapOpcode;
using format::ReduceKind;

// `offset` in 4-byte words from the start of the arena (space 0), of input `space - 1`, or, in the body of a loop, of a
// window.
struct Ref {
  uint32_t space = 0;
  uint32_t offset = 0;
  bool operator==(const Ref& other) const { return space == other.space && offset == other.offset; }
};

// The elements of an operand: a · b · c dense ones, `batch` times, `stride` apart.
struct Elements {
  uint64_t a, b = 1, c = 1;
  uint64_t batch = 1, stride = 0;
};
inline Elements dense(uint64_t a, uint64_t b = 1, uint64_t c = 1) { return {a, b, c}; }
inline Elements batched(uint64_t batch, uint64_t stride, uint64_t a, uint64_t b) { return {a, b, 1, batch, stride}; }

struct MapView {
  DType dtype;
  Ref ref;
  std::vector<uint64_t> strides;  // in elements, one a dimension
};

struct MapWrite : MapView {
  uint32_t source;  // register
};

struct MapOp {
  MapOpcode opcode;
  uint32_t operands[3];
  double immediate;
};

// Registers: reads first, then one an op.
struct MapBody {
  std::vector<uint64_t> dims;
  std::vector<MapView> reads;
  std::vector<MapOp> ops;
  uint64_t elements() const;
};

struct Map : MapBody {
  static constexpr uint32_t kOpcode = 1;
  std::vector<MapWrite> writes;
};

struct MapSum : MapBody {
  static constexpr uint32_t kOpcode = 3;
  uint32_t source;  // register
  Ref dst;
};

struct Reduce {
  static constexpr uint32_t kOpcode = 2;
  ReduceKind kind = ReduceKind::sum;
  uint64_t outer = 0, reduce = 0, inner = 0;
  DType dstType = DType::f32;
  Ref dst, src;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& v) {
    v.code("reduction", self.kind, ReduceKind::sum, ReduceKind::max);
    v.size("outer", self.outer);
    v.size("reduce", self.reduce);
    v.size("inner", self.inner);
    v.dtype("dtype", self.dstType, {DType::f32, DType::f64});
    v.write("destination", self.dst, self.dstType, dense(self.outer, self.inner));
    v.read("source", self.src, DType::f32, dense(self.outer, self.reduce, self.inner));
  }
};

struct Matmul {
  static constexpr uint32_t kOpcode = 4;
  uint64_t batch = 0, m = 0, n = 0, k = 0;
  bool transposeA = false, transposeB = false;
  Ref a;
  uint64_t strideA = 0;
  Ref b;
  uint64_t strideB = 0;
  Ref dst;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& v) {
    v.size("batch", self.batch);
    v.size("m", self.m);
    v.size("n", self.n);
    v.size("k", self.k);
    v.flag("transposeA", self.transposeA);
    v.flag("transposeB", self.transposeB);
    v.read("a", self.a, DType::f32, batched(self.batch, self.strideA, self.m, self.k));
    v.stride("aBatchStride", self.strideA);
    v.read("b", self.b, DType::f32, batched(self.batch, self.strideB, self.k, self.n));
    v.stride("bBatchStride", self.strideB);
    v.write("destination", self.dst, DType::f32, dense(self.batch, self.m, self.n));
  }
};

struct Gather {
  static constexpr uint32_t kOpcode = 5;
  uint64_t rows = 0, width = 0, count = 0;
  Ref table, indices, dst;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& v) {
    v.size("rows", self.rows);
    v.size("width", self.width);
    v.size("count", self.count);
    v.read("table", self.table, DType::f32, dense(self.rows, self.width));
    v.read("indices", self.indices, DType::i32, dense(self.count));
    v.write("destination", self.dst, DType::f32, dense(self.count, self.width));
  }
};

struct ScatterAdd {
  static constexpr uint32_t kOpcode = 6;
  uint64_t rows = 0, width = 0, count = 0;
  Ref indices, updates, dst;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& v) {
    v.size("rows", self.rows);
    v.size("width", self.width);
    v.size("count", self.count);
    v.read("indices", self.indices, DType::i32, dense(self.count));
    v.read("updates", self.updates, DType::f32, dense(self.count, self.width));
    v.write("destination", self.dst, DType::f32, dense(self.rows, self.width));
  }
};

struct Iota {
  static constexpr uint32_t kOpcode = 7;
  DType dtype = DType::f32;
  uint64_t outer = 0, n = 0, inner = 0;
  Ref dst;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& v) {
    v.dtype("dtype", self.dtype, {DType::f32, DType::i32});
    v.size("outer", self.outer);
    v.size("n", self.n);
    v.size("inner", self.inner);
    v.write("destination", self.dst, self.dtype, dense(self.outer, self.n, self.inner));
  }
};

// destination[i, :] = source[i, :] − max − log Σ exp(source[i, :] − max), the largest and the sum of each row.
struct LogSoftmax {
  static constexpr uint32_t kOpcode = 8;
  uint64_t rows = 0, width = 0;
  Ref dst, src;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& v) {
    v.size("rows", self.rows);
    v.size("width", self.width);
    v.write("destination", self.dst, DType::f32, dense(self.rows, self.width));
    v.read("source", self.src, DType::f32, dense(self.rows, self.width));
  }
};

// destination[i] = a[i] ⊙ destination[i − 1] + b[i], row by row from `start` on; in reverse from the last row to the
// first.
struct Recurrence {
  static constexpr uint32_t kOpcode = 10;
  uint64_t rows = 0, width = 0;
  bool reverse = false;
  Ref a, b, start, dst;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& v) {
    v.size("rows", self.rows);
    v.size("width", self.width);
    v.flag("reverse", self.reverse);
    v.read("a", self.a, DType::f32, dense(self.rows, self.width));
    v.read("b", self.b, DType::f32, dense(self.rows, self.width));
    v.read("start", self.start, DType::f32, dense(self.width));
    v.write("destination", self.dst, DType::f32, dense(self.rows, self.width));
  }
};

struct Loop;
using Instruction = std::variant<Map, Reduce, MapSum, Matmul, Gather, ScatterAdd, Iota, LogSoftmax, Recurrence, Loop>;

// Memory that moves: `words` words from `ref` on, and `step` words on with each row.
struct Window {
  Ref ref;
  uint64_t step = 0, words = 0;
  bool written = false;
};

// The body for each row from 0 to trips - 1, or from the last to the first. Window i is space firstSpace + i of the
// body.
struct Loop {
  static constexpr uint32_t kOpcode = 9;
  uint64_t trips = 0;
  bool reverse = false;
  uint32_t firstSpace = 0;
  std::vector<Window> windows;
  std::vector<Instruction> body;
};

}  // namespace zeroth
