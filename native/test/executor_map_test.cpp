// MAP and MAP_SUM against a loop over the index space, one element at a time.
#include "executor_test_support.h"

using namespace zeroth;
using namespace zeroth::test;

namespace {

float evaluate(const OpSpec& op, float a, float b, float c) {
  switch (op.opcode) {
    case Op::neg:
      return -a;
    case Op::abs:
      return std::fabs(a);
    case Op::sign:
      return a > 0 ? 1.0f : (a < 0 ? -1.0f : 0.0f);
    case Op::add:
      return a + b;
    case Op::sub:
      return a - b;
    case Op::mul:
      return a * b;
    case Op::maximum:
      return a > b ? a : b;
    case Op::minimum:
      return a < b ? a : b;
    case Op::lt:
      return a < b ? 1.0f : 0.0f;
    case Op::select:
      return a != 0 ? b : c;
    case Op::constant:
      return static_cast<float>(op.immediate);
    default:
      return NAN;
  }
}

// A random map over exact ops, with the value that each element of each register must have. All arithmetic is IEEE f32,
// so the executor must agree in every bit.
struct RandomMap {
  std::vector<uint32_t> dims;
  std::vector<ViewSpec> reads;
  std::vector<OpSpec> ops;
  std::vector<std::vector<double>> data;  // one a read: the binding's elements
};

std::vector<uint32_t> permutedStrides(const std::vector<uint32_t>& dims, std::mt19937& random, bool padded,
                                      uint32_t& words) {
  std::vector<size_t> order(dims.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  for (size_t i = order.size(); i-- > 1;) std::swap(order[i], order[random() % (i + 1)]);
  std::vector<uint32_t> strides(dims.size());
  uint32_t step = padded ? 1 + random() % 3 : 1;
  for (size_t d : order) {
    strides[d] = step;
    step *= dims[d] + (padded ? random() % 2 : 0);
  }
  words = step;
  return strides;
}

RandomMap randomMap(std::mt19937& random, uint32_t size) {
  RandomMap map;
  const uint32_t rank = 1 + random() % 4;
  for (uint32_t d = 0; d < rank; ++d) map.dims.push_back(1 + random() % size);
  const uint32_t reads = 1 + random() % 4;
  for (uint32_t r = 0; r < reads; ++r) {
    ViewSpec view;
    view.dtype = static_cast<DType>(random() % 5 == 0 ? 1 + random() % 2 : 0);
    uint32_t words = 0;
    switch (random() % 4) {
      case 0:
        view.strides = ProgramBuilder::rowMajor(map.dims);
        words = count(map.dims);
        break;
      case 1:
        view.strides = permutedStrides(map.dims, random, true, words);
        break;
      case 2:
        view.strides = permutedStrides(map.dims, random, false, words);
        break;
      default:  // a broadcast along some dimensions
        view.strides = ProgramBuilder::rowMajor(map.dims);
        words = count(map.dims);
        for (uint32_t& stride : view.strides) {
          if (random() % 2) stride = 0;
        }
        if (random() % 2) {  // the usual bias: 0 … 0, dense
          uint32_t kept = random() % rank;
          view.strides = ProgramBuilder::rowMajor(map.dims);
          for (uint32_t d = 0; d < kept; ++d) view.strides[d] = 0;
        }
    }
    view.at = {r + 1, 2 * (static_cast<uint32_t>(random()) % 3)};
    const uint32_t elements = words + view.at.offset;
    std::vector<double> values(elements);
    for (double& value : values) value = static_cast<int>(random() % 17) - 8;
    map.data.push_back(values);
    map.reads.push_back(view);
  }
  constexpr Op kinds[] = {Op::neg,     Op::abs,     Op::sign, Op::add,    Op::sub,     Op::mul,
                          Op::maximum, Op::minimum, Op::lt,   Op::select, Op::constant};
  const uint32_t ops = random() % 12;
  for (uint32_t i = 0; i < ops; ++i) {
    const uint32_t defined = reads + i;
    auto pick = [&] { return static_cast<uint32_t>(random() % defined); };
    OpSpec op{kinds[random() % 11], pick(), pick(), pick()};
    if (op.opcode == Op::constant) op.immediate = static_cast<double>(random() % 5) - 2;
    map.ops.push_back(op);
  }
  return map;
}

Floats registerValues(const RandomMap& map, uint32_t source) {
  const uint32_t n = count(map.dims);
  const std::vector<uint32_t> dense = ProgramBuilder::rowMajor(map.dims);
  Floats result(n);
  for (uint32_t i = 0; i < n; ++i) {
    Floats registers;
    for (size_t r = 0; r < map.reads.size(); ++r) {
      uint32_t at = 0;
      for (size_t d = 0; d < map.dims.size(); ++d) at += i / dense[d] % map.dims[d] * map.reads[r].strides[d];
      const uint32_t first = map.reads[r].dtype == DType::f64 ? map.reads[r].at.offset / 2 : map.reads[r].at.offset;
      registers.push_back(static_cast<float>(map.data[r][first + at]));
    }
    for (const OpSpec& op : map.ops) {
      const bool none = op.opcode == Op::constant;
      registers.push_back(
          evaluate(op, none ? 0 : registers[op.a], none ? 0 : registers[op.b], none ? 0 : registers[op.c]));
    }
    result[i] = registers[source];
  }
  return result;
}

void bind(Run& run, const RandomMap& map) {
  for (size_t r = 0; r < map.reads.size(); ++r) {
    if (map.reads[r].dtype == DType::f64) {
      run.bind(map.data[r]);
    } else if (map.reads[r].dtype == DType::i32) {
      run.bind(std::vector<int32_t>(map.data[r].begin(), map.data[r].end()));
    } else {
      run.bind(Floats(map.data[r].begin(), map.data[r].end()));
    }
  }
}

void randomMapsAgreeWithALoop() {
  for (uint32_t seed = 0; seed < 600; ++seed) {
    std::mt19937 random(seed);
    const RandomMap map = randomMap(random, seed % 10 == 0 ? 40 : 9);
    const uint32_t n = count(map.dims), registers = static_cast<uint32_t>(map.reads.size() + map.ops.size());
    ProgramBuilder builder;
    for (size_t r = 0; r < map.reads.size(); ++r)
      builder.input(map.reads[r].dtype, static_cast<uint32_t>(map.data[r].size()));
    std::vector<WriteSpec> writes;
    std::vector<uint32_t> extents;
    const uint32_t writeCount = 1 + random() % 3;
    for (uint32_t w = 0; w < writeCount; ++w) {
      uint32_t words = n;
      WriteSpec write{random() % 4 == 0 ? DType::i32 : DType::f32, {}, static_cast<uint32_t>(random() % registers), {}};
      write.strides =
          random() % 2 ? ProgramBuilder::rowMajor(map.dims) : permutedStrides(map.dims, random, true, words);
      write.at = builder.allocate(words);
      builder.output(write.dtype, words, write.at);
      writes.push_back(write);
      extents.push_back(words);
    }
    builder.map(map.dims, map.reads, map.ops, writes);
    const At sum = builder.allocate(2);
    builder.mapSum(map.dims, map.reads, map.ops, registers - 1, sum);
    builder.output(DType::f64, 1, sum);
    Run run(builder, 1 + seed % 3);
    bind(run, map);
    run.go();
    const std::vector<uint32_t> dense = ProgramBuilder::rowMajor(map.dims);
    for (uint32_t w = 0; w < writeCount; ++w) {
      const Floats expected = registerValues(map, writes[w].source);
      Floats image(extents[w], 0.0f);  // elements between those of the view stay as they are
      for (uint32_t i = 0; i < n; ++i) {
        uint32_t at = 0;
        for (size_t d = 0; d < map.dims.size(); ++d) at += i / dense[d] % map.dims[d] * writes[w].strides[d];
        image[at] = expected[i];
      }
      bool equal = true;
      if (writes[w].dtype == DType::i32) {
        const std::vector<int32_t> found = run.output<int32_t>(w);
        for (uint32_t i = 0; i < extents[w]; ++i) {
          const double clamped = std::fmax(-2147483648.0, std::fmin(2147483647.0, image[i]));
          equal = equal && found[i] == static_cast<int32_t>(clamped);
        }
      } else {
        const Floats found = run.output(w);
        for (uint32_t i = 0; i < extents[w]; ++i) equal = equal && found[i] == image[i];
      }
      CHECK(equal, "seed %u write %u", seed, w);
    }
    double total = 0, magnitude = 0;
    for (float value : registerValues(map, registers - 1)) total += value, magnitude += std::fabs(value);
    const double found = run.output<double>(writeCount)[0];
    CHECK(std::fabs(found - total) <= 1e-13 * magnitude, "seed %u: sum %g, expected %g", seed, found, total);
  }
}

// The read must still see the old values in every op, wherever the results go.
void inPlaceChainsReadTheOldValues() {
  for (uint32_t n : {1u, 15u, 1000u, 5000u}) {
    ProgramBuilder builder;
    const At x = builder.input(DType::f32, n), buffer = builder.allocate(n), other = builder.allocate(n),
             third = builder.allocate(n);
    builder.map({n}, {{DType::f32, x, {1}}}, {}, {{DType::f32, buffer, 0, {1}}});
    builder.map(
        {n}, {{DType::f32, buffer, {1}}},
        {{Op::constant, 0, 0, 0, 2}, {Op::mul, 0, 1}, {Op::constant, 0, 0, 0, 1}, {Op::add, 0, 3}, {Op::mul, 2, 4}},
        {{DType::f32, buffer, 2, {1}}, {DType::f32, other, 5, {1}}, {DType::f32, third, 0, {1}}});
    builder.output(DType::f32, n, buffer);
    builder.output(DType::f32, n, other);
    builder.output(DType::f32, n, third);
    const Floats values = integers(n, 4);
    Run run(builder, 2);
    run.bind(values).go();
    const Floats doubled = run.output(0), products = run.output(1), copy = run.output(2);
    bool right = true;
    for (uint32_t i = 0; i < n; ++i) {
      const float v = values[i];
      right = right && doubled[i] == 2 * v && products[i] == 2 * v * (v + 1) && copy[i] == v;
    }
    CHECK(right, "n = %u", n);
  }
}

// A result that goes to the place of a read may not be computed there while a later op still wants that read.
void inPlaceResultsWaitForTheLastUseOfTheRead() {
  for (uint32_t n : {7u, 64u, 3000u}) {
    ProgramBuilder builder;
    const At x = builder.input(DType::f32, n), buffer = builder.allocate(n), other = builder.allocate(n);
    builder.map({n}, {{DType::f32, x, {1}}}, {}, {{DType::f32, buffer, 0, {1}}});
    builder.map({n}, {{DType::f32, buffer, {1}}}, {{Op::neg, 0}, {Op::add, 0, 0}, {Op::add, 1, 2}},
                {{DType::f32, buffer, 1, {1}}, {DType::f32, other, 3, {1}}});
    builder.output(DType::f32, n, buffer);
    builder.output(DType::f32, n, other);
    const Floats values = integers(n, 4);
    Run run(builder, 2);
    run.bind(values).go();
    const Floats negated = run.output(0), sum = run.output(1);
    bool right = true;
    for (uint32_t i = 0; i < n; ++i) right = right && negated[i] == -values[i] && sum[i] == values[i];
    CHECK(right, "n = %u", n);
  }
}

void integerCopiesKeepAllBits() {
  ProgramBuilder builder;
  const At x = builder.input(DType::i32, 6), dst = builder.allocate(6);
  builder.map({2, 3}, {{DType::i32, x, {1, 2}}}, {}, {{DType::i32, dst, 0, {3, 1}}});
  builder.output(DType::i32, 6, dst);
  Run run(builder, 1);
  run.bind(std::vector<int32_t>{16777217, -2147483647, 2147483647, 5, 33554433, -1}).go();
  CHECK((run.output<int32_t>(0) == std::vector<int32_t>{16777217, 2147483647, 33554433, -2147483647, 5, -1}),
        "transposed copy");
}

void integerWritesRoundTowardZeroAndSaturate() {
  ProgramBuilder builder;
  const At x = builder.input(DType::f32, 6), dst = builder.allocate(6);
  builder.map({6}, {{DType::f32, x, {1}}}, {}, {{DType::i32, dst, 0, {1}}});
  builder.output(DType::i32, 6, dst);
  Run run(builder, 1);
  run.bind(Floats{1.9f, -1.9f, 1e20f, -INFINITY, NAN, 7}).go();
  CHECK((run.output<int32_t>(0) == std::vector<int32_t>{1, -1, INT32_MAX, INT32_MIN, 0, 7}), "conversion");
}

void rankZeroComputesInDoubles() {
  ProgramBuilder builder;
  const At f32 = builder.input(DType::f32, 1), i32 = builder.input(DType::i32, 1), f64 = builder.input(DType::f64, 1);
  const At dst = builder.allocate(4), vector = builder.allocate(3);
  builder.map({}, {{DType::f32, f32, {}}, {DType::i32, i32, {}}, {DType::f64, f64, {}}},
              {{Op::add, 2, 1}, {Op::constant, 0, 0, 0, 1e-9}, {Op::add, 3, 4}, {Op::gelu, 0}},
              {{DType::f64, dst, 5, {}}, {DType::f64, {0, dst.offset + 2}, 6, {}}});
  builder.map({3}, {{DType::f64, dst, {0}}}, {}, {{DType::f32, vector, 0, {1}}});
  builder.output(DType::f64, 2, dst);
  builder.output(DType::f32, 3, vector);
  Run run(builder, 1);
  run.bind(Floats{0.5f}).bind(std::vector<int32_t>{3}).bind(std::vector<double>{0.25}).go();
  const std::vector<double> found = run.output<double>(0);
  CHECK(found[0] == 3.25 + 1e-9, "%.17g", found[0]);
  CHECK(std::fabs(found[1] - 0.25 * (1 + std::erf(0.5 / std::sqrt(2.0)))) < 1e-16, "%.17g", found[1]);
  CHECK(run.output(1) == Floats(3, 3.25f), "a broadcast of a computed number");
}

void everyRankZeroOpIsThatOfTheLanguage() {
  struct Case {
    Op op;
    double expected;
  };
  const double a = 0.7, b = -1.3;
  const double bell = std::exp(-a * a), density = std::exp(-a * a / 2) / std::sqrt(2 * std::acos(-1.0));
  const Case cases[] = {{Op::neg, -a},
                        {Op::exp, std::exp(a)},
                        {Op::log, std::log(a)},
                        {Op::log1p, std::log1p(a)},
                        {Op::expm1, std::expm1(a)},
                        {Op::tanh, std::tanh(a)},
                        {Op::erf, std::erf(a)},
                        {Op::sigmoid, 1 / (1 + std::exp(-a))},
                        {Op::sqrt, std::sqrt(a)},
                        {Op::rsqrt, 1 / std::sqrt(a)},
                        {Op::abs, a},
                        {Op::sign, 1},
                        {Op::integerPow, a * a * a},
                        {Op::gelu, a / 2 * (1 + std::erf(a / std::sqrt(2.0)))},
                        {Op::sech2, 1 / std::cosh(a) / std::cosh(a)},
                        {Op::erfDerivative, 2 / std::sqrt(std::acos(-1.0)) * (4 * a * a - 2) * bell},
                        {Op::geluDerivative, (a * a * a - 4 * a) * density},
                        {Op::add, a + b},
                        {Op::sub, a - b},
                        {Op::mul, a * b},
                        {Op::div, a / b},
                        {Op::maximum, a},
                        {Op::minimum, b},
                        {Op::eq, 0},
                        {Op::ne, 1},
                        {Op::lt, 0},
                        {Op::le, 0},
                        {Op::gt, 1},
                        {Op::ge, 1},
                        {Op::select, b}};
  for (const Case& test : cases) {
    ProgramBuilder builder;
    const At x = builder.input(DType::f64, 2), dst = builder.allocate(2);
    const IntegerRange range = immediates(test.op);
    const double integer = range.lowest == range.highest ? 0 : 3;
    builder.map({}, {{DType::f64, x, {}}, {DType::f64, {x.space, 2}, {}}}, {{test.op, 0, 1, 0, integer}},
                {{DType::f64, dst, 2, {}}});
    builder.output(DType::f64, 1, dst);
    Run run(builder, 1);
    run.bind(std::vector<double>{a, b}).go();
    const double found = run.output<double>(0)[0];
    CHECK(std::fabs(found - test.expected) <= 2e-15 * std::fabs(test.expected), "%s: %.17g, expected %.17g",
          name(test.op), found, test.expected);
  }
}

void anyNumberOfThreadsGivesTheSameBits() {
  const uint32_t rows = 1037, columns = 129;
  ProgramBuilder builder;
  const At x = builder.input(DType::f32, rows * columns), bias = builder.input(DType::f32, columns);
  const At y = builder.allocate(rows * columns), sum = builder.allocate(2);
  const std::vector<ViewSpec> reads{{DType::f32, x, {columns, 1}}, {DType::f32, bias, {0, 1}}};
  const std::vector<OpSpec> ops{{Op::add, 0, 1}, {Op::gelu, 2}, {Op::tanh, 3}, {Op::mul, 2, 4}};
  builder.map({rows, columns}, reads, ops, {{DType::f32, y, 5, {columns, 1}}});
  builder.mapSum({rows, columns}, reads, ops, 5, sum);
  builder.output(DType::f32, rows * columns, y);
  builder.output(DType::f64, 1, sum);
  const Floats values = wide(rows * columns, 1), biases = normals(columns, 2);
  Run one(builder, 1);
  one.bind(values).bind(biases).go();
  for (int threads : {2, 3, 5, 8}) {
    Run many(builder, threads);
    many.bind(values).bind(biases).go();
    CHECK(sameBits(one.output(0), many.output(0)), "%d threads: map", threads);
    CHECK(sameBits(one.output<double>(1), many.output<double>(1)), "%d threads: sum", threads);
  }
}

void sumsAccumulateInDoubles() {
  const uint32_t n = 3000000;
  ProgramBuilder builder;
  const At x = builder.input(DType::f32, 1), sum = builder.allocate(2);
  builder.mapSum({n}, {{DType::f32, x, {0}}}, {}, 0, sum);
  builder.output(DType::f64, 1, sum);
  Run run(builder, 2);
  run.bind(Floats{0.1f}).go();
  const double expected = double{0.1f} * n, found = run.output<double>(0)[0];
  CHECK(std::fabs(found - expected) < 1e-9 * expected, "%.17g, expected %.17g", found, expected);
}

}  // namespace

int main() {
  randomMapsAgreeWithALoop();
  inPlaceChainsReadTheOldValues();
  inPlaceResultsWaitForTheLastUseOfTheRead();
  integerCopiesKeepAllBits();
  integerWritesRoundTowardZeroAndSaturate();
  rankZeroComputesInDoubles();
  everyRankZeroOpIsThatOfTheLanguage();
  anyNumberOfThreadsGivesTheSameBits();
  sumsAccumulateInDoubles();
  return summary("executor_map_test");
}
