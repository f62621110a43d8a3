// A job at work.
#pragma once
#include <atomic>
#include <vector>

#include "engine/job.h"

namespace zeroth {

// Runs a job with values into its result slots; false when it was aborted. Throws CommandError before anything has run
// where these are not the values of such a job. After an abort or a failure only the job's passes still
// run, so that the parameters hold what the caller expects; a failure is rethrown at the end. Of a job whose passes are
// fed from slots nothing runs after that, and it ends early, as if complete, where a slot gives no number of f32: the
// caller has kept what it needs to start over. Once the backend is stopped, nothing runs.
bool runJob(Backend& backend, Job& job, const std::vector<double>& values, const std::atomic<bool>& aborted,
            std::vector<double>& slots);

}  // namespace zeroth
