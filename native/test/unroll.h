// A program without its loops: each body once a trip, its windows where they are then. Executors and validation are
// held to it.
#pragma once
#include <type_traits>
#include <variant>
#include <vector>

#include "program/program.h"
#include "rows.h"

namespace zeroth::test {

class Unroll {
 public:
  explicit Unroll(const Program& program) : result_(program), inputs_(program.inputs.size()) {
    result_.instructions.clear();
    for (const Instruction& instruction : program.instructions) add(instruction);
  }

  Program take() { return std::move(result_); }

 private:
  void add(const Instruction& instruction) {
    std::visit([this](const auto& row) { add(row); }, instruction);
  }

  void add(const Loop& loop) {
    for (uint64_t trip = 0; trip < loop.trips; ++trip) {
      const auto row = static_cast<uint32_t>(loop.reverse ? loop.trips - 1 - trip : trip);
      std::vector<Ref> moved;
      for (const Window& window : loop.windows) {
        moved.push_back(resolve(window.ref));
        moved.back().offset += row * static_cast<uint32_t>(window.step);
      }
      windows_.insert(windows_.end(), moved.begin(), moved.end());
      for (const Instruction& instruction : loop.body) add(instruction);
      windows_.resize(windows_.size() - moved.size());
    }
  }

  void add(Map map) {
    for (MapView& read : map.reads) read.ref = resolve(read.ref);
    for (MapWrite& write : map.writes) write.ref = resolve(write.ref);
    result_.instructions.push_back(map);
  }

  void add(MapSum sum) {
    for (MapView& read : sum.reads) read.ref = resolve(read.ref);
    sum.dst = resolve(sum.dst);
    result_.instructions.push_back(sum);
  }

  struct Mover : IgnoresValues {
    explicit Mover(const Unroll& unroll) : unroll(unroll) {}
    const Unroll& unroll;

    void read(const char*, Ref& ref, DType, Elements) const { ref = unroll.resolve(ref); }
    void write(const char*, Ref& ref, DType, Elements) const { ref = unroll.resolve(ref); }
  };

  template <class Row>
  void add(Row row) {
    Mover mover(*this);
    Row::fields(row, mover);
    result_.instructions.push_back(row);
  }

  Ref resolve(Ref ref) const {
    if (ref.space <= inputs_) return ref;
    const Ref& window = windows_[ref.space - 1 - inputs_];
    return {window.space, window.offset + ref.offset};
  }

  Program result_;
  size_t inputs_;
  std::vector<Ref> windows_;  // of the loops around, where they are now
};

inline Program unroll(const Program& program) { return Unroll(program).take(); }

}  // namespace zeroth::test
