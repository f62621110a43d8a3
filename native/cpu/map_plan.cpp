#include "cpu/map_plan.h"

#include <algorithm>
#include <numeric>

namespace zeroth::cpu {

namespace {

constexpr size_t kTile = 1024;         // 4 KB: a handful of them fit the first-level cache
constexpr size_t kLongestTile = 2048;  // where a period asks for it

#define ZEROTH_COST(name, opcode, operands, lowest, highest, nanoseconds) \
  case MapOpcode::name:                                                   \
    return nanoseconds;
double cost(MapOpcode opcode) {
  switch (opcode) { ZEROTH_MAP_OPS(ZEROTH_COST) }
  return 0;
}
#undef ZEROTH_COST

}  // namespace

MapPlan::MapPlan(const MapBody& body, const std::vector<MapWrite>& writes, uint32_t kept)
    : dims_(body.dims.begin(), body.dims.end()), kept_(kept), registers_(body.reads.size() + body.ops.size()) {
  std::vector<Sizes> strides;
  for (const MapView& read : body.reads) strides.emplace_back(read.strides.begin(), read.strides.end());
  for (const MapWrite& write : writes) strides.emplace_back(write.strides.begin(), write.strides.end());
  collapse(dims_, strides);
  elements_ = product(dims_);
  size_t view = 0;
  for (const MapView& read : body.reads) {
    reads_.push_back({read.dtype, read.ref, strides[view], isRowMajor(dims_, strides[view]), 0});
    ++view;
  }
  for (const MapWrite& write : writes) {
    writes_.push_back({write.dtype, write.ref, strides[view], isRowMajor(dims_, strides[view]), write.source});
    ++view;
  }
  // A copy of integers is a copy of bits, also of those that f32 cannot hold.
  for (uint32_t r = 0; r < reads_.size(); ++r) {
    bool copy = body.ops.empty() && kept == kNone && reads_[r].dtype == DType::i32;
    for (const MapWrite& write : writes) copy = copy && (write.source != r || write.dtype == DType::i32);
    if (!copy) continue;
    reads_[r].dtype = DType::f32;
    for (View& write : writes_) {
      if (write.source == r) write.dtype = DType::f32;
    }
  }
  uniforms_.resize(registers_.size());
  lastUses(body);
  placeReads();
  placeOps(body);
  nanoseconds_ *= static_cast<double>(elements_);
}

void MapPlan::lastUses(const MapBody& body) {
  const int end = static_cast<int>(body.ops.size());
  for (const View& write : writes_) registers_[write.source].lastUse = end;
  if (kept_ != kNone) registers_[kept_].lastUse = end;
  for (int i = end; i-- > 0;) {
    if (registers_[reads_.size() + i].lastUse < 0) continue;  // nobody wants it, so it wants nothing
    for (int j = 0; j < operandCount(body.ops[i].opcode); ++j) {
      int& last = registers_[body.ops[i].operands[j]].lastUse;
      if (last < i) last = i;
    }
  }
}

void MapPlan::placeReads() {
  const int end = static_cast<int>(registers_.size() - reads_.size());
  size_t common = 1;  // a multiple of the periods so far
  for (uint32_t r = 0; r < reads_.size(); ++r) {
    Register& reg = registers_[r];
    const View& read = reads_[r];
    if (reg.lastUse < 0) continue;
    // A write may take the place of what another write still has to copy.
    bool overwritten = false;
    for (const View& write : writes_) overwritten |= write.ref == read.ref && write.source != r;
    const bool endangered = overwritten && reg.lastUse == end;
    const size_t repeat = period(dims_, read.strides);
    const size_t joint = repeat <= kLongestTile ? std::lcm(common, repeat) : kLongestTile + 1;
    if (isSplat(read.strides)) {
      reg.place = Place::uniform;
    } else if (read.rowMajor && read.dtype == DType::f32 && !endangered) {
      reg.place = Place::direct;
      nanoseconds_ += 0.05;
    } else if (joint <= kLongestTile && repeat < elements_) {
      common = joint;
      reg.place = Place::periodic;
      reg.buffer = buffers_++;
    } else {
      reg.place = Place::loaded;
      reg.buffer = buffers_++;
      nanoseconds_ += 0.3;
    }
  }
  tile_ = common >= kTile ? common : kTile / common * common;
}

// Whether an op may compute straight into a destination: no read still wanted may lie there.
bool MapPlan::storable(uint32_t result, int op, size_t& write) const {
  for (size_t w = 0; w < writes_.size(); ++w) {
    const View& to = writes_[w];
    if (to.source != result || !to.rowMajor || to.dtype != DType::f32) continue;
    bool free = true;
    for (uint32_t r = 0; r < reads_.size(); ++r) {
      if (registers_[r].place == Place::direct && reads_[r].ref == to.ref && registers_[r].lastUse > op) free = false;
    }
    if (free) {
      write = w;
      return true;
    }
  }
  return false;
}

void MapPlan::placeOps(const MapBody& body) {
  const TileKernels& kernels = tileKernels();
  std::vector<size_t> freeBuffers;
  for (int i = 0; i < static_cast<int>(body.ops.size()); ++i) {
    const MapOp& op = body.ops[i];
    const uint32_t result = static_cast<uint32_t>(reads_.size() + i);
    Register& reg = registers_[result];
    if (reg.lastUse < 0) continue;
    if (op.opcode == MapOpcode::constant) {
      reg.place = Place::uniform;
      uniforms_[result] = static_cast<float>(op.immediate);
      continue;
    }
    Op step{nullptr,
            result,
            {op.operands[0], op.operands[1], op.operands[2]},
            operandCount(op.opcode),
            static_cast<int>(op.immediate)};
    unsigned splat = 0;
    for (int j = 0; j < step.operandCount; ++j) {
      if (registers_[step.operands[j]].place == Place::uniform) splat |= 1u << j;
    }
    if (splat + 1 == 1u << step.operandCount) {
      reg.place = Place::uniform;
      step.run = kernels.op(op.opcode, 0);
      uniformOps_.push_back(step);
      continue;
    }
    step.run = kernels.op(op.opcode, splat);
    nanoseconds_ += cost(op.opcode);
    for (int j = 0; j < step.operandCount; ++j) {
      Register& operand = registers_[step.operands[j]];
      if (operand.lastUse != i || (operand.place != Place::buffer && operand.place != Place::loaded)) continue;
      freeBuffers.push_back(operand.buffer);
      operand.lastUse = i - 1;  // so that an operand that is named twice is freed once
    }
    if (storable(result, i, reg.write)) {
      reg.place = Place::stored;
    } else {
      reg.place = Place::buffer;
      if (freeBuffers.empty()) freeBuffers.push_back(buffers_++);
      reg.buffer = freeBuffers.back();
      freeBuffers.pop_back();
    }
    ops_.push_back(step);
  }
  auto fill = [this](uint32_t r) {
    if (registers_[r].place != Place::uniform || registers_[r].fill) return;
    registers_[r].fill = true;
    registers_[r].buffer = buffers_++;
  };
  if (kept_ != kNone) fill(kept_);
  for (const View& write : writes_) {
    fill(write.source);
    nanoseconds_ += write.rowMajor ? 0.05 : 0.3;
  }
}

void MapPlan::begin(const Context& context) {
  for (uint32_t r = 0; r < reads_.size(); ++r) {
    if (registers_[r].place != Place::uniform) continue;
    loadView(reads_[r].dtype, context.at<uint8_t>(reads_[r].ref), dims_, reads_[r].strides, 0, 1, &uniforms_[r]);
  }
  for (const Op& op : uniformOps_) {
    const float* operands[3] = {};
    for (int j = 0; j < op.operandCount; ++j) operands[j] = &uniforms_[op.operands[j]];
    op.run(&uniforms_[op.result], operands, 1, op.integer);
  }
}

void MapPlan::enter(const Context& context, uint8_t* scratch, const float** registers) const {
  const size_t count = std::min(elements_, tile_);
  for (uint32_t r = 0; r < registers_.size(); ++r) {
    const Register& reg = registers_[r];
    registers[r] = nullptr;
    if (reg.place == Place::uniform) {
      registers[r] = &uniforms_[r];
      if (!reg.fill) continue;
      float* tile = buffer(scratch, reg.buffer);
      std::fill_n(tile, count, uniforms_[r]);
    } else if (reg.place == Place::periodic) {
      float* tile = buffer(scratch, reg.buffer);
      loadView(reads_[r].dtype, context.at<uint8_t>(reads_[r].ref), dims_, reads_[r].strides, 0, count, tile);
      registers[r] = tile;
    } else if (reg.place == Place::loaded || reg.place == Place::buffer) {
      registers[r] = buffer(scratch, reg.buffer);
    }
  }
  // A kept register is wanted as a tile; the ops reach a uniform one through uniforms_.
  if (kept_ != kNone && registers_[kept_].fill) registers[kept_] = buffer(scratch, registers_[kept_].buffer);
}

void MapPlan::compute(const Context& context, uint8_t* scratch, const float** registers, size_t start,
                      size_t count) const {
  for (uint32_t r = 0; r < reads_.size(); ++r) {
    if (registers_[r].place == Place::direct) {
      registers[r] = context.at<float>(reads_[r].ref) + start;
    } else if (registers_[r].place == Place::loaded) {
      loadView(reads_[r].dtype, context.at<uint8_t>(reads_[r].ref), dims_, reads_[r].strides, start, count,
               buffer(scratch, registers_[r].buffer));
    }
  }
  for (const Op& op : ops_) {
    const float* operands[3] = {};
    for (int j = 0; j < op.operandCount; ++j) operands[j] = registers[op.operands[j]];
    const Register& result = registers_[op.result];
    float* out = result.place == Place::stored ? context.at<float>(writes_[result.write].ref) + start
                                               : buffer(scratch, result.buffer);
    registers[op.result] = out;
    op.run(out, operands, count, op.integer);
  }
  for (size_t w = 0; w < writes_.size(); ++w) {
    const View& write = writes_[w];
    const Register& source = registers_[write.source];
    if (source.place == Place::stored && source.write == w) continue;
    const float* tile = source.fill ? buffer(scratch, source.buffer) : registers[write.source];
    storeView(write.dtype, context.at<uint8_t>(write.ref), dims_, write.strides, start, count, tile);
  }
}

}  // namespace zeroth::cpu
