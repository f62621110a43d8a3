#include "engine/run.h"

#include <exception>

#include "engine/values.h"

namespace zeroth {
namespace {

double combined(const CombineCommand& command, const std::vector<double>& slots) {
  double sum = 0;
  for (const CombineCommand::Term& term : command.terms) sum += term.weight * slots[term.slot];
  return sum / (command.divisorSlot ? command.divisor * slots[*command.divisorSlot] : command.divisor);
}

}  // namespace

bool runJob(Backend& backend, Job& job, const std::vector<double>& values, const std::atomic<bool>& aborted,
            std::vector<double>& slots) {
  setValues(job, values.data(), values.size());
  slots.assign(job.slots, 0.0);
  std::exception_ptr failure;
  bool complete = true;
  for (Command& command : job.commands) {
    if (backend.stopped()) return false;
    // Passes run whatever happens to the rest: the caller's record of what the parameters hold must stay true. Decoding
    // has made sure that they can; where one still fails (no memory), the record is lost and nothing more is done.
    if (job.fed && (!complete || failure || aborted.load(std::memory_order_relaxed))) {
      complete = false;
      break;
    }
    if (auto* pass = std::get_if<PassCommand>(&command)) {
      if (!run(backend, *pass, slots)) return true;
      continue;
    }
    if (aborted.load(std::memory_order_relaxed)) complete = false;
    if (!complete || failure) continue;
    try {
      if (const auto* call = std::get_if<CallCommand>(&command)) {
        complete = backend.call(call->group, slots, aborted);
      } else if (const auto* copy = std::get_if<CopyCommand>(&command)) {
        backend.copy(*copy->from, copy->fromByte, *copy->to, copy->toByte, copy->bytes);
      } else if (const auto* fill = std::get_if<FillCommand>(&command)) {
        backend.fill(*fill->to, fill->byteOffset, fill->direction, fill->space, fill->first, fill->count, fill->scale);
      } else if (const auto* gather = std::get_if<GatherRowsCommand>(&command)) {
        backend.gatherRows(*gather->from, gather->rowBytes, *gather->to, gather->rows);
      } else if (const auto* sums = std::get_if<SumsCommand>(&command)) {
        const Sums found = backend.sums(*sums->of, sums->byteOffset, sums->count);
        slots[sums->slot] += found.sum;
        slots[sums->slot + 1] += found.squares;
      } else if (const auto* combine = std::get_if<CombineCommand>(&command)) {
        slots[combine->out] = combined(*combine, slots);
      } else if (auto* linear = std::get_if<LinearCommand>(&command)) {
        run(backend, *linear, slots);
      }
    } catch (...) {
      failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
  return complete && !backend.stopped();  // what ran may have ended early
}

}  // namespace zeroth
