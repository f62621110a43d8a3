// Loops over one tile (a few KB that live in the first-level cache), compiled once for each instruction set.
#pragma once
#include <cstddef>

#include "program/format.h"

namespace zeroth::cpu {

// One op over n elements. `out` may be one of the operands. An operand whose bit is set in the variant's mask is a
// single number. `integer` is the op's immediate.
using TileOp = void (*)(float* out, const float* const* operands, size_t n, int integer);

struct TileKernels {
  const char* name;
  // Null where the op has no such variant. Bit i of `splat` is operand i.
  TileOp (*op)(format::MapOpcode opcode, unsigned splat);
  // lanes[i % 16] += x[i], in f64.
  void (*sum)(double* lanes, const float* x, size_t n);
  // sums[i] += x[i], in f64.
  void (*addRow)(double* sums, const float* x, size_t n);
  // sums[r] = the sum of row r of n elements, as the lanes of `sum` added in order, for as many rows as a vector has
  // room for at a time; returns how many were done.
  size_t (*sumRows)(double* sums, const float* x, size_t rows, size_t n);
  // The largest element, NaN if there is one.
  float (*max)(const float* x, size_t n);
  // best[i] = max(best[i], x[i]), NaN wins.
  void (*maxRow)(float* best, const float* x, size_t n);
  // best[r] = max(row r of n elements), as sumRows.
  size_t (*maxRows)(float* best, const float* x, size_t rows, size_t n);
  // y[i] += x[i]
  void (*add)(float* y, const float* x, size_t n);
};

// For the instruction set in use (ZEROTH_ISA, else the best that this machine has).
const TileKernels& tileKernels();

const TileKernels& portableKernels();
#if defined(__x86_64__)
const TileKernels& avx2Kernels();
const TileKernels& avx512Kernels();
#endif

}  // namespace zeroth::cpu
