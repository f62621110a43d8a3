#include "program/checks.h"

namespace zeroth::program {

using namespace format;

void Checks::fail(const std::string& message) const { throw ProgramError("program: " + place_ + ": " + message); }

void Checks::positive(const char* what, uint64_t value) const {
  if (value == 0) fail(std::string("expected ") + what + " of at least 1, found 0");
}

uint64_t Checks::product(uint64_t a, uint64_t b, uint64_t c) const {
  uint64_t ab, abc;
  if (__builtin_mul_overflow(a, b, &ab) || __builtin_mul_overflow(ab, c, &abc) || abc > kMaxElements) {
    fail("expected at most 2^40 elements, found " + std::to_string(a) + " × " + std::to_string(b) + " × " +
         std::to_string(c));
  }
  return abc;
}

const Space& Checks::space(const char* what, Ref ref) const {
  if (ref.space < spaces_.size()) return spaces_[ref.space];
  const uint32_t inputs = spaces_.inputs(), last = spaces_.size() - 1;
  std::string known = "the arena (0) or an input (up to " + std::to_string(inputs) + ")";
  if (last > inputs) known += " or a window of the loops around (up to " + std::to_string(last) + ")";
  fail(std::string(what) + ": expected " + known + ", found space " + std::to_string(ref.space));
}

Extent Checks::extent(const char* what, DType dtype, Ref ref, uint64_t elements) const {
  const Space& in = space(what, ref);
  if (in.dtype && dtype != *in.dtype) {
    fail(std::string(what) + ": expected " + name(dtype) + ", found that " + spaces_.name(ref.space) + " is " +
         name(*in.dtype));
  }
  if (dtype == DType::f64 && (ref.offset % 2 != 0 || !in.even)) {
    fail(std::string(what) + ": expected f64 at an even word, found offset " + std::to_string(ref.offset) +
         (in.even ? "" : " of " + spaces_.name(ref.space) + ", which may begin at an odd one"));
  }
  const Extent extent{ref.space, ref.offset, ref.offset + elements * (dtype == DType::f64 ? 2 : 1)};
  if (extent.end > in.words) {
    fail(std::string(what) + ": expected at most " + std::to_string(in.words) + " words, found " +
         spaces_.text(extent));
  }
  return extent;
}

void Checks::writable(const char* what, Ref ref) const {
  if (space(what, ref).writable) return;
  fail(std::string(what) + ": expected a write to the arena" +
       (spaces_.isWindow(ref.space) ? " or to a window that is written" : "") + ", found " + spaces_.name(ref.space));
}

void Checks::disjoint(const char* whatA, const Extent& a, const char* whatB, const Extent& b) const {
  if (!spaces_.meet(a, b)) return;
  fail(std::string("expected that ") + whatA + " and " + whatB + " do not overlap, found " + spaces_.text(a) + " and " +
       spaces_.text(b));
}

}  // namespace zeroth::program
