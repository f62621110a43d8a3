// The binary form of a planned program. These numbers and the layout are those of lib/graph/plan/format.ts, which
// documents them; program/instructions.h has the instructions. MAP, MAP_SUM and LOOP hold a count word before each of
// their lists: rank dims… | reads … | ops … | writes …, and trips reverse | windows … | body ….
#pragma once
#include <cstddef>
#include <cstdint>

#include "program/map_ops.h"

namespace zeroth::format {

constexpr uint32_t kMagic = 0x4854525a;  // "ZRTH"
constexpr uint32_t kVersion = 1;
constexpr size_t kHeaderWords = 8;

enum class DType : uint32_t { f32 = 0, i32 = 1, f64 = 2 };

// Of one element.
constexpr size_t bytesOf(DType dtype) { return dtype == DType::f64 ? 8 : 4; }

enum class ReduceKind : uint32_t { sum = 1, max = 2 };

#define ZEROTH_MAP_OPCODE(name, opcode, operands, lowest, highest, nanoseconds) name = opcode,
enum class MapOpcode : uint32_t { ZEROTH_MAP_OPS(ZEROTH_MAP_OPCODE) };
#undef ZEROTH_MAP_OPCODE

constexpr uint32_t kMaxRank = 8;
constexpr uint32_t kMaxMapReads = 24;
constexpr uint32_t kMaxMapOps = 96;
constexpr uint32_t kMaxMapWrites = 8;
constexpr uint32_t kMaxLoopDepth = 8;
// Sizes beyond these are taken for damage.
constexpr uint64_t kMaxArenaWords = uint64_t{1} << 32;
constexpr uint64_t kMaxElements = uint64_t{1} << 40;  // of one instruction's index space
constexpr uint64_t kMaxTrips = uint64_t{1} << 40;     // of a loop and those around it

}  // namespace zeroth::format
