#include "cpu/cpu_backend.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <exception>
#include <string>
#include <utility>

#include "cpu/delivery.h"
#include "cpu/executor.h"
#include "cpu/linear.h"
#include "cpu/memory.h"
#include "cpu/sums.h"
#include "cpu/update.h"
#include "thread/team.h"

namespace zeroth {
namespace {

class CpuBuffer : public Buffer {
 public:
  explicit CpuBuffer(size_t bytes) : Buffer(bytes), block_(bytes) {}

  char* at(size_t byte) const { return reinterpret_cast<char*>(block_.data()) + byte; }
  float* floats() const { return reinterpret_cast<float*>(block_.data()); }

 private:
  cpu::ZeroedBlock block_;
};

char* at(const Buffer& buffer, size_t byte) { return static_cast<const CpuBuffer&>(buffer).at(byte); }
float* floats(const Buffer& buffer) { return static_cast<const CpuBuffer&>(buffer).floats(); }
float* floats(const BufferRef& buffer) { return buffer ? floats(*buffer) : nullptr; }

class CpuExecutable : public Executable {
 public:
  CpuExecutable(Program program, int threads) : executor(std::move(program), threads) {}
  size_t arenaBytes() const override { return executor.arenaBytes() + executor.scratchBytes(); }
  const std::vector<Declaration>& inputs() const override { return executor.program().inputs; }
  const std::vector<Output>& outputs() const override { return executor.program().outputs; }

  cpu::Executor executor;
  std::vector<const void*> bindings;
};

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
    case PassOp::Kind::add:
      break;
  }
  return AddUpdate{std::move(gradient)};
}

void bind(const Call& call) {
  auto& executable = static_cast<CpuExecutable&>(*call.program);
  executable.bindings.clear();
  for (const InputBinding& input : call.inputs) {
    executable.bindings.push_back(at(*input.buffer, input.byteOffset));
  }
}

Delivery deliveryOf(const void* value, uint64_t count, const OutputBinding& output) {
  const bool accumulate = output.mode == OutputBinding::Mode::accumulate;
  return {static_cast<const float*>(value),
          count,
          floats(*output.buffer),
          output.offset,
          output.rowLength,
          output.rowStride,
          static_cast<float>(output.weight),
          accumulate};
}

// In order. What goes to buffers is collected, and shared by the team.
void deliverOutputs(const std::vector<Call>& group, std::vector<double>& slots, Team* team) {
  std::vector<Delivery> collected;
  for (const Call& call : group) {
    const cpu::Executor& executor = static_cast<const CpuExecutable&>(*call.program).executor;
    for (size_t i = 0; i < call.outputs.size(); ++i) {
      const OutputBinding& output = call.outputs[i];
      const Output& declared = executor.program().outputs[i];
      // One that is an input may lie where another goes: it has its turn.
      const bool isInput = declared.ref.space != 0;
      if (isInput) {
        deliver(collected, team);
        collected.clear();
      }
      if (output.mode == OutputBinding::Mode::addToSlot) {
        double number;  // an output may be an input, and that lie at any multiple of 4 bytes
        std::memcpy(&number, executor.output(i), sizeof number);
        slots[output.slot] += output.weight * number;
      } else if (isInput) {
        deliver({deliveryOf(executor.output(i), declared.count, output)}, nullptr);
      } else {
        collected.push_back(deliveryOf(executor.output(i), declared.count, output));
      }
    }
  }
  deliver(collected, team);
}

class CpuBackend : public Backend {
 public:
  // The instruction set is chosen now: where ZEROTH_ISA is wrong, it is the opening of the device that fails.
  explicit CpuBackend(int threads) : isa_(activeIsa()), team_(threads) {}

  size_t lanes() const override { return static_cast<size_t>(team_.size()); }

  BufferRef allocate(size_t bytes) override { return std::make_shared<CpuBuffer>(bytes); }

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

  void fill(Buffer& to, size_t offset, const Direction& direction, const Space* space, uint64_t first, size_t count,
            float scale) override {
    float* const out = floats(to) + offset;
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

  Sums sums(const Buffer& of, size_t offset, size_t count) override {
    return zeroth::sums(floats(of) + offset, count, &team_);
  }

  std::vector<double> linear(const LinearOp& op) override {
    const auto at = [](const VectorRef& vector) {
      return vector.buffer ? floats(*vector.buffer) + vector.offset : nullptr;
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

  ExecutableRef load(const uint8_t* bytes, size_t length, int threads) override {
    return std::make_shared<CpuExecutable>(decode(bytes, length), std::min(threads, team_.size()));
  }

  bool call(const std::vector<Call>& group, std::vector<double>& slots, const std::atomic<bool>& aborted) override {
    const auto count = static_cast<int>(group.size());
    for (const Call& call : group) bind(call);
    std::vector<std::exception_ptr> failures(group.size());
    std::atomic<bool> complete{true};
    // Either the members share the kernels of one program, or each runs a program by itself.
    const auto run = [&](int i, Team* team) {
      try {
        auto& executable = static_cast<CpuExecutable&>(*group[i].program);
        if (!executable.executor.run(executable.bindings, team, &aborted)) complete = false;
      } catch (...) {
        failures[i] = std::current_exception();
      }
    };
    if (count == 1) {
      run(0, &team_);
    } else {
      team_.run(count, [&](int i) { run(i, nullptr); });
    }
    for (const std::exception_ptr& failure : failures) {
      if (failure) std::rethrow_exception(failure);
    }
    if (!complete) return false;
    deliverOutputs(group, slots, &team_);
    return true;
  }

 private:
  Isa isa_;
  Team team_;
};

}  // namespace

std::unique_ptr<Backend> makeCpuBackend(int threads) { return std::make_unique<CpuBackend>(threads); }

}  // namespace zeroth
