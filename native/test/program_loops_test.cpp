// What decode refuses of loops, and that what it accepts stays valid on every trip.
#include <functional>
#include <string>

#include "check.h"
#include "program/program.h"
#include "program_builder.h"
#include "unroll.h"

using namespace zeroth;
using namespace zeroth::test;
using Op = MapOpcode;

namespace {

using Windows = std::vector<At>;
using Build = std::function<void(ProgramBuilder&)>;
using Body = std::function<void(ProgramBuilder&, const Windows&)>;

// On a program with an arena of 64 words and inputs f32[32], i32[8], f64[4]: windows begin at space 4.
constexpr At kIn{1, 0}, kIndex{2, 0}, kNumbers{3, 0}, kArena{0, 0};

// A program of too many trips is not unrolled.
std::string refusal(const Build& build, bool unrolled) {
  ProgramBuilder builder(64);
  builder.input(DType::f32, 32);
  builder.input(DType::i32, 8);
  builder.input(DType::f64, 4);
  build(builder);
  const Words words = builder.words();
  try {
    const Program program = decode(bytesOf(words), words.size() * 4);
    if (unrolled) program::validate(unroll(program));
    return "accepted";
  } catch (const ProgramError& error) {
    return error.what();
  }
}

void expect(const std::string& part, const Build& build, bool unrolled = true) {
  const std::string message = refusal(build, unrolled);
  CHECK(message.find(part) != std::string::npos, "expected \"%s\", found \"%s\"", part.c_str(), message.c_str());
}

Build loop(uint32_t trips, const std::vector<WindowSpec>& windows, const Body& body, bool reverse = false) {
  return [=](ProgramBuilder& b) { b.loop(trips, reverse, windows, [&](const Windows& at) { body(b, at); }); };
}

At at(At base, uint32_t offset) { return {base.space, base.offset + offset}; }

void copy(ProgramBuilder& b, uint32_t n, At from, At to) {
  b.map({n}, {{DType::f32, from, {1}}}, {}, {{DType::f32, to, 0, {1}}});
}

const Body kNothing = [](ProgramBuilder&, const Windows&) {};
const Body kCopy = [](ProgramBuilder& b, const Windows&) { copy(b, 1, kIn, kArena); };
// From the first window to the second.
Body copies(uint32_t n, uint32_t from = 0, uint32_t to = 0) {
  return [=](ProgramBuilder& b, const Windows& w) { copy(b, n, at(w[0], from), at(w[1], to)); };
}

void loopsAreChecked() {
  expect("accepted", loop(4, {{kIn, 8, 8}, {kArena, 8, 8, true}}, copies(8)));
  expect("accepted", loop(4, {{kIn, 8, 8}, {kArena, 8, 8, true}}, copies(8), true));
  expect("accepted", loop(4, {}, kCopy));
  expect("instruction 0: expected trips of at least 1", loop(0, {}, kCopy));
  expect("instruction 0: expected an instruction in a loop, found none", loop(4, {}, kNothing));
  const auto nest = [](uint32_t outer, uint32_t inner) {
    return loop(outer, {}, [=](ProgramBuilder& b, const Windows&) { loop(inner, {}, kCopy)(b); });
  };
  expect(
      "instruction 0, 0 of its loop: expected at most 2^40 trips of a loop and those around it, found 4194304 × "
      "262145",
      nest(1u << 22, (1u << 18) + 1), false);
  expect("accepted", nest(1u << 22, 1u << 18), false);
  const auto twice = [&](ProgramBuilder& b) {
    nest(1u << 22, 1u << 18)(b);
    nest(1u << 18, 1u << 22)(b);
  };
  expect("accepted", twice, false);
  expect("reverse of at most 1, found 2", [](ProgramBuilder& b) {
    b.instruction(Loop::kOpcode, {1, 2, 0, 1, 7, 7, 0, 1, 1, 1, 0, 0});
  });
  expect("written of at most 1, found 2", [](ProgramBuilder& b) {
    b.instruction(Loop::kOpcode, {1, 0, 1, 0, 0, 1, 1, 2, 1, 7, 7, 0, 1, 1, 1, 0, 0});
  });
}

void aBodyIsFramed() {
  // trips, reverse, no windows, one IOTA of seven words
  const Words good{1, 0, 0, 1, 7, 7, 0, 1, 1, 1, 0};
  const auto changed = [&](size_t word, uint32_t value) {
    Words words = good;
    words[word] = value;
    words.push_back(0);  // the end of IOTA's ref
    words[5] = word == 5 ? value : 8;
    return [=](ProgramBuilder& b) { b.instruction(Loop::kOpcode, words); };
  };
  expect("accepted", changed(0, 2));
  expect("instruction 0: expected written, found the end", changed(2, 2));
  expect("instruction 0: expected its end, found 8 words more", changed(3, 0));
  expect("instruction 0, 1 of its loop: expected an opcode, found the end", changed(3, 2));
  expect("instruction 0, 1 of its loop: expected an opcode, found the end", changed(3, ~0u));
  expect("instruction 0, 0 of its loop: expected the opcode of an instruction, found 0", changed(4, 0));
  expect("instruction 0, 0 of its loop: expected a size from 2 to 8 words, found 9", changed(5, 9));
  expect("instruction 0, 0 of its loop: expected a size from 2 to 8 words, found 1", changed(5, 1));
  expect("instruction 0, 0 of its loop: expected an offset, found the end", changed(5, 7));
  expect("instruction 0: expected its end, found 1 words more", [](ProgramBuilder& b) {
    b.instruction(Loop::kOpcode, {1, 0, 0, 1, 7, 8, 0, 1, 1, 1, 0, 0, 0});
  });
  // What follows a loop is read as such: its frame ends where it says, and so does its scope.
  expect("instruction 1: expected the opcode", [&](ProgramBuilder& b) {
    changed(0, 1)(b);
    b.instruction(99, {});
  });
  // As deep as there may be, and one deeper.
  const auto deep = [](const auto& self, ProgramBuilder& b, uint32_t loops) -> void {
    if (loops == 0) return copy(b, 1, kIn, kArena);
    b.loop(1, false, {}, [&](const Windows&) { self(self, b, loops - 1); });
  };
  expect("accepted", [&](ProgramBuilder& b) { deep(deep, b, format::kMaxLoopDepth); });
  expect("0 of its loop: expected loops at most 8 deep", [&](ProgramBuilder& b) { deep(deep, b, 9); });
  expect("expected loops at most 8 deep", [&](ProgramBuilder& b) { deep(deep, b, 1000); });
}

void windowsAreChecked() {
  expect("instruction 0, window 1: expected words of at least 1", loop(4, {{kIn, 1, 1}, {kIn, 8, 0}}, kCopy));
  expect("instruction 0, window 0: expected at most 32 words, found that its 4 places reach over input 0[1, 33)",
         loop(4, {{at(kIn, 1), 8, 8}}, kCopy));
  expect("at most 32 words", loop(5, {{kIn, 8, 8}}, kCopy));
  expect("at most 32 words", loop(4, {{kIn, 8, 9}}, kCopy));
  expect("at most 32 words", loop(4, {{kIn, 9, 8}}, kCopy));
  expect("at most 64 words", loop(1, {{kArena, 0, 65}}, kCopy));
  expect("at most 8 words", loop(1, {{kNumbers, 0, 9}}, kCopy));
  expect("accepted", loop(1, {{kIn, ~0u, 32}}, kCopy));
  expect("at most 64 words", loop(2, {{kArena, ~0u, 1}}, kCopy));
  expect("at most 64 words", loop(2, {{{0, ~0u}, 1, ~0u}}, kCopy));
  expect("2^40", loop(~0u, {{kArena, ~0u, ~0u}}, kCopy));
  // Of its own loop, of none.
  expect("window 1: ref: expected the arena (0) or an input (up to 3), found space 4",
         loop(1, {{kIn, 1, 1}, {{4, 0}, 1, 1}}, kCopy));
  expect("an input (up to 3), found space 99", loop(1, {{{99, 0}, 1, 1}}, kCopy));
  // Of the loop around, of one of its own again, of a loop that has ended.
  const auto inner = [](At ref, uint32_t step, uint32_t words, bool written = false) {
    return loop(2, {{kIn, 16, 16}, {kArena, 16, 16, true}}, [=](ProgramBuilder& b, const Windows&) {
      loop(4, {{ref, step, words, written}}, kCopy)(b);
    });
  };
  expect("accepted", inner({4, 0}, 4, 4));
  expect("accepted", inner({5, 0}, 4, 4, true));
  expect("0 of its loop, window 0: expected at most 16 words, found that its 4 places reach over window 0[1, 17)",
         inner({4, 1}, 4, 4));
  expect("a window of the loops around (up to 5), found space 6", inner({6, 0}, 4, 4));
  expect(
      "ref of a window that is written: expected a write to the arena or to a window that is written, found window 0",
      inner({4, 0}, 4, 4, true));
  expect("instruction 1: a read: expected the arena (0) or an input (up to 3), found space 4", [](ProgramBuilder& b) {
    loop(4, {{kIn, 8, 8}}, kCopy)(b);
    copy(b, 1, {4, 0}, kArena);
  });
  expect(
      "instruction 0, 1 of its loop: a read: expected the arena (0) or an input (up to 3) or a window of the loops "
      "around (up to 4), found space 5",
      loop(4, {{kIn, 8, 8}}, [](ProgramBuilder& b, const Windows& w) {
        loop(4, {{w[0], 1, 1}}, kCopy)(b);
        copy(b, 1, {5, 0}, kArena);
      }));
  expect("output 0: output: expected the arena (0) or an input (up to 3), found space 4", [](ProgramBuilder& b) {
    b.output(DType::f32, 1, {4, 0});
    loop(4, {{kIn, 8, 8}}, kCopy)(b);
  });
  // Of the arena, a window that the arena's memory need not be written through.
  expect("accepted", loop(4, {{kArena, 8, 8}, {{0, 32}, 8, 8, true}}, copies(8)));
}

void whatLiesInAWindowIsChecked() {
  expect("0 of its loop: a read: expected at most 8 words, found window 0[1, 9)",
         loop(4, {{kIn, 8, 8}, {kArena, 8, 8, true}}, copies(8, 1)));
  expect("a write: expected at most 8 words, found window 1[1, 9)",
         loop(4, {{kIn, 8, 8}, {kArena, 8, 8, true}}, copies(8, 0, 1)));
  expect("a write: expected a write to the arena or to a window that is written, found window 1",
         loop(4, {{kIn, 8, 8}, {kArena, 8, 8}}, copies(8)));
  expect("ref of a window that is written: expected a write to the arena, found input 0",
         loop(4, {{kIn, 8, 8}, {kIn, 8, 8, true}}, copies(8)));
  const auto rows = [](At table, At indices, At to) {
    return [=](ProgramBuilder& b, const Windows& w) {
      const auto place = [&](At ref) { return ref.space < 90 ? ref : w[ref.space - 90]; };
      b.gather(2, 2, 2, place(table), place(indices), place(to));
    };
  };
  const At first{90, 0}, second{91, 0};
  expect("accepted", loop(4, {{kIndex, 2, 2}, {kArena, 4, 4, true}}, rows(kIn, first, second)));
  expect("indices: expected i32, found that window 0 is f32",
         loop(4, {{kIn, 2, 2}, {kArena, 4, 4, true}}, rows(kIn, first, second)));
  expect("table: expected f32, found that window 0 is i32",
         loop(2, {{kIndex, 4, 4}, {kArena, 4, 4, true}}, rows(first, kIndex, second)));
  expect("destination: expected a write to the arena or to a window that is written, found window 1",
         loop(4, {{kIndex, 2, 2}, {kArena, 4, 4}}, rows(kIn, first, second)));
  expect("0 of its loop, 0 of its loop: indices: expected i32, found that window 1 is f32",
         loop(2, {{kIn, 8, 8}}, [&](ProgramBuilder& b, const Windows& w) {
           loop(4, {{w[0], 2, 2}, {{0, 32}, 4, 4, true}}, rows(kIn, first, second))(b);
         }));
}

void f64StaysAtEvenWords() {
  const auto sum = [](uint32_t offset) {
    return [=](ProgramBuilder& b, const Windows& w) {
      b.mapSum({4}, {{DType::f32, kIn, {1}}}, {}, 0, at(w[0], offset));
    };
  };
  const auto read = [](ProgramBuilder& b, const Windows& w) {
    b.map({}, {{DType::f64, w[0], {}}}, {}, {{DType::f64, {0, 62}, 0, {}}});
  };
  expect("accepted", loop(4, {{kArena, 2, 4, true}}, sum(2)));
  expect("accepted", loop(4, {{at(kArena, 2), 0, 2, true}}, sum(0)));
  expect("even word, found offset 1", loop(4, {{kArena, 2, 4, true}}, sum(1)));
  expect("even word, found offset 0 of window 0, which may begin at an odd one",
         loop(4, {{kArena, 3, 4, true}}, sum(0)));
  expect("even word", loop(4, {{at(kArena, 1), 2, 4, true}}, sum(0)));
  expect("accepted", loop(4, {{kNumbers, 2, 2}}, read));
  expect("even word", loop(4, {{kNumbers, 1, 2}}, read));
  expect("even word", loop(3, {{at(kNumbers, 1), 2, 2}}, read));
  const auto inner = [&](At ref, uint32_t step, At inRow, uint32_t innerStep) {
    return loop(2, {{ref, step, 20, true}}, [=](ProgramBuilder& b, const Windows& w) {
      loop(3, {{at(w[0], inRow.offset), innerStep, 4, true}}, sum(0))(b);
    });
  };
  expect("accepted", inner(kArena, 20, kArena, 4));
  for (const auto& odd : {inner({0, 1}, 20, kArena, 4), inner(kArena, 21, kArena, 4), inner(kArena, 20, {0, 1}, 4),
                          inner(kArena, 20, kArena, 5)}) {
    expect("0 of its loop, 0 of its loop: dst: expected f64 at an even word", odd);
  }
}

void writesThatWouldDisturbAreRefused() {
  const char* overlap = "do not overlap";
  const auto product = [](At a, At dst) {
    return [=](ProgramBuilder& b, const Windows& w) {
      const auto place = [&](At ref) { return ref.space < 90 ? ref : at(w[ref.space - 90], ref.offset); };
      b.matmul(1, 2, 2, 2, false, false, place(a), 0, kIn, 0, place(dst));
    };
  };
  const auto window = [](uint32_t i, uint32_t offset) { return At{90 + i, offset}; };
  // In one window: where they are in it.
  expect("accepted", loop(4, {{kArena, 8, 8, true}}, product(window(0, 0), window(0, 4))));
  expect("accepted", loop(4, {{kArena, 1, 8, true}}, product(window(0, 4), window(0, 0))));
  expect("0 of its loop: expected that destination and a do not overlap, found window 0[3, 7) and window 0[0, 4)",
         loop(4, {{kArena, 8, 8, true}}, product(window(0, 0), window(0, 3))));
  // In a map, in place, in one window alone.
  expect("accepted",
         loop(4, {{kArena, 8, 8, true}}, [](ProgramBuilder& b, const Windows& w) { copy(b, 8, w[0], w[0]); }));
  expect("not the same dense view",
         loop(4, {{kArena, 8, 8, true}}, [](ProgramBuilder& b, const Windows& w) { copy(b, 4, w[0], at(w[0], 1)); }));
  expect("not the same dense view", loop(1, {{kArena, 8, 8}, {kArena, 8, 8, true}}, copies(8)));
  // A window and the arena: wherever the window may be.
  for (bool reverse : {false, true}) {
    expect("accepted", loop(4, {{kArena, 8, 8, true}}, product({0, 32}, window(0, 0)), reverse));
    expect(overlap, loop(4, {{kArena, 8, 8, true}}, product({0, 27}, window(0, 0)), reverse));
    expect("accepted", loop(4, {{kArena, 8, 8, true}}, product({0, 28}, window(0, 0)), reverse));
    expect(overlap, loop(4, {{kArena, 8, 8}}, product(window(0, 0), {0, 27}), reverse));
    expect(overlap, loop(4, {{at(kArena, 8), 8, 8}}, product(window(0, 0), {0, 5}), reverse));
    expect("accepted", loop(4, {{at(kArena, 8), 8, 8}}, product(window(0, 0), {0, 4}), reverse));
  }
  // Two windows: also where they never meet at the same moment.
  expect("accepted", loop(4, {{kArena, 8, 8}, {{0, 32}, 8, 8, true}}, product(window(0, 0), window(1, 0))));
  expect(overlap, loop(4, {{kArena, 8, 8}, {{0, 27}, 8, 8, true}}, product(window(0, 0), window(1, 0))));
  expect(overlap, loop(4, {{kArena, 8, 8}, {{0, 8}, 8, 8, true}}, product(window(0, 0), window(1, 0))));
  // Two writes of one map.
  expect("another write",
         loop(4, {{kArena, 4, 4, true}, {{0, 12}, 4, 4, true}}, [](ProgramBuilder& b, const Windows& w) {
           b.map({4}, {{DType::f32, kIn, {1}}}, {}, {{DType::f32, w[0], 0, {1}}, {DType::f32, w[1], 0, {1}}});
         }));
  // A window and one inside it: compared in the outer one, wherever that is.
  const auto inner = [&](uint32_t from, uint32_t to, At outside = {90, 0}) {
    return loop(2, {{kArena, 24, 24, true}}, [=](ProgramBuilder& b, const Windows& outer) {
      loop(2, {{at(outer[0], from), 4, 4}}, [=](ProgramBuilder& b2, const Windows& w) {
        const At dst = outside.space == 90 ? at(outer[0], to) : outside;
        b2.matmul(1, 2, 2, 2, false, false, w[0], 0, kIn, 0, dst);
      })(b);
    });
  };
  expect("accepted", inner(0, 8));
  expect("accepted", inner(4, 0));
  expect(overlap, inner(0, 7));
  expect(overlap, inner(0, 4));
  expect(overlap, inner(4, 1));
  // Against the arena both have moved.
  expect("accepted", inner(0, 0, {0, 32}));
  expect(overlap, inner(0, 0, {0, 31}));
  expect(overlap, inner(0, 0, {0, 9}));
  // Inputs are none of the arena's memory, nor of one another's.
  expect("accepted", loop(4, {{kIn, 8, 8}, {kArena, 8, 8, true}}, product(window(0, 0), window(1, 0))));
}

}  // namespace

int main() {
  loopsAreChecked();
  aBodyIsFramed();
  windowsAreChecked();
  whatLiesInAWindowIsChecked();
  f64StaysAtEvenWords();
  writesThatWouldDisturbAreRefused();
  return summary("program_loops_test");
}
