// Writes programs word by word, as the TypeScript encoder does, without checking anything.
#pragma once
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <utility>
#include <vector>

#include "program/instructions.h"

namespace zeroth::test {

using format::DType;
using format::MapOpcode;
using format::ReduceKind;
using Words = std::vector<uint32_t>;
using At = Ref;

// The words of an instruction, by the fields of its row.
struct FieldWriter {
  Words& words;

  void size(const char*, uint64_t value) const { words.push_back(static_cast<uint32_t>(value)); }
  void stride(const char*, uint64_t value) const { words.push_back(static_cast<uint32_t>(value)); }
  void flag(const char*, bool value) const { words.push_back(value); }
  template <class Enum>
  void code(const char*, Enum value, Enum, Enum) const {
    words.push_back(static_cast<uint32_t>(value));
  }
  void dtype(const char*, DType value, std::initializer_list<DType>) const {
    words.push_back(static_cast<uint32_t>(value));
  }
  void read(const char*, Ref ref, DType, Elements) const { words.insert(words.end(), {ref.space, ref.offset}); }
  void write(const char*, Ref ref, DType, Elements) const { words.insert(words.end(), {ref.space, ref.offset}); }
};

struct ViewSpec {
  DType dtype;
  At at;
  std::vector<uint32_t> strides;
};

struct OpSpec {
  MapOpcode opcode;
  uint32_t a = 0, b = 0, c = 0;
  double immediate = 0;
};

struct WriteSpec {
  DType dtype;
  At at;
  uint32_t source;
  std::vector<uint32_t> strides;
};

struct WindowSpec {
  At at;
  uint32_t step, words;
  bool written = false;
};

class ProgramBuilder {
 public:
  explicit ProgramBuilder(uint32_t arenaWords = 0) : arenaWords_(arenaWords) {}

  // Space for `words` in the arena, at a multiple of 64 bytes.
  At allocate(uint32_t words) {
    const At at{0, arenaWords_};
    arenaWords_ += (words + 15) / 16 * 16;
    return at;
  }
  At input(DType dtype, uint32_t count) {
    inputs_.push_back(static_cast<uint32_t>(dtype));
    inputs_.push_back(count);
    return {static_cast<uint32_t>(inputs_.size() / 2), 0};
  }
  void output(DType dtype, uint32_t count, At at) {
    outputs_.insert(outputs_.end(), {static_cast<uint32_t>(dtype), count, at.space, at.offset});
  }

  void map(const std::vector<uint32_t>& dims, const std::vector<ViewSpec>& reads, const std::vector<OpSpec>& ops,
           const std::vector<WriteSpec>& writes) {
    Words payload = body(dims, reads, ops);
    payload.push_back(static_cast<uint32_t>(writes.size()));
    for (const WriteSpec& write : writes) {
      payload.insert(payload.end(),
                     {static_cast<uint32_t>(write.dtype), write.at.space, write.at.offset, write.source});
      payload.insert(payload.end(), write.strides.begin(), write.strides.end());
    }
    instruction(Map::kOpcode, payload);
  }
  void mapSum(const std::vector<uint32_t>& dims, const std::vector<ViewSpec>& reads, const std::vector<OpSpec>& ops,
              uint32_t source, At dst) {
    Words payload = body(dims, reads, ops);
    payload.insert(payload.end(), {source, dst.space, dst.offset});
    instruction(MapSum::kOpcode, payload);
  }
  void reduce(ReduceKind kind, uint32_t outer, uint32_t reduce, uint32_t inner, DType dtype, At dst, At src) {
    add(Reduce{kind, outer, reduce, inner, dtype, dst, src});
  }
  void matmul(uint32_t batch, uint32_t m, uint32_t n, uint32_t k, bool transposeA, bool transposeB, At a,
              uint32_t strideA, At b, uint32_t strideB, At dst) {
    add(Matmul{batch, m, n, k, transposeA, transposeB, a, strideA, b, strideB, dst});
  }
  void gather(uint32_t rows, uint32_t width, uint32_t count, At table, At indices, At dst) {
    add(Gather{rows, width, count, table, indices, dst});
  }
  void scatterAdd(uint32_t rows, uint32_t width, uint32_t count, At indices, At updates, At dst) {
    add(ScatterAdd{rows, width, count, indices, updates, dst});
  }
  void iota(DType dtype, uint32_t outer, uint32_t n, uint32_t inner, At dst) { add(Iota{dtype, outer, n, inner, dst}); }
  template <class Row>
  void add(const Row& row) {
    Words payload;
    FieldWriter words{payload};
    Row::fields(row, words);
    instruction(Row::kOpcode, payload);
  }
  // `body(windows)` adds the instructions of the body, given the first word of each window. All inputs are there by
  // then.
  template <class Body>
  void loop(uint32_t trips, bool reverse, const std::vector<WindowSpec>& windows, const Body& body) {
    Words payload{trips, reverse, static_cast<uint32_t>(windows.size())};
    std::vector<At> places;
    for (const WindowSpec& window : windows) {
      payload.insert(payload.end(), {window.at.space, window.at.offset, window.step, window.words, window.written});
      places.push_back({static_cast<uint32_t>(1 + inputs_.size() / 2 + windows_++), 0});
    }
    Words code;
    uint32_t instructions = 0;
    std::swap(code, code_);
    std::swap(instructions, instructions_);
    body(places);
    std::swap(code, code_);
    std::swap(instructions, instructions_);
    windows_ -= windows.size();
    payload.push_back(instructions);
    payload.insert(payload.end(), code.begin(), code.end());
    instruction(Loop::kOpcode, payload);
  }
  void instruction(uint32_t opcode, const Words& payload) {
    code_.insert(code_.end(), {opcode, static_cast<uint32_t>(payload.size() + 2)});
    code_.insert(code_.end(), payload.begin(), payload.end());
    ++instructions_;
  }

  Words words() const {
    Words all{format::kMagic,
              format::kVersion,
              0,
              arenaWords_,
              static_cast<uint32_t>(inputs_.size() / 2),
              static_cast<uint32_t>(outputs_.size() / 4),
              instructions_,
              0};
    for (const Words* part : {&inputs_, &outputs_, &code_}) all.insert(all.end(), part->begin(), part->end());
    all[2] = static_cast<uint32_t>(all.size());
    return all;
  }

  // Row-major strides.
  static std::vector<uint32_t> rowMajor(const std::vector<uint32_t>& dims) {
    std::vector<uint32_t> strides(dims.size());
    uint32_t step = 1;
    for (size_t d = dims.size(); d-- > 0; step *= dims[d]) strides[d] = step;
    return strides;
  }

 private:
  static Words body(const std::vector<uint32_t>& dims, const std::vector<ViewSpec>& reads,
                    const std::vector<OpSpec>& ops) {
    Words payload{static_cast<uint32_t>(dims.size())};
    payload.insert(payload.end(), dims.begin(), dims.end());
    payload.push_back(static_cast<uint32_t>(reads.size()));
    for (const ViewSpec& read : reads) {
      payload.insert(payload.end(), {static_cast<uint32_t>(read.dtype), read.at.space, read.at.offset});
      payload.insert(payload.end(), read.strides.begin(), read.strides.end());
    }
    payload.push_back(static_cast<uint32_t>(ops.size()));
    for (const OpSpec& op : ops) {
      uint64_t bits;
      std::memcpy(&bits, &op.immediate, 8);
      payload.insert(payload.end(), {static_cast<uint32_t>(op.opcode), op.a, op.b, op.c, static_cast<uint32_t>(bits),
                                     static_cast<uint32_t>(bits >> 32)});
    }
    return payload;
  }

  uint32_t arenaWords_;
  uint32_t instructions_ = 0;
  size_t windows_ = 0;  // of the loops around what is added
  Words inputs_, outputs_, code_;
};

inline const uint8_t* bytesOf(const Words& words) { return reinterpret_cast<const uint8_t*>(words.data()); }

}  // namespace zeroth::test
