// The loops of tile_kernels.h over the vector type of `L`, a struct of: W lanes, types V and I of as many floats and
// integers, Half and Doubles of half as many floats and doubles, and the functions that differ by instruction set.
// Include it only from the tile_kernels.*.cpp files, whose L are distinct local types, so that no function compiled for
// one instruction set can stand in for another's. For the same reason nothing here calls the standard library.
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
  static void unary(float* out, const float* const* operands, size_t n, int integer) {
    const float* a = operands[0];
    size_t i = 0;
    for (; i + W <= n; i += W) store(out + i, F::apply(load(a + i), integer));
    if (i < n) storeTail(out + i, F::apply(loadTail(a + i, n - i), integer), n - i);
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

  static V absolute(V x) {
    typename L::I bits;
    __builtin_memcpy(&bits, &x, sizeof x);
    bits &= 0x7fffffff;
    __builtin_memcpy(&x, &bits, sizeof x);
    return x;
  }
  // These let NaN through.
  static V magnitude(V x, float most) {
    const V a = absolute(x);
    return a > splat(most) ? splat(most) : a;
  }
  static V clamped(V x, float most) {
    const V c = x > splat(most) ? splat(most) : x;
    return c < splat(-most) ? splat(-most) : c;
  }

  // exp(g + low) = p 2^k for g in [-400, 0] and a small correction. The power of two is applied last, so that results
  // below the normal range round once, in the end.
  struct Power {
    V p, k;
  };
  static Power exponential(V g, V low) {
    const V k = L::round(g * 1.44269504f);
    V r = L::fma(k, splat(-0.693115234375f), g);
    r = L::fma(k, splat(-3.19461833e-5f), r) + low;
    constexpr float kCoefficients[] = {0.001384359f, 0.0083742086f, 0.041668005f, 0.166664302f,
                                       0.49999994f,  1.0f,          1.0f};
    V p = splat(kCoefficients[0]);
    for (int i = 1; i < 7; ++i) p = L::fma(p, r, splat(kCoefficients[i]));
    return {p, k};
  }
  static V scaled(V x, V k) { return L::scale(x, k); }

  // Beyond it x Φ(-x) is 0 in f32.
  static constexpr float kLargestNormal = 14.6f;
  // exp(-a²/2). The rounding of a² alone would cost a²/2 units of the last place.
  static Power normalBell(V a) {
    const V h = a * a;
    return exponential(-0.5f * h, -0.5f * L::squareError(a, h));
  }
  // Φ(-a) exp(a²/2) for 0 ≤ a ≤ 14.6: least-maximum fit, relative, of degree 8 in 1 / (1 + 0.296 a); error 4e-8.
  static V millsRatio(V a) {
    const V t = L::reciprocal(L::fma(a, splat(0.296402931f), splat(1.0f)));
    constexpr float kCoefficients[] = {0.0393292233f, -0.180211127f, 0.260306865f, -0.106604166f, 0.160068825f,
                                       0.0874100327f, 0.121781424f,  0.117904671f, 1.4274121e-05f};
    V p = splat(kCoefficients[0]);
    for (int i = 1; i < 9; ++i) p = L::fma(p, t, splat(kCoefficients[i]));
    return p;
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
    static V apply(V x, int) {
      const Power e = exponential(-magnitude(x, 110), V{});
      const V d = 1.0f / (1.0f + scaled(e.p, e.k));
      return x < V{} ? scaled(e.p * d, e.k) : d;
    }
  };
  // 1 / cosh²(x) = 4 e / (1 + e)² with e = exp(-2 |x|).
  struct Sech2 {
    static V apply(V x, int) {
      const Power e = exponential(-2.0f * magnitude(x, 60), V{});
      const V d = 1.0f / (1.0f + scaled(e.p, e.k));
      return scaled(4.0f * e.p * d * d, e.k);
    }
  };
  struct Sqrt {
    static V apply(V x, int) { return L::sqrt(x); }
  };
  struct Rsqrt {
    static V apply(V x, int) { return 1.0f / L::sqrt(x); }
  };
  struct Abs {
    static V apply(V x, int) { return absolute(x); }
  };
  struct Sign {
    static V apply(V x, int) {
      const V zero{};
      return x > zero ? splat(1.0f) : (x < zero ? splat(-1.0f) : x);
    }
  };
  // A negative power is one of 1 / x: x^n would overflow where its reciprocal is still a number.
  struct IntegerPow {
    static V apply(V x, int exponent) {
      V result = splat(1.0f);
      if (exponent < 0) x = 1.0f / x;
      for (unsigned e = exponent < 0 ? -exponent : exponent; e != 0; e >>= 1) {
        if (e & 1) result = result * x;
        x = x * x;
      }
      return result;
    }
  };
  // x Φ(x) = max(x, 0) - a Φ(-a) with a = |x|: nothing cancels on the left, and the right is x but for the last bits.
  // For a ≤ 3, where nearly everything is, Φ(-a) is a polynomial (least-maximum fit, relative, of degree 13; error
  // 2e-8).
  struct Gelu {
    static V apply(V x, int) {
      constexpr float kEdge = 3, kCentre = 2.5625f;
      constexpr float kCoefficients[] = {1.57603414e-07f, -1.19872906e-06f, 6.53175684e-07f,  9.28786007e-06f,
                                         9.23912083e-06f, -3.39500995e-05f, -0.000245505697f, -0.000403188844f,
                                         0.000837786899f, 0.00569815283f,   0.0138821488f,    0.0191719652f,
                                         0.0149634955f,   0.0051960795f};
      const V a = absolute(x), y = kCentre - a;
      V w = splat(kCoefficients[0]);
      for (int i = 1; i < 14; ++i) w = L::fma(w, y, splat(kCoefficients[i]));
      w = a * w;
      if (L::any(a > splat(kEdge))) w = a > splat(kEdge) ? tail(a) : w;
      return (x < V{} ? V{} : x) - w;
    }
    static V tail(V magnitudes) {
      const V a = magnitude(magnitudes, kLargestNormal);
      const Power e = normalBell(a);
      return scaled(a * (e.p * millsRatio(a)), e.k);
    }
  };
  // Derivatives of x Φ(x), with the density φ(x) = exp(-x² / 2) / √2π and Hermite polynomials He:
  //   Φ(x) + x φ(x);  from the second on  (-1)^n φ(x) (n He_{n-2}(x) - x He_{n-1}(x)).
  struct GeluDerivative {
    static V apply(V x, int order) {
      constexpr float kDensity = 0.398942280f;
      if (order == 1) {
        const V a = magnitude(x, kLargestNormal);
        const Power e = normalBell(a);
        const V left = scaled(e.p * L::fma(splat(-kDensity), a, millsRatio(a)), e.k);
        return x < V{} ? left : 1.0f - left;
      }
      const V c = clamped(x, 20);
      const Power e = normalBell(absolute(c));
      V lower = splat(1.0f), upper = c;
      for (int n = 1; n < order - 1; ++n) {
        const V next = L::fma(c, upper, static_cast<float>(-n) * lower);
        lower = upper;
        upper = next;
      }
      const V polynomial = L::fma(-c, upper, static_cast<float>(order) * lower);
      return scaled((order % 2 == 0 ? kDensity : -kDensity) * polynomial * e.p, e.k);
    }
  };
  // Derivatives of erf: 2/√π (-1)^{n-1} H_{n-1}(x) exp(-x²).
  struct ErfDerivative {
    static V apply(V x, int order) {
      const V c = clamped(x, 14), h = c * c;
      const Power e = exponential(-h, -L::squareError(c, h));
      V lower = V{}, upper = splat(1.0f);
      for (int n = 0; n < order - 1; ++n) {
        const V next = L::fma(2.0f * c, upper, static_cast<float>(-2 * n) * lower);
        lower = upper;
        upper = next;
      }
      return scaled((order % 2 == 0 ? -1.12837917f : 1.12837917f) * upper * e.p, e.k);
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
      case MapOpcode::sech2:
        return unaryOp<Sech2>(splat);
      case MapOpcode::erfDerivative:
        return unaryOp<ErfDerivative>(splat);
      case MapOpcode::geluDerivative:
        return unaryOp<GeluDerivative>(splat);
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

  // Short rows are gone through column by column, as many at a time as a vector holds doubles, so that no row waits
  // for its own last addition.
  static constexpr size_t R = W / 2;
  using Column = typename L::Half;
  using Doubles = typename L::Doubles;

  // Element j of R rows of n elements each.
  static Column column(const float* rows, size_t n, size_t j) {
    Column v;
    for (size_t k = 0; k < R; ++k) v[k] = rows[k * n + j];
    return v;
  }
  static Doubles doubles(const float* rows, size_t n, size_t j) {
    return __builtin_convertvector(column(rows, n, j), Doubles);
  }

  // The additions of each row are those of `sum` and its lanes.
  static size_t sumRows(double* sums, const float* x, size_t rows, size_t n) {
    size_t r = 0;
    for (; r + R <= rows; r += R, x += R * n) {
      Doubles total{};
      if (n <= 16) {
        for (size_t j = 0; j < n; ++j) total += doubles(x, n, j);
      } else {
        Doubles lanes[16];
        for (size_t j = 0; j < 16; ++j) lanes[j] = doubles(x, n, j);
        for (size_t j = 16; j < n; ++j) lanes[j % 16] += doubles(x, n, j);
        for (const Doubles& lane : lanes) total += lane;
      }
      __builtin_memcpy(sums + r, &total, sizeof total);
    }
    return r;
  }

  static size_t maxRows(float* best, const float* x, size_t rows, size_t n) {
    size_t r = 0;
    for (; r + R <= rows; r += R, x += R * n) {
      Column most = column(x, n, 0);
      for (size_t j = 1; j < n; ++j) {
        const Column next = column(x, n, j), larger = most > next ? most : next;
        most = most == most ? larger : most;
      }
      __builtin_memcpy(best + r, &most, sizeof most);
    }
    return r;
  }

  static void maxRow(float* best, const float* x, size_t n) {
    const float* operands[] = {best, x};
    binary<Maximum, false, false>(best, operands, n, 0);
  }

  static void add(float* y, const float* x, size_t n) {
    const float* operands[] = {y, x};
    binary<Add, false, false>(y, operands, n, 0);
  }

  static constexpr TileKernels table(const char* name) {
    return {name, op, sum, addRow, sumRows, max, maxRow, maxRows, add};
  }
};

}  // namespace zeroth::cpu
