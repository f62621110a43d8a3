#include "cpu/delivery.h"

#include <algorithm>

namespace zeroth {
namespace {

// Elements of a buffer that one member owns, then the next.
constexpr size_t kShare = 1 << 12;
// Fewer are delivered before a team has met.
constexpr uint64_t kParallelElements = 1 << 15;

void deliverRun(const Delivery& delivery, const float* from, float* to, size_t count) {
  const float weight = delivery.weight;
  if (delivery.accumulate) {
    for (size_t i = 0; i < count; ++i) to[i] += weight * from[i];
  } else {
    for (size_t i = 0; i < count; ++i) to[i] = weight * from[i];
  }
}

// Each element of a buffer has one owner, who does all that happens to it, in order: so nobody waits for anybody.
void deliverOwned(const Delivery& delivery, size_t member, size_t members) {
  for (uint64_t row = 0; row < delivery.count / delivery.rowLength; ++row) {
    const size_t begin = delivery.offset + row * delivery.rowStride;
    const size_t end = begin + delivery.rowLength;
    const float* const from = delivery.value + row * delivery.rowLength;
    const size_t first = begin / kShare;
    for (size_t share = first + (member + members - first % members) % members; share * kShare < end;
         share += members) {
      const size_t at = std::max(begin, share * kShare);
      deliverRun(delivery, from + (at - begin), delivery.buffer + at, std::min(end, (share + 1) * kShare) - at);
    }
  }
}

}  // namespace

void deliver(const std::vector<Delivery>& deliveries, Team* team) {
  uint64_t elements = 0;
  for (const Delivery& delivery : deliveries) elements += delivery.count;
  const bool alone = team == nullptr || elements < kParallelElements;
  const size_t members = alone ? 1 : static_cast<size_t>(team->size());
  const auto work = [&](size_t member) {
    for (const Delivery& delivery : deliveries) deliverOwned(delivery, member, members);
  };
  if (members == 1) return work(0);
  team->run(static_cast<int>(members), [&](int member) { work(static_cast<size_t>(member)); });
}

}  // namespace zeroth
