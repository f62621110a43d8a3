// MAP of rank 0: a handful of numbers (a mean, a loss) in f64.
#include <cmath>

#include "cpu/kernel.h"

namespace zeroth::cpu {

namespace {

constexpr double kHalfRoot = 0.70710678118654752440;     // 1 / √2
constexpr double kDensity = 0.39894228040143267794;      // 1 / √2π
constexpr double kTwoByRootPi = 1.12837916709551257390;  // 2 / √π

// exp(-s x²), s a power of two; the rounding of x² is taken out.
double bell(double x, double s) {
  const double h = x * x;
  return std::exp(-s * h) * (1 - s * std::fma(x, x, -h));
}

double gelu(double x) { return std::fabs(x) > 40 ? std::fmax(x, 0) : 0.5 * x * std::erfc(-x * kHalfRoot); }

double sech2(double x) {
  const double e = std::exp(-2 * std::fabs(x));
  return 4 * e / ((1 + e) * (1 + e));
}

// As GeluDerivative and ErfDerivative of tile_kernels.inc.h.
double geluDerivative(double x, int order) {
  if (std::fabs(x) > 40) return order == 1 && x > 0 ? 1 : 0;
  const double density = kDensity * bell(x, 0.5);
  if (order == 1) return 0.5 * std::erfc(-x * kHalfRoot) + x * density;
  double lower = 1, upper = x;
  for (int n = 1; n < order - 1; ++n) {
    const double next = x * upper - n * lower;
    lower = upper;
    upper = next;
  }
  return (order % 2 == 0 ? density : -density) * (order * lower - x * upper);
}

double erfDerivative(double x, int order) {
  if (std::fabs(x) > 40) return 0;
  double lower = 0, upper = 1;
  for (int n = 0; n < order - 1; ++n) {
    const double next = 2 * x * upper - 2 * n * lower;
    lower = upper;
    upper = next;
  }
  return (order % 2 == 0 ? -kTwoByRootPi : kTwoByRootPi) * upper * bell(x, 1);
}

double evaluate(const MapOp& op, double a, double b, double c) {
  switch (op.opcode) {
    case MapOpcode::neg:
      return -a;
    case MapOpcode::exp:
      return std::exp(a);
    case MapOpcode::log:
      return std::log(a);
    case MapOpcode::log1p:
      return std::log1p(a);
    case MapOpcode::expm1:
      return std::expm1(a);
    case MapOpcode::tanh:
      return std::tanh(a);
    case MapOpcode::erf:
      return std::erf(a);
    case MapOpcode::sigmoid:
      return a < 0 ? std::exp(a) / (1 + std::exp(a)) : 1 / (1 + std::exp(-a));
    case MapOpcode::sqrt:
      return std::sqrt(a);
    case MapOpcode::rsqrt:
      return 1 / std::sqrt(a);
    case MapOpcode::abs:
      return std::fabs(a);
    case MapOpcode::sign:
      return a > 0 ? 1 : (a < 0 ? -1 : a);
    case MapOpcode::integerPow:
      return std::pow(a, op.immediate);
    case MapOpcode::gelu:
      return gelu(a);
    case MapOpcode::sech2:
      return sech2(a);
    case MapOpcode::erfDerivative:
      return erfDerivative(a, static_cast<int>(op.immediate));
    case MapOpcode::geluDerivative:
      return geluDerivative(a, static_cast<int>(op.immediate));
    case MapOpcode::add:
      return a + b;
    case MapOpcode::sub:
      return a - b;
    case MapOpcode::mul:
      return a * b;
    case MapOpcode::div:
      return a / b;
    case MapOpcode::maximum:
      return a > b || std::isnan(a) ? a : b;
    case MapOpcode::minimum:
      return a < b || std::isnan(a) ? a : b;
    case MapOpcode::eq:
      return a == b;
    case MapOpcode::ne:
      return a != b;
    case MapOpcode::lt:
      return a < b;
    case MapOpcode::le:
      return a <= b;
    case MapOpcode::gt:
      return a > b;
    case MapOpcode::ge:
      return a >= b;
    case MapOpcode::select:
      return a != 0 ? b : c;
    case MapOpcode::constant:
      return op.immediate;
  }
  return 0;
}

template <class T>
double read(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return static_cast<double>(value);
}

class ScalarMapKernel : public Kernel {
 public:
  explicit ScalarMapKernel(const Map& map) : map_(map) {}

  void run(const Context& context) override {
    double registers[format::kMaxMapReads + format::kMaxMapOps + 1] = {};
    size_t next = 0;
    for (const MapView& view : map_.reads) {
      const uint8_t* from = context.at<uint8_t>(view.ref);
      registers[next++] = view.dtype == DType::f64
                              ? read<double>(from)
                              : (view.dtype == DType::i32 ? read<int32_t>(from) : read<float>(from));
    }
    for (const MapOp& op : map_.ops) {
      double operands[3] = {};
      for (int j = 0; j < operandCount(op.opcode); ++j) operands[j] = registers[op.operands[j]];
      registers[next++] = evaluate(op, operands[0], operands[1], operands[2]);
    }
    for (const MapWrite& write : map_.writes) *context.at<double>(write.ref) = registers[write.source];
  }

 private:
  Map map_;
};

}  // namespace

KernelRef prepareScalarMap(const Map& map) { return std::make_unique<ScalarMapKernel>(map); }

}  // namespace zeroth::cpu
