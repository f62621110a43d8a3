// The thread that belongs to a device, and its queue: tasks run in the order in which they were submitted.
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace zeroth {

class Worker {
 public:
  Worker();
  // Runs what is queued, then joins.
  ~Worker();
  // `task` must not throw.
  void submit(std::function<void()> task);

 private:
  void loop();

  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::function<void()>> queue_;
  std::atomic<size_t> queued_{0};  // queue_.size(), to look at without the lock
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace zeroth
