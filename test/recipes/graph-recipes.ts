import type { Recipe } from './recipe.ts';

/** damped(a, b) = a / (1 + b²): its operands are of two kinds, so that to confuse them shows. */
export const elementwiseOp: Recipe = {
  title: 'An elementwise op',
  edits: [
    ['lib/graph/node.ts', '  minimum: object;\n', '  damped: object;\n'],
    ['lib/graph/ops/shape-rules.ts', '  minimum: elementwise(2),\n', '  damped: float(2),\n'],
    ['lib/graph/ops/elementwise.ts', "  | 'minimum'\n", "  | 'damped'\n"],
    [
      'lib/graph/ops/elementwise.ts',
      'export const elementwiseOps: { readonly [P in Elementwise]: ElementwiseOp<P> } = {\n',
      `  damped: row(
    costly(47, (a, b) => a / (1 + b * b)),
    (t, [, b]) => $.damped(t, b),
    (t, [, b], y) => $.mul(t, scale($.damped($.mul(y, b), b), -2)),
  ),
`,
    ],
    [
      'lib/graph/build.ts',
      "export function minimum(a: Node, b: Node): Node {\n  return make('minimum', [a, b], {});\n}\n",
      "export function damped(a: Node, b: Node): Node {\n  return make('damped', [a, b], {});\n}\n",
    ],
    [
      'lib/graph/pointwise.ts',
      "export const minimum = binary('minimum', $.minimum);\n",
      "/** a / (1 + b²). */\nexport const damped = binary('damped', $.damped);\n",
    ],
    [
      'native/program/map_ops.h',
      '  X(minimum, 37, 2, 0, 0, 0.05)        \\\n',
      '  X(damped, 47, 2, 0, 0, 0.3)          \\\n',
    ],
    [
      'native/cpu/tile_kernels.inc.h',
      '  struct Div {\n    static V apply(V a, V b) { return a / b; }\n  };\n',
      '  struct Damped {\n    static V apply(V a, V b) { return a / (splat(1.0f) + b * b); }\n  };\n',
    ],
    [
      'native/cpu/tile_kernels.inc.h',
      '        return binaryOp<Div>(splat);\n',
      '      case MapOpcode::damped:\n        return binaryOp<Damped>(splat);\n',
    ],
    [
      'native/cpu/scalar_map.cpp',
      '    case MapOpcode::div:\n      return a / b;\n',
      '    case MapOpcode::damped:\n      return a / (1 + b * b);\n',
    ],
    [
      'test/graph/samples.ts',
      '  minimum: binary($.minimum, (a, b) => (a + b - Math.abs(a - b)) / 2),\n',
      '  damped: binary($.damped, (a, b) => a / (1 + b ** 2)),\n',
    ],
    ['test/graph/plan/map-ops.test.ts', '  minimum: [{}],\n', '  damped: [{}],\n'],
    ['test/graph/edges.test.ts', "  minimum: ['min(x, ∞)', 'min(x, |x|)'],\n", "  damped: ['x, damped'],\n"],
    [
      'test/graph/edges.test.ts',
      'const elementwise: Record<string, { f: (x: Tensor) => Tensor; rows: readonly Row[] }> = {\n',
      "  'x, damped': { f: (x) => t.damped(x, 1), rows: [[0, 0, 0.5, 0]] },\n",
    ],
    ['test/graph/tails.test.ts', "'maximum' | 'minimum'", " | 'damped'"],
    [
      'test/graph/tails.test.ts',
      ', Pair> = {\n',
      `  damped: {
    f: t.damped,
    value: (x, y) => x / (1 + y * y),
    ...linear(
      (_, y) => 1 / (1 + y * y),
      () => 0,
    ),
  },
`,
    ],
    ['test/graph/tails.test.ts', "  minimum: ['minimum'],\n", "  damped: ['damped'],\n"],
    [
      'native/test/executor_kernels_test.cpp',
      '      {Op::div, [](float a, float b) { return a / b; }},\n',
      '      {Op::damped, [](float a, float b) { return a / (1 + b * b); }},\n',
    ],
  ],
};

/** centredProduct(x, y) = (x − mean x) · log softmax y, along the last axis: of two operands, and made of another composite. */
export const compositeOp: Recipe = {
  title: 'A composite op',
  edits: [
    ['lib/graph/node.ts', '  logSoftmax: { readonly axis: number };\n', '  centredProduct: object;\n'],
    ['lib/graph/ops/shape-rules.ts', '  logSoftmax,\n', '  centredProduct: float(2),\n'],
    [
      'lib/graph/ops/composite.ts',
      'export const compositeOps = {',
      ` centredProduct: {
    expand: ({ inputs: [x, y] }) => {
      const axis = x.shape.length - 1;
      const mean = $.mul($.sum(x, [axis]), $.constant(1 / x.shape[axis], x.shape.slice(0, -1)));
      return $.mul($.sub(x, along(x, axis, mean)), $.logSoftmax(y, axis));
    },
  } satisfies Composite<'centredProduct'>,`,
    ],
    [
      'lib/graph/build.ts',
      "  return make('logSoftmax', [x], { axis });\n}\n",
      "export function centredProduct(x: Node, y: Node): Node {\n  return make('centredProduct', [x, y], {});\n}\n",
    ],
    [
      'lib/graph/contract.ts',
      '/** Reductions, and what is made of them: means, soft maxima, matrix products. */\n',
      `
export function centredProduct(x: Tensor, y: Tensor): Tensor {
  return new Tensor($.centredProduct(nodeOf('centredProduct', x), nodeOf('centredProduct', y)));
}
`,
    ],
    [
      'test/graph/samples.ts',
      "export const samples: { readonly [P in Exclude<Primitive, 'result'>]: readonly Sample[] } = {\n",
      `  centredProduct: [
    {
      operands: [v([2]), v([2])],
      build: $.centredProduct,
      naive: ([a, b], [c, d]) => [
        ((a - b) / 2) * (c - Math.log(Math.exp(c) + Math.exp(d))),
        ((b - a) / 2) * (d - Math.log(Math.exp(c) + Math.exp(d))),
      ],
    },
  ],
`,
    ],
  ],
};

/** One instruction for the composite. */
export const instruction: Recipe = {
  title: 'An instruction',
  edits: [
    [
      'lib/graph/plan/instructions.ts',
      'export const instructions = {\n',
      `  /** destination[i, :] = (x[i, :] − mean) · log softmax y[i, :] */
  centredProduct: row({
    opcode: 63,
    fields: {
      rows: size,
      width: size,
      destination: write('f32', 'rows', 'width'),
      x: read('f32', 'rows', 'width'),
      y: read('f32', 'rows', 'width'),
    },
    run: ({ rows, width }, { destination, x, y }) => {
      for (let i = 0; i < rows; i++) {
        const [a, b] = [x, y].map((operand) => operand.subarray(i * width, (i + 1) * width));
        const mean = a.reduce((sum, value) => sum + value, 0) / width;
        const total = b.reduce((sum, value) => sum + Math.exp(value), 0);
        for (let j = 0; j < width; j++) destination[i * width + j] = (a[j] - mean) * (b[j] - Math.log(total));
      }
    },
  }),
`,
    ],
    [
      'lib/graph/plan/lowerings.ts',
      '  max: { takes: ({ inputs: [x] }) => [dense(x)], steps: reduce },\n',
      `  centredProduct: {
    supports: () => true,
    takes: ({ inputs }) => inputs.map((x) => dense(x)),
    steps: ({ shape, inputs }, { whole, destination }) => {
      const [x, y] = inputs.map((operand) => whole(dense(operand))?.place);
      const width = shape[shape.length - 1];
      return x && y ? single({ kind: 'centredProduct', rows: sizeOf(shape) / width, width, destination, x, y }) : [];
    },
  },
`,
    ],
    [
      'native/program/instructions.h',
      'inline Elements batched(uint64_t batch, uint64_t stride, uint64_t a, uint64_t b) { return {a, b, 1, batch, stride}; }\n',
      `
struct CentredProduct {
  static constexpr uint32_t kOpcode = 63;
  uint64_t rows = 0, width = 0;
  Ref dst, x, y;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& v) {
    v.size("rows", self.rows);
    v.size("width", self.width);
    v.write("destination", self.dst, DType::f32, dense(self.rows, self.width));
    v.read("x", self.x, DType::f32, dense(self.rows, self.width));
    v.read("y", self.y, DType::f32, dense(self.rows, self.width));
  }
};
`,
    ],
    ['native/program/instructions.h', 'using Instruction = std::variant<Map,', ' CentredProduct,'],
    [
      'native/cpu/kernel.h',
      '// One an instruction.\n',
      'KernelRef prepare(const CentredProduct& product, int threads);\n',
    ],
    [
      'native/cpu/centred_product.cpp',
      null,
      `#include <cmath>

#include "cpu/kernel.h"

namespace zeroth::cpu {

namespace {

class CentredProductKernel : public Kernel {
 public:
  explicit CentredProductKernel(const CentredProduct& product) : product_(product) {}

  void run(const Context& context) override {
    const size_t width = product_.width;
    for (size_t i = 0; i < product_.rows; ++i) {
      const float* x = context.at<const float>(product_.x) + i * width;
      const float* y = context.at<const float>(product_.y) + i * width;
      float* to = context.at<float>(product_.dst) + i * width;
      double sum = 0, total = 0;
      for (size_t j = 0; j < width; ++j) sum += x[j], total += std::exp(double{y[j]});
      for (size_t j = 0; j < width; ++j) to[j] = static_cast<float>((x[j] - sum / width) * (y[j] - std::log(total)));
    }
  }

 private:
  CentredProduct product_;
};

}  // namespace

KernelRef prepare(const CentredProduct& product, int) { return std::make_unique<CentredProductKernel>(product); }

}  // namespace zeroth::cpu
`,
    ],
    [
      'native/test/executor_centred_product_test.cpp',
      null,
      `#include "executor_test_support.h"

using namespace zeroth;
using namespace zeroth::test;

int main() {
  ProgramBuilder builder;
  const At x = builder.input(DType::f32, 2), y = builder.input(DType::f32, 2), dst = builder.allocate(2);
  builder.add(CentredProduct{1, 2, dst, x, y});
  builder.output(DType::f32, 2, dst);
  Run run(builder, 1);
  run.bind(Floats{1, 3}).bind(Floats{0, 0}).go();
  CHECK(std::fabs(run.output(0)[0] - std::log(2.0)) < 1e-6, "%g", run.output(0)[0]);
  return summary("executor_centred_product_test");
}
`,
    ],
  ],
};
