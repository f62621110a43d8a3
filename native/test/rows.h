// Instructions made from their rows alone: valid ones, by the fields that each row names. A new instruction is in the
// tests that use this as soon as it has a row.
#pragma once
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "program/program.h"
#include "program_builder.h"

namespace zeroth::test {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint32_t next() {  // SplitMix64
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return static_cast<uint32_t>((z ^ (z >> 31)) >> 32);
  }
  uint32_t below(uint32_t limit) { return next() % limit; }

 private:
  uint64_t state_;
};

// Calls visit(Row{}) for every instruction that takes its operands whole.
template <size_t I = 0, class Visit>
void forEachRow(const Visit& visit) {
  if constexpr (I < std::variant_size_v<Instruction>) {
    using Row = std::variant_alternative_t<I, Instruction>;
    if constexpr (!std::is_base_of_v<MapBody, Row> && !std::is_same_v<Row, Loop>) visit(Row{});
    forEachRow<I + 1>(visit);
  }
}

inline uint64_t count(const Elements& e) { return e.a * e.b * e.c + (e.batch - 1) * e.stride; }

// Sizes of at most 4, so that a stride of 16 steps over any matrix.
struct ChooseValues {
  Random& random;

  void size(const char*, uint64_t& value) const { value = 1 + random.below(4); }
  void stride(const char*, uint64_t& value) const { value = random.below(2) ? 16 + random.below(3) : 0; }
  void flag(const char*, bool& value) const { value = random.below(2); }
  template <class Enum>
  void code(const char*, Enum& value, Enum first, Enum last) const {
    const uint32_t low = static_cast<uint32_t>(first), high = static_cast<uint32_t>(last);
    value = static_cast<Enum>(low + random.below(high - low + 1));
  }
  void dtype(const char*, DType& value, std::initializer_list<DType> allowed) const {
    value = allowed.begin()[random.below(static_cast<uint32_t>(allowed.size()))];
  }
  void read(const char*, Ref&, DType, Elements) const {}
  void write(const char*, Ref&, DType, Elements) const {}
};

// For visitors of operands alone.
struct IgnoresValues {
  void size(const char*, uint64_t) const {}
  void stride(const char*, uint64_t) const {}
  void flag(const char*, bool) const {}
  template <class Enum>
  void code(const char*, Enum, Enum, Enum) const {}
  void dtype(const char*, DType, std::initializer_list<DType>) const {}
};

// Whether every f64 operand is a single number.
struct KeepsF64Single : IgnoresValues {
  bool holds = true;

  void read(const char*, const Ref&, DType dtype, Elements elements) {
    holds = holds && (dtype != DType::f64 || count(elements) == 1);
  }
  void write(const char* name, const Ref& ref, DType dtype, Elements elements) { read(name, ref, dtype, elements); }
};

// Memory for the operands: for what is read, an input of its own or, one time in three, the arena.
struct PlaceOperands : IgnoresValues {
  PlaceOperands(ProgramBuilder& builder, Random& random) : builder(builder), random(random) {}

  ProgramBuilder& builder;
  Random& random;

  void read(const char*, Ref& ref, DType dtype, Elements elements) const {
    const auto elementCount = static_cast<uint32_t>(count(elements));
    ref = random.below(3) ? builder.input(dtype, elementCount) : inArena(dtype, elementCount);
  }
  void write(const char*, Ref& ref, DType dtype, Elements elements) const {
    ref = inArena(dtype, static_cast<uint32_t>(count(elements)));
    builder.output(dtype, static_cast<uint32_t>(count(elements)), ref);
  }
  Ref inArena(DType dtype, uint32_t elementCount) const {
    return builder.allocate(elementCount * (dtype == DType::f64 ? 2 : 1));
  }
};

// An instruction whose operands are nowhere yet.
template <class Row>
Row chooseRow(Random& random) {
  Row row;
  for (bool single = false; !single;) {
    ChooseValues values{random};
    Row::fields(row, values);
    KeepsF64Single keeps;
    Row::fields(row, keeps);
    single = keeps.holds;
  }
  return row;
}

// A valid instruction, its operands in new memory of the builder's program.
template <class Row>
Row makeRow(ProgramBuilder& builder, Random& random) {
  Row row = chooseRow<Row>(random);
  PlaceOperands places(builder, random);
  Row::fields(row, places);
  return row;
}

}  // namespace zeroth::test
