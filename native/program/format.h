// The binary form of a planned program. These numbers and the layout are those of lib/graph/plan/format.ts, which
// documents them. MAP and MAP_SUM hold a count word before each of their lists: rank dims… | reads … | ops … | writes
// ….
#pragma once
#include <cstddef>
#include <cstdint>

namespace zeroth::format {

constexpr uint32_t kMagic = 0x4854525a;  // "ZRTH"
constexpr uint32_t kVersion = 1;
constexpr size_t kHeaderWords = 8;

enum class DType : uint32_t { f32 = 0, i32 = 1, f64 = 2 };

enum class Opcode : uint32_t { map = 1, reduce = 2, mapSum = 3, matmul = 4, gather = 5, scatterAdd = 6, iota = 7 };

enum class ReduceKind : uint32_t { sum = 1, max = 2 };

// Special values: every op follows IEEE 754 and propagates NaN. In particular
//   maximum, minimum, REDUCE max: NaN where any operand is NaN (as Math.max);
//   eq … ge: 1 or 0, a comparison with NaN is 0, except ne, which is 1;
//   select: NaN is not 0, so it selects b;
//   sign: -1, 0, 1; ±0 and NaN are returned as they are;
//   log of a negative number is NaN, log(0) is -inf; rsqrt(0) is inf;
//   gelu(x) = x / 2 · (1 + erf(x / √2)), so gelu(-inf) is NaN;
//   a write of dtype i32 rounds toward zero, saturates, and turns NaN to 0.
enum class MapOpcode : uint32_t {
  neg = 1,
  exp = 2,
  log = 3,
  log1p = 4,
  expm1 = 5,
  tanh = 6,
  erf = 7,
  sigmoid = 8,
  sqrt = 9,
  rsqrt = 10,
  abs = 11,
  sign = 12,
  integerPow = 13,
  gelu = 14,
  add = 32,
  sub = 33,
  mul = 34,
  div = 35,
  maximum = 36,
  minimum = 37,
  eq = 38,
  ne = 39,
  lt = 40,
  le = 41,
  gt = 42,
  ge = 43,
  select = 48,
  constant = 56,
};

constexpr uint32_t kMaxRank = 8;
constexpr uint32_t kMaxMapReads = 24;
constexpr uint32_t kMaxMapOps = 96;
constexpr uint32_t kMaxMapWrites = 8;
constexpr int kMaxIntegerPow = 64;
// Sizes beyond these are taken for damage.
constexpr uint64_t kMaxArenaWords = uint64_t{1} << 32;
constexpr uint64_t kMaxElements = uint64_t{1} << 40;  // of one instruction's index space

}  // namespace zeroth::format
