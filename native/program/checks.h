// What the operands of every instruction are held to. Extents are computed in 64 bits from 32-bit words with every
// product checked.
#pragma once
#include <cstdint>
#include <string>

#include "program/spaces.h"

namespace zeroth::program {

// Each throws ProgramError, which names the place.
class Checks {
 public:
  explicit Checks(const Program& program) : spaces_(program) {}

  [[noreturn]] void fail(const std::string& message) const;
  void positive(const char* what, uint64_t value) const;
  // a · b · c ≤ 2^40.
  uint64_t product(uint64_t a, uint64_t b, uint64_t c) const;

  const Space& space(const char* what, Ref ref) const;
  // The words of `elements` consecutive elements (≤ 2^40) at ref, which must exist.
  Extent extent(const char* what, DType dtype, Ref ref, uint64_t elements) const;
  void writable(const char* what, Ref ref) const;
  void disjoint(const char* whatA, const Extent& a, const char* whatB, const Extent& b) const;

 protected:
  Spaces spaces_;
  std::string place_ = "header";
};

}  // namespace zeroth::program
