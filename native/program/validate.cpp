// Nothing a program says is trusted.
#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <string>
#include <utility>

#include "program/checks.h"

namespace zeroth::program {

using namespace format;

namespace {

class Validator : private Checks {
 public:
  explicit Validator(const Program& program) : Checks(program), program_(program) {}

  void run() {
    if (program_.arenaWords > kMaxArenaWords) fail("expected an arena of at most 2^32 words");
    for (size_t i = 0; i < program_.outputs.size(); ++i) {
      place_ = "output " + std::to_string(i);
      const Output& output = program_.outputs[i];
      extent("output", output.dtype, output.ref, product(output.count, 1, 1));
    }
    for (size_t i = 0; i < program_.instructions.size(); ++i) {
      checkAt("instruction " + std::to_string(i), program_.instructions[i]);
    }
  }

 private:
  void checkAt(std::string place, const Instruction& instruction) {
    place_ = std::move(place);
    std::visit([this](const auto& row) { check(row); }, instruction);
  }

  Extent viewExtent(const char* what, const MapBody& body, const MapView& view) const {
    uint64_t last = 0;
    for (size_t d = 0; d < body.dims.size(); ++d) {
      uint64_t step;
      if (__builtin_mul_overflow(body.dims[d] - 1, view.strides[d], &step) ||
          __builtin_add_overflow(last, step, &last) || last > kMaxElements) {
        fail(std::string(what) + ": expected a view of at most 2^40 elements, found dimension " +
             std::to_string(body.dims[d]) + " with stride " + std::to_string(view.strides[d]));
      }
    }
    return extent(what, view.dtype, view.ref, last + 1);
  }

  static bool rowMajor(const MapBody& body, const MapView& view) {
    uint64_t expected = 1;
    for (size_t d = body.dims.size(); d-- > 0;) {
      if (body.dims[d] == 1) continue;
      if (view.strides[d] != expected) return false;
      expected *= body.dims[d];
    }
    return true;
  }

  // Each stride steps over all that the smaller strides reach: true of every permuted, sliced or padded view of a dense
  // array.
  void injective(const MapBody& body, const MapView& view) const {
    std::vector<std::pair<uint64_t, uint64_t>> order;
    for (size_t d = 0; d < body.dims.size(); ++d) {
      if (body.dims[d] > 1) order.emplace_back(view.strides[d], body.dims[d]);
    }
    std::sort(order.begin(), order.end());
    uint64_t reach = 0;
    for (const auto& [stride, dim] : order) {
      if (stride <= reach) {
        fail("expected a write that visits each element once, found stride " + std::to_string(stride) +
             " where smaller strides reach " + std::to_string(reach));
      }
      reach += stride * (dim - 1);
    }
  }

  void registers(const MapBody& body) const {
    for (size_t i = 0; i < body.ops.size(); ++i) {
      const MapOp& op = body.ops[i];
      const size_t defined = body.reads.size() + i;
      for (int j = 0; j < operandCount(op.opcode); ++j) {
        if (op.operands[j] >= defined) {
          fail("op " + std::to_string(i) + ": expected a register below " + std::to_string(defined) + ", found " +
               std::to_string(op.operands[j]));
        }
      }
      const IntegerRange range = immediates(op.opcode);
      if (op.opcode != MapOpcode::constant && !(op.immediate == std::nearbyint(op.immediate) &&
                                                op.immediate >= range.lowest && op.immediate <= range.highest)) {
        fail("op " + std::to_string(i) + ": expected for " + name(op.opcode) + " an integer from " +
             std::to_string(range.lowest) + " to " + std::to_string(range.highest) + ", found " +
             std::to_string(op.immediate));
      }
    }
  }

  void source(const MapBody& body, uint32_t source) const {
    const size_t defined = body.reads.size() + body.ops.size();
    if (source >= defined)
      fail("expected a register below " + std::to_string(defined) + ", found " + std::to_string(source));
  }

  void limit(const char* what, size_t count, uint32_t limit) const {
    if (count > limit) {
      fail(std::string("expected at most ") + std::to_string(limit) + " " + what + ", found " + std::to_string(count));
    }
  }

  std::vector<Extent> checkBody(const MapBody& body) const {
    limit("dimensions", body.dims.size(), kMaxRank);
    limit("reads", body.reads.size(), kMaxMapReads);
    limit("ops", body.ops.size(), kMaxMapOps);
    uint64_t elements = 1;
    for (uint64_t dim : body.dims) {
      positive("a dimension", dim);
      elements = product(elements, dim, 1);
    }
    registers(body);
    std::vector<Extent> reads;
    for (const MapView& read : body.reads) reads.push_back(viewExtent("a read", body, read));
    return reads;
  }

  void check(const Map& map) const {
    const std::vector<Extent> reads = checkBody(map);
    limit("writes", map.writes.size(), kMaxMapWrites);
    if (map.writes.empty()) fail("expected a write, found none");
    std::vector<Extent> writes;
    for (const MapWrite& write : map.writes) {
      source(map, write.source);
      writable("a write", write.ref);
      if ((write.dtype == DType::f64) != map.dims.empty()) {
        fail(std::string("expected f64 writes exactly at rank 0, found ") + name(write.dtype) + " at rank " +
             std::to_string(map.dims.size()));
      }
      injective(map, write);
      const Extent extent = viewExtent("a write", map, write);
      for (const Extent& other : writes) disjoint("a write", extent, "another write", other);
      writes.push_back(extent);
      for (size_t r = 0; r < reads.size(); ++r) {
        const MapView& read = map.reads[r];
        const bool inPlace = (read.dtype == DType::f64) == (write.dtype == DType::f64) && read.ref == write.ref &&
                             rowMajor(map, read) && rowMajor(map, write);
        if (!inPlace) disjoint("a write", extent, "a read that is not the same dense view", reads[r]);
      }
    }
  }

  void check(const MapSum& sum) const {
    const std::vector<Extent> reads = checkBody(sum);
    if (sum.dims.empty()) fail("expected a MAP_SUM of rank at least 1, found rank 0");
    source(sum, sum.source);
    writable("dst", sum.dst);
    const Extent dst = extent("dst", DType::f64, sum.dst, 1);
    for (const Extent& read : reads) disjoint("dst", dst, "a read", read);
  }

  Space checkWindow(const Window& window, uint64_t trips) const {
    const Space& parent = space("ref", window.ref);
    positive("words", window.words);
    Space result = parent;
    result.words = window.words;
    result.parent = window.ref.space;
    result.begin = window.ref.offset;
    result.travel = product(trips - 1, window.step, 1);
    const Extent extent{window.ref.space, result.begin, result.begin + result.travel + window.words};
    if (extent.end > parent.words) {
      fail("expected at most " + std::to_string(parent.words) + " words, found that its " + std::to_string(trips) +
           " places reach over " + spaces_.text(extent));
    }
    if (window.written) writable("ref of a window that is written", window.ref);
    result.writable = window.written;
    result.even = parent.even && window.ref.offset % 2 == 0 && window.step % 2 == 0;
    return result;
  }

  void check(const Loop& loop) {
    const std::string place = place_;
    const uint64_t around = trips_;
    positive("trips", loop.trips);
    if (__builtin_mul_overflow(around, loop.trips, &trips_) || trips_ > kMaxTrips) {
      fail("expected at most 2^40 trips of a loop and those around it, found " + std::to_string(around) + " × " +
           std::to_string(loop.trips));
    }
    if (loop.body.empty()) fail("expected an instruction in a loop, found none");
    std::vector<Space> windows;
    for (size_t i = 0; i < loop.windows.size(); ++i) {
      place_ = place + ", window " + std::to_string(i);
      windows.push_back(checkWindow(loop.windows[i], loop.trips));
    }
    spaces_.add(windows);
    for (size_t i = 0; i < loop.body.size(); ++i)
      checkAt(place + ", " + std::to_string(i) + " of its loop", loop.body[i]);
    spaces_.drop(windows.size());
    trips_ = around;
  }

  // The operands of an instruction that takes them whole.
  class Operands {
   public:
    explicit Operands(const Validator& validator) : validator_(validator) {}

    void size(const char* name, uint64_t value) const { validator_.positive(name, value); }
    void stride(const char*, uint64_t) const {}  // with its operand
    void flag(const char*, bool) const {}        // decoding has seen to it, as to codes
    template <class Enum>
    void code(const char*, Enum, Enum, Enum) const {}
    void dtype(const char* what, DType value, std::initializer_list<DType> allowed) const {
      std::string names;
      for (DType dtype : allowed) {
        if (value == dtype) return;
        names += (names.empty() ? "" : " or ") + std::string(name(dtype));
      }
      validator_.fail(std::string("expected ") + what + " of " + names + ", found " + name(value));
    }
    void read(const char* name, Ref ref, DType dtype, Elements elements) {
      reads_.push_back({name, validator_.operand(name, ref, dtype, elements)});
    }
    void write(const char* name, Ref ref, DType dtype, Elements elements) {
      validator_.writable(name, ref);
      writes_.push_back({name, validator_.operand(name, ref, dtype, elements)});
    }
    void finish() const {
      for (size_t i = 0; i < writes_.size(); ++i) {
        const auto& [name, extent] = writes_[i];
        for (const auto& [other, read] : reads_) validator_.disjoint(name, extent, other, read);
        for (size_t j = 0; j < i; ++j) validator_.disjoint(name, extent, writes_[j].first, writes_[j].second);
      }
    }

   private:
    const Validator& validator_;
    std::vector<std::pair<const char*, Extent>> reads_, writes_;
  };

  Extent operand(const char* what, Ref ref, DType dtype, const Elements& elements) const {
    const uint64_t one = product(elements.a, elements.b, elements.c);
    if (elements.stride != 0 && elements.stride < one) {
      fail(std::string(what) + ": expected a batch stride of 0 or at least " + std::to_string(one) + ", found " +
           std::to_string(elements.stride));
    }
    const uint64_t all = product(elements.batch - 1, elements.stride, 1) + one;
    if (dtype == DType::f64 && all != 1) {
      fail(std::string(what) + ": expected f64 only of a single number, found " + std::to_string(all));
    }
    return extent(what, dtype, ref, all);
  }

  template <class Row>
  void check(const Row& row) const {
    Operands operands(*this);
    Row::fields(row, operands);
    operands.finish();
  }

  const Program& program_;
  uint64_t trips_ = 1;  // of the loops around
};

}  // namespace

void validate(const Program& program) { Validator(program).run(); }

}  // namespace zeroth::program
