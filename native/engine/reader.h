// The words of a job, one after the other, each held to what it may be.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "engine/decode.h"

namespace zeroth {

constexpr double kMaxSafeInteger = 9007199254740991.0;

inline std::string show(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

class Reader {
 public:
  Reader(const double* words, size_t length, const Registry& registry)
      : words_(words), length_(length), registry_(registry) {}

  bool done() const { return at_ == length_; }

  double number() {
    if (at_ >= length_) throw CommandError("job: it ends inside a command");
    return words_[at_++];
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

  // Bytes that are whole elements, of f32 where nothing else is said.
  uint64_t bytes(const char* what, size_t elementBytes = format::bytesOf(DType::f32)) {
    const uint64_t value = integer(what);
    if (value % elementBytes == 0) return value;
    throw CommandError(std::string("job: ") + what + ": expected a multiple of " + std::to_string(elementBytes) +
                       " bytes, received " + std::to_string(value));
  }

  uint32_t word(const char* what) { return static_cast<uint32_t>(integer(what, 4294967295.0)); }

  // A count of items that each take at least one word: never more than what is left, so it is safe to reserve.
  size_t count(const char* what) {
    const uint64_t value = integer(what);
    if (value > length_ - at_) throw CommandError(std::string("job: ") + what + " exceeds the job's length");
    return static_cast<size_t>(value);
  }

  BufferRef buffer() { return registry_.buffer(word("buffer")); }

  BufferRef bufferOrNull() {
    const uint32_t id = word("buffer");
    return id == 0 ? nullptr : registry_.buffer(id);
  }

  // The number that was read last.
  double last() const { return words_[at_ - 1]; }

  uint32_t slot(const char* what, size_t slots) {
    const uint32_t slot = word(what);
    if (slot >= slots) throw CommandError(std::string("job: ") + what + " beyond the declared results");
    return slot;
  }

  // 0 for none, else a slot and 1.
  std::optional<uint32_t> slotOrNone(size_t slots) {
    const uint32_t next = word("slot");
    if (next == 0) return std::nullopt;
    if (next > slots) throw CommandError("job: a slot beyond the declared results");
    return next - 1;
  }

  size_t lanes() const { return registry_.lanes; }

  ExecutableRef program() { return registry_.program(word("program")); }

  // A direction, and the space that it is in: null where that is all of it. The first word is distribution + 4 · number
  // of the space, among those that the job has read so far, from 1.
  Direction direction(const Space*& space) {
    const uint64_t word = integer("distribution and space", 4294967295.0);
    const uint64_t number = word >> 2;
    if ((word & 3) > 2) throw CommandError("job: distribution: expected an integer from 0 to 2, received 3");
    if (number > spaces_.size()) throw CommandError("job: a direction in a space that the job has not given");
    space = number == 0 ? nullptr : spaces_[number - 1].get();
    Direction direction;
    direction.distribution = static_cast<Distribution>(word & 3);
    direction.seed = pair("seed");
    direction.stream = pair("stream");
    return direction;
  }

  // Segments, each: first element, count, scale, whether it is masked, and the mask's threshold, seed and stream.
  void space() {
    std::vector<Segment> segments(count("segments"));
    for (Segment& segment : segments) {
      segment.begin = integer("first element");
      segment.end = segment.begin + integer("count");
      segment.scale = finiteFloat("scale");
      segment.masked = integer("masked", 1) == 1;
      segment.mask.threshold = word("threshold");
      segment.mask.seed = pair("seed");
      segment.mask.stream = pair("stream");
    }
    try {
      spaces_.push_back(std::make_shared<const Space>(makeSpace(std::move(segments))));
    } catch (const std::invalid_argument& error) {
      throw CommandError(std::string("job: ") + error.what());
    }
  }

  // Directions are in them for as long as the job lives.
  std::vector<std::shared_ptr<const Space>> takeSpaces() { return std::move(spaces_); }

 private:
  uint64_t pair(const char* what) {
    const uint64_t low = word(what);
    return low | (static_cast<uint64_t>(word(what)) << 32);
  }

  const double* words_;
  size_t length_;
  const Registry& registry_;
  std::vector<std::shared_ptr<const Space>> spaces_;
  size_t at_ = 0;
};

// Elements offset to offset + count, of `size` bytes each, lie inside the buffer; safe against overflow.
inline void checkExtent(const Buffer& buffer, uint64_t offset, uint64_t count, uint64_t size, const char* what) {
  const uint64_t capacity = buffer.bytes() / size;
  if (offset > capacity || count > capacity - offset) {
    throw CommandError(std::string("job: ") + what + ": elements " + std::to_string(offset) + " to " +
                       std::to_string(offset + count) + " of a buffer of " + std::to_string(capacity));
  }
}

// A vector of `count` elements lies inside the buffer from a byte on that begins an element.
inline void checkVector(const Buffer& buffer, uint64_t byteOffset, uint64_t count, const char* what,
                        DType dtype = DType::f32) {
  const uint64_t size = format::bytesOf(dtype);
  checkExtent(buffer, byteOffset / size, count, size, what);
}

}  // namespace zeroth
