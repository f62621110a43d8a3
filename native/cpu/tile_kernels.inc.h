// The loops of tile_kernels.h over the vector type of `L`, a struct of: W lanes, type V, and the functions that differ
// by instruction set. Include it only from the tile_kernels.*.cpp files, whose L are distinct local types, so that no
// function compiled for one instruction set can stand in for another's. For the same reason nothing here calls the
// standard library.
#pragma once
#include "cpu/tile_kernels.h"

namespace zeroth::cpu {

template <class L>
struct TileLoops {
  using V = typename L::V;
  static constexpr size_t W = L::W;
  using MapOpcode = format::MapOpcode;

  static V load(const float* p) {
    V v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
  }
  static void store(float* p, V v) { __builtin_memcpy(p, &v, sizeof v); }
  static V splat(float x) { return V{} + x; }

  // The tail goes through the same vector code as the rest, so a value does not depend on its place in a tile.
  static V loadTail(const float* p, size_t n) {
    float padded[W];
    for (size_t i = 0; i < W; ++i) padded[i] = 1.0f;
    __builtin_memcpy(padded, p, n * sizeof(float));
    return load(padded);
  }
  static void storeTail(float* p, V v, size_t n) {
    float padded[W];
    store(padded, v);
    __builtin_memcpy(p, padded, n * sizeof(float));
  }

  template <class F>
  static void unary(float* out, const float* const* operands, size_t n, int exponent) {
    const float* a = operands[0];
    size_t i = 0;
    for (; i + W <= n; i += W) store(out + i, F::apply(load(a + i), exponent));
    if (i < n) storeTail(out + i, F::apply(loadTail(a + i, n - i), exponent), n - i);
  }

  template <class F, bool SplatA, bool SplatB>
  static void binary(float* out, const float* const* operands, size_t n, int) {
    const float* a = operands[0];
    const float* b = operands[1];
    const V splatA = splat(SplatA ? *a : 0.0f), splatB = splat(SplatB ? *b : 0.0f);
    size_t i = 0;
    for (; i + W <= n; i += W) store(out + i, F::apply(SplatA ? splatA : load(a + i), SplatB ? splatB : load(b + i)));
    if (i < n) {
      const size_t rest = n - i;
      storeTail(out + i, F::apply(SplatA ? splatA : loadTail(a + i, rest), SplatB ? splatB : loadTail(b + i, rest)),
                rest);
    }
  }

  template <unsigned Splat>
  static void select(float* out, const float* const* operands, size_t n, int) {
    const float *c = operands[0], *a = operands[1], *b = operands[2];
    const V splatC = splat(Splat & 1 ? *c : 0.0f), splatA = splat(Splat & 2 ? *a : 0.0f),
            splatB = splat(Splat & 4 ? *b : 0.0f);
    const V zero{};
    size_t i = 0;
    for (; i + W <= n; i += W) {
      const V mask = Splat & 1 ? splatC : load(c + i);
      store(out + i, mask != zero ? (Splat & 2 ? splatA : load(a + i)) : (Splat & 4 ? splatB : load(b + i)));
    }
    if (i < n) {
      const size_t rest = n - i;
      const V mask = Splat & 1 ? splatC : loadTail(c + i, rest);
      storeTail(
          out + i,
          mask != zero ? (Splat & 2 ? splatA : loadTail(a + i, rest)) : (Splat & 4 ? splatB : loadTail(b + i, rest)),
          rest);
    }
  }

  struct Neg {
    static V apply(V x, int) { return -x; }
  };
  struct Exp {
    static V apply(V x, int) { return L::exp(x); }
  };
  struct Log {
    static V apply(V x, int) { return L::log(x); }
  };
  struct Log1p {
    static V apply(V x, int) { return L::log1p(x); }
  };
  struct Expm1 {
    static V apply(V x, int) { return L::expm1(x); }
  };
  struct Tanh {
    static V apply(V x, int) { return L::tanh(x); }
  };
  struct Erf {
    static V apply(V x, int) { return L::erf(x); }
  };
  struct Sigmoid {
    static V apply(V x, int) { return 1.0f / (1.0f + L::exp(-x)); }
  };
  struct Sqrt {
    static V apply(V x, int) { return L::sqrt(x); }
  };
  struct Rsqrt {
    static V apply(V x, int) { return 1.0f / L::sqrt(x); }
  };
  struct Abs {
    static V apply(V x, int) {
      typename L::I bits;
      __builtin_memcpy(&bits, &x, sizeof x);
      bits &= 0x7fffffff;
      __builtin_memcpy(&x, &bits, sizeof x);
      return x;
    }
  };
  struct Sign {
    static V apply(V x, int) {
      const V zero{};
      return x > zero ? splat(1.0f) : (x < zero ? splat(-1.0f) : x);
    }
  };
  struct IntegerPow {
    static V apply(V x, int exponent) {
      V result = splat(1.0f);
      for (unsigned e = exponent < 0 ? -exponent : exponent; e != 0; e >>= 1) {
        if (e & 1) result = result * x;
        x = x * x;
      }
      return exponent < 0 ? 1.0f / result : result;
    }
  };
  // x Φ(x), with Φ(x) = 1/2 + x p(x²) for |x| < 5.5 (beyond, it is 0 or 1 to the last bit of an f32 near 1). p is the
  // least-maximum fit of degree 15 in s = 2 x² / 5.5² - 1 in [-1, 1], weighted by |x|: error of x p 9e-9, with f32
  // rounding 1.3e-7. Twice as fast as by erf.
  struct Gelu {
    static V apply(V x, int) {
      constexpr float kEdge = 5.5f;
      constexpr float kCoefficients[] = {-0.000241107995f, 0.000635680004f, -0.0005144446f,  0.000707528722f,
                                         -0.00243671039f,  0.00463671416f,  -0.00680885697f, 0.0102191356f,
                                         -0.0150025953f,   0.020367129f,    -0.026047708f,   0.0320699051f,
                                         -0.0387928213f,   0.0477376452f,   -0.064172338f,   0.128551931f};
      const V s = L::fma(x * x, splat(2 / (kEdge * kEdge)), splat(-1.0f));
      V p = splat(kCoefficients[0]);
      for (int i = 1; i < 16; ++i) p = L::fma(p, s, splat(kCoefficients[i]));
      V phi = L::fma(x, p, splat(0.5f));
      phi = x >= splat(kEdge) ? splat(1.0f) : phi;
      phi = x <= splat(-kEdge) ? V{} : phi;
      return x * phi;
    }
  };

  struct Add {
    static V apply(V a, V b) { return a + b; }
  };
  struct Sub {
    static V apply(V a, V b) { return a - b; }
  };
  struct Mul {
    static V apply(V a, V b) { return a * b; }
  };
  struct Div {
    static V apply(V a, V b) { return a / b; }
  };
  // (a > b ? a : b) is b where one of them is NaN; what is then missing is a = NaN.
  struct Maximum {
    static V apply(V a, V b) {
      const V larger = a > b ? a : b;
      return a == a ? larger : a;
    }
  };
  struct Minimum {
    static V apply(V a, V b) {
      const V smaller = a < b ? a : b;
      return a == a ? smaller : a;
    }
  };
  static V oneWhere(typename L::I mask) { return mask ? splat(1.0f) : V{}; }
  struct Eq {
    static V apply(V a, V b) { return oneWhere(a == b); }
  };
  struct Ne {
    static V apply(V a, V b) { return oneWhere(a != b); }
  };
  struct Lt {
    static V apply(V a, V b) { return oneWhere(a < b); }
  };
  struct Le {
    static V apply(V a, V b) { return oneWhere(a <= b); }
  };
  struct Gt {
    static V apply(V a, V b) { return oneWhere(a > b); }
  };
  struct Ge {
    static V apply(V a, V b) { return oneWhere(a >= b); }
  };

  template <class F>
  static TileOp unaryOp(unsigned splat) {
    return splat == 0 ? unary<F> : nullptr;
  }

  template <class F>
  static TileOp binaryOp(unsigned splat) {
    switch (splat) {
      case 0:
        return binary<F, false, false>;
      case 1:
        return binary<F, true, false>;
      case 2:
        return binary<F, false, true>;
    }
    return nullptr;
  }

  static TileOp selectOp(unsigned splat) {
    constexpr TileOp variants[] = {select<0>, select<1>, select<2>, select<3>, select<4>, select<5>, select<6>};
    return splat < 7 ? variants[splat] : nullptr;
  }

  static TileOp op(MapOpcode opcode, unsigned splat) {
    switch (opcode) {
      case MapOpcode::neg:
        return unaryOp<Neg>(splat);
      case MapOpcode::exp:
        return unaryOp<Exp>(splat);
      case MapOpcode::log:
        return unaryOp<Log>(splat);
      case MapOpcode::log1p:
        return unaryOp<Log1p>(splat);
      case MapOpcode::expm1:
        return unaryOp<Expm1>(splat);
      case MapOpcode::tanh:
        return unaryOp<Tanh>(splat);
      case MapOpcode::erf:
        return unaryOp<Erf>(splat);
      case MapOpcode::sigmoid:
        return unaryOp<Sigmoid>(splat);
      case MapOpcode::sqrt:
        return unaryOp<Sqrt>(splat);
      case MapOpcode::rsqrt:
        return unaryOp<Rsqrt>(splat);
      case MapOpcode::abs:
        return unaryOp<Abs>(splat);
      case MapOpcode::sign:
        return unaryOp<Sign>(splat);
      case MapOpcode::integerPow:
        return unaryOp<IntegerPow>(splat);
      case MapOpcode::gelu:
        return unaryOp<Gelu>(splat);
      case MapOpcode::add:
        return binaryOp<Add>(splat);
      case MapOpcode::sub:
        return binaryOp<Sub>(splat);
      case MapOpcode::mul:
        return binaryOp<Mul>(splat);
      case MapOpcode::div:
        return binaryOp<Div>(splat);
      case MapOpcode::maximum:
        return binaryOp<Maximum>(splat);
      case MapOpcode::minimum:
        return binaryOp<Minimum>(splat);
      case MapOpcode::eq:
        return binaryOp<Eq>(splat);
      case MapOpcode::ne:
        return binaryOp<Ne>(splat);
      case MapOpcode::lt:
        return binaryOp<Lt>(splat);
      case MapOpcode::le:
        return binaryOp<Le>(splat);
      case MapOpcode::gt:
        return binaryOp<Gt>(splat);
      case MapOpcode::ge:
        return binaryOp<Ge>(splat);
      case MapOpcode::select:
        return selectOp(splat);
      case MapOpcode::constant:
        return nullptr;
    }
    return nullptr;
  }

  static void sum(double* lanes, const float* x, size_t n) {
    double local[16];
    __builtin_memcpy(local, lanes, sizeof local);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
      for (size_t j = 0; j < 16; ++j) local[j] += x[i + j];
    }
    for (size_t j = 0; i < n; ++i, ++j) local[j] += x[i];
    __builtin_memcpy(lanes, local, sizeof local);
  }

  static void addRow(double* sums, const float* x, size_t n) {
    for (size_t i = 0; i < n; ++i) sums[i] += x[i];
  }

  static float max(const float* x, size_t n) {
    float best = x[0];
    size_t i = 0;
    if (n >= W) {
      V lanes = load(x);
      for (i = W; i + W <= n; i += W) lanes = Maximum::apply(lanes, load(x + i));
      float values[W];
      store(values, lanes);
      best = values[0];
      for (size_t j = 1; j < W; ++j) best = best > values[j] || best != best ? best : values[j];
    }
    for (; i < n; ++i) best = best > x[i] || best != best ? best : x[i];
    return best;
  }

  static void maxRow(float* best, const float* x, size_t n) {
    const float* operands[] = {best, x};
    binary<Maximum, false, false>(best, operands, n, 0);
  }

  static void add(float* y, const float* x, size_t n) {
    const float* operands[] = {y, x};
    binary<Add, false, false>(y, operands, n, 0);
  }

  static constexpr TileKernels table(const char* name) { return {name, op, sum, addRow, max, maxRow, add}; }
};

}  // namespace zeroth::cpu
