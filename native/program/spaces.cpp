#include "program/spaces.h"

namespace zeroth::program {

Spaces::Spaces(const Program& program) : inputs_(static_cast<uint32_t>(program.inputs.size())), spaces_(1) {
  spaces_[0].words = program.arenaWords;
  spaces_[0].writable = true;
  for (const Declaration& input : program.inputs) {
    Space space;
    space.words = input.bytes() / 4;
    space.dtype = input.dtype;
    spaces_.push_back(space);
  }
}

Extent Spaces::lift(const Extent& extent) const {
  const Space& window = spaces_[extent.space];
  return {window.parent, window.begin + extent.begin, window.begin + window.travel + extent.end};
}

// A window lies in a space of a lower number, so that the higher of two is lifted until both are of one space, where
// what moves them is the same for both.
bool Spaces::meet(Extent a, Extent b) const {
  while (a.space != b.space) {
    Extent& higher = a.space > b.space ? a : b;
    if (!isWindow(higher.space)) return false;
    higher = lift(higher);
  }
  return a.begin < b.end && b.begin < a.end;
}

std::string Spaces::name(uint32_t space) const {
  if (space == 0) return "arena";
  if (!isWindow(space)) return "input " + std::to_string(space - 1);
  return "window " + std::to_string(space - 1 - inputs_);
}

std::string Spaces::text(const Extent& extent) const {
  return name(extent.space) + "[" + std::to_string(extent.begin) + ", " + std::to_string(extent.end) + ")";
}

}  // namespace zeroth::program
