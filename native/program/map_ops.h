// What a MAP can compute of one element: X(name, opcode, operands, lowest, highest, nanoseconds).
// Names, opcodes and operands are those of the rows in lib/graph/ops/elementwise.ts (a test compares the two). The
// immediate is an integer from lowest to highest, save that of `constant`, which is any number. Nanoseconds is the cost
// of an element on one AVX-512 core, roughly, and only decides whether threads are worth it.
//
// Special values: every op follows IEEE 754 and propagates NaN. In particular
//   maximum, minimum, REDUCE max: NaN where any operand is NaN (as Math.max);
//   eq … ge: 1 or 0, a comparison with NaN is 0, except ne, which is 1;
//   select: NaN is not 0, so it selects b;
//   sign: -1, 0, 1; ±0 and NaN are returned as they are;
//   log of a negative number is NaN, log(0) is -inf; rsqrt(0) is inf;
//   derivatives of erf and gelu are 0 (or 1) at ±inf, as their limits are; gelu(-inf) is 0;
//   a write of dtype i32 rounds toward zero, saturates, and turns NaN to 0.
#pragma once

#define ZEROTH_MAP_OPS(X)              \
  X(neg, 1, 1, 0, 0, 0.05)             \
  X(exp, 2, 1, 0, 0, 0.5)              \
  X(log, 3, 1, 0, 0, 0.5)              \
  X(log1p, 4, 1, 0, 0, 0.5)            \
  X(expm1, 5, 1, 0, 0, 0.5)            \
  X(tanh, 6, 1, 0, 0, 0.5)             \
  X(erf, 7, 1, 0, 0, 0.5)              \
  X(sigmoid, 8, 1, 0, 0, 0.5)          \
  X(sqrt, 9, 1, 0, 0, 0.2)             \
  X(rsqrt, 10, 1, 0, 0, 0.2)           \
  X(abs, 11, 1, 0, 0, 0.05)            \
  X(sign, 12, 1, 0, 0, 0.05)           \
  X(integerPow, 13, 1, -64, 64, 0.2)   \
  X(gelu, 14, 1, 0, 0, 0.4)            \
  X(sech2, 15, 1, 0, 0, 0.4)           \
  X(erfDerivative, 16, 1, 1, 16, 0.4)  \
  X(geluDerivative, 17, 1, 1, 16, 0.5) \
  X(add, 32, 2, 0, 0, 0.05)            \
  X(sub, 33, 2, 0, 0, 0.05)            \
  X(mul, 34, 2, 0, 0, 0.05)            \
  X(div, 35, 2, 0, 0, 0.2)             \
  X(maximum, 36, 2, 0, 0, 0.05)        \
  X(minimum, 37, 2, 0, 0, 0.05)        \
  X(eq, 38, 2, 0, 0, 0.05)             \
  X(ne, 39, 2, 0, 0, 0.05)             \
  X(lt, 40, 2, 0, 0, 0.05)             \
  X(le, 41, 2, 0, 0, 0.05)             \
  X(gt, 42, 2, 0, 0, 0.05)             \
  X(ge, 43, 2, 0, 0, 0.05)             \
  X(select, 48, 3, 0, 0, 0.05)         \
  X(constant, 56, 0, 0, 0, 0)
