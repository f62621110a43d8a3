// How a fused elementwise chain runs tile by tile: where each register lives, and which loop computes it.
#pragma once
#include <vector>

#include "cpu/kernel.h"
#include "cpu/tile_kernels.h"
#include "cpu/view.h"

namespace zeroth::cpu {

class MapPlan {
 public:
  // `writes` may be empty (MAP_SUM); `kept` is a register that must be a tile when the ops are done, or kNone.
  static constexpr uint32_t kNone = ~uint32_t{0};
  MapPlan(const MapBody& body, const std::vector<MapWrite>& writes, uint32_t kept);

  size_t tiles() const { return (elements_ + tile_ - 1) / tile_; }
  size_t scratchBytesPerThread() const { return buffers_ * bufferBytes(); }
  // An estimate of the whole work on one thread.
  double nanoseconds() const { return nanoseconds_; }

  // Once a run, before the threads: what is the same for every element.
  void begin(const Context& context);
  // Tiles [first, last) on one thread; each(tile of the kept register, its length) after each of them.
  template <class Each>
  void run(const Context& context, uint8_t* scratch, size_t first, size_t last, const Each& each) const {
    const float* registers[format::kMaxMapReads + format::kMaxMapOps];
    enter(context, scratch, registers);
    for (size_t t = first; t < last; ++t) {
      const size_t start = t * tile_, count = elements_ - start < tile_ ? elements_ - start : tile_;
      compute(context, scratch, registers, start, count);
      each(kept_ == kNone ? nullptr : registers[kept_], count);
    }
  }

 private:
  enum class Place : uint8_t {
    unused,
    uniform,   // one number for the whole index space
    direct,    // read straight from memory
    periodic,  // a buffer that is filled once a thread: the tile is a multiple of the view's period
    loaded,    // a buffer that is filled for each tile
    buffer,    // the result of an op
    stored,    // the result of an op, computed straight into its destination
  };
  struct Register {
    Place place = Place::unused;
    bool fill = false;  // a uniform one that is also wanted as a tile
    size_t buffer = 0;
    size_t write = 0;  // of `stored`
    int lastUse = -1;  // an op, or the number of ops where a write uses it
  };
  struct View {
    DType dtype;
    Ref ref;
    Sizes strides;
    bool rowMajor;
    uint32_t source;  // of a write
  };
  struct Op {
    TileOp run;
    uint32_t result;
    uint32_t operands[3];
    int operandCount;
    int integer;  // the immediate
  };

  size_t bufferBytes() const { return alignUp(tile_ * sizeof(float)); }
  float* buffer(uint8_t* scratch, size_t index) const {
    return reinterpret_cast<float*>(scratch + index * bufferBytes());
  }
  void lastUses(const MapBody& body);
  void placeReads();
  void placeOps(const MapBody& body);
  bool storable(uint32_t result, int op, size_t& write) const;
  void enter(const Context& context, uint8_t* scratch, const float** registers) const;
  void compute(const Context& context, uint8_t* scratch, const float** registers, size_t start, size_t count) const;

  Sizes dims_;
  size_t elements_;
  size_t tile_;
  uint32_t kept_;
  std::vector<View> reads_, writes_;
  std::vector<Register> registers_;
  std::vector<float> uniforms_;  // one a register
  std::vector<Op> uniformOps_, ops_;
  size_t buffers_ = 0;
  double nanoseconds_ = 0;
};

}  // namespace zeroth::cpu
