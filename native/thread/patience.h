// Waiting for what comes within microseconds: waking a sleeping thread would cost more than a small step of training
// does.
#pragma once
#include <chrono>
#include <thread>

namespace zeroth {

// Looks again and again until `ready()` holds, for a fifth of a millisecond at most. It yields in between, so that on a
// busy machine the thread that is waited for gets the processor.
template <typename Ready>
bool linger(const Ready& ready) {
  constexpr auto kPatience = std::chrono::microseconds(200);
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!ready()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace zeroth
