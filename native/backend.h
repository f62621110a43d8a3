// The one interface that a device implements. The engine above it owns the queue and decodes commands; a backend only
// computes. Every call comes from the engine's worker thread, one at a time, except where it says otherwise. The engine
// has checked every command of a job against what it is made of before the first of them runs. Offsets into buffers are
// in bytes, and multiples of the size of the elements that are there.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "direction/direction.h"
#include "program/program.h"

namespace zeroth {

// Bad input that reached native code: the caller is at fault, and nothing was changed.
struct CommandError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Device memory: 64-byte aligned, zero-filled.
class Buffer {
 public:
  explicit Buffer(size_t bytes) : bytes_(bytes) {}
  virtual ~Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  size_t bytes() const { return bytes_; }

 private:
  size_t bytes_;
};

using BufferRef = std::shared_ptr<Buffer>;

// A prepared program, with its arena.
class Executable {
 public:
  virtual ~Executable() = default;
  virtual size_t arenaBytes() const = 0;
  virtual const Program& program() const = 0;
};

using ExecutableRef = std::shared_ptr<Executable>;

// A coefficient that is known once the job has come to its pass: factor · slots[slot].
struct FedCoefficient {
  size_t term;
  uint32_t slot;
  double factor;
};

// One fused update of a pass. `gradient` = Σ terms (+ denseCoefficient · dense).
struct PassOp {
  enum class Kind : uint32_t { add = 0, momentum = 1, adam = 2, frozenAdam = 3, keep = 4, resume = 5, traced = 6 };
  Kind kind = Kind::add;
  std::vector<Term> terms;
  std::vector<FedCoefficient> fed;  // of terms; the engine has put them in before a backend sees the pass
  BufferRef dense;                  // may be null
  float denseCoefficient = 0;
  double lr = 0, beta1 = 0, beta2 = 0, epsilon = 0;
  int64_t t = 0;   // Adam's step count, from 1
  BufferRef m, v;  // state; for frozenAdam v is p
  // keep: gets the values as they are here, between the ops before and the ops after. resume: the ops after go on from
  // what it holds, which an op before has kept or which is the source of a pass that goes elsewhere.
  BufferRef to;
  // traced: a program of maps over pieces of `n` elements, loaded once a lane. Its inputs are n of θ, n of g, n of each
  // state, and the scalars; its outputs are θ and the first of the states, of which there may be fewer than inputs.
  std::vector<ExecutableRef> programs;
  std::vector<BufferRef> states;
  std::vector<float> scalars;
};

struct InputBinding {
  BufferRef buffer;
  size_t byteOffset;
};

// What becomes of a program output.
struct OutputBinding {
  enum class Mode : uint32_t { addToSlot = 1, store = 2, accumulate = 3 };
  Mode mode;
  uint32_t slot = 0;  // addToSlot: results[slot] += weight · value
  BufferRef buffer;   // otherwise rows of `rowLength` elements go to its bytes from byteOffset + row · byteStride on
  size_t byteOffset = 0, rowLength = 0, byteStride = 0;
  double weight = 1;
};

struct Call {
  ExecutableRef program;
  std::vector<InputBinding> inputs;
  std::vector<OutputBinding> outputs;
};

// Of a vector of f32, in f64, where no square overflows: NaN or infinite if and only if some element is.
struct Sums {
  double sum = 0, squares = 0;
};

// A vector of f32 somewhere in a buffer.
struct VectorRef {
  BufferRef buffer;
  size_t byteOffset = 0;
};

// Linear combinations of vectors, element by element: output a = (Σ coefficients[a][i] · input i) · factor, summed in
// f64 in this order and rounded once; then its scalar products with vectors. All outputs of an element are made before
// any is written, so outputs may be inputs.
struct LinearOp {
  size_t count = 0;  // elements of each vector
  std::vector<VectorRef> inputs;
  std::vector<VectorRef> outputs;    // one without a buffer only gives its scalar products
  std::vector<double> coefficients;  // outputs × inputs
  VectorRef factor;                  // may be without a buffer: 1
  std::vector<VectorRef> with;       // read as they are when the outputs are written
};

// What a device likes, for whoever plans what it runs. Of what does not go by it the results are as right.
struct Traits {
  // Calls that may run at the same time.
  size_t lanes;
  // Examples that are enough to keep one lane busy by itself: of fewer, all had better share each kernel.
  size_t laneExamples;
  // The same of a model of few parameters, so many at most: what they share with others costs more than they do.
  size_t smallModelExamples, smallModelParameters;
  // Bytes: values in an arena begin at multiples of it.
  size_t alignment;
  // Composites that it computes by one instruction, by the names of their rows (lib/graph/ops/composite.ts).
  std::vector<std::string> composites;
  // What its memory may hold.
  std::vector<DType> dtypes;
};

class Backend {
 public:
  virtual ~Backend() = default;

  // Nothing is wanted any more: what runs may end early, and then leaves anything behind. From any thread.
  void stop() { stopped_.store(true, std::memory_order_relaxed); }
  bool stopped() const { return stopped_.load(std::memory_order_relaxed); }

  virtual const Traits& traits() const = 0;
  virtual BufferRef allocate(size_t bytes) = 0;  // from any thread
  virtual void write(Buffer& to, size_t byteOffset, const void* from, size_t bytes) = 0;
  virtual void read(const Buffer& from, size_t byteOffset, void* to, size_t bytes) = 0;
  virtual void copy(const Buffer& from, size_t fromByte, Buffer& to, size_t toByte, size_t bytes) = 0;
  // Row i of `to` becomes row rows[i] of `from`.
  virtual void gatherRows(const Buffer& from, size_t rowBytes, Buffer& to, const std::vector<uint32_t>& rows) = 0;
  // Element i from there on = scale · z(direction)[first + i], in a space unless it is null.
  virtual void fill(Buffer& to, size_t byteOffset, const Direction& direction, const Space* space, uint64_t first,
                    size_t count, float scale) = 0;
  // Over `count` elements.
  virtual Sums sums(const Buffer& of, size_t byteOffset, size_t count) = 0;
  // Returns outputs × with scalar products, in f64.
  virtual std::vector<double> linear(const LinearOp& op) = 0;
  // One pass over memory: out = ops(in); out may be in.
  virtual void pass(const Buffer& in, Buffer& out, size_t count, const std::vector<PassOp>& ops) = 0;
  // `threads` is what each of the program's kernels may use. The program is one that `decode` has returned.
  virtual ExecutableRef load(Program program, int threads) = 0;
  // Runs the calls of a group, of different programs, at the same time, one a thread; their outputs are delivered in
  // the group's order, so that sums do not depend on who was first. Returns false when it was aborted between kernels.
  virtual bool call(const std::vector<Call>& group, std::vector<double>& slots, const std::atomic<bool>& aborted) = 0;

 protected:
  const std::atomic<bool>& stopFlag() const { return stopped_; }

 private:
  std::atomic<bool> stopped_{false};
};

}  // namespace zeroth
