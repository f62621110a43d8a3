#include "direction/space.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

namespace zeroth {

std::vector<Segment>::const_iterator Space::after(uint64_t element) const {
  return std::upper_bound(segments.begin(), segments.end(), element,
                          [](uint64_t at, const Segment& segment) { return at < segment.end; });
}

Space makeSpace(std::vector<Segment> segments) {
  Space space;
  uint64_t end = 0;
  for (const Segment& segment : segments) {
    if (segment.begin < end || segment.end <= segment.begin) {
      throw std::invalid_argument(
          "space: expected segments that begin after the one before and have elements, received " +
          std::to_string(segment.begin) + " to " + std::to_string(segment.end) + " after " + std::to_string(end));
    }
    if (!std::isfinite(segment.scale) || segment.scale == 0) {
      throw std::invalid_argument("space: expected a finite scale that is not 0, received " +
                                  std::to_string(segment.scale));
    }
    if (segment.masked && segment.mask.threshold > uint32_t{1} << 31) {
      throw std::invalid_argument("space: expected a threshold of at most 2^31, received " +
                                  std::to_string(segment.mask.threshold));
    }
    end = segment.end;
    space.largestScale = std::max(space.largestScale, std::abs(segment.scale));
  }
  space.segments = std::move(segments);
  return space;
}

}  // namespace zeroth
