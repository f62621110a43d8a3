#include "cpu/executable.h"

#include <cstdint>
#include <cstring>
#include <exception>

#include "cpu/buffer.h"
#include "cpu/delivery.h"

namespace zeroth::cpu {
namespace {

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
          output.byteOffset / sizeof(float),
          output.rowLength,
          output.byteStride / sizeof(float),
          static_cast<float>(output.weight),
          accumulate};
}

// In order. What goes to buffers is collected, and shared by the team.
void deliverOutputs(const std::vector<Call>& group, std::vector<double>& slots, Team* team) {
  std::vector<Delivery> collected;
  for (const Call& call : group) {
    const Executor& executor = static_cast<const CpuExecutable&>(*call.program).executor;
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

}  // namespace

bool runCalls(const std::vector<Call>& group, std::vector<double>& slots, Team& team,
              const std::atomic<bool>& aborted) {
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
    run(0, &team);
  } else {
    team.run(count, [&](int i) { run(i, nullptr); });
  }
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
  if (!complete) return false;
  deliverOutputs(group, slots, &team);
  return true;
}

}  // namespace zeroth::cpu
