// The spaces that an instruction may name: the arena, the inputs, then the windows of the loops around it. How many
// words each has, and which places can be the same memory.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "program/program.h"

namespace zeroth::program {

// A half-open range of words in one space.
struct Extent {
  uint32_t space;
  uint64_t begin, end;
};

struct Space {
  uint64_t words = 0;
  std::optional<DType> dtype;  // of the input that it is or lies in; memory of the arena has none
  bool writable = false;
  bool even = true;  // begins at an even word of the arena or of an input, in every trip
  // Of a window: the space that it lies in, from where on, and how much later it begins at the last of its places.
  uint32_t parent = 0;
  uint64_t begin = 0, travel = 0;
};

class Spaces {
 public:
  explicit Spaces(const Program& program);

  uint32_t inputs() const { return inputs_; }
  uint32_t size() const { return static_cast<uint32_t>(spaces_.size()); }
  const Space& operator[](uint32_t space) const { return spaces_[space]; }
  bool isWindow(uint32_t space) const { return space > inputs_; }

  // Those of a loop, and their end. A window lies in an earlier space.
  void add(const std::vector<Space>& windows) { spaces_.insert(spaces_.end(), windows.begin(), windows.end()); }
  void drop(size_t windows) { spaces_.resize(spaces_.size() - windows); }

  // Whether two extents can share a word at the same moment.
  bool meet(Extent a, Extent b) const;

  std::string name(uint32_t space) const;
  std::string text(const Extent& extent) const;

 private:
  // All that an extent of a window may be, wherever the window is.
  Extent lift(const Extent& extent) const;

  uint32_t inputs_;
  std::vector<Space> spaces_;
};

}  // namespace zeroth::program
