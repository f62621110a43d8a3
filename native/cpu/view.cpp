#include "cpu/view.h"

#include <cstring>

namespace zeroth::cpu {

namespace {

// Calls run(view offset, tile offset, length) for each stretch along the innermost dimension.
template <class Run>
void forEachRun(const Sizes& dims, const Sizes& strides, size_t first, size_t count, const Run& run) {
  const size_t rank = dims.size(), inner = rank - 1;
  size_t index[format::kMaxRank];
  size_t offset = 0, rest = first;
  for (size_t d = rank; d-- > 0;) {
    index[d] = rest % dims[d];
    rest /= dims[d];
    offset += index[d] * strides[d];
  }
  size_t done = 0;
  while (done < count) {
    const size_t left = dims[inner] - index[inner];
    const size_t length = left < count - done ? left : count - done;
    run(offset, done, length);
    done += length;
    if (done == count) return;
    offset -= index[inner] * strides[inner];
    index[inner] = 0;
    for (size_t d = inner; d-- > 0;) {
      offset += strides[d];
      if (++index[d] < dims[d]) break;
      offset -= dims[d] * strides[d];
      index[d] = 0;
    }
  }
}

// A binding may be aligned to 4 bytes only, also where it holds doubles.
template <class T>
float element(const uint8_t* base, size_t offset) {
  T value;
  std::memcpy(&value, base + offset * sizeof(T), sizeof(T));
  return static_cast<float>(value);
}

// A dense view whose elements are repeated along the innermost dimension, as labels are against classes. A `repeat`
// that is known when this is compiled makes the short inner loop a few instructions.
template <class T, size_t kRepeat = 0>
void loadRepeated(const uint8_t* base, size_t repeats, size_t first, size_t count, float* tile) {
  const size_t repeat = kRepeat > 0 ? kRepeat : repeats;
  size_t from = first / repeat;
  size_t at = 0;
  if (const size_t phase = first % repeat; phase > 0) {
    const float value = element<T>(base, from++);
    for (size_t i = phase; i < repeat && at < count; ++i) tile[at++] = value;
  }
  for (; at + repeat <= count; at += repeat) {
    const float value = element<T>(base, from++);
    for (size_t i = 0; i < repeat; ++i) tile[at + i] = value;
  }
  if (at < count) {
    const float value = element<T>(base, from);
    while (at < count) tile[at++] = value;
  }
}

bool isRepeated(const Sizes& dims, const Sizes& strides) {
  size_t expected = 1;
  for (size_t d = dims.size() - 1; d-- > 0;) {
    if (dims[d] != 1 && strides[d] != expected) return false;
    expected *= dims[d];
  }
  return strides.back() == 0;
}

template <class T>
void load(const uint8_t* base, const Sizes& dims, const Sizes& strides, size_t first, size_t count, float* tile) {
  const size_t step = strides.back();
  if (step == 0 && isRepeated(dims, strides)) {
    switch (dims.back()) {
      case 2:
        return loadRepeated<T, 2>(base, 2, first, count, tile);
      case 4:
        return loadRepeated<T, 4>(base, 4, first, count, tile);
      case 8:
        return loadRepeated<T, 8>(base, 8, first, count, tile);
      default:
        return loadRepeated<T>(base, dims.back(), first, count, tile);
    }
  }
  forEachRun(dims, strides, first, count, [&](size_t offset, size_t at, size_t length) {
    if (step == 1) {
      for (size_t i = 0; i < length; ++i) tile[at + i] = element<T>(base, offset + i);
    } else if (step == 0) {
      const float value = element<T>(base, offset);
      for (size_t i = 0; i < length; ++i) tile[at + i] = value;
    } else {
      for (size_t i = 0; i < length; ++i) tile[at + i] = element<T>(base, offset + i * step);
    }
  });
}

int32_t toInteger(float value) {
  if (!(value == value)) return 0;
  if (value >= 2147483648.0f) return INT32_MAX;
  if (value <= -2147483648.0f) return INT32_MIN;
  return static_cast<int32_t>(value);
}

}  // namespace

void collapse(Sizes& dims, std::vector<Sizes>& strides) {
  Sizes joined;
  std::vector<Sizes> joinedStrides(strides.size());
  for (size_t d = 0; d < dims.size(); ++d) {
    if (dims[d] == 1) continue;
    bool join = !joined.empty();
    for (size_t v = 0; join && v < strides.size(); ++v) join = joinedStrides[v].back() == dims[d] * strides[v][d];
    if (join) {
      joined.back() *= dims[d];
    } else {
      joined.push_back(dims[d]);
    }
    for (size_t v = 0; v < strides.size(); ++v) {
      if (join) {
        joinedStrides[v].back() = strides[v][d];
      } else {
        joinedStrides[v].push_back(strides[v][d]);
      }
    }
  }
  if (joined.empty()) {
    joined.push_back(1);
    for (Sizes& view : joinedStrides) view.push_back(0);
  }
  dims = std::move(joined);
  strides = std::move(joinedStrides);
}

size_t product(const Sizes& dims) {
  size_t result = 1;
  for (size_t dim : dims) result *= dim;
  return result;
}

bool isRowMajor(const Sizes& dims, const Sizes& strides) {
  size_t expected = 1;
  for (size_t d = dims.size(); d-- > 0;) {
    if (dims[d] != 1 && strides[d] != expected) return false;
    expected *= dims[d];
  }
  return true;
}

bool isSplat(const Sizes& strides) {
  for (size_t stride : strides) {
    if (stride != 0) return false;
  }
  return true;
}

size_t period(const Sizes& dims, const Sizes& strides) {
  size_t result = product(dims);
  for (size_t d = 0; d < dims.size() && strides[d] == 0; ++d) result /= dims[d];
  return result;
}

void loadView(DType dtype, const uint8_t* base, const Sizes& dims, const Sizes& strides, size_t first, size_t count,
              float* tile) {
  switch (dtype) {
    case DType::f32:
      return load<float>(base, dims, strides, first, count, tile);
    case DType::i32:
      return load<int32_t>(base, dims, strides, first, count, tile);
    case DType::f64:
      return load<double>(base, dims, strides, first, count, tile);
  }
}

void storeView(DType dtype, uint8_t* base, const Sizes& dims, const Sizes& strides, size_t first, size_t count,
               const float* tile) {
  const size_t step = strides.back();
  forEachRun(dims, strides, first, count, [&](size_t offset, size_t at, size_t length) {
    if (dtype == DType::i32) {
      int32_t* to = reinterpret_cast<int32_t*>(base) + offset;
      for (size_t i = 0; i < length; ++i) to[i * step] = toInteger(tile[at + i]);
      return;
    }
    float* to = reinterpret_cast<float*>(base) + offset;
    if (step == 1) {
      std::memcpy(to, tile + at, length * sizeof(float));
    } else {
      for (size_t i = 0; i < length; ++i) to[i * step] = tile[at + i];
    }
  });
}

}  // namespace zeroth::cpu
