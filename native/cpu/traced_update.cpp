#include "cpu/traced_update.h"

#include <algorithm>
#include <cstring>

namespace zeroth {

void runTraced(const TracedUpdate& update, size_t member, const float* g, size_t begin, const float* from, float* to,
               size_t count, TracedScratch& scratch) {
  cpu::Executor& executor = *update.members[member];
  const Program& program = executor.program();
  const size_t piece = program.inputs[0].count, vectors = 2 + update.states.size();
  const size_t outputs = program.outputs.size();
  scratch.inputs.resize(program.inputs.size());
  for (size_t i = 0; i < update.scalars.size(); ++i) scratch.inputs[vectors + i] = &update.scalars[i];
  for (size_t at = 0; at < count; at += piece) {
    const size_t length = std::min(piece, count - at);
    const auto source = [&](size_t i) -> const float* {
      if (i == 0) return from + at;
      return i == 1 ? g + at : update.states[i - 2] + begin + at;
    };
    if (length < piece) scratch.padded.assign(vectors * piece, 0.0f);
    for (size_t i = 0; i < vectors; ++i) {
      scratch.inputs[i] = source(i);
      if (length == piece) continue;
      float* const copy = scratch.padded.data() + i * piece;
      std::memcpy(copy, source(i), length * sizeof(float));
      scratch.inputs[i] = copy;
    }
    executor.run(scratch.inputs, nullptr);
    // The program's results are in its arena, apart from all that it reads.
    for (size_t i = 0; i < outputs; ++i) {
      float* const target = i == 0 ? to + at : update.states[i - 1] + begin + at;
      std::memcpy(target, executor.output(i), length * sizeof(float));
    }
  }
}

}  // namespace zeroth
