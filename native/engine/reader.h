// The words of a job, one after the other, each held to what it may be.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "engine/decode.h"
#include "engine/numbers.h"

namespace zeroth {

// The words of a job: its structure.
class Reader : public Numbers {
 public:
  Reader(const double* words, size_t length, const Registry& registry)
      : Numbers(words, length, "words"), registry_(registry) {}

  // Bytes that are whole elements, of f32 where nothing else is said.
  uint64_t bytes(const char* what, size_t elementBytes = format::bytesOf(DType::f32)) {
    const uint64_t value = integer(what);
    if (value % elementBytes == 0) return value;
    throw CommandError(std::string("job: ") + what + ": expected a multiple of " + std::to_string(elementBytes) +
                       " bytes, received " + std::to_string(value));
  }

  // A count of items that each take at least one word: never more than what is left, so it is safe to reserve.
  size_t count(const char* what) {
    const uint64_t value = integer(what);
    if (value > left()) throw CommandError(std::string("job: ") + what + " exceeds the job's length");
    return static_cast<size_t>(value);
  }

  BufferRef buffer() { return registry_.buffer(named("buffer")); }

  BufferRef bufferOrNull() {
    const uint32_t id = named("buffer");
    return id == 0 ? nullptr : registry_.buffer(id);
  }

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

  ExecutableRef program() { return registry_.program(named("program")); }

  // The distribution of a direction, and the space that it is in: null where that is all of it. One word: distribution
  // + 4 · number of the space, among those that the job has read so far, from 1. Which direction it is, the values say.
  Distribution direction(const Space*& space) {
    const uint64_t word = integer("distribution and space", 4294967295.0);
    const uint64_t number = word >> 2;
    if ((word & 3) > 2) throw CommandError("job: distribution: expected an integer from 0 to 2, received 3");
    if (number > spaces_.size()) throw CommandError("job: a direction in a space that the job has not given");
    space = number == 0 ? nullptr : spaces_[number - 1].get();
    return static_cast<Distribution>(word & 3);
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
  // The ids of all buffers and programs that were read, each as often as it was.
  std::vector<uint32_t> takeNames() { return std::move(names_); }

 private:
  uint32_t named(const char* what) {
    const uint32_t id = word(what);
    if (id != 0) names_.push_back(id);
    return id;
  }

  const Registry& registry_;
  std::vector<std::shared_ptr<const Space>> spaces_;
  std::vector<uint32_t> names_;
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
