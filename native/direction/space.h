// Where a direction lives: z in a space is scale · z on its segments, and 0 between them. One notion for all that picks
// and weighs elements; it is evaluated segment by segment, wherever a direction is.
#pragma once
#include <cstdint>
#include <vector>

namespace zeroth {

/** Keeps an element whose word (element.h, of a uniform direction) is below threshold / 2^31 of the whole. */
struct Mask {
  uint64_t seed, stream;
  uint32_t threshold;  // 0 … 2^31
};

/** Elements begin … end - 1. */
struct Segment {
  uint64_t begin, end;
  float scale = 1;
  bool masked = false;
  Mask mask{};
};

struct Space {
  std::vector<Segment> segments;  // in order, none overlaps another
  float largestScale = 0;         // in absolute value

  /** The first segment that ends after an element. */
  std::vector<Segment>::const_iterator after(uint64_t element) const;
};

/** Throws std::invalid_argument unless the segments are in order, and their scales finite and not 0. */
Space makeSpace(std::vector<Segment> segments);

}  // namespace zeroth
