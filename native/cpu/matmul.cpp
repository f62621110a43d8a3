// MATMUL by oneDNN. Everything that knows oneDNN, the OpenMP that it is built with, and the difference between its 2.x
// and 3.x, is in this file.
//
// oneDNN plans for as many threads as OpenMP promises, and computes garbage, silently, where OpenMP then grants fewer
// (OMP_THREAD_LIMIT, OMP_DYNAMIC, OMP_MAX_ACTIVE_LEVELS, a busy or full system). So it is only ever asked for products
// on one thread, and the team shares a product by its parts.
#include <omp.h>

#include <algorithm>
#include <dnnl.hpp>
#include <map>
#include <stdexcept>
#include <tuple>

#include "cpu/kernel.h"
#include "cpu/matmul_shares.h"

namespace zeroth::cpu {

namespace {

using dnnl::memory;

const dnnl::engine& engine() {
  // Never destroyed: at the end of the process a device may still be computing.
  static const auto& cpu = *[] {
    const unsigned runtime = dnnl_version()->cpu_runtime;
    if (runtime != DNNL_RUNTIME_OMP && runtime != DNNL_RUNTIME_SEQ) {
      throw std::runtime_error("matmul: expected oneDNN built with OpenMP or for one thread, found runtime " +
                               std::to_string(runtime));
    }
    return new dnnl::engine(dnnl::engine::kind::cpu, 0);
  }();
  return cpu;
}

// oneDNN takes its number of threads from the calling thread's OpenMP setting, at creation and at execution alike.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) {
    if (before_ != 1) omp_set_num_threads(1);
  }
  ~OneThread() {
    if (before_ != 1) omp_set_num_threads(before_);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

// A product of this many multiply-adds is done sooner than a team is woken.
constexpr double kSmallProduct = 1 << 17;
// Sums over this many partial sums are done sooner than a team is woken.
constexpr size_t kSmallSums = 1 << 14;
// Where the batch shares an untransposed left operand, products of this many multiply-adds get a call each: twice as
// fast as one oneDNN call with a broadcast.
constexpr double kLargeProduct = 1 << 20;

// [first, first + count) of a dimension.
struct Range {
  uint64_t first, count;
};

Range rangeOf(uint64_t extent, uint64_t parts, uint64_t part) {
  const uint64_t first = extent * part / parts;
  return {first, extent * (part + 1) / parts - first};
}

// A oneDNN primitive for the parts of one shape.
struct Product {
  memory::desc a, b, dst, scratchpad;
  dnnl::primitive primitive;
};

// One member's part: where its operands are, and its own handles, for oneDNN keeps the addresses in them.
struct Part {
  Part(const Product& product, uint64_t a, uint64_t b, uint64_t dst, uint64_t calls)
      : product(&product), a(a), b(b), dst(dst), calls(calls) {
    const memory::desc* descriptions[] = {&product.a, &product.b, &product.dst, &product.scratchpad};
    const int names[] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_SCRATCHPAD};
    for (int i = 0; i < 4; ++i) {
      memories[i] = memory(*descriptions[i], engine(), nullptr);
      arguments[i] = {names[i], memories[i].get()};
    }
  }

  const Product* product;
  uint64_t a, b, dst;  // offsets in elements
  uint64_t calls;      // of the primitive, one after the other in the batch
  dnnl::stream stream{engine()};
  memory memories[4];
  dnnl_exec_arg_t arguments[4];
  dnnl_status_t status = dnnl_success;
};

class MatmulKernel : public Kernel {
 public:
  MatmulKernel(const Matmul& matmul, int threads) : matmul_(simplify(matmul)) {
    const OneThread oneThread;
    const Matmul& p = matmul_;
    const uint64_t batch = p.batch * calls_;
    const double work = static_cast<double>(batch) * p.m * p.n * p.k;
    if (work >= kSmallProduct) cut_ = cutMatmul(batch, p.m, p.n, p.k, threads);
    parts_.reserve(cut_.parts());
    for (uint64_t i = 0; i < cut_.parts(); ++i) {
      const uint64_t depth = i % cut_.k;
      const Range k = rangeOf(p.k, cut_.k, depth), n = rangeOf(p.n, cut_.n, i / cut_.k % cut_.n),
                  m = rangeOf(p.m, cut_.m, i / cut_.k / cut_.n % cut_.m),
                  b = rangeOf(batch, cut_.batch, i / cut_.k / cut_.n / cut_.m);
      const Product& product = productOf(calls_ > 1 ? 1 : b.count, m.count, n.count, k.count);
      parts_.emplace_back(
          product, b.first * p.strideA + (p.transposeA ? k.first * p.m + m.first : m.first * p.k + k.first),
          b.first * p.strideB + (p.transposeB ? n.first * p.k + k.first : k.first * p.n + n.first),
          depth * batch * p.m * p.n + b.first * p.m * p.n + m.first * p.n + n.first, calls_ > 1 ? b.count : 1);
    }
    for (const auto& product : products_) {
      scratchpadBytes_ = std::max(scratchpadBytes_, alignUp(product.second.scratchpad.get_size()));
    }
    partialBytes_ = cut_.k > 1 ? alignUp(cut_.k * batch * p.m * p.n * sizeof(float)) : 0;
  }

  size_t scratchBytes() const override { return partialBytes_ + parts_.size() * scratchpadBytes_; }

  void run(const Context& context) override {
    float* const dst = context.at<float>(matmul_.dst);
    float* const partials = reinterpret_cast<float*>(context.scratch);
    float* const to = cut_.k > 1 ? partials : dst;
    parallelShares(context.team, parts_.size(), static_cast<int>(parts_.size()), [&](size_t i, size_t end, int) {
      const OneThread oneThread;
      for (; i < end; ++i) runPart(context, parts_[i], context.scratch + partialBytes_ + i * scratchpadBytes_, to);
    });
    for (const Part& part : parts_) {
      if (part.status == dnnl_success) continue;
      throw std::runtime_error("matmul: oneDNN failed with status " + std::to_string(part.status));
    }
    const size_t elements = matmul_.batch * calls_ * matmul_.m * matmul_.n;
    if (cut_.k > 1) addPartials(context.team, partials, dst, elements);
    for (size_t copy = 1; copy < copies_; ++copy) std::memcpy(dst + copy * elements, dst, elements * sizeof(float));
  }

 private:
  // The fewest and largest products that give the same result.
  Matmul simplify(Matmul p) {
    if (p.batch == 1) return p;
    if (p.strideA == 0 && p.strideB == 0) {
      copies_ = p.batch;
      p.batch = 1;
    } else if (p.strideB == 0 && !p.transposeA && p.strideA == p.m * p.k) {
      p.m *= p.batch;  // rows of all the batch against one matrix
      p.batch = 1;
    } else if (p.strideA == 0 && !p.transposeA && static_cast<double>(p.m) * p.n * p.k >= kLargeProduct) {
      calls_ = p.batch;
      p.batch = 1;
    }
    return p;
  }

  // The primitive for parts of this shape: parts differ by a row or a column at most, so there are few.
  const Product& productOf(uint64_t batch, uint64_t m, uint64_t n, uint64_t k) {
    const auto place = products_.try_emplace({batch, m, n, k});
    Product& product = place.first->second;
    if (!place.second) return product;
    const Matmul& p = matmul_;
    product.a = description(batch, m, k, p.transposeA ? p.m : p.k, p.transposeA, p.strideA);
    product.b = description(batch, k, n, p.transposeB ? p.k : p.n, p.transposeB, p.strideB);
    product.dst = description(batch, m, n, p.n, false, p.m * p.n);
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
#if DNNL_VERSION_MAJOR >= 3
    const dnnl::matmul::primitive_desc primitive(engine(), product.a, product.b, product.dst, attributes);
#else
    const dnnl::matmul::primitive_desc primitive(dnnl::matmul::desc(product.a, product.b, product.dst), attributes,
                                                 engine());
#endif
    product.scratchpad = primitive.scratchpad_desc();
    product.primitive = dnnl::matmul(primitive);
    return product;
  }

  // rows × columns as the product sees them, `step` elements from one stored row to the next; a transposed operand is
  // stored columns × rows.
  static memory::desc description(uint64_t batch, uint64_t rows, uint64_t columns, uint64_t step, bool transposed,
                                  uint64_t stride) {
    const memory::dim r = rows, c = columns, s = step;
    const memory::dim rowStep = transposed ? 1 : s, columnStep = transposed ? s : 1;
    if (batch == 1) return memory::desc({r, c}, memory::data_type::f32, memory::dims{rowStep, columnStep});
    const memory::dim count = stride == 0 ? 1 : batch, next = stride == 0 ? r * c : stride;
    return memory::desc({count, r, c}, memory::data_type::f32, memory::dims{next, rowStep, columnStep});
  }

  void runPart(const Context& context, Part& part, uint8_t* scratchpad, float* dst) const {
    const auto set = [](const memory& memory, void* data) { dnnl_memory_set_data_handle(memory.get(), data); };
    float* const a = context.at<float>(matmul_.a) + part.a;
    float* const b = context.at<float>(matmul_.b) + part.b;
    set(part.memories[3], scratchpad);
    for (uint64_t call = 0; call < part.calls; ++call) {
      set(part.memories[0], a + call * matmul_.strideA);
      set(part.memories[1], b + call * matmul_.strideB);
      set(part.memories[2], dst + part.dst + call * matmul_.m * matmul_.n);
      part.status = dnnl_primitive_execute(part.product->primitive.get(), part.stream.get(), 4, part.arguments);
      if (part.status != dnnl_success) return;
    }
  }

  void addPartials(Team* team, const float* partials, float* dst, size_t elements) const {
    const int members = elements * cut_.k < kSmallSums ? 1 : static_cast<int>(parts_.size());
    parallelShares(team, elements, members, [&](size_t begin, size_t end, int) {
      for (size_t i = begin; i < end; ++i) {
        float sum = partials[i];
        for (uint64_t k = 1; k < cut_.k; ++k) sum += partials[k * elements + i];
        dst[i] = sum;
      }
    });
  }

  uint64_t copies_ = 1;  // of a result that is the same for the whole batch
  uint64_t calls_ = 1;   // of a product of one for each of the batch
  Matmul matmul_;
  MatmulCut cut_;
  std::map<std::tuple<uint64_t, uint64_t, uint64_t, uint64_t>, Product> products_;
  std::vector<Part> parts_;
  size_t scratchpadBytes_ = 0, partialBytes_ = 0;
};

}  // namespace

KernelRef prepare(const Matmul& matmul, int threads) { return std::make_unique<MatmulKernel>(matmul, threads); }

}  // namespace zeroth::cpu
