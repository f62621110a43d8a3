// A fixed crew of threads that do pieces of work at the same time. Unlike an OpenMP team it meets once a call, not once
// a kernel, and a member that waits does not hold the processor.
#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "thread/worker.h"

namespace zeroth {

class Crew {
 public:
  // `size` members, the calling thread among them; `start` runs first on each of the other threads.
  Crew(int size, const std::function<void()>& start);
  // work(0) … work(count - 1), count ≤ size, at the same time; returns when all are done. `work` must not throw.
  void run(int count, const std::function<void(int)>& work);

 private:
  std::vector<std::unique_ptr<Worker>> others_;
};

}  // namespace zeroth
