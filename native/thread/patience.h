// Waiting for what comes within microseconds: waking a sleeping thread would cost more than a small step of training
// does.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace zeroth {

// Tells the processor that this is a loop that waits: it leaves power and, where two threads share a core, the core's
// units to the other one.
inline void pauseBetweenLooks() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Looks again and again until `ready()` holds, for a fifth of a millisecond at most: some 50 times at once, as what is
// nearly there comes sooner than the system can be asked for anything. Then it yields in between, so that on a busy
// machine the thread that is waited for gets the processor.
template <typename Ready>
bool linger(const Ready& ready) {
  constexpr int kLooks = 50;
  for (int look = 0; look < kLooks; ++look) {
    if (ready()) return true;
    pauseBetweenLooks();
  }
  constexpr auto kPatience = std::chrono::microseconds(200);
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!ready()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::yield();
  }
  return true;
}

// Where one thread waits for a condition on atomics: it lingers, then sleeps. Whoever makes the condition hold calls
// wake() after, which costs a load while nobody sleeps. The condition's loads and stores are sequentially consistent:
// either the sleeper sees the change, or wake() sees the sleeper.
class Rest {
 public:
  template <typename Ready>
  void until(const Ready& ready) {
    if (linger(ready)) return;
    std::unique_lock<std::mutex> lock(mutex_);
    asleep_.store(true);
    changed_.wait(lock, ready);
    asleep_.store(false);
  }

  void wake() {
    if (!asleep_.load()) return;
    std::lock_guard<std::mutex> lock(mutex_);
    changed_.notify_one();
  }

 private:
  std::atomic<bool> asleep_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
};

}  // namespace zeroth
