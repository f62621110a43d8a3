// The words of a program, one after the other.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "program/program.h"

namespace zeroth::program {

// Throws ProgramError, which names the place, where there is no word or not the expected one.
class Words {
 public:
  Words(const uint8_t* bytes, uint64_t words) : bytes_(bytes), end_(words) {}

  // Later errors name this place.
  void enter(std::string place, uint64_t end) {
    place_ = std::move(place);
    end_ = end;
  }
  const std::string& place() const { return place_; }
  uint64_t position() const { return position_; }
  uint64_t left() const { return end_ - position_; }

  [[noreturn]] void fail(const std::string& message) const {
    throw ProgramError("program: " + place_ + ": " + message);
  }

  uint32_t word(const char* what) {
    if (position_ >= end_) fail(std::string("expected ") + what + ", found the end");
    uint32_t value;
    std::memcpy(&value, bytes_ + 4 * position_++, 4);
    return value;
  }

  uint32_t atMost(const char* what, uint32_t limit) {
    const uint32_t value = word(what);
    if (value > limit) {
      fail(std::string("expected ") + what + " of at most " + std::to_string(limit) + ", found " +
           std::to_string(value));
    }
    return value;
  }

  DType dtype() { return static_cast<DType>(atMost("a dtype", static_cast<uint32_t>(DType::f64))); }

  Ref ref() {
    Ref ref;
    ref.space = word("a space");
    ref.offset = word("an offset");
    return ref;
  }

  double f64(const char* what) {
    const uint64_t low = word(what);
    const uint64_t bits = low | uint64_t{word(what)} << 32;
    double value;
    std::memcpy(&value, &bits, 8);
    return value;
  }

  std::vector<uint64_t> list(const char* what, size_t count) {
    std::vector<uint64_t> values(count);
    for (uint64_t& value : values) value = word(what);
    return values;
  }

 private:
  const uint8_t* bytes_;
  uint64_t position_ = 0;
  uint64_t end_;
  std::string place_ = "header";
};

}  // namespace zeroth::program
