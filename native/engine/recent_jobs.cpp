#include "engine/recent_jobs.h"

#include <algorithm>
#include <utility>

namespace zeroth {
namespace {

// Steps of a training run, its measurements, and the iterations of one.
constexpr size_t kJobs = 64;
// Words and values of all, 2 MiB of them; decoded they take a few times as much.
constexpr size_t kNumbers = 1 << 18;

}  // namespace

std::shared_ptr<Job> RecentJobs::find(const double* words, size_t length) {
  // Most differ in their lengths or in their first words.
  const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const Kept& kept) {
    return kept.words.size() == length && std::equal(kept.words.begin(), kept.words.end(), words);
  });
  if (found == kept_.end()) return nullptr;
  std::rotate(kept_.begin(), found, found + 1);
  return kept_.front().job;
}

void RecentJobs::keep(const double* words, size_t length, std::shared_ptr<Job> job) {
  const size_t numbers = length + job->values;
  if (numbers > kNumbers) return;
  while (kept_.size() >= kJobs || numbers_ > kNumbers - numbers) {
    numbers_ -= kept_.back().numbers();
    kept_.pop_back();
  }
  kept_.insert(kept_.begin(), Kept{{words, words + length}, std::move(job)});
  numbers_ += numbers;
}

void RecentJobs::drop(uint32_t name) {
  const auto stays = [&](const Kept& kept) {
    return !std::binary_search(kept.job->names.begin(), kept.job->names.end(), name);
  };
  kept_.erase(std::stable_partition(kept_.begin(), kept_.end(), stays), kept_.end());
  numbers_ = 0;
  for (const Kept& kept : kept_) numbers_ += kept.numbers();
}

}  // namespace zeroth
