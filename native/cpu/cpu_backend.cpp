#include "cpu/cpu_backend.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "cpu/buffer.h"
#include "cpu/executable.h"
#include "cpu/linear.h"
#include "cpu/memory.h"
#include "cpu/sums.h"
#include "cpu/update.h"
#include "thread/team.h"

namespace zeroth {
namespace {

using cpu::at;
using cpu::floats;

// Below so many examples reading the weights costs more than the arithmetic: threads had better share each kernel.
constexpr size_t kLaneExamples = 128;
// Of a model whose parameters stay in each core's cache, which is read by both anyway.
constexpr size_t kSmallModelExamples = 32, kSmallModelParameters = 1 << 16;

UpdateOp updateOf(const PassOp& op) {
  Gradient gradient;
  gradient.terms = op.terms;
  gradient.dense = floats(op.dense);
  gradient.denseCoefficient = op.denseCoefficient;
  float* const m = floats(op.m);
  float* const v = floats(op.v);
  switch (op.kind) {
    case PassOp::Kind::momentum:
      return MomentumUpdate{std::move(gradient), op.beta1, op.lr, m};
    case PassOp::Kind::adam:
      return AdamUpdate{std::move(gradient), op.beta1, op.beta2, op.lr, op.epsilon, op.t, m, v};
    case PassOp::Kind::frozenAdam:
      return FrozenAdamUpdate{std::move(gradient), op.beta1, op.lr, m, v};
    case PassOp::Kind::keep:
      return KeepUpdate{floats(op.to)};
    case PassOp::Kind::resume:
      return ResumeUpdate{floats(op.to)};
    case PassOp::Kind::traced: {
      TracedUpdate traced{std::move(gradient), {}, {}, op.scalars};
      for (const ExecutableRef& program : op.programs)
        traced.members.push_back(&static_cast<cpu::CpuExecutable&>(*program).executor);
      for (const BufferRef& state : op.states) traced.states.push_back(floats(state));
      return traced;
    }
    case PassOp::Kind::add:
      break;
  }
  return AddUpdate{std::move(gradient)};
}

class CpuBackend : public Backend {
 public:
  // The instruction set is chosen now: where ZEROTH_ISA is wrong, it is the opening of the device that fails.
  explicit CpuBackend(int threads)
      : isa_(activeIsa()),
        team_(threads),
        traits_{static_cast<size_t>(threads),
                kLaneExamples,
                kSmallModelExamples,
                kSmallModelParameters,
                cpu::kAlignment,
                {"logSoftmax"},
                {DType::f32, DType::i32, DType::f64}} {}

  const Traits& traits() const override { return traits_; }

  BufferRef allocate(size_t bytes) override { return std::make_shared<cpu::CpuBuffer>(bytes); }

  void write(Buffer& to, size_t byteOffset, const void* from, size_t bytes) override {
    if (bytes > 0) std::memcpy(at(to, byteOffset), from, bytes);
  }

  void read(const Buffer& from, size_t byteOffset, void* to, size_t bytes) override {
    if (bytes > 0) std::memcpy(to, at(from, byteOffset), bytes);
  }

  void copy(const Buffer& from, size_t fromByte, Buffer& to, size_t toByte, size_t bytes) override {
    std::memmove(at(to, toByte), at(from, fromByte), bytes);
  }

  void gatherRows(const Buffer& from, size_t rowBytes, Buffer& to, const std::vector<uint32_t>& rows) override {
    for (size_t i = 0; i < rows.size(); ++i) std::memcpy(at(to, i * rowBytes), at(from, rows[i] * rowBytes), rowBytes);
  }

  void fill(Buffer& to, size_t byteOffset, const Direction& direction, const Space* space, uint64_t first, size_t count,
            float scale) override {
    float* const out = floats(to, byteOffset);
    // An exception on another thread would end the process.
    checkDirection(direction, "fill");
    parallelChunks(&team_, count, [&](size_t, size_t begin, size_t end) {
      if (stopped()) return;
      if (space != nullptr)
        zeroth::fill(direction, *space, first + begin, end - begin, out + begin, isa_);
      else
        zeroth::fill(direction, first + begin, end - begin, out + begin, isa_);
      if (scale == 1.0f) return;
      for (; begin < end; ++begin) out[begin] *= scale;
    });
  }

  Sums sums(const Buffer& of, size_t byteOffset, size_t count) override {
    return zeroth::sums(floats(of, byteOffset), count, &team_);
  }

  std::vector<double> linear(const LinearOp& op) override {
    const auto at = [](const VectorRef& vector) {
      return vector.buffer ? floats(*vector.buffer, vector.byteOffset) : nullptr;
    };
    LinearVectors vectors{op.count, {}, {}, op.coefficients.data(), at(op.factor), {}};
    for (const VectorRef& input : op.inputs) vectors.inputs.push_back(at(input));
    for (const VectorRef& output : op.outputs) vectors.outputs.push_back(at(output));
    for (const VectorRef& with : op.with) vectors.with.push_back(at(with));
    return zeroth::linear(vectors, &team_, isa_, &stopFlag());
  }

  void pass(const Buffer& in, Buffer& out, size_t count, const std::vector<PassOp>& ops) override {
    std::vector<UpdateOp> updates;
    updates.reserve(ops.size());
    for (const PassOp& op : ops) updates.push_back(updateOf(op));
    zeroth::pass(floats(in), floats(out), count, updates, &team_, isa_, &stopFlag());
  }

  ExecutableRef load(Program program, int threads) override {
    return std::make_shared<cpu::CpuExecutable>(std::move(program), std::min(threads, team_.size()));
  }

  bool call(const std::vector<Call>& group, std::vector<double>& slots, const std::atomic<bool>& aborted) override {
    return cpu::runCalls(group, slots, team_, aborted);
  }

 private:
  Isa isa_;
  Team team_;
  Traits traits_;
};

}  // namespace

std::unique_ptr<Backend> makeCpuBackend(int threads) { return std::make_unique<CpuBackend>(threads); }

}  // namespace zeroth
