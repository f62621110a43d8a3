// MATMUL by oneDNN. Everything that knows oneDNN, and the difference between its 2.x and 3.x, is in this file.
#include <algorithm>
#include <dnnl.hpp>
#include <stdexcept>

#include "cpu/kernel.h"

namespace zeroth::cpu {

namespace {

using dnnl::memory;

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

// A product of this many multiply-adds is done sooner than a team is woken.
constexpr double kSmallProduct = 1 << 17;
// Where the batch shares an untransposed left operand, products of this many multiply-adds get a call each: twice as
// fast as one oneDNN call with a broadcast.
constexpr double kLargeProduct = 1 << 20;

class MatmulKernel : public Kernel {
 public:
  MatmulKernel(const Matmul& matmul, int threads) : matmul_(simplify(matmul)), stream_(engine()) {
    const Matmul& p = matmul_;
    const double work = static_cast<double>(p.batch) * p.m * p.n * p.k;
    threads_ = work < kSmallProduct ? 1 : threads;
    const int before = omp_get_max_threads();
    omp_set_num_threads(threads_);
    const auto a = description(p.batch, p.m, p.k, p.transposeA, p.strideA),
               b = description(p.batch, p.k, p.n, p.transposeB, p.strideB);
    const auto dst = description(p.batch, p.m, p.n, false, p.m * p.n);
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
#if DNNL_VERSION_MAJOR >= 3
    const dnnl::matmul::primitive_desc primitive(engine(), a, b, dst, attributes);
#else
    const dnnl::matmul::primitive_desc primitive(dnnl::matmul::desc(a, b, dst), attributes, engine());
#endif
    matmulPrimitive_ = dnnl::matmul(primitive);
    scratchBytes_ = primitive.scratchpad_desc().get_size();
    a_ = memory(a, engine(), nullptr);
    b_ = memory(b, engine(), nullptr);
    dst_ = memory(dst, engine(), nullptr);
    scratchpad_ = memory(primitive.scratchpad_desc(), engine(), nullptr);
    arguments_[0] = {DNNL_ARG_SRC, a_.get()};
    arguments_[1] = {DNNL_ARG_WEIGHTS, b_.get()};
    arguments_[2] = {DNNL_ARG_DST, dst_.get()};
    arguments_[3] = {DNNL_ARG_SCRATCHPAD, scratchpad_.get()};
    omp_set_num_threads(before);
  }

  size_t scratchBytes() const override { return scratchBytes_; }

  void run(const Context& context) override {
    const int before = omp_get_max_threads();
    if (threads_ != before) omp_set_num_threads(threads_);
    float *a = context.at<float>(matmul_.a), *b = context.at<float>(matmul_.b), *dst = context.at<float>(matmul_.dst);
    const size_t one = matmul_.m * matmul_.n;
    set(scratchpad_, context.scratch);
    dnnl_status_t status = dnnl_success;
    for (size_t call = 0; call < calls_ && status == dnnl_success; ++call) {
      set(a_, a + call * matmul_.strideA);
      set(b_, b + call * matmul_.strideB);
      set(dst_, dst + call * one);
      status = dnnl_primitive_execute(matmulPrimitive_.get(), stream_.get(), 4, arguments_);
    }
    if (threads_ != before) omp_set_num_threads(before);
    if (status != dnnl_success) throw std::runtime_error("matmul: oneDNN failed with status " + std::to_string(status));
    for (size_t copy = 1; copy < copies_; ++copy) std::memcpy(dst + copy * one, dst, one * sizeof(float));
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

  // rows × columns as the product sees them; a transposed operand is stored columns × rows.
  static memory::desc description(uint64_t batch, uint64_t rows, uint64_t columns, bool transposed, uint64_t stride) {
    const memory::dim r = rows, c = columns;
    const memory::dim rowStep = transposed ? 1 : c, columnStep = transposed ? r : 1;
    if (batch == 1) return memory::desc({r, c}, memory::data_type::f32, memory::dims{rowStep, columnStep});
    const memory::dim count = stride == 0 ? 1 : batch, step = stride == 0 ? r * c : stride;
    return memory::desc({count, r, c}, memory::data_type::f32, memory::dims{step, rowStep, columnStep});
  }

  static void set(memory& memory, void* data) { dnnl_memory_set_data_handle(memory.get(), data); }

  size_t copies_ = 1;  // of a result that is the same for the whole batch
  size_t calls_ = 1;
  Matmul matmul_;
  dnnl::stream stream_;
  dnnl::primitive matmulPrimitive_;
  memory a_, b_, dst_, scratchpad_;
  dnnl_exec_arg_t arguments_[4];
  size_t scratchBytes_ = 0;
  int threads_;
};

}  // namespace

KernelRef prepareMatmul(const Matmul& matmul, int threads) { return std::make_unique<MatmulKernel>(matmul, threads); }

}  // namespace zeroth::cpu
