// The jobs that a device has decoded last: a run gives the same few of them again and again, with other values.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/job.h"

namespace zeroth {

// A job is found by its words. Whoever takes back what it names must say so: until then it holds it.
class RecentJobs {
 public:
  // Of the jobs that are kept; null where it is not among them.
  std::shared_ptr<Job> find(const double* words, size_t length);
  // Those that were not used for longest make room. One that is too large is not kept.
  void keep(const double* words, size_t length, std::shared_ptr<Job> job);
  // Jobs that name a buffer or a program are kept no longer.
  void drop(uint32_t name);

 private:
  struct Kept {
    std::vector<double> words;
    std::shared_ptr<Job> job;
    size_t numbers() const { return words.size() + job->values; }
  };

  std::vector<Kept> kept_;  // the last used first
  size_t numbers_ = 0;      // of all
};

}  // namespace zeroth
