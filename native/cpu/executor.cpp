#include "cpu/executor.h"

#include <algorithm>
#include <cstdlib>
#include <new>

#include "cpu/kernel.h"

namespace zeroth::cpu {

namespace {

// Zero-filled, so that a program that reads before it writes is at least deterministic; untouched pages cost nothing.
class Block {
 public:
  explicit Block(size_t bytes) : raw_(std::calloc(bytes + kAlignment, 1)) {
    if (raw_ == nullptr) throw std::bad_alloc();
    data_ = reinterpret_cast<uint8_t*>(alignUp(reinterpret_cast<uintptr_t>(raw_)));
  }
  ~Block() { std::free(raw_); }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  uint8_t* data() const { return data_; }

 private:
  void* raw_;
  uint8_t* data_;
};

struct Prepare {
  int threads;
  KernelRef operator()(const Map& map) const {
    return map.dims.empty() ? prepareScalarMap(map) : prepareMap(map, threads);
  }
  KernelRef operator()(const MapSum& sum) const { return prepareMapSum(sum, threads); }
  KernelRef operator()(const Reduce& reduce) const { return prepareReduce(reduce, threads); }
  KernelRef operator()(const Matmul& matmul) const { return prepareMatmul(matmul, threads); }
  KernelRef operator()(const Gather& gather) const { return prepareGather(gather, threads); }
  KernelRef operator()(const ScatterAdd& scatter) const { return prepareScatterAdd(scatter, threads); }
  KernelRef operator()(const Iota& iota) const { return prepareIota(iota, threads); }
};

}  // namespace

struct Executor::Impl {
  Impl(const Program& program, int threads)
      : threads(threads), arena(program.arenaWords * 4), spaces(1 + program.inputs.size()) {
    spaces[0] = arena.data();
    for (const Instruction& instruction : program.instructions)
      kernels.push_back(std::visit(Prepare{threads}, instruction));
    for (const KernelRef& kernel : kernels) scratchBytes = std::max(scratchBytes, kernel->scratchBytes());
    scratch = std::make_unique<Block>(scratchBytes);
  }

  int threads;
  Block arena;
  size_t scratchBytes = 0;
  std::unique_ptr<Block> scratch;
  std::vector<uint8_t*> spaces;
  std::vector<KernelRef> kernels;
};

Executor::Executor(Program program, int threads) : program_(std::move(program)) {
  if (threads < 1)
    throw std::invalid_argument("Executor: expected at least 1 thread, received " + std::to_string(threads));
  impl_ = std::make_unique<Impl>(program_, threads);
  scratchBytes_ = impl_->scratchBytes;
}

Executor::~Executor() = default;

bool Executor::run(const std::vector<Binding>& inputs, Team* team, const std::atomic<bool>* aborted) {
  if (team != nullptr && team->size() < impl_->threads) {
    throw std::invalid_argument("run: expected a team of at least " + std::to_string(impl_->threads) +
                                " threads, received " + std::to_string(team->size()));
  }
  if (inputs.size() != program_.inputs.size()) {
    throw ExecutionError("run: expected " + std::to_string(program_.inputs.size()) + " inputs, received " +
                         std::to_string(inputs.size()));
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    const uint64_t needed = program_.inputs[i].bytes();
    if (inputs[i].bytes < needed) {
      throw ExecutionError("run: expected at least " + std::to_string(needed) + " bytes for input " +
                           std::to_string(i) + ", received " + std::to_string(inputs[i].bytes));
    }
    if (reinterpret_cast<uintptr_t>(inputs[i].data) % 4 != 0) {
      throw ExecutionError("run: expected input " + std::to_string(i) + " at a multiple of 4 bytes");
    }
    // Validation has made sure that no instruction writes to an input.
    impl_->spaces[i + 1] = static_cast<uint8_t*>(const_cast<void*>(inputs[i].data));
  }
  const Context context{impl_->spaces.data(), impl_->scratch->data(), team};
  for (size_t i = 0; i < impl_->kernels.size(); ++i) {
    if (aborted != nullptr && aborted->load(std::memory_order_relaxed)) return false;
    try {
      impl_->kernels[i]->run(context);
    } catch (const ExecutionError& error) {
      throw ExecutionError("instruction " + std::to_string(i) + ": " + error.what());
    }
  }
  return true;
}

const void* Executor::output(size_t i) const {
  const Ref ref = program_.outputs.at(i).ref;
  const uint8_t* base = impl_->spaces[ref.space];
  if (base == nullptr) throw ExecutionError("output: expected a run before output " + std::to_string(i) + " is read");
  return base + size_t{ref.offset} * 4;
}

}  // namespace zeroth::cpu
