// Linear combinations and scalar products: against long double, at every length around a tile and a piece, with any
// number of threads and any instruction set to the bit, in place and apart.
#include "cpu/linear.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "check.h"
#include "inputs.h"

using namespace zeroth;
using test::normalValues;

namespace {

using Vector = std::vector<float>;

struct Case {
  size_t count, inputs, outputs, with;
  bool factor;
};

struct Made {
  std::vector<Vector> outputs;
  std::vector<double> products;
};

double coefficientOf(size_t output, size_t input) {
  return std::sin(1.0 + 3.0 * static_cast<double>(output) + static_cast<double>(input));
}

std::vector<double> coefficientsOf(const Case& one) {
  std::vector<double> coefficients;
  for (size_t output = 0; output < one.outputs; ++output) {
    for (size_t input = 0; input < one.inputs; ++input) coefficients.push_back(coefficientOf(output, input));
  }
  return coefficients;
}

std::vector<Vector> vectorsOf(size_t vectors, size_t count, uint64_t stream) {
  std::vector<Vector> made;
  for (size_t i = 0; i < vectors; ++i) made.push_back(normalValues(count, stream + i));
  return made;
}

// `inPlace`: outputs take the place of the first inputs, and products are taken with the outputs themselves.
Made make(const Case& one, Team* team, Isa isa, bool inPlace) {
  std::vector<Vector> inputs = vectorsOf(one.inputs, one.count, 10), with = vectorsOf(one.with, one.count, 1000);
  std::vector<Vector> outputs(one.outputs, Vector(one.count));
  const Vector factor = normalValues(one.count, 5000);
  const std::vector<double> coefficients = coefficientsOf(one);
  LinearVectors op{one.count, {}, {}, coefficients.data(), one.factor ? factor.data() : nullptr, {}};
  for (const Vector& input : inputs) op.inputs.push_back(input.data());
  for (size_t i = 0; i < one.outputs; ++i) op.outputs.push_back(inPlace ? inputs[i].data() : outputs[i].data());
  for (size_t i = 0; i < one.with; ++i) op.with.push_back(i == 0 ? op.outputs[0] : with[i].data());
  Made made{{}, linear(op, team, isa, nullptr)};
  for (size_t i = 0; i < one.outputs; ++i) made.outputs.push_back(inPlace ? inputs[i] : outputs[i]);
  return made;
}

bool sameBits(const void* a, const void* b, size_t bytes) { return bytes == 0 || std::memcmp(a, b, bytes) == 0; }

bool same(const Made& a, const Made& b) {
  bool equal = a.products.size() == b.products.size() &&
               sameBits(a.products.data(), b.products.data(), a.products.size() * sizeof(double));
  for (size_t i = 0; i < a.outputs.size(); ++i) {
    equal = equal && sameBits(a.outputs[i].data(), b.outputs[i].data(), a.outputs[i].size() * sizeof(float));
  }
  return equal;
}

void checkAgainstExtendedPrecision(const Case& one, const Made& made) {
  const std::vector<Vector> inputs = vectorsOf(one.inputs, one.count, 10), with = vectorsOf(one.with, one.count, 1000);
  const Vector factor = normalValues(one.count, 5000);
  for (size_t output = 0; output < one.outputs; ++output) {
    long double worst = 0;
    for (size_t i = 0; i < one.count; ++i) {
      long double sum = 0, size = 0;
      for (size_t input = 0; input < one.inputs; ++input) {
        const long double term = static_cast<long double>(coefficientOf(output, input)) * inputs[input][i];
        sum += term;
        size += std::abs(term);
      }
      const long double scale = one.factor ? factor[i] : 1;
      const long double error = std::abs(made.outputs[output][i] - sum * scale);
      // One rounding to f32, and f64 sums.
      worst = std::max(worst, error / (0x1p-24L * std::abs(sum * scale) + 1e-15L * size * std::abs(scale) + 1e-45L));
    }
    CHECK(worst <= 1, "%zu elements, output %zu: %Lg", one.count, output, worst);
    for (size_t j = 0; j < one.with; ++j) {
      const Vector& other = j == 0 ? made.outputs[0] : with[j];
      long double sum = 0, size = 0;
      for (size_t i = 0; i < one.count; ++i) {
        const long double term = static_cast<long double>(made.outputs[output][i]) * other[i];
        sum += term;
        size += std::abs(term);
      }
      const double product = made.products[output * one.with + j];
      CHECK(std::abs(product - sum) <= 1e-13L * size, "%zu elements, product %zu of %zu", one.count, j, output);
    }
  }
}

void agreeWithExtendedPrecisionAndAmongThemselves() {
  const Case cases[] = {{0, 1, 1, 1, false},      {1, 1, 1, 1, true},       {15, 2, 1, 2, false},
                        {16, 3, 2, 3, true},      {17, 4, 3, 4, false},     {1023, 5, 1, 5, true},
                        {1024, 6, 5, 6, false},   {1025, 9, 2, 8, false},   {16384, 2, 1, 2, true},
                        {16385, 13, 4, 9, false}, {70000, 3, 2, 3, true},   {70001, 12, 6, 1, false},
                        {40000, 64, 1, 64, true}, {40000, 11, 5, 0, false}, {33000, 1, 1, 17, false}};
  for (const Case& one : cases) {
    const Made alone = make(one, nullptr, activeIsa(), false);
    checkAgainstExtendedPrecision(one, alone);
    for (int threads : {1, 2, 3, 7}) {
      Team team(threads);
      for (Isa isa : availableIsas()) {
        for (bool inPlace : {false, true}) {
          if (inPlace && one.outputs > one.inputs) continue;
          CHECK(same(make(one, &team, isa, inPlace), alone), "%zu elements, %d threads, %s, %s", one.count, threads,
                isaName(isa), inPlace ? "in place" : "apart");
        }
      }
    }
  }
}

void productsOfAVectorAsItIsNeedNoOutput() {
  Team team(2);
  for (size_t count : {1, 1000, 50000}) {
    const Vector x = normalValues(count, 1), y = normalValues(count, 2);
    const double one = 1;
    const LinearVectors op{count, {x.data()}, {nullptr}, &one, nullptr, {y.data(), x.data()}};
    long double product = 0, square = 0;
    for (size_t i = 0; i < count; ++i) {
      product += static_cast<long double>(x[i]) * y[i];
      square += static_cast<long double>(x[i]) * x[i];
    }
    const std::vector<double> products = linear(op, &team, activeIsa(), nullptr);
    CHECK(std::abs(products[0] - product) <= 1e-13L * square, "%zu elements", count);
    CHECK(std::abs(products[1] - square) <= 1e-13L * square, "%zu elements", count);
  }
}

void anElementThatIsNotFiniteShows() {
  for (float bad : {NAN, INFINITY, -INFINITY}) {
    for (size_t at : {size_t{0}, size_t{16384}, size_t{39999}}) {
      Vector x = normalValues(40000, 1);
      x[at] = bad;
      const double one = 1;
      const LinearVectors op{x.size(), {x.data()}, {nullptr}, &one, nullptr, {x.data()}};
      CHECK(!std::isfinite(linear(op, nullptr, activeIsa(), nullptr)[0]), "element %zu", at);
    }
  }
}

}  // namespace

int main() {
  agreeWithExtendedPrecisionAndAmongThemselves();
  productsOfAVectorAsItIsNeedNoOutput();
  anElementThatIsNotFiniteShows();
  return test::summary("linear_test");
}
