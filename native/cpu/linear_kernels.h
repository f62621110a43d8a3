// The loops of linear.cpp, for the instruction set that the including file is compiled for. Each is plain arithmetic in
// an order that is written down, so all give the same bits.
#pragma once
#include <cstddef>

namespace zeroth {

// Independent chains of additions of a scalar product.
constexpr size_t kDotLanes = 16;
// Vectors that a loop takes at a time.
constexpr size_t kVectorsAtATime = 4;

struct LinearKernels {
  // sum = c · x
  void (*begin)(double c, const float* x, double* sum, size_t count);
  // sum += c[0] · x[0], then += c[1] · x[1], … for `vectors` of 1 to kVectorsAtATime
  void (*add)(const double* c, const float* const* x, size_t vectors, double* sum, size_t count);
  // y = sum, times factor where there is one
  void (*round)(const double* sum, const float* factor, float* y, size_t count);
  // lanes[v][i % kDotLanes] += y[i] · x[v][i], for `vectors` of 1 to kVectorsAtATime
  void (*dots)(const float* y, const float* const* x, size_t vectors, double (*lanes)[kDotLanes], size_t count);
};

extern const LinearKernels linearKernelsAvx2;
extern const LinearKernels linearKernelsAvx512;

// A type of its own for each instruction set, so that no two of them share a function.
template <class Isa>
struct LinearLoops {
  static void begin(double c, const float* x, double* sum, size_t count) {
    for (size_t i = 0; i < count; ++i) sum[i] = c * static_cast<double>(x[i]);
  }

  template <size_t vectors>
  static void addVectors(const double* c, const float* const* x, double* sum, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      double value = sum[i];
      for (size_t v = 0; v < vectors; ++v) value += c[v] * static_cast<double>(x[v][i]);
      sum[i] = value;
    }
  }

  static void add(const double* c, const float* const* x, size_t vectors, double* sum, size_t count) {
    switch (vectors) {
      case 1:
        return addVectors<1>(c, x, sum, count);
      case 2:
        return addVectors<2>(c, x, sum, count);
      case 3:
        return addVectors<3>(c, x, sum, count);
      default:
        return addVectors<4>(c, x, sum, count);
    }
  }

  static void round(const double* sum, const float* factor, float* y, size_t count) {
    if (factor == nullptr) {
      for (size_t i = 0; i < count; ++i) y[i] = static_cast<float>(sum[i]);
    } else {
      for (size_t i = 0; i < count; ++i) y[i] = static_cast<float>(sum[i] * static_cast<double>(factor[i]));
    }
  }

  template <size_t vectors>
  static void dotVectors(const float* y, const float* const* x, double (*lanes)[kDotLanes], size_t count) {
    double sums[vectors][kDotLanes];
    for (size_t v = 0; v < vectors; ++v) {
      for (size_t lane = 0; lane < kDotLanes; ++lane) sums[v][lane] = lanes[v][lane];
    }
    size_t i = 0;
    for (; i + kDotLanes <= count; i += kDotLanes) {
      for (size_t v = 0; v < vectors; ++v) {
        const float* const other = x[v] + i;
        for (size_t lane = 0; lane < kDotLanes; ++lane) {
          sums[v][lane] += static_cast<double>(y[i + lane]) * static_cast<double>(other[lane]);
        }
      }
    }
    for (size_t lane = 0; i + lane < count; ++lane) {
      for (size_t v = 0; v < vectors; ++v) {
        sums[v][lane] += static_cast<double>(y[i + lane]) * static_cast<double>(x[v][i + lane]);
      }
    }
    for (size_t v = 0; v < vectors; ++v) {
      for (size_t lane = 0; lane < kDotLanes; ++lane) lanes[v][lane] = sums[v][lane];
    }
  }

  static void dots(const float* y, const float* const* x, size_t vectors, double (*lanes)[kDotLanes], size_t count) {
    switch (vectors) {
      case 1:
        return dotVectors<1>(y, x, lanes, count);
      case 2:
        return dotVectors<2>(y, x, lanes, count);
      case 3:
        return dotVectors<3>(y, x, lanes, count);
      default:
        return dotVectors<4>(y, x, lanes, count);
    }
  }

  static constexpr LinearKernels kernels() { return {begin, add, round, dots}; }
};

}  // namespace zeroth
