// Damaged programs: each is refused with ProgramError, or runs to its end within its bounds (which the sanitizers
// watch). One with loops has the results that it has unrolled.
#include <algorithm>
#include <cstring>
#include <string>

#include "check.h"
#include "cpu/executor.h"
#include "loops.h"
#include "program_builder.h"
#include "rows.h"
#include "unroll.h"

using namespace zeroth;
using namespace zeroth::test;
using Op = MapOpcode;

namespace {

// Every instruction, views of every kind; sizes small, so that damage often hits something that matters.
std::vector<Words> validPrograms() {
  std::vector<Words> programs;
  Random random(1);
  for (int i = 0; i < 3; ++i) {  // all that take their operands whole
    ProgramBuilder b;
    forEachRow([&](auto row) { b.add(makeRow<decltype(row)>(b, random)); });
    programs.push_back(b.words());
  }
  for (int i = 0; i < 4; ++i) {
    ProgramBuilder b;
    RandomLoops(b, random).add(1 + i % 3);
    programs.push_back(b.words());
  }
  {  // an MLP's loss
    ProgramBuilder b;
    const At x = b.input(DType::f32, 24), w = b.input(DType::f32, 20), bias = b.input(DType::f32, 5),
             y = b.input(DType::f32, 30);
    const At h = b.allocate(30), sum = b.allocate(2), loss = b.allocate(2);
    b.matmul(1, 6, 5, 4, false, false, x, 0, w, 0, h);
    b.map({6, 5}, {{DType::f32, h, {5, 1}}, {DType::f32, bias, {0, 1}}}, {{Op::add, 0, 1}, {Op::gelu, 2}},
          {{DType::f32, h, 3, {5, 1}}});
    b.mapSum({6, 5}, {{DType::f32, h, {5, 1}}, {DType::f32, y, {5, 1}}},
             {{Op::sub, 0, 1}, {Op::integerPow, 2, 0, 0, 2}}, 3, sum);
    b.map({}, {{DType::f64, sum, {}}}, {{Op::constant, 0, 0, 0, 0.5}, {Op::mul, 0, 1}, {Op::sqrt, 2}},
          {{DType::f64, loss, 3, {}}});
    b.output(DType::f64, 1, loss);
    programs.push_back(b.words());
  }
  {  // softmax of gathered rows, and its scatter back
    ProgramBuilder b;
    const At table = b.input(DType::f32, 28), indices = b.input(DType::i32, 6);
    const At rows = b.allocate(24), top = b.allocate(6), sum = b.allocate(6), grad = b.allocate(28),
             scale = b.input(DType::f64, 1);
    b.gather(7, 4, 6, table, indices, rows);
    b.reduce(ReduceKind::max, 6, 4, 1, DType::f32, top, rows);
    b.map({6, 4}, {{DType::f32, rows, {4, 1}}, {DType::f32, top, {1, 0}}}, {{Op::sub, 0, 1}, {Op::exp, 2}},
          {{DType::f32, rows, 3, {4, 1}}});
    b.reduce(ReduceKind::sum, 6, 4, 1, DType::f32, sum, rows);
    b.map({6, 4}, {{DType::f32, rows, {4, 1}}, {DType::f32, sum, {1, 0}}, {DType::f64, scale, {0, 0}}},
          {{Op::div, 0, 1}, {Op::mul, 3, 2}}, {{DType::f32, rows, 4, {4, 1}}});
    b.scatterAdd(7, 4, 6, indices, rows, grad);
    b.output(DType::f32, 28, grad);
    b.output(DType::f32, 28, table);
    programs.push_back(b.words());
  }
  {  // views: transposes, slices, pads, masks, integers; batched products
    ProgramBuilder b;
    const At x = b.input(DType::f32, 60), k = b.input(DType::i32, 12);
    const At padded = b.allocate(80), count = b.allocate(12), batch = b.allocate(48), total = b.allocate(2),
             mask = b.allocate(24);
    b.map({80}, {}, {{Op::constant, 0, 0, 0, -1}}, {{DType::f32, padded, 0, {1}}});
    b.map({3, 4, 5}, {{DType::f32, x, {1, 15, 3}}}, {{Op::tanh, 0}},
          {{DType::f32, {0, padded.offset + 1}, 1, {24, 6, 1}}});
    b.iota(DType::i32, 2, 3, 2, count);
    b.map({12}, {{DType::i32, count, {1}}, {DType::i32, k, {1}}}, {{Op::lt, 0, 1}, {Op::select, 2, 0, 1}},
          {{DType::f32, mask, 2, {2}}, {DType::i32, count, 3, {1}}});
    b.matmul(3, 4, 4, 5, true, false, x, 20, padded, 0, batch);
    b.matmul(3, 4, 4, 4, false, true, x, 0, padded, 16, batch);
    b.reduce(ReduceKind::sum, 3, 4, 4, DType::f32, mask, batch);
    b.reduce(ReduceKind::max, 1, 48, 1, DType::f64, total, batch);
    b.output(DType::f32, 80, padded);
    b.output(DType::i32, 12, count);
    b.output(DType::f64, 1, total);
    programs.push_back(b.words());
  }
  return programs;
}

constexpr uint32_t kInteresting[] = {0,  1,  2,   3,   4,   5,    6,          7,          8,          15,        16,
                                     17, 31, 32,  33,  48,  63,   64,         65,         96,         97,        99,
                                     24, 25, 100, 255, 256, 1024, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};

// Damages `bytes`, a program of whole words; the header's total follows the length most of the time, so that more than
// it is tested.
void damage(std::vector<uint8_t>& bytes, const std::vector<Words>& programs, Random& random) {
  auto word = [&](size_t i) {
    uint32_t value;
    std::memcpy(&value, bytes.data() + 4 * i, 4);
    return value;
  };
  auto set = [&](size_t i, uint32_t value) { std::memcpy(bytes.data() + 4 * i, &value, 4); };
  for (uint32_t rounds = 1 + random.below(3); rounds-- > 0 && bytes.size() >= 4;) {
    const uint32_t words = static_cast<uint32_t>(bytes.size() / 4), at = random.below(words);
    switch (random.below(8)) {
      case 0:
        bytes[random.below(static_cast<uint32_t>(bytes.size()))] ^= 1u << random.below(8);
        break;
      case 1:
      case 2:
        set(at, kInteresting[random.below(sizeof kInteresting / 4)]);
        break;
      case 3:
        set(at, word(at) + random.below(17) - 8);
        break;
      case 4:
        set(at, word(random.below(words)));
        break;
      case 5:  // truncation
        bytes.resize(random.below(4) == 0 ? random.below(static_cast<uint32_t>(bytes.size())) : 4 * at);
        break;
      case 6: {  // a stretch of another program
        const Words& other = programs[random.below(static_cast<uint32_t>(programs.size()))];
        const uint32_t from = random.below(static_cast<uint32_t>(other.size()));
        const uint32_t length =
            std::min({static_cast<uint32_t>(other.size()) - from, words - at, 1 + random.below(24)});
        for (uint32_t i = 0; i < length; ++i) set(at + i, other[from + i]);
        break;
      }
      default: {  // words removed or doubled
        const uint32_t length = std::min(words - at, 1 + random.below(8));
        const std::vector<uint8_t> piece(bytes.begin() + 4 * at, bytes.begin() + 4 * (at + length));
        if (random.below(2)) {
          bytes.erase(bytes.begin() + 4 * at, bytes.begin() + 4 * (at + length));
        } else {
          bytes.insert(bytes.begin() + 4 * at, piece.begin(), piece.end());
        }
      }
    }
  }
  if (bytes.size() >= 12 && random.below(8) != 0) set(2, static_cast<uint32_t>(bytes.size() / 4));
}

// At least the number of elements that an instruction looks at, as far as its sizes tell.
struct Work {
  double total = 1;

  void size(const char*, uint64_t value) { total *= static_cast<double>(value); }
  void stride(const char*, uint64_t) const {}
  void flag(const char*, bool) const {}
  template <class Enum>
  void code(const char*, Enum, Enum, Enum) const {}
  void dtype(const char*, DType, std::initializer_list<DType>) const {}
  void read(const char*, Ref, DType, Elements) const {}
  void write(const char*, Ref, DType, Elements) const {}
};

double work(const MapBody& map);
double work(const Loop& loop);
template <class Row>
double work(const Row& row);

double work(const MapBody& map) { return static_cast<double>(map.elements()) * (1 + map.ops.size()); }

double work(const Loop& loop) {
  double body = 1;
  for (const Instruction& instruction : loop.body) {
    body += std::visit([](const auto& row) { return work(row); }, instruction);
  }
  return static_cast<double>(loop.trips) * body;
}

template <class Row>
double work(const Row& row) {
  if constexpr (std::is_base_of_v<MapBody, Row>) {
    return work(static_cast<const MapBody&>(row));
  } else {
    Work visitor;
    Row::fields(row, visitor);
    return visitor.total;
  }
}

struct Tally {
  int refused = 0, ran = 0, tooLarge = 0, unrolled = 0;
};

// The same without loops: valid, and to the same bits.
bool runsUnrolled(const Program& program, const std::vector<const void*>& bindings, const cpu::Executor& looped) {
  Program flat = unroll(program);
  program::validate(flat);
  cpu::Executor executor(std::move(flat), 1);
  executor.run(bindings, nullptr);
  for (size_t i = 0; i < program.outputs.size(); ++i) {
    if (std::memcmp(executor.output(i), looped.output(i), program.outputs[i].bytes()) != 0) return false;
  }
  return true;
}

// True when the bytes were refused, run, or too large to be run here; anything else is a failure.
bool survives(const std::vector<uint8_t>& bytes, int threads, Tally& tally) {
  // A copy of the exact size, so that reading past the end is seen.
  const std::vector<uint8_t> exact(bytes);
  try {
    const Program program = decode(exact.data(), exact.size());
    double total = 0;
    for (const Instruction& instruction : program.instructions) {
      total += std::visit([](const auto& row) { return work(row); }, instruction);
    }
    uint64_t inputBytes = 0;
    for (const Declaration& input : program.inputs) inputBytes += input.bytes();
    if (total > 20000 || program.arenaWords > 1 << 16 || inputBytes > 1 << 16) {
      ++tally.tooLarge;
      return true;
    }
    std::vector<std::vector<uint8_t>> storage;
    std::vector<const void*> bindings;
    for (const Declaration& input : program.inputs) {
      storage.emplace_back(input.bytes());
      bindings.push_back(storage.back().data());
    }
    const std::vector<Output>& outputs = program.outputs;
    cpu::Executor executor(program, threads);
    static Team two(2);
    Team* const team = threads == 2 ? &two : nullptr;  // else the calling thread alone, whatever the program may use
    try {
      executor.run(bindings, team);
      const bool loops = std::any_of(program.instructions.begin(), program.instructions.end(),
                                     [](const Instruction& one) { return std::holds_alternative<Loop>(one); });
      if (loops && !runsUnrolled(program, bindings, executor)) {
        std::fprintf(stderr, "unrolled, it has other results\n");
        return false;
      }
      tally.unrolled += loops;
    } catch (const cpu::ExecutionError&) {  // a gather by indices that the program itself has computed
    }
    volatile uint8_t touched = 0;
    for (size_t i = 0; i < outputs.size(); ++i) {
      const uint8_t* bytes = static_cast<const uint8_t*>(executor.output(i));
      if (outputs[i].count > 0) touched = touched ^ bytes[0] ^ bytes[outputs[i].bytes() - 1];
    }
    ++tally.ran;
    return true;
  } catch (const ProgramError&) {
    ++tally.refused;
    return true;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "unexpected: %s\n", error.what());
    return false;
  }
}

}  // namespace

int main() {
  const std::vector<Words> programs = validPrograms();
  Tally tally;
  auto bytes = [](const Words& words) {
    return std::vector<uint8_t>(bytesOf(words), bytesOf(words) + 4 * words.size());
  };
  for (const Words& program : programs) CHECK(survives(bytes(program), 2, tally), "a valid program");
  CHECK(tally.ran == static_cast<int>(programs.size()), "every program here is valid as it stands");
  // Each word by each interesting value, in turn.
  for (const Words& program : programs) {
    for (size_t i = 0; i < program.size(); ++i) {
      for (uint32_t value : kInteresting) {
        Words changed = program;
        changed[i] = value;
        CHECK(survives(bytes(changed), 1, tally), "word %zu = %u", i, value);
      }
    }
  }
  constexpr int kMutations = 100000;
  for (int i = 0; i < kMutations; ++i) {
    Random random(i);
    std::vector<uint8_t> damaged = bytes(programs[i % programs.size()]);
    damage(damaged, programs, random);
    CHECK(survives(damaged, 1 + i % 2, tally), "mutation %d", i);
  }
  std::printf("%d refused, %d ran (%d with loops), %d too large to run here\n", tally.refused, tally.ran,
              tally.unrolled, tally.tooLarge);
  CHECK(tally.refused > kMutations / 2 && tally.ran > kMutations / 50 && tally.unrolled > kMutations / 50,
        "the damage is neither always fatal nor always harmless");
  return summary("program_fuzz_test");
}
