// What decode refuses, and that it says where and why.
#include <algorithm>
#include <cmath>
#include <functional>
#include <string>

#include "check.h"
#include "program/program.h"
#include "program_builder.h"
#include "rows.h"

using namespace zeroth;
using namespace zeroth::test;
using Op = MapOpcode;

namespace {

std::string refusal(const Words& words, size_t bytes) {
  try {
    decode(bytesOf(words), bytes);
  } catch (const ProgramError& error) {
    return error.what();
  }
  return "accepted";
}

std::string refusal(const ProgramBuilder& builder) {
  const Words words = builder.words();
  return refusal(words, words.size() * 4);
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// One instruction on a program with an arena of 64 words and inputs f32[32], i32[8], f64[2].
std::string one(const std::function<void(ProgramBuilder&)>& build) {
  ProgramBuilder builder(64);
  builder.input(DType::f32, 32);
  builder.input(DType::i32, 8);
  builder.input(DType::f64, 2);
  build(builder);
  return refusal(builder);
}

void expect(const char* part, const std::function<void(ProgramBuilder&)>& build) {
  const std::string message = one(build);
  CHECK(contains(message, part), "expected \"%s\", found \"%s\"", part, message.c_str());
  if (contains(message, "accepted")) return;
  CHECK(contains(message, "instruction 0") || contains(message, "output 0"), "no place in \"%s\"", message.c_str());
}

constexpr At kIn{1, 0}, kIndex{2, 0}, kNumber{3, 0}, kArena{0, 0};

ViewSpec f32(At at, std::vector<uint32_t> strides) { return {DType::f32, at, std::move(strides)}; }

void headersAreChecked() {
  ProgramBuilder builder(16);
  builder.iota(DType::f32, 1, 16, 1, kArena);
  builder.output(DType::f32, 16, kArena);
  const Words good = builder.words();
  CHECK(refusal(good, good.size() * 4) == "accepted", "%s", refusal(good, good.size() * 4).c_str());
  for (size_t bytes = 0; bytes < good.size() * 4; ++bytes)
    CHECK(refusal(good, bytes) != "accepted", "%zu bytes", bytes);
  struct Change {
    size_t word;
    uint32_t value;
    const char* part;
  };
  const Change changes[] = {{0, 7, "magic"},
                            {1, 2, "version 1, found 2"},
                            {2, 99, "99 words"},
                            {3, 15, "at most 15 words"},
                            {4, 1u << 31, "room"},
                            {5, 1u << 31, "room"},
                            {6, ~0u, "room"},
                            {6, 0, "words more"},
                            {6, 2, "found the end"},
                            {7, 1, "reserved"},
                            {8, 3, "dtype"},
                            {9, 17, "at most 16 words"},
                            {10, 1, "space 1"},
                            {12, 0, "opcode of an instruction, found 0"},
                            {12, 99, "opcode of an instruction, found 99"},
                            {13, 1, "size from 2"},
                            {13, 7, "found the end"},
                            {13, 9, "size from 2"}};
  for (const Change& change : changes) {
    Words words = good;
    words[change.word] = change.value;
    const std::string message = refusal(words, words.size() * 4);
    CHECK(contains(message, change.part), "word %zu = %u: \"%s\"", change.word, change.value, message.c_str());
  }
  Words longer = good;
  longer[13] += 1;
  longer[2] += 1;
  longer.push_back(0);
  CHECK(contains(refusal(longer, longer.size() * 4), "words more"), "an instruction with a word too many");
}

void outputsAreChecked() {
  expect("accepted", [](ProgramBuilder& b) { b.output(DType::f64, 32, kArena); });
  expect("at most 64 words", [](ProgramBuilder& b) { b.output(DType::f64, 33, kArena); });
  expect("even word", [](ProgramBuilder& b) { b.output(DType::f64, 1, {0, 1}); });
  expect("input 0 is f32", [](ProgramBuilder& b) { b.output(DType::i32, 1, kIn); });
  expect("up to 3", [](ProgramBuilder& b) { b.output(DType::f32, 1, {4, 0}); });
}

void mapsAreChecked() {
  const auto map = [](std::vector<uint32_t> dims, std::vector<ViewSpec> reads, std::vector<OpSpec> ops,
                      std::vector<WriteSpec> writes) {
    return [=](ProgramBuilder& b) { b.map(dims, reads, ops, writes); };
  };
  const WriteSpec dense{DType::f32, kArena, 0, {8, 1}};
  expect("accepted", map({4, 8}, {f32(kIn, {8, 1})}, {}, {dense}));
  expect("accepted", map({4, 8}, {f32({0, 0}, {8, 1})}, {}, {dense}));
  expect("accepted", map({4, 8}, {f32({0, 32}, {8, 1})}, {}, {dense}));
  expect("accepted", map({4, 8}, {{DType::f64, kNumber, {0, 0}}}, {}, {dense}));
  expect("at most 32 words", map({4, 9}, {f32(kIn, {8, 1})}, {}, {{DType::f32, kArena, 0, {9, 1}}}));
  expect("at most 32 words", map({4, 8}, {f32({1, 1}, {8, 1})}, {}, {dense}));
  expect("at most 64 words", map({4, 8}, {f32(kIn, {8, 1})}, {}, {{DType::f32, {0, 33}, 0, {8, 1}}}));
  expect("2^40", map({400, 8}, {f32(kIn, {~0u, 1})}, {}, {dense}));
  expect("at most 32 words", map({4, 8}, {f32(kIn, {~0u, 1})}, {}, {dense}));
  expect("2^40", map({~0u, ~0u, ~0u}, {f32(kIn, {0, 0, 0})}, {}, {{DType::f32, kArena, 0, {0, 0, 0}}}));
  expect("at least 1", map({0, 8}, {f32(kIn, {8, 1})}, {}, {dense}));
  expect("rank of at most 8", map({1, 1, 1, 1, 1, 1, 1, 1, 1}, {}, {}, {}));
  expect("input 1 is i32", map({8}, {f32(kIndex, {1})}, {}, {{DType::f32, kArena, 0, {1}}}));
  expect("even word", map({1}, {{DType::f64, {3, 1}, {1}}}, {}, {{DType::f32, kArena, 0, {1}}}));
  expect("expected a write, found none", map({8}, {f32(kIn, {1})}, {}, {}));
  expect("a write to the arena", map({8}, {f32(kIn, {1})}, {}, {{DType::f32, kIn, 0, {1}}}));
  expect("register below 1", map({8}, {f32(kIn, {1})}, {}, {{DType::f32, kArena, 1, {1}}}));
  expect("register below 1, found 1", map({8}, {f32(kIn, {1})}, {{Op::neg, 1}}, {{DType::f32, kArena, 0, {1}}}));
  expect("register below 2, found 2",
         map({8}, {f32(kIn, {1})}, {{Op::neg, 0}, {Op::add, 0, 2}}, {{DType::f32, kArena, 0, {1}}}));
  expect("register below 1", map({8}, {f32(kIn, {1})}, {{Op::select, 0, 0, 7}}, {{DType::f32, kArena, 0, {1}}}));
  expect("accepted", map({8}, {}, {{Op::constant, 0, 0, 0, 3}}, {{DType::f32, kArena, 0, {1}}}));
  expect("map opcode, found 99", map({8}, {}, {{static_cast<Op>(99)}}, {{DType::f32, kArena, 0, {1}}}));
  for (double exponent : {0.5, 65.0, -65.0, double{NAN}, double{INFINITY}}) {
    expect("integerPow an integer from -64 to 64",
           map({8}, {f32(kIn, {1})}, {{Op::integerPow, 0, 0, 0, exponent}}, {{DType::f32, kArena, 1, {1}}}));
  }
  for (double order : {0.0, 1.5, 17.0, -1.0, double{NAN}}) {
    for (Op op : {Op::geluDerivative, Op::erfDerivative}) {
      expect("an integer from 1 to 16",
             map({8}, {f32(kIn, {1})}, {{op, 0, 0, 0, order}}, {{DType::f32, kArena, 1, {1}}}));
    }
  }
  expect("exp an integer from 0 to 0",
         map({8}, {f32(kIn, {1})}, {{Op::exp, 0, 0, 0, 1}}, {{DType::f32, kArena, 1, {1}}}));
  expect("at most 24", map({1}, std::vector<ViewSpec>(25, f32(kIn, {1})), {}, {{DType::f32, kArena, 0, {1}}}));
  expect("at most 96",
         map({1}, {f32(kIn, {1})}, std::vector<OpSpec>(97, {Op::neg, 0}), {{DType::f32, kArena, 0, {1}}}));
  expect("at most 8", map({1}, {f32(kIn, {1})}, {}, std::vector<WriteSpec>(9, {DType::f32, kArena, 0, {1}})));
  expect("f64 writes exactly at rank 0", map({1}, {f32(kIn, {1})}, {}, {{DType::f64, kArena, 0, {1}}}));
  expect("f64 writes exactly at rank 0", map({}, {f32(kIn, {})}, {}, {{DType::f32, kArena, 0, {}}}));
  expect("accepted", map({}, {f32(kIn, {})}, {}, {{DType::f64, kArena, 0, {}}}));
}

void writesThatWouldDisturbAreRefused() {
  const auto map = [](std::vector<uint32_t> dims, std::vector<ViewSpec> reads, std::vector<WriteSpec> writes) {
    return [=](ProgramBuilder& b) { b.map(dims, reads, {}, writes); };
  };
  const char* once = "visits each element once";
  expect(once, map({4, 8}, {f32(kIn, {8, 1})}, {{DType::f32, kArena, 0, {0, 1}}}));
  expect(once, map({4, 8}, {f32(kIn, {8, 1})}, {{DType::f32, kArena, 0, {1, 1}}}));
  expect(once, map({4, 8}, {f32(kIn, {8, 1})}, {{DType::f32, kArena, 0, {7, 1}}}));
  expect("accepted", map({1, 8}, {f32(kIn, {8, 1})}, {{DType::f32, kArena, 0, {0, 1}}}));
  expect("accepted", map({4, 8}, {f32(kIn, {8, 1})}, {{DType::f32, kArena, 0, {1, 4}}}));
  expect("accepted", map({4, 8}, {f32(kIn, {8, 1})}, {{DType::f32, kArena, 0, {16, 2}}}));
  const char* overlap = "not the same dense view";
  expect(overlap, map({4, 4}, {f32(kArena, {4, 1})}, {{DType::f32, {0, 1}, 0, {4, 1}}}));
  expect(overlap, map({4, 4}, {f32(kArena, {4, 1})}, {{DType::f32, kArena, 0, {1, 4}}}));
  expect(overlap, map({4, 4}, {f32(kArena, {1, 4})}, {{DType::f32, kArena, 0, {1, 4}}}));
  expect(overlap, map({4, 4}, {f32(kArena, {0, 1})}, {{DType::f32, kArena, 0, {4, 1}}}));
  expect(overlap, map({4, 4}, {{DType::f64, kArena, {4, 1}}}, {{DType::f32, kArena, 0, {4, 1}}}));
  expect(overlap, map({4, 4}, {f32(kArena, {8, 2})}, {{DType::f32, {0, 1}, 0, {8, 2}}}));
  expect("accepted", map({4, 4}, {f32(kArena, {4, 1})}, {{DType::f32, {0, 16}, 0, {4, 1}}}));
  expect("another write",
         map({4, 4}, {f32(kIn, {4, 1})}, {{DType::f32, kArena, 0, {4, 1}}, {DType::f32, {0, 15}, 0, {4, 1}}}));
  expect("another write",
         map({4, 4}, {f32(kIn, {4, 1})}, {{DType::f32, kArena, 0, {4, 1}}, {DType::f32, kArena, 0, {4, 1}}}));
}

void otherInstructionsAreChecked() {
  const auto sum = [](std::vector<uint32_t> dims, ViewSpec read, uint32_t source, At dst) {
    return [=](ProgramBuilder& b) { b.mapSum(dims, {read}, {}, source, dst); };
  };
  expect("accepted", sum({32}, f32(kIn, {1}), 0, kArena));
  expect("rank at least 1", sum({}, f32(kIn, {}), 0, kArena));
  expect("even word", sum({32}, f32(kIn, {1}), 0, {0, 1}));
  expect("register below 1", sum({32}, f32(kIn, {1}), 1, kArena));
  expect("do not overlap", sum({4}, f32(kArena, {1}), 0, {0, 2}));
  expect("to the arena", sum({4}, f32(kArena, {1}), 0, kNumber));
  expect("at most 64 words", sum({4}, f32(kArena, {1}), 0, {0, 64}));

  const auto reduce = [](uint32_t kind, uint32_t outer, uint32_t n, uint32_t inner, DType dtype, At dst, At src) {
    return [=](ProgramBuilder& b) { b.reduce(static_cast<ReduceKind>(kind), outer, n, inner, dtype, dst, src); };
  };
  expect("accepted", reduce(1, 4, 4, 2, DType::f32, kArena, kIn));
  expect("accepted", reduce(2, 1, 32, 1, DType::f64, kArena, kIn));
  expect("reduction from 1 to 2, found 3", reduce(3, 4, 4, 2, DType::f32, kArena, kIn));
  expect("at most 32 words", reduce(1, 4, 4, 3, DType::f32, kArena, kIn));
  expect("2^40", reduce(1, ~0u, ~0u, ~0u, DType::f32, kArena, kIn));
  expect("at least 1", reduce(1, 4, 0, 2, DType::f32, kArena, kIn));
  expect("single number", reduce(1, 4, 4, 2, DType::f64, kArena, kIn));
  expect("f32 or f64", reduce(1, 4, 4, 2, DType::i32, kArena, kIn));
  expect("do not overlap", reduce(1, 4, 4, 2, DType::f32, {0, 31}, kArena));
  expect("to the arena", reduce(1, 4, 4, 2, DType::f32, kIn, kArena));
  expect("input 1 is i32", reduce(1, 2, 2, 2, DType::f32, kArena, kIndex));

  const auto matmul = [](uint32_t batch, uint32_t m, uint32_t n, uint32_t k, At a, uint32_t strideA, At b,
                         uint32_t strideB, At dst) {
    return [=](ProgramBuilder& p) { p.matmul(batch, m, n, k, false, false, a, strideA, b, strideB, dst); };
  };
  expect("accepted", matmul(2, 4, 2, 4, kIn, 16, kIn, 0, kArena));
  expect("at most 32 words", matmul(3, 4, 2, 4, kIn, 16, kIn, 0, kArena));
  expect("at most 32 words", matmul(2, 4, 2, 4, kIn, 17, kIn, 0, kArena));
  expect("b: expected at most 32 words", matmul(1, 1, 9, 4, kIn, 0, kIn, 0, kArena));
  expect("at least 16", matmul(2, 4, 2, 4, kIn, 15, kIn, 0, kArena));
  expect("at least 1", matmul(2, 4, 0, 4, kIn, 16, kIn, 0, kArena));
  expect("at most 64 words", matmul(33, 1, 2, 1, kIn, 0, kIn, 0, kArena));
  expect("2^40", matmul(~0u, ~0u, ~0u, ~0u, kIn, 0, kIn, 0, kArena));
  expect("do not overlap", matmul(1, 4, 2, 4, kArena, 0, kIn, 0, {0, 15}));
  expect("do not overlap", matmul(1, 4, 2, 4, kIn, 0, kArena, 0, {0, 7}));
  expect("to the arena", matmul(1, 4, 2, 4, kIn, 0, kIn, 0, kIn));
  expect("transposeA of at most 1", [](ProgramBuilder& b) {
    b.instruction(Matmul::kOpcode, {1, 1, 1, 1, 2, 0, 1, 0, 0, 1, 0, 0, 0, 0});
  });

  const auto gather = [](uint32_t rows, uint32_t width, uint32_t count, At table, At indices, At dst) {
    return [=](ProgramBuilder& b) { b.gather(rows, width, count, table, indices, dst); };
  };
  expect("accepted", gather(4, 8, 8, kIn, kIndex, kArena));
  expect("table: expected at most 32", gather(5, 8, 8, kIn, kIndex, kArena));
  expect("indices: expected at most 8", gather(4, 4, 9, kIn, kIndex, kArena));
  expect("destination: expected at most 64", gather(2, 16, 8, kIn, kIndex, kArena));
  expect("at least 1", gather(0, 8, 8, kIn, kIndex, kArena));
  expect("is f32", gather(4, 4, 8, kIn, kIn, kArena));
  expect("do not overlap", gather(4, 4, 4, {0, 15}, kIndex, kArena));
  expect("do not overlap", gather(4, 4, 4, kIn, {0, 15}, kArena));

  const auto scatter = [](uint32_t rows, uint32_t width, uint32_t count, At indices, At updates, At dst) {
    return [=](ProgramBuilder& b) { b.scatterAdd(rows, width, count, indices, updates, dst); };
  };
  expect("accepted", scatter(16, 4, 8, kIndex, kIn, kArena));
  expect("destination: expected at most 64", scatter(17, 4, 8, kIndex, kIn, kArena));
  expect("updates: expected at most 32", scatter(4, 5, 8, kIndex, kIn, kArena));
  expect("do not overlap", scatter(4, 4, 4, kIndex, {0, 15}, kArena));
  expect("do not overlap", scatter(4, 4, 4, {0, 12}, kIn, kArena));
  expect("to the arena", scatter(4, 4, 4, kIndex, kArena, kIn));

  const auto iota = [](DType dtype, uint32_t outer, uint32_t n, uint32_t inner, At dst) {
    return [=](ProgramBuilder& b) { b.iota(dtype, outer, n, inner, dst); };
  };
  expect("accepted", iota(DType::i32, 4, 4, 4, kArena));
  expect("at most 64", iota(DType::i32, 4, 4, 5, kArena));
  expect("found f64", iota(DType::f64, 1, 1, 1, kArena));
  expect("at least 1", iota(DType::f32, 1, 0, 1, kArena));
  expect("to the arena", iota(DType::f32, 1, 1, 1, kIn));
}

// The fields of a row, with the place of each among the words of the instruction's payload.
struct Places {
  struct Field {
    std::string name, kind;
    size_t word;
    DType dtype = DType::f32;
    uint64_t elements = 0;
  };
  std::vector<Field> fields;
  size_t next = 0;
  bool batches = false;

  void add(const char* name, const char* kind, size_t words) {
    fields.push_back({name, kind, next});
    next += words;
  }
  void size(const char* name, uint64_t) { add(name, "size", 1); }
  void stride(const char* name, uint64_t) { add(name, "stride", 1); }
  void flag(const char* name, bool) { add(name, "flag", 1); }
  template <class Enum>
  void code(const char* name, Enum, Enum, Enum) {
    add(name, "code", 1);
  }
  void dtype(const char* name, DType, std::initializer_list<DType>) { add(name, "dtype", 1); }
  void operand(const char* name, const char* kind, DType dtype, const Elements& elements) {
    add(name, kind, 2);
    fields.back().dtype = dtype;
    fields.back().elements = count(elements);
    batches = batches || elements.batch > 1;
  }
  void read(const char* name, Ref, DType dtype, Elements elements) { operand(name, "read", dtype, elements); }
  void write(const char* name, Ref, DType dtype, Elements elements) { operand(name, "write", dtype, elements); }
};

// Of every instruction each field, and each pair of operands, by its row alone.
template <class Row>
void rowIsChecked(Random& random) {
  ProgramBuilder builder;
  const At integers = builder.input(DType::i32, 64), floats = builder.input(DType::f32, 64);
  const Row row = makeRow<Row>(builder, random);
  builder.add(row);
  const Words good = builder.words();
  Places places;
  Row::fields(row, places);
  const size_t payload = good.size() - places.next;
  CHECK(refusal(good, good.size() * 4) == "accepted", "%s", refusal(good, good.size() * 4).c_str());
  auto refused = [&](const std::string& part, const std::string& what, size_t word,
                     std::initializer_list<uint32_t> values) {
    Words words = good;
    std::copy(values.begin(), values.end(), words.begin() + payload + word);
    const std::string message = refusal(words, words.size() * 4);
    CHECK(contains(message, part), "opcode %u, %s: \"%s\"", Row::kOpcode, what.c_str(), message.c_str());
  };
  const uint32_t arenaWords = good[3];
  for (const Places::Field& field : places.fields) {
    const uint32_t before = good[payload + field.word];
    if (field.kind == "size") refused("at least 1", field.name, field.word, {0});
    if (field.kind == "size") refused("expected", field.name, field.word, {before + 1000});
    if (field.kind == "flag") refused(field.name + " of at most 1", field.name, field.word, {2});
    if (field.kind == "code") refused("expected " + field.name, field.name, field.word, {0});
    if (field.kind == "code") refused("expected " + field.name, field.name, field.word, {99});
    if (field.kind == "dtype") refused("dtype", field.name, field.word, {3});
    if (field.kind == "stride" && places.batches) refused("expected", field.name, field.word, {0x7fffffff});
    if (field.kind != "read" && field.kind != "write") continue;
    refused(field.name + ": expected", field.name, field.word, {99, 0});
    refused(field.name + ": expected at most", field.name, field.word, {0, arenaWords});
    const At foreign = field.dtype == DType::i32 ? floats : integers;
    if (field.kind == "read") refused(field.name + ": expected", field.name, field.word, {foreign.space, 0});
    if (field.kind == "write") refused("to the arena", field.name, field.word, {floats.space, 0});
    if (field.kind != "write") continue;
    for (const Places::Field& other : places.fields) {
      const size_t word = payload + other.word;
      const bool operand = (other.kind == "read" || other.kind == "write") && other.word != field.word;
      if (operand && good[word] == 0 && good[word + 1] + field.elements <= arenaWords)
        refused("do not overlap", field.name + " and " + other.name, field.word, {0, good[word + 1]});
    }
  }
}

}  // namespace

int main() {
  headersAreChecked();
  outputsAreChecked();
  mapsAreChecked();
  writesThatWouldDisturbAreRefused();
  otherInstructionsAreChecked();
  Random random(1);
  for (int i = 0; i < 20; ++i) forEachRow([&](auto row) { rowIsChecked<decltype(row)>(random); });
  return summary("program_validate_test");
}
