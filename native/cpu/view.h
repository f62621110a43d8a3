// Strided views over a linear index space: classification, and moving a stretch of one to or from a tile.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "program/program.h"

namespace zeroth::cpu {

using Sizes = std::vector<size_t>;

// Drops dimensions of size 1 and joins neighbours that every view steps through alike. At least one dimension is left.
// `strides` holds one list a view and is changed along.
void collapse(Sizes& dims, std::vector<Sizes>& strides);

size_t product(const Sizes& dims);
bool isRowMajor(const Sizes& dims, const Sizes& strides);
bool isSplat(const Sizes& strides);
// The view repeats after this many elements (the whole index space where it never does).
size_t period(const Sizes& dims, const Sizes& strides);

// tile[i] = view element at linear index first + i. `dtype` is that of the view.
void loadView(DType dtype, const uint8_t* base, const Sizes& dims, const Sizes& strides, size_t first, size_t count,
              float* tile);
// The reverse. `dtype` is f32 or i32.
void storeView(DType dtype, uint8_t* base, const Sizes& dims, const Sizes& strides, size_t first, size_t count,
               const float* tile);

}  // namespace zeroth::cpu
