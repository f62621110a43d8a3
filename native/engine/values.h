// The values of a job: what is another number at every step.
#pragma once
#include <cstddef>

#include "engine/job.h"
#include "engine/numbers.h"

namespace zeroth {

// One after the other, in the order of the commands.
class Values : public Numbers {
 public:
  Values(const double* values, size_t length) : Numbers(values, length, "values") {}

  static constexpr size_t kOfDirection = 4;

  void direction(Direction& direction) {
    direction.seed = pair("seed");
    direction.stream = pair("stream");
  }
};

// How many values a job takes.
size_t countValues(const Job& job);

// Puts all values where the job's commands leave them open, and checks each. Throws CommandError where one is not what
// it may be, or where there are fewer or more than the job takes; it can then be given others.
void setValues(Job& job, const double* values, size_t length);

}  // namespace zeroth
