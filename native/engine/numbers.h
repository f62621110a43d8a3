// Doubles that came from JavaScript.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>

#include "backend.h"

namespace zeroth {

constexpr double kMaxSafeInteger = 9007199254740991.0;

inline std::string show(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

// Doubles, one after the other, each held to what it may be.
class Numbers {
 public:
  // `what` they are, for an error.
  Numbers(const double* numbers, size_t length, const char* what) : numbers_(numbers), length_(length), what_(what) {}

  bool done() const { return at_ == length_; }
  size_t left() const { return length_ - at_; }

  double number() {
    if (at_ >= length_) {
      throw CommandError(std::string("job: its ") + what_ + " end inside a command, after " + std::to_string(length_));
    }
    return numbers_[at_++];
  }

  double finite(const char* what) {
    const double value = number();
    if (!std::isfinite(value)) {
      throw CommandError(std::string("job: ") + what + ": expected a finite number, received " + show(value));
    }
    return value;
  }

  // Beyond the range of f32 the conversion would be undefined, and infinite at best.
  float finiteFloat(const char* what) {
    const double value = finite(what);
    if (std::abs(value) > static_cast<double>(std::numeric_limits<float>::max())) {
      throw CommandError(std::string("job: ") + what + ": expected a number in the range of f32, received " +
                         show(value));
    }
    return static_cast<float>(value);
  }

  uint64_t integer(const char* what, double max = kMaxSafeInteger) {
    const double value = number();
    if (!(value >= 0 && value <= max && value == std::floor(value))) {
      throw CommandError(std::string("job: ") + what + ": expected an integer from 0 to " + show(max) + ", received " +
                         show(value));
    }
    return static_cast<uint64_t>(value);
  }

  uint32_t word(const char* what) { return static_cast<uint32_t>(integer(what, 4294967295.0)); }

  // 64 bits in two words, the lower first.
  uint64_t pair(const char* what) {
    const uint64_t low = word(what);
    return low | (static_cast<uint64_t>(word(what)) << 32);
  }

  // The number that was read last.
  double last() const { return numbers_[at_ - 1]; }

 private:
  const double* numbers_;
  size_t length_;
  const char* what_;
  size_t at_ = 0;
};

}  // namespace zeroth
