// The loops over a tile, for every instruction set that this machine has: accuracy, special values, tails.
#include <cmath>
#include <cstring>
#include <limits>

#include "cpu/tile_kernels.h"
#include "executor_test_support.h"

using namespace zeroth;
using namespace zeroth::test;
using cpu::TileKernels;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kLargest = std::numeric_limits<float>::max();
constexpr float kSmallest = std::numeric_limits<float>::denorm_min();

std::vector<const TileKernels*> available() {
  std::vector<const TileKernels*> tables{&cpu::portableKernels()};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) tables.push_back(&cpu::avx2Kernels());
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")) tables.push_back(&cpu::avx512Kernels());
#endif
  return tables;
}

Floats apply(const TileKernels& kernels, Op op, const std::vector<Floats>& operands, int exponent = 0,
             unsigned splat = 0) {
  const float* pointers[3] = {};
  size_t n = 0;
  for (size_t i = 0; i < operands.size(); ++i) {
    pointers[i] = operands[i].data();
    if (operands[i].size() > n) n = operands[i].size();
  }
  Floats out(n);
  kernels.op(op, splat)(out.data(), pointers, n, exponent);
  return out;
}

float one(const TileKernels& kernels, Op op, float x) { return apply(kernels, op, {{x}})[0]; }
float one(const TileKernels& kernels, Op op, float a, float b) { return apply(kernels, op, {{a}, {b}})[0]; }
float one(const TileKernels& kernels, Op op, float a, float b, float c) {
  return apply(kernels, op, {{a}, {b}, {c}})[0];
}

// A unit in the last place of a number.
double unit(float x) {
  const float magnitude = std::fmax(std::fabs(x), std::numeric_limits<float>::min());
  return double{std::nextafter(magnitude, kInfinity)} - magnitude;
}

// |x - exact| in units of the last place of `exact` as an f32.
double ulps(float x, double exact) {
  const float rounded = static_cast<float>(exact);
  if (std::isinf(rounded) || std::isnan(rounded)) return (std::isnan(rounded) ? std::isnan(x) : x == rounded) ? 0 : 1e9;
  return std::fabs(x - exact) / unit(rounded);
}

// exp(-scale x²), with the rounding of x² taken out.
double bell(double x, double scale) {
  if (std::isinf(x)) return 0;
  const double h = x * x;
  return std::exp(-scale * h) * (1 - scale * std::fma(x, x, -h));
}
double normalCdf(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }
double density(double x) { return bell(x, 0.5) / std::sqrt(2 * std::acos(-1.0)); }
double erfSlope(double x) { return 2 / std::sqrt(std::acos(-1.0)) * bell(x, 1); }
// 0 where the factor is, whatever overflows beside it.
double times(double factor, double other) { return factor == 0 ? 0 : factor * other; }

// Over all of f32: every binade in both signs, and the ends.
void unaryFunctionsAreAccurate(const TileKernels& kernels) {
  struct Case {
    Op op;
    int integer;
    double (*exact)(double);
    double limit;
    double (*slope)(double) = nullptr;  // where the function has a zero inside, which x cannot hit
  };
  const Case cases[] = {
      {Op::exp, 0, [](double x) { return std::exp(x); }, 3},
      {Op::log, 0, [](double x) { return std::log(x); }, 4},
      {Op::log1p, 0, [](double x) { return std::log1p(x); }, 4},
      {Op::expm1, 0, [](double x) { return std::expm1(x); }, 4},
      {Op::tanh, 0, [](double x) { return std::tanh(x); }, 4},
      {Op::erf, 0, [](double x) { return std::erf(x); }, 4},
      {Op::sigmoid, 0, [](double x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }, 3},
      {Op::sqrt, 0, [](double x) { return std::sqrt(x); }, 0.501},
      {Op::rsqrt, 0, [](double x) { return 1 / std::sqrt(x); }, 1.51},
      {Op::sech2, 0, [](double x) { return 1 / std::cosh(x) / std::cosh(x); }, 4},
      {Op::gelu, 0, [](double x) { return times(normalCdf(x), x); }, 6.5},
      {Op::geluDerivative, 1, [](double x) { return normalCdf(x) + times(density(x), x); }, 9,
       [](double x) { return times(density(x), 2 - x * x); }},
      {Op::geluDerivative, 2, [](double x) { return times(density(x), 2 - x * x); }, 4,
       [](double x) { return times(density(x), x * (x * x - 4)); }},
      {Op::geluDerivative, 3, [](double x) { return times(density(x), x * (x * x - 4)); }, 6,
       [](double x) { return times(density(x), 7 * x * x - 4 - x * x * x * x); }},
      {Op::erfDerivative, 1, [](double x) { return erfSlope(x); }, 3},
      {Op::erfDerivative, 2, [](double x) { return times(erfSlope(x), -2 * x); }, 4},
      {Op::erfDerivative, 3, [](double x) { return times(erfSlope(x), 4 * x * x - 2); }, 6,
       [](double x) { return times(erfSlope(x), 12 * x - 8 * x * x * x); }},
      {Op::integerPow, 2, [](double x) { return x * x; }, 0.501},
      {Op::integerPow, 3, [](double x) { return x * x * x; }, 1.6},
      {Op::integerPow, -1, [](double x) { return 1 / x; }, 0.501},
      {Op::integerPow, -2, [](double x) { return 1 / (x * x); }, 2.1},
      {Op::integerPow, 64, [](double x) { return std::pow(x, 64); }, 64},
      {Op::integerPow, -64, [](double x) { return std::pow(x, -64); }, 128},
  };
  Floats x{0.0f, -0.0f, kInfinity, -kInfinity, kLargest, -kLargest, kSmallest, -kSmallest};
  for (uint64_t bits = 1; bits < uint64_t{1} << 32; bits += 100003) {
    const uint32_t word = static_cast<uint32_t>(bits);
    float value;
    std::memcpy(&value, &word, sizeof value);
    if (!std::isnan(value)) x.push_back(value);
  }
  for (const Case& test : cases) {
    const Floats y = apply(kernels, test.op, {x}, test.integer);
    double worst = 0;
    size_t where = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      double exact = test.exact(x[i]);
      // One of the two roundings at the end of the range may go to infinity.
      if (std::fabs(exact) > 0.99999 * kLargest && std::fabs(y[i]) > 0.99999 * kLargest) exact = y[i];
      double error = ulps(y[i], exact);
      if (test.slope && error < 1e9) {
        const double change = std::fabs(x[i] * test.slope(x[i]));
        if (change > std::fabs(exact)) error = std::fabs(y[i] - exact) / unit(static_cast<float>(change));
      }
      if (!(error <= worst)) worst = error, where = i;
    }
    CHECK(worst <= test.limit, "%s %s %d: %g ulp at %g", kernels.name, name(test.op), test.integer, worst, x[where]);
  }
}

// What they are made of is tested above; here the recurrences of higher orders, against polynomials.
void higherDerivativesAreRight(const TileKernels& kernels) {
  for (float x : {-3.5f, -1.25f, -0.5f, 0.25f, 1.75f, 4.0f}) {
    const double z = x;
    const double gelu6 = density(z) * (18 - 51 * z * z + 16 * std::pow(z, 4) - std::pow(z, 6));
    const double erf5 = erfSlope(z) * (16 * std::pow(z, 4) - 48 * z * z + 12);
    CHECK(std::fabs(apply(kernels, Op::geluDerivative, {{x}}, 6)[0] - gelu6) <= 1e-5 * (1 + std::fabs(gelu6)),
          "%s gelu, 6th derivative at %g: %g for %g", kernels.name, x, apply(kernels, Op::geluDerivative, {{x}}, 6)[0],
          gelu6);
    CHECK(std::fabs(apply(kernels, Op::erfDerivative, {{x}}, 5)[0] - erf5) <= 1e-5 * (1 + std::fabs(erf5)),
          "%s erf, 5th derivative at %g: %g for %g", kernels.name, x, apply(kernels, Op::erfDerivative, {{x}}, 5)[0],
          erf5);
  }
  for (int order = 1; order <= 16; ++order) {
    for (float x : {-kInfinity, -kLargest, -100.0f, 100.0f, kLargest, kInfinity}) {
      const float limit = order == 1 && x > 0 ? 1 : 0;
      CHECK(apply(kernels, Op::geluDerivative, {{x}}, order)[0] == limit, "%s gelu, order %d at %g", kernels.name,
            order, x);
      CHECK(apply(kernels, Op::erfDerivative, {{x}}, order)[0] == 0, "%s erf, order %d at %g", kernels.name, order, x);
    }
  }
}

void specialValuesBehave(const TileKernels& kernels) {
  const char* name = kernels.name;
  CHECK(one(kernels, Op::exp, kInfinity) == kInfinity, "%s", name);
  CHECK(one(kernels, Op::exp, -kInfinity) == 0, "%s", name);
  CHECK(one(kernels, Op::exp, 1000) == kInfinity, "%s", name);
  CHECK(one(kernels, Op::exp, -1000) == 0, "%s", name);
  CHECK(one(kernels, Op::exp, 0) == 1, "%s", name);
  CHECK(one(kernels, Op::log, 0) == -kInfinity, "%s", name);
  CHECK(std::isnan(one(kernels, Op::log, -1)), "%s", name);
  CHECK(one(kernels, Op::log, kInfinity) == kInfinity, "%s", name);
  CHECK(one(kernels, Op::log, 1) == 0, "%s", name);
  CHECK(one(kernels, Op::log1p, -1) == -kInfinity, "%s", name);
  CHECK(std::isnan(one(kernels, Op::log1p, -2)), "%s", name);
  CHECK(one(kernels, Op::log1p, kInfinity) == kInfinity, "%s", name);
  CHECK(one(kernels, Op::expm1, -kInfinity) == -1, "%s", name);
  CHECK(one(kernels, Op::expm1, kInfinity) == kInfinity, "%s", name);
  CHECK(one(kernels, Op::expm1, -1000) == -1, "%s", name);
  for (float x : {10.0f, 100.0f, 1e30f, kInfinity}) {
    CHECK(one(kernels, Op::tanh, x) == 1 && one(kernels, Op::tanh, -x) == -1, "%s tanh %g", name, x);
    CHECK(one(kernels, Op::erf, x) == 1 && one(kernels, Op::erf, -x) == -1, "%s erf %g", name, x);
  }
  CHECK(one(kernels, Op::sigmoid, kInfinity) == 1 && one(kernels, Op::sigmoid, -kInfinity) == 0, "%s", name);
  CHECK(one(kernels, Op::sigmoid, 1000) == 1 && one(kernels, Op::sigmoid, -1000) == 0, "%s", name);
  CHECK(one(kernels, Op::gelu, 100) == 100 && one(kernels, Op::gelu, -100) == 0 && one(kernels, Op::gelu, 0) == 0, "%s",
        name);
  CHECK(one(kernels, Op::gelu, kInfinity) == kInfinity && one(kernels, Op::gelu, -kInfinity) == 0, "%s", name);
  CHECK(one(kernels, Op::gelu, -kLargest) == 0 && one(kernels, Op::gelu, kLargest) == kLargest, "%s", name);
  CHECK(one(kernels, Op::sech2, kInfinity) == 0 && one(kernels, Op::sech2, -kInfinity) == 0, "%s", name);
  CHECK(std::isnan(one(kernels, Op::sqrt, -1)) && one(kernels, Op::sqrt, kInfinity) == kInfinity, "%s", name);
  CHECK(one(kernels, Op::rsqrt, 0) == kInfinity && one(kernels, Op::rsqrt, kInfinity) == 0, "%s", name);
  CHECK(one(kernels, Op::abs, -kInfinity) == kInfinity && !std::signbit(one(kernels, Op::abs, -0.0f)), "%s", name);
  CHECK(one(kernels, Op::sign, -3) == -1 && one(kernels, Op::sign, 3) == 1 && one(kernels, Op::sign, 0) == 0, "%s",
        name);
  CHECK(std::signbit(one(kernels, Op::neg, 0.0f)), "%s", name);
  for (Op op : {Op::neg, Op::exp, Op::log, Op::log1p, Op::expm1, Op::tanh, Op::erf, Op::sigmoid, Op::sqrt, Op::rsqrt,
                Op::abs, Op::sign, Op::gelu, Op::sech2}) {
    CHECK(std::isnan(one(kernels, op, kNaN)), "%s %s of NaN", name, zeroth::name(op));
  }
  for (int order : {1, 2, 5}) {
    CHECK(std::isnan(apply(kernels, Op::geluDerivative, {{kNaN}}, order)[0]), "%s gelu, order %d of NaN", name, order);
    CHECK(std::isnan(apply(kernels, Op::erfDerivative, {{kNaN}}, order)[0]), "%s erf, order %d of NaN", name, order);
  }
  for (Op op : {Op::add, Op::sub, Op::mul, Op::div, Op::maximum, Op::minimum}) {
    CHECK(std::isnan(one(kernels, op, kNaN, 1)) && std::isnan(one(kernels, op, 1, kNaN)), "%s %s", name,
          zeroth::name(op));
  }
  CHECK(one(kernels, Op::maximum, -kInfinity, 2) == 2 && one(kernels, Op::minimum, kInfinity, 2) == 2, "%s", name);
  for (Op op : {Op::eq, Op::lt, Op::le, Op::gt, Op::ge}) {
    CHECK(one(kernels, op, kNaN, 1) == 0 && one(kernels, op, 1, kNaN) == 0 && one(kernels, op, kNaN, kNaN) == 0,
          "%s %s", name, zeroth::name(op));
  }
  CHECK(one(kernels, Op::ne, kNaN, 1) == 1 && one(kernels, Op::ne, kNaN, kNaN) == 1 && one(kernels, Op::ne, 1, 1) == 0,
        "%s", name);
  CHECK(one(kernels, Op::select, kNaN, 2, 3) == 2 && one(kernels, Op::select, -0.0f, 2, 3) == 3, "%s", name);
  CHECK(one(kernels, Op::select, 1, 2, kNaN) == 2 && std::isnan(one(kernels, Op::select, 0, 2, kNaN)), "%s", name);
}

void integerPowersAreProducts(const TileKernels& kernels) {
  for (int exponent = -64; exponent <= 64; ++exponent) {
    const Floats x{1.25f, -0.75f, 1, -1, 2};
    const Floats y = apply(kernels, Op::integerPow, {x}, exponent);
    for (size_t i = 0; i < x.size(); ++i)
      CHECK(ulps(y[i], std::pow(double{x[i]}, exponent)) <= 80, "%g ^ %d = %g", x[i], exponent, y[i]);
  }
  CHECK(apply(kernels, Op::integerPow, {{0.0f, kNaN}}, 0)[0] == 1, "0^0");
  CHECK(apply(kernels, Op::integerPow, {{0.0f}}, -2)[0] == kInfinity, "0^-2");
  CHECK(std::isnan(apply(kernels, Op::integerPow, {{kNaN}}, 3)[0]), "NaN^3");
}

void aResultDoesNotDependOnItsPlace(const TileKernels& kernels) {
  Floats x = normals(70, 5);
  // gelu has a branch that a neighbour can cause.
  for (size_t i = 0; i < x.size(); i += 5) x[i] *= 6;
  for (Op op : {Op::exp, Op::log, Op::log1p, Op::expm1, Op::tanh, Op::erf, Op::sigmoid, Op::sqrt, Op::rsqrt, Op::gelu,
                Op::sech2}) {
    for (size_t n = 1; n <= x.size(); ++n) {
      const Floats y = apply(kernels, op, {Floats(x.begin(), x.begin() + n)});
      const float alone = one(kernels, op, x[n - 1]);
      CHECK(std::isnan(alone) ? std::isnan(y[n - 1]) : sameBits(&y[n - 1], &alone, 4), "%s %s n = %zu", kernels.name,
            name(op), n);
    }
  }
}

// Against the same operation of the language, for all splat variants and lengths around the vector widths; also in
// place.
void binaryAndTernaryOpsAreExact(const TileKernels& kernels) {
  struct Case {
    Op op;
    float (*exact)(float, float);
  };
  const Case cases[] = {
      {Op::add, [](float a, float b) { return a + b; }},
      {Op::sub, [](float a, float b) { return a - b; }},
      {Op::mul, [](float a, float b) { return a * b; }},
      {Op::div, [](float a, float b) { return a / b; }},
      {Op::maximum, [](float a, float b) { return std::fmax(a, b); }},
      {Op::minimum, [](float a, float b) { return std::fmin(a, b); }},
      {Op::eq, [](float a, float b) { return a == b ? 1.0f : 0.0f; }},
      {Op::ne, [](float a, float b) { return a != b ? 1.0f : 0.0f; }},
      {Op::lt, [](float a, float b) { return a < b ? 1.0f : 0.0f; }},
      {Op::le, [](float a, float b) { return a <= b ? 1.0f : 0.0f; }},
      {Op::gt, [](float a, float b) { return a > b ? 1.0f : 0.0f; }},
      {Op::ge, [](float a, float b) { return a >= b ? 1.0f : 0.0f; }},
  };
  for (size_t n : {1, 3, 4, 8, 15, 16, 17, 33, 64, 100}) {
    Floats a = normals(n, 1), b = normals(n, 2);
    for (size_t i = 0; i < n; i += 3) b[i] = a[i];
    for (const Case& test : cases) {
      for (unsigned splat = 0; splat < 3; ++splat) {
        const Floats y =
            apply(kernels, test.op, {splat & 1 ? Floats{a[0]} : a, splat & 2 ? Floats{b[0]} : b}, 0, splat);
        bool equal = y.size() == n;
        for (size_t i = 0; i < n; ++i) equal = equal && y[i] == test.exact(a[splat & 1 ? 0 : i], b[splat & 2 ? 0 : i]);
        CHECK(equal, "%s %s n = %zu splat %u", kernels.name, name(test.op), n, splat);
      }
      Floats inPlace = a;
      const float* operands[] = {inPlace.data(), b.data()};
      kernels.op(test.op, 0)(inPlace.data(), operands, n, 0);
      CHECK(sameBits(inPlace, apply(kernels, test.op, {a, b})), "%s %s in place", kernels.name, name(test.op));
    }
    const Floats mask = integers(n, 7, 0, 1);
    for (unsigned splat = 0; splat < 7; ++splat) {
      const Floats y = apply(
          kernels, Op::select,
          {splat & 1 ? Floats{mask[0]} : mask, splat & 2 ? Floats{a[0]} : a, splat & 4 ? Floats{b[0]} : b}, 0, splat);
      bool equal = y.size() == n;
      for (size_t i = 0; i < n; ++i)
        equal = equal && y[i] == (mask[splat & 1 ? 0 : i] != 0 ? a[splat & 2 ? 0 : i] : b[splat & 4 ? 0 : i]);
      CHECK(equal, "%s select n = %zu splat %u", kernels.name, n, splat);
    }
  }
}

void reductionsOfATileAreRight(const TileKernels& kernels) {
  for (size_t n : {1, 5, 15, 16, 17, 31, 64, 1000}) {
    const Floats x = integers(n, 9), y = integers(n, 10);
    double lanes[16] = {}, total = 0, exact = 0;
    kernels.sum(lanes, x.data(), n);
    float largest = x[0];
    for (float value : x) exact += value, largest = std::fmax(largest, value);
    for (double lane : lanes) total += lane;
    CHECK(total == exact, "%s sum of %zu", kernels.name, n);
    CHECK(kernels.max(x.data(), n) == largest, "%s max of %zu", kernels.name, n);
    for (size_t at = 0; at < n; at += 7) {
      Floats withNaN = x;
      withNaN[at] = kNaN;
      CHECK(std::isnan(kernels.max(withNaN.data(), n)), "%s max of %zu, NaN at %zu", kernels.name, n, at);
    }
    std::vector<double> sums(n, 0.5);
    kernels.addRow(sums.data(), x.data(), n);
    Floats best = x, added = x;
    kernels.maxRow(best.data(), y.data(), n);
    kernels.add(added.data(), y.data(), n);
    bool right = true;
    for (size_t i = 0; i < n; ++i)
      right = right && sums[i] == 0.5 + x[i] && best[i] == std::fmax(x[i], y[i]) && added[i] == x[i] + y[i];
    CHECK(right, "%s rows of %zu", kernels.name, n);
  }
}

}  // namespace

int main() {
  for (const TileKernels* kernels : available()) {
    unaryFunctionsAreAccurate(*kernels);
    higherDerivativesAreRight(*kernels);
    specialValuesBehave(*kernels);
    integerPowersAreProducts(*kernels);
    aResultDoesNotDependOnItsPlace(*kernels);
    binaryAndTernaryOpsAreExact(*kernels);
    reductionsOfATileAreRight(*kernels);
  }
  return summary("executor_kernels_test");
}
