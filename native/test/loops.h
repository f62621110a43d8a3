// Random valid programs of loops: every instruction, in loops inside one another, its operands in inputs, in the arena
// and in windows of all the loops around it, over memory that other instructions write.
#pragma once
#include <algorithm>
#include <variant>
#include <vector>

#include "program_builder.h"
#include "rows.h"

namespace zeroth::test {

inline void emit(ProgramBuilder& builder, const Instruction& instruction);

template <class Row>
void emitRow(ProgramBuilder& builder, const Row& row) {
  builder.add(row);
}

inline ViewSpec spec(const MapView& view) { return {view.dtype, view.ref, {view.strides.begin(), view.strides.end()}}; }

inline std::vector<ViewSpec> specs(const std::vector<MapView>& views) {
  std::vector<ViewSpec> result;
  for (const MapView& view : views) result.push_back(spec(view));
  return result;
}

inline std::vector<OpSpec> specs(const std::vector<MapOp>& ops) {
  std::vector<OpSpec> result;
  for (const MapOp& op : ops)
    result.push_back({op.opcode, op.operands[0], op.operands[1], op.operands[2], op.immediate});
  return result;
}

inline void emitRow(ProgramBuilder& builder, const Map& map) {
  std::vector<WriteSpec> writes;
  for (const MapWrite& write : map.writes)
    writes.push_back({write.dtype, write.ref, write.source, {write.strides.begin(), write.strides.end()}});
  builder.map({map.dims.begin(), map.dims.end()}, specs(map.reads), specs(map.ops), writes);
}

inline void emitRow(ProgramBuilder& builder, const MapSum& sum) {
  builder.mapSum({sum.dims.begin(), sum.dims.end()}, specs(sum.reads), specs(sum.ops), sum.source, sum.dst);
}

inline void emitRow(ProgramBuilder& builder, const Loop& loop) {
  std::vector<WindowSpec> windows;
  for (const Window& window : loop.windows) {
    windows.push_back(
        {window.ref, static_cast<uint32_t>(window.step), static_cast<uint32_t>(window.words), window.written});
  }
  builder.loop(static_cast<uint32_t>(loop.trips), loop.reverse, windows, [&](const std::vector<At>&) {
    for (const Instruction& instruction : loop.body) emit(builder, instruction);
  });
}

inline void emit(ProgramBuilder& builder, const Instruction& instruction) {
  std::visit([&](const auto& row) { emitRow(builder, row); }, instruction);
}

class RandomLoops {
 public:
  RandomLoops(ProgramBuilder& builder, Random& random) : builder_(builder), random_(random) {
    inputs_[0] = builder.input(DType::f32, kInputWords);
    inputs_[1] = builder.input(DType::i32, kInputWords);
    inputs_[2] = builder.input(DType::f64, kInputWords / 2);
  }

  // A loop, in which others are `depth` deep at most; all the arena's memory is output.
  void add(int depth) {
    emitRow(builder_, makeLoop(depth));
    for (const Region& region : regions_) builder_.output(DType::f32, region.words, region.at);
  }

 private:
  static constexpr uint32_t kInputWords = 4096;
  static constexpr uint32_t kWindows = 4;  // of each loop, so that spaces have their numbers before there are windows

  struct Region {
    At at;
    uint32_t words;
    bool touched;  // by the instruction that is being made
  };

  Loop makeLoop(int depth) {
    Loop loop;
    loop.trips = 1 + random_.below(3);
    loop.reverse = random_.below(2);
    loop.firstSpace = static_cast<uint32_t>(4 + kWindows * loops_.size());
    loops_.push_back(&loop);
    for (uint32_t i = 1 + random_.below(3); i-- > 0;) {
      if (depth > 1 && random_.below(2)) {
        loop.body.push_back(makeLoop(depth - 1));
      } else {
        loop.body.push_back(makeInstruction());
      }
    }
    loops_.pop_back();
    while (loop.windows.size() < kWindows) loop.windows.push_back({inputs_[0], random_.below(3), 1, false});
    return loop;
  }

  Instruction makeInstruction() {
    for (Region& region : regions_) region.touched = false;
    constexpr uint32_t kRows = std::variant_size_v<Instruction> - 3;  // but MAP, MAP_SUM and LOOP
    const uint32_t chosen = random_.below(kRows + 2);
    if (chosen == kRows) return makeMap();
    if (chosen > kRows) return makeSum();
    Instruction result;
    uint32_t i = 0;
    forEachRow([&](auto row) {
      if (i++ != chosen) return;
      row = chooseRow<decltype(row)>(random_);
      Places places(*this);
      decltype(row)::fields(row, places);
      result = row;
    });
    return result;
  }

  MapView view(DType dtype, uint32_t n, bool written) { return {dtype, place(dtype, n, written), {1}}; }

  Map makeMap() {
    const uint32_t n = 1 + random_.below(20);
    Map map;
    map.dims = {n};
    map.reads = {view(DType::f32, n, false), view(DType::i32, n, false)};
    map.ops = {{MapOpcode::add, {0, 1, 0}, 0}};
    MapWrite write;
    static_cast<MapView&>(write) = random_.below(2) ? view(DType::f32, n, true) : view(DType::i32, n, true);
    write.source = 2;
    map.writes = {write};
    return map;
  }

  MapSum makeSum() {
    const uint32_t n = 1 + random_.below(20);
    MapSum sum;
    sum.dims = {n};
    sum.reads = {view(DType::f32, n, false), {DType::f64, place(DType::f64, 1, false), {0}}};
    sum.ops = {{MapOpcode::mul, {0, 1, 0}, 0}};
    sum.source = 2;
    sum.dst = place(DType::f64, 1, true);
    return sum;
  }

  struct Places : IgnoresValues {
    explicit Places(RandomLoops& loops) : loops(loops) {}
    RandomLoops& loops;

    void read(const char*, Ref& ref, DType dtype, Elements elements) const {
      ref = loops.place(dtype, static_cast<uint32_t>(count(elements)), false);
    }
    void write(const char*, Ref& ref, DType dtype, Elements elements) const {
      ref = loops.place(dtype, static_cast<uint32_t>(count(elements)), true);
    }
  };

  At place(DType dtype, uint32_t elements, bool written) {
    return region(dtype, elements * (dtype == DType::f64 ? 2 : 1), written, loops_.size());
  }

  // So many words that an instruction inside `depth` loops may name.
  At region(DType dtype, uint32_t words, bool written, size_t depth) {
    if (depth > 0 && random_.below(3) > 0 && loops_[depth - 1]->windows.size() < kWindows) {
      Loop& loop = *loops_[depth - 1];
      const uint32_t steps[] = {0, 1, words, words + 2};
      const uint32_t step = steps[random_.below(4)] & (dtype == DType::f64 ? ~1u : ~0u);
      const size_t index = loop.windows.size();
      loop.windows.emplace_back();
      const At at = region(dtype, static_cast<uint32_t>(loop.trips - 1) * step + words, written, depth - 1);
      loop.windows[index] = {at, step, words, written};
      return {static_cast<uint32_t>(loop.firstSpace + index), 0};
    }
    if (depth > 0 && random_.below(2)) return region(dtype, words, written, depth - 1);
    if (!written && (dtype == DType::i32 || random_.below(2)) && words <= kInputWords) {
      return {inputs_[static_cast<uint32_t>(dtype)].space, random_.below(kInputWords - words + 1) & ~1u};
    }
    for (Region& region : regions_) {
      if (region.words < words || region.touched || dtype == DType::i32 || random_.below(2)) continue;
      region.touched = true;
      return region.at;
    }
    regions_.push_back({builder_.allocate(words), words, true});
    return regions_.back().at;
  }

  ProgramBuilder& builder_;
  Random& random_;
  At inputs_[3];
  std::vector<Loop*> loops_;  // around what is being made
  std::vector<Region> regions_;
};

}  // namespace zeroth::test
