#include "thread/crew.h"

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "thread/patience.h"

namespace zeroth {
namespace {

// Counts down to zero, for one thread that waits.
class Latch {
 public:
  explicit Latch(int count) : count_(count) {}

  void arrive() {
    // Under the lock, so that the waiting thread cannot destroy the latch while this one is still in it.
    std::lock_guard<std::mutex> lock(mutex_);
    if (count_.fetch_sub(1, std::memory_order_acq_rel) == 1) done_.notify_one();
  }

  void wait() {
    linger([this] { return count_.load(std::memory_order_acquire) == 0; });
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [this] { return count_.load(std::memory_order_relaxed) == 0; });
  }

 private:
  std::atomic<int> count_;
  std::mutex mutex_;
  std::condition_variable done_;
};

}  // namespace

Crew::Crew(int size, const std::function<void()>& start) {
  for (int i = 1; i < size; ++i) others_.push_back(std::make_unique<Worker>(start));
}

void Crew::run(int count, const std::function<void(int)>& work) {
  if (count <= 0) return;
  Latch latch(count - 1);
  for (int i = 1; i < count; ++i) {
    others_[i - 1]->submit([&work, &latch, i] {
      work(i);
      latch.arrive();
    });
  }
  work(0);
  latch.wait();
}

}  // namespace zeroth
