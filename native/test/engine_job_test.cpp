// Jobs: every refusal of the decoder, and what still runs after an abort or a failure, on a backend that only records.
#include <cmath>
#include <initializer_list>
#include <limits>
#include <string>
#include <utility>

#include "check.h"
#include "engine/decode.h"
#include "engine/run.h"
#include "engine/values.h"

using namespace zeroth;

namespace {

using Words = std::vector<double>;

struct FakeExecutable : Executable {
  FakeExecutable(std::vector<Declaration> inputs, std::vector<Output> outputs,
                 std::vector<Instruction> instructions = {})
      : program_{0, std::move(inputs), std::move(outputs), std::move(instructions)} {}
  size_t arenaBytes() const override { return 0; }
  const Program& program() const override { return program_; }

 private:
  Program program_;
};

ExecutableRef declares(std::vector<Declaration> inputs, std::vector<Output> outputs) {
  return std::make_shared<FakeExecutable>(std::move(inputs), std::move(outputs));
}

/** Of f32, with so many elements in each input and output. */
ExecutableRef tracedOf(const std::vector<uint64_t>& inputs, const std::vector<uint64_t>& outputs,
                       std::vector<Instruction> instructions = {}) {
  std::vector<Declaration> given;
  std::vector<Output> made;
  for (uint64_t count : inputs) given.push_back({DType::f32, count});
  for (uint64_t count : outputs) made.push_back({{DType::f32, count}, {}});
  return std::make_shared<FakeExecutable>(std::move(given), std::move(made), std::move(instructions));
}

/** Writes down what it is asked to do; fails or raises the flag where told. */
class FakeBackend : public Backend {
 public:
  const Traits& traits() const override {
    static const Traits traits{2, 1, 1, 1, 64, {}, {DType::f32}};
    return traits;
  }
  BufferRef allocate(size_t bytes) override { return std::make_shared<Buffer>(bytes); }
  void write(Buffer&, size_t, const void*, size_t) override {}
  void read(const Buffer&, size_t, void*, size_t) override {}
  void copy(const Buffer&, size_t, Buffer&, size_t, size_t) override { note("copy"); }
  void gatherRows(const Buffer&, size_t, Buffer&, const std::vector<uint32_t>& rows) override {
    seen.insert(seen.end(), rows.begin(), rows.end());
    note("gather" + std::to_string(rows.size()));
  }
  void fill(Buffer&, size_t, const Direction& direction, const Space*, uint64_t, size_t, float scale) override {
    see({direction, scale, nullptr});
    note("fill");
  }
  Sums sums(const Buffer&, size_t byteOffset, size_t count) override {
    note("sums");
    return {static_cast<double>(byteOffset) / 4, static_cast<double>(count)};
  }
  std::vector<double> linear(const LinearOp& op) override {
    coefficients = op.coefficients;
    seen.insert(seen.end(), coefficients.begin(), coefficients.end());
    note("linear" + std::to_string(op.outputs.size()));
    return std::vector<double>(op.outputs.size() * op.with.size(), 0.25);
  }
  void pass(const Buffer&, Buffer&, size_t, const std::vector<PassOp>& ops) override {
    if (!ops.front().fed.empty()) fed.push_back(ops.front().terms.front().coefficient);
    for (const PassOp& op : ops) {
      for (const Term& term : op.terms) see(term);
      for (double value : {double{op.denseCoefficient}, op.lr, op.beta1, op.beta2, op.epsilon}) seen.push_back(value);
      seen.push_back(static_cast<double>(op.t));
      seen.insert(seen.end(), op.scalars.begin(), op.scalars.end());
    }
    note("pass" + std::to_string(ops.size()));
  }
  ExecutableRef load(Program, int) override { return declares({}, {}); }
  bool call(const std::vector<Call>& group, std::vector<double>& slots, const std::atomic<bool>&) override {
    note("call" + std::to_string(group.size()));
    for (const Call& call : group) {
      for (const OutputBinding& output : call.outputs) {
        if (output.mode == OutputBinding::Mode::addToSlot) slots[output.slot] += output.weight;
      }
    }
    return !stopsCalls;
  }

  std::string log;
  std::vector<double> coefficients;  // of the last linear combination
  std::vector<float> fed;            // first coefficients of the passes that are fed
  std::vector<double> seen;          // the numbers that it was given, and nothing of what slots hold
  std::string failsAt, stopsAt;
  std::atomic<bool>* abortsAt = nullptr;  // raised by the first copy
  bool stopsCalls = false;

 private:
  void see(const Term& term) {
    for (uint64_t number : {term.direction.seed, term.direction.stream}) seen.push_back(static_cast<double>(number));
    seen.push_back(term.coefficient);
  }

  void note(const std::string& what) {
    log += (log.empty() ? "" : " ") + what;
    if (abortsAt != nullptr && what == "copy") abortsAt->store(true);
    if (what == stopsAt) stop();
    if (what == failsAt) throw std::runtime_error(what + " failed");
  }
};

// Buffers 1 to 5 of 16 elements, programs 1 to 6, two calls at the same time.
const Registry registry{
    [](uint32_t id) -> BufferRef {
      static const std::vector<BufferRef> buffers = [] {
        std::vector<BufferRef> made;
        for (int i = 0; i < 5; ++i) made.push_back(std::make_shared<Buffer>(64));
        return made;
      }();
      if (id < 1 || id > buffers.size()) throw CommandError("buffer does not exist");
      return buffers[id - 1];
    },
    [](uint32_t id) -> ExecutableRef {
      static const std::vector<ExecutableRef> made{
          declares({{DType::f32, 14}}, {{{DType::f64, 1}, {}}, {{DType::f32, 8}, {}}}),
          declares({}, {{{DType::f64, 1}, {}}}),
          declares({}, {}),
          declares({}, {{{DType::f64, 2}, {}}}),
          declares({}, {{{DType::i32, 1}, {}}}),
          declares({{DType::f64, 7}}, {}),
          tracedOf({8, 8, 8, 1}, {8, 8}),
          tracedOf({8, 8, 8, 1}, {8, 8, 8}),
          tracedOf({8, 8, 4, 1}, {8}),
          tracedOf({0, 0, 0, 1}, {0}),
          tracedOf({8, 8, 8, 2}, {8}),
          tracedOf({8, 8, 8, 1}, {4}),
          tracedOf({8, 8, 8, 1}, {}),
          tracedOf({8, 8, 8, 1}, {8}, {Iota{DType::f32, 1, 8, 1, {}}}),
          declares({{DType::f32, 8}, {DType::f32, 8}, {DType::f32, 8}, {DType::f32, 1}}, {{{DType::f32, 8}, {1, 0}}}),
          tracedOf({8, 8, 8, 1}, {8, 8}),
          tracedOf({8, 8, 8, 1}, {8}, {Loop{2, false, 5, {}, {Iota{DType::f32, 1, 8, 1, {}}}}}),
      };
      if (id < 1 || id > made.size()) throw CommandError("program does not exist");
      return made[id - 1];
    },
    2};

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

/** As CommandList makes it. */
struct List {
  List(std::initializer_list<double> words) : words(words) {}
  List(Words words, Words values) : words(std::move(words)), values(std::move(values)) {}
  Words words, values;
};

List operator+(List a, const List& b) {
  a.words.insert(a.words.end(), b.words.begin(), b.words.end());
  a.values.insert(a.values.end(), b.values.begin(), b.values.end());
  return a;
}

/** With another word. */
List with(List list, size_t at, double word) {
  list.words.at(at) = word;
  return list;
}

List withValue(List list, size_t at, double value) {
  list.values.at(at) = value;
  return list;
}

/** A job's command, without the number of its slots. */
List commandOf(List job) {
  job.words.erase(job.words.begin());
  return job;
}

Job decoded(const List& list, const Registry& names = registry) {
  return decodeJob(list.words.data(), list.words.size(), names);
}

void setValues(Job& job, const Words& values) { setValues(job, values.data(), values.size()); }

std::string refusal(const List& list) {
  try {
    Job job = decoded(list);
    setValues(job, list.values);
  } catch (const CommandError& error) {
    return error.what();
  }
  return "";
}

// Words, then values.
// slots; command, in, out, count, updates; kind, terms, [distribution, slot], dense, m, v
// [seed ×2, stream ×2, coefficient], dense coefficient, lr, beta1, beta2, epsilon, t
const List adamJob{{0, 1, 1, 2, 16, 1, 2, 1, 0, 0, 3, 4, 5}, {1, 0, 2, 0, 0.5, 1, 0.1, 0.9, 0.99, 1e-8, 1}};
// As adamJob, without its numbers; then programs, [program] ×2, states, [state], scalars
// and [scalar]
const List tracedJob{{0, 1, 1, 2, 16, 1, 6, 1, 0, 0, 3, 0, 0, 2, 7, 16, 1, 4, 1},
                     {1, 0, 2, 0, 0.5, 1, 0, 0, 0, 0, 0, 0.5}};
// The source gets the values between two adds.
const List keepPass{{1, 1, 2, 16, 3,        //
                     0, 1, 0, 0,  0, 0, 0,  //
                     4, 0, 0, 1,  0,        //
                     0, 1, 0, 0,  0, 0, 0},
                    {1, 0, 2, 0, 0.5,  0, 0, 0, 0, 0, 0,  //
                     0, 0, 0, 0, 0,    0,                 //
                     1, 0, 2, 0, 0.25, 0, 0, 0, 0, 0, 0}};
const List plainPass{{1, 1, 1, 4, 1, 0, 1, 0, 0, 0, 0, 0}, {7, 0, 1, 0, 0.5, 0, 0, 0, 0, 0, 0}};
// Offsets and strides are in bytes, lengths and counts in elements.
// slots; command, concurrent, program, inputs, [buffer, byte], outputs, [mode, slot], [mode, buffer, offset, row
// length, row stride] [weight] ×2
const List callJob{{2, 2, 0, 1, 1, 1, 8, 2, 1, 1, 2, 2, 0, 4, 16}, {0.5, 1}};
const List copyJob{0, 3, 1, 0, 2, 32, 32};
// slots; command, buffer, offset, distribution, first, count
// seed ×2, stream ×2, scale
const List fillJob{{0, 4, 1, 16, 2, 100, 12}, {5, 6, 7, 8, 1}};
const List gatherJob{{0, 5, 1, 2, 16, 2}, {3, 0}};
// slots; command, buffer, offset, count, slot
const List sumsJob{3, 6, 1, 16, 12, 1};
// slots; command, out, terms, [slot] ×2, divisor's slot and 1
// [weight] ×2, divisor
const List combineJob{{4, 7, 3, 2, 0, 1, 3}, {1, -1, 0.5}};
// slots; command, count, inputs, [buffer, offset] ×2, outputs, [buffer, offset] ×2, [slot, inverse root] ×4, factor,
// its offset, vectors of products, [buffer, offset], slot [coefficient] ×4
const List linearJob{{3, 8, 8, 2, 1, 0, 2, 32, 2, 1, 0, 0, 0, 0, 0, 2, 1, 1, 0, 0, 0, 3, 4, 1, 1, 0, 1},
                     {1, -0.5, 2, 0.25}};

const List allJobs[] = {adamJob, tracedJob, callJob, copyJob, fillJob, gatherJob, sumsJob, combineJob, linearJob};

void wholeJobsDecode() {
  for (const List& job : allJobs) CHECK(refusal(job).empty(), "%s", refusal(job).c_str());
  for (const List& job : {List{0}, List{3} + plainPass}) CHECK(refusal(job).empty(), "%s", refusal(job).c_str());
  Job job = decoded(fillJob);
  setValues(job, fillJob.values);
  const auto& fill = std::get<FillCommand>(job.commands.at(0));
  CHECK(fill.direction.seed == (uint64_t{6} << 32 | 5) && fill.direction.stream == (uint64_t{8} << 32 | 7));
  CHECK(fill.direction.distribution == Distribution::uniform && fill.first == 100 && fill.count == 12);
}

void anythingThatEndsTooSoonIsRefused() {
  for (const List& job : allJobs) {
    for (size_t length = 0; length < job.words.size(); ++length) {
      const Words cut(job.words.begin(), job.words.begin() + static_cast<std::ptrdiff_t>(length));
      // A command's first word gone leaves a shorter, whole job.
      const bool whole = length == 1;
      CHECK(refusal({cut, whole ? Words{} : job.values}).empty() == whole, "command %g cut to %zu words", job.words[1],
            length);
    }
  }
}

/** No word or value of any job may be a NaN, infinite, negative where it counts, or beyond what it counts. */
void everyNumberIsChecked() {
  for (const List& job : allJobs) {
    for (double wrong : {nan, infinity, -infinity, 1e300}) {
      for (size_t i = 0; i < job.words.size(); ++i)
        CHECK(!refusal(with(job, i, wrong)).empty(), "command %g, word %zu = %g", job.words[1], i, wrong);
      for (size_t i = 0; i < job.values.size(); ++i) {
        // Slots are f64.
        const bool wide = wrong == 1e300 && (job.words[1] == 7 || job.words[1] == 8 || (job.words[1] == 2 && i == 0));
        CHECK(refusal(withValue(job, i, wrong)).empty() == wide, "command %g, value %zu = %g", job.words[1], i, wrong);
      }
    }
  }
}

/** A job says how many values it takes, and says so where it is given others. */
void valuesAreCounted() {
  for (const List& job : allJobs) {
    CHECK(decoded(job).values == job.values.size(), "command %g", job.words[1]);
    for (size_t length = 0; length < job.values.size() + 3; ++length) {
      List other = job;
      other.values.resize(length, 1.0);
      const std::string message = length == job.values.size() ? ""
                                                              : "job: expected " + std::to_string(job.values.size()) +
                                                                    " values, received " + std::to_string(length);
      CHECK(refusal(other) == message, "command %g, %zu values: %s", job.words[1], length, refusal(other).c_str());
    }
  }
}

void expectRefusal(const List& job, const char* part) {
  const std::string message = refusal(job);
  CHECK(message.find(part) != std::string::npos, "expected \"%s\", received \"%s\"", part, message.c_str());
}

void refusalsSayWhatIsWrong() {
  expectRefusal({-1}, "result slots");
  expectRefusal({1048577}, "result slots: expected an integer from 0 to 1048576, received 1048577");
  expectRefusal({0, 0}, "unknown command");
  expectRefusal({0, 9}, "command");
  expectRefusal({0, 1.5}, "received 1.5");
  // Passes.
  expectRefusal(with(adamJob, 2, 9), "does not exist");
  expectRefusal(with(adamJob, 2, 0), "does not exist");
  expectRefusal(with(adamJob, 4, 17), "pass source");
  expectRefusal(with(adamJob, 5, 1000), "updates exceeds the job's length");
  expectRefusal(with(adamJob, 6, 7), "update kind");
  expectRefusal(with(tracedJob, 14, 99), "does not exist");
  expectRefusal(with(tracedJob, 14, 3), "other inputs");
  expectRefusal(with(tracedJob, 14, 8), "some of the states");
  expectRefusal(with(tracedJob, 14, 9), "as the first");
  expectRefusal(with(tracedJob, 14, 10), "no elements");
  expectRefusal(with(tracedJob, 14, 11), "single ones");
  expectRefusal(with(tracedJob, 14, 12), "as long as its inputs");
  expectRefusal(with(tracedJob, 14, 13), "as outputs");
  expectRefusal(with(tracedJob, 14, 14), "element by element");
  expectRefusal(with(tracedJob, 14, 17), "element by element");
  expectRefusal(with(tracedJob, 14, 15), "apart from its inputs");
  expectRefusal(with(tracedJob, 15, 3), "other inputs");
  expectRefusal(with(tracedJob, 15, 7), "one program for two lanes");
  // As many scalars as the programs take, and no memory for any before.
  for (double scalars : {0.0, 2.0, 1e9, 9007199254740991.0})
    expectRefusal(with(tracedJob, 18, scalars), "its program has other inputs");
  List oneLane = with(tracedJob, 13, 1);
  oneLane.words.erase(oneLane.words.begin() + 15);
  expectRefusal(oneLane, "a program for each lane");
  expectRefusal(with(tracedJob, 17, 1), "one of its own");
  expectRefusal(with(tracedJob, 17, 2), "one of its own");
  expectRefusal(with(tracedJob, 17, 3), "one of its own");
  expectRefusal(withValue(tracedJob, 11, 1e39), "scalar of an update");
  expectRefusal(with(adamJob, 7, 1e6), "terms exceeds the job's length");
  expectRefusal(with(adamJob, 8, 3), "distribution");
  expectRefusal(withValue(adamJob, 0, 4294967296.0), "seed");
  expectRefusal(withValue(adamJob, 4, 1e39), "coefficient: expected a number in the range of f32");
  expectRefusal(with(adamJob, 9, 1), "a slot beyond the declared results");
  expectRefusal(withValue(adamJob, 5, -1e39), "dense coefficient: expected a number in the range of f32");
  expectRefusal(withValue(adamJob, 7, 1), "beta1: expected 0 ≤ β < 1 in f32, received 1");
  expectRefusal(withValue(adamJob, 8, 1 - 0x1p-25), "beta2: expected 0 ≤ β < 1 in f32");
  expectRefusal(withValue(adamJob, 9, 1e-46), "epsilon: expected a number > 0 in f32");
  expectRefusal(withValue(adamJob, 6, 1e38), "expected a step lr / (1 - β1^t) in the range of f32");

  expectRefusal(withValue(adamJob, 8, -0.1), "beta2");
  expectRefusal(withValue(adamJob, 9, -1e-9), "epsilon");
  expectRefusal(withValue(adamJob, 10, 0), "Adam's t starts at 1");
  expectRefusal(with(adamJob, 11, 0), "lacks its state buffer");
  expectRefusal(with(adamJob, 12, 0), "lacks its state buffer");
  for (double clash : {1.0, 2.0, 3.0, 5.0}) expectRefusal(with(adamJob, 11, clash), "separate buffers");
  for (double clash : {1.0, 2.0, 3.0, 4.0}) expectRefusal(with(adamJob, 12, clash), "separate buffers");
  expectRefusal(with(adamJob, 10, 2), "separate buffers");
  const List keepJob = List{0} + keepPass;
  CHECK(refusal(keepJob).empty(), "%s", refusal(keepJob).c_str());
  expectRefusal(with(keepJob, 16, 0), "takes a buffer and nothing else");
  expectRefusal(with(keepJob, 17, 3), "takes a buffer and nothing else");
  expectRefusal(with(keepJob, 15, 3), "takes a buffer and nothing else");
  expectRefusal(with(keepJob, 16, 2), "they need one of their own");
  expectRefusal(with(with(keepJob, 16, 3), 10, 3), "they need one of their own");
  // A second add from the values that were kept, or from the source, which stays.
  const auto resuming = [](double in, double out, double from) {
    const Words nothing(6);
    return List{0, 1, in, out, 16, 3} + List{{4, 0, 0, 3, 0}, nothing} +
           List{{0, 1, 0, 0, 0, 0, 0}, {1, 0, 2, 0, 0.5, 0, 0, 0, 0, 0, 0}} + List{{5, 0, 0, from, 0}, nothing};
  };
  for (const List& good : {resuming(1, 2, 3), resuming(1, 1, 3), resuming(1, 2, 1)}) {
    CHECK(refusal(good).empty(), "%s", refusal(good).c_str());
  }
  for (const List& bad : {resuming(1, 2, 4), resuming(1, 2, 2), resuming(1, 1, 1)}) {
    expectRefusal(bad, "goes on from values that the pass has not kept");
  }
  expectRefusal(resuming(1, 2, 0), "takes a buffer and nothing else");
  // Calls.
  expectRefusal(with(callJob, 2, 2), "concurrent");
  expectRefusal(with(callJob, 2, 1), "without a call before it");
  expectRefusal({0, 3, 1, 0, 2, 32, 32, 2, 1, 3, 0, 0}, "without a call before it");
  expectRefusal(callJob + with(commandOf(callJob), 1, 1), "called twice at the same time");
  expectRefusal(callJob + List{{2, 1, 2, 0, 1, 1, 0}, {3}} + List{2, 1, 3, 0, 0},
                "3 calls at the same time on a device of 2");
  expectRefusal(with(callJob, 3, 99), "program does not exist");
  // What a call binds.
  expectRefusal(with(callJob, 3, 3), "a program of 0 inputs and 0 outputs was called with 1 and 2");
  expectRefusal(with(callJob, 6, 12), "input 0: expected at least 56 bytes, received 52");
  expectRefusal({0, 2, 0, 6, 1, 1, 12, 0}, "input 0: expected at least 56 bytes, received 52");
  expectRefusal({1, 2, 0, 1, 1, 1, 8, 2, 1, 0, 1, 0}, "output 1 is bound as what it is not");
  expectRefusal({1, 2, 0, 4, 0, 1, 1, 0}, "output 0: expected one number for a slot, received 2");
  expectRefusal({0, 2, 0, 2, 0, 1, 2, 1, 0, 1, 4}, "output 0 is bound as what it is not");
  // Half an element is none.
  for (const auto& [job, at] : {std::pair{callJob, size_t{12}}, {fillJob, 3}, {sumsJob, 3}, {linearJob, 7}})
    expectRefusal(with(job, at, job.words[at] + 2), "offset: expected a multiple of 4 bytes, received");
  // Four rows of two.
  CHECK(refusal(with(with(callJob, 13, 2), 14, 16)).empty());
  expectRefusal(with(with(callJob, 13, 2), 14, 20), "beyond its buffer");
  expectRefusal(with(callJob, 14, 18), "row stride: expected a multiple of 4 bytes, received 18");
  for (double mode : {2.0, 3.0}) {
    expectRefusal({0, 2, 0, 4, 0, 1, mode, 1, 0, 2, 8}, "output 0 is bound as what it is not");
    expectRefusal({0, 2, 0, 5, 0, 1, mode, 1, 0, 1, 4}, "output 0 is bound as what it is not");
  }
  expectRefusal({1, 2, 0, 5, 0, 1, 1, 0}, "output 0 is bound as what it is not");
  for (double length : {0.0, 3.0, 16.0}) expectRefusal(with(callJob, 13, length), "rows of the given length");
  for (double offset : {36.0, 52.0, 68.0, 9007199254740988.0})
    expectRefusal(with(callJob, 12, offset), "beyond its buffer");
  for (double stride : {52.0, 9007199254740988.0}) expectRefusal(with(callJob, 14, stride), "beyond its buffer");
  expectRefusal(with(callJob, 6, 6), "not a multiple of 4");
  expectRefusal(with(callJob, 6, 68), "input");
  expectRefusal(with(callJob, 8, 0), "output mode");
  expectRefusal(with(callJob, 8, 4), "output mode");
  expectRefusal(with(callJob, 9, 2), "slot");
  expectRefusal(withValue(callJob, 1, 1e39), "weight: expected a number in the range of f32");
  // The rest.
  expectRefusal(with(copyJob, 3, 33), "copy source");
  expectRefusal(with(copyJob, 5, 33), "copy target");
  expectRefusal(with(copyJob, 5, 9007199254740991.0), "copy target");
  expectRefusal(with(fillJob, 3, 20), "fill: elements 5 to 17 of a buffer of 16");
  expectRefusal(with(fillJob, 3, 9007199254740988.0), "fill: elements 2251799813685247 to");
  expectRefusal(with(fillJob, 6, 9007199254740991.0), "fill");
  expectRefusal(with(gatherJob, 4, 0), "rows of no bytes");
  expectRefusal(with(gatherJob, 4, 40), "gathered rows");
  expectRefusal(withValue(gatherJob, 0, 4), "row: elements 4 to 5 of a buffer of 4");
  expectRefusal(with(gatherJob, 3, 1), "rows gathered from the buffer that they go to");
  expectRefusal(with(sumsJob, 3, 20), "sums: elements 5 to 17 of a buffer of 16");
  expectRefusal(with(sumsJob, 5, 2), "a slot beyond the declared results");
  expectRefusal(with(sumsJob, 0, 1), "a slot beyond the declared results");
  for (size_t i : {2, 4, 5}) expectRefusal(with(combineJob, i, 4), "a slot beyond the declared results");
  expectRefusal(with(combineJob, 6, 5), "a slot beyond the declared results");
  // Linear combinations.
  expectRefusal(with(linearJob, 2, 17), "vector: elements 0 to 17 of a buffer of 16");
  for (size_t offset : {5, 7, 10, 22, 25})
    expectRefusal(with(linearJob, offset, 36), "vector: elements 9 to 17 of a buffer of 16");
  expectRefusal(with(linearJob, 3, 100), "inputs exceeds the job's length");
  expectRefusal({1, 8, 8, 0, 1, 2, 0, 0, 0, 0, 0}, "a combination without vectors");
  expectRefusal({1, 8, 8, 1, 1, 0, 0, 0, 0, 0, 0}, "a combination without vectors");
  expectRefusal(with(linearJob, 15, 4), "a slot beyond the declared results");
  expectRefusal(with(linearJob, 16, 2), "inverse root");
  // Two products fit from slot 1 on, and not from slot 2.
  for (double slot : {2.0, 3.0, 4.0}) expectRefusal(with(linearJob, 26, slot), "a slot beyond the declared results");
  for (size_t offset : {5, 7, 22, 25}) {
    const double buffer = linearJob.words[offset - 1], byte = linearJob.words[offset];
    const List apart = with(with(linearJob, 9, buffer), 10, byte);
    if (offset != 7) CHECK(refusal(apart).empty(), "%s", refusal(apart).c_str());
    expectRefusal(with(apart, 10, byte == 32 ? 28 : byte + 4), "overlaps one that is read");
  }
  for (double offset : {4.0, 28.0}) expectRefusal(with(with(linearJob, 9, 1), 10, offset), "overlaps one that is read");
  expectRefusal(with(with(linearJob, 11, 1), 12, 0), "two vectors are written to the same elements");
}

const List pass = plainPass, fill = commandOf(fillJob), copy = commandOf(copyJob), call = commandOf(callJob),
           gather = commandOf(gatherJob), sums{6, 1, 8, 8, 0};

struct Run {
  bool complete = false;
  std::string error;
  std::vector<double> slots;
};

Run run(FakeBackend& backend, Job& job, const Words& values, bool abortedBefore = false) {
  std::atomic<bool> aborted{abortedBefore};
  if (backend.abortsAt != nullptr) backend.abortsAt = &aborted;
  Run result;
  try {
    result.complete = runJob(backend, job, values, aborted, result.slots);
  } catch (const std::exception& error) {
    result.error = error.what();
  }
  return result;
}

Run run(FakeBackend& backend, const List& commands, bool abortedBefore = false) {
  Job job = decoded(List{2} + commands);
  return run(backend, job, commands.values, abortedBefore);
}

void commandsRunInOrderAndSlotsAddUp() {
  FakeBackend backend;
  const Run result =
      run(backend, pass + fill + call + call + copy + gather + sums + call + List{{2, 1, 2, 0, 1, 1, 0}, {3}});
  CHECK(backend.log == "pass1 fill call1 call1 copy gather2 sums call2", "%s", backend.log.c_str());
  CHECK(result.complete && result.error.empty());
  CHECK(result.slots == (std::vector<double>{3 + 2, 1.5 + 8}));
}

void passesStillRunAfterAnAbort() {
  FakeBackend before;
  CHECK(!run(before, fill + pass + call + pass, true).complete);
  CHECK(before.log == "pass1 pass1", "%s", before.log.c_str());
  // With their values: seed, stream and coefficient, and six numbers of the rule.
  CHECK(before.seen == (Words{7, 1, 0.5, 0, 0, 0, 0, 0, 0, 7, 1, 0.5, 0, 0, 0, 0, 0, 0}));
  Job job = decoded(List{2} + pass);
  CHECK(run(before, job, {}, true).error == "job: expected 11 values, received 0");

  std::atomic<bool> placeholder{false};
  FakeBackend during;
  during.abortsAt = &placeholder;
  CHECK(!run(during, fill + copy + call + pass + fill).complete);
  CHECK(during.log == "fill copy pass1", "%s", during.log.c_str());

  FakeBackend inside;
  inside.stopsCalls = true;
  CHECK(!run(inside, pass + call + fill + pass).complete);
  CHECK(inside.log == "pass1 call1 pass1", "%s", inside.log.c_str());

  FakeBackend passesOnly;
  CHECK(run(passesOnly, pass + pass, true).complete, "nothing of it was left out");
}

/** A job whose last command is wrong, or a value of it, runs none of those before it. */
void aJobIsRefusedWhole() {
  const List wrong[] = {{2, 0, 4, 0, 1, 1, 0}, {2, 0, 1, 0, 0}, {3, 1, 33, 2, 32, 32}, {6, 1, 17, 1, 0}};
  for (const List& last : wrong) CHECK(refusal(List{2} + pass + fill + call + last) != "");
  for (const List& job : allJobs) {
    for (size_t i = 0; i < job.values.size(); ++i) {
      FakeBackend backend;
      Job prepared = decoded(List{4} + pass + fill + call + commandOf(job));
      const Run result = run(backend, prepared, (pass + fill + call + withValue(commandOf(job), i, nan)).values);
      CHECK(backend.log.empty() && !result.complete && result.error.find("job: ") == 0, "command %g, value %zu: %s, %s",
            job.words[1], i, backend.log.c_str(), result.error.c_str());
      // Right values are then as right as before.
      const Run next = run(backend, prepared, (pass + fill + call + commandOf(job)).values);
      CHECK(next.error.empty() && !backend.log.empty(), "%s", next.error.c_str());
    }
  }
}

void nothingRunsOnceTheBackendIsStopped() {
  FakeBackend backend;
  backend.stop();
  CHECK(!run(backend, pass + fill + pass).complete);
  CHECK(backend.log.empty(), "%s", backend.log.c_str());

  FakeBackend during;
  during.stopsAt = "fill";
  CHECK(!run(during, pass + fill + pass).complete);
  CHECK(during.log == "pass1 fill", "%s", during.log.c_str());

  FakeBackend atTheEnd;
  atTheEnd.stopsAt = "pass1";
  CHECK(!run(atTheEnd, pass).complete, "the pass may have ended early");
}

void passesStillRunAfterAFailure() {
  FakeBackend backend;
  backend.failsAt = "fill";
  const Run result = run(backend, pass + fill + call + pass + copy + pass);
  CHECK(backend.log == "pass1 fill pass1 pass1", "%s", backend.log.c_str());
  CHECK(!result.complete && result.error == "fill failed", "%s", result.error.c_str());

  FakeBackend passFails;
  passFails.failsAt = "pass1";
  CHECK(run(passFails, pass + fill + pass).error == "pass1 failed");
  CHECK(passFails.log == "pass1", "%s", passFails.log.c_str());
}

// A pass of one term whose coefficient is `factor` times what is in slot 1.
List fedPass(double factor) { return with(withValue(plainPass, 4, factor), 8, 2); }

// slot 1 = what the sums left there, divided
List divided(double by) { return {{7, 1, 1, 1, 0}, {1, by}}; }

void slotsFeedThePassesThatFollow() {
  FakeBackend backend;
  const Run result = run(backend, sums + divided(4) + fedPass(-0.5) + sums + fedPass(2));
  CHECK(backend.log == "sums pass1 sums pass1" && result.complete, "%s", backend.log.c_str());
  CHECK(backend.fed == (std::vector<float>{-1.0f, 20.0f}));
  CHECK(result.slots == (std::vector<double>{4, 10}));

  // Of two terms the second: the first keeps the coefficient that it was given.
  const List twoTerms{{1, 1, 1, 4, 1, 0, 2, 0, 0, 0, 1, 0, 0, 0}, {7, 0, 1, 0, 3, 8, 0, 2, 0, 5, 0, 0, 0, 0, 0, 0}};
  FakeBackend second;
  CHECK(run(second, with(sums, 4, 0) + twoTerms).complete);
  CHECK(second.seen == (Words{7, 1, 3, 8, 2, 10, 0, 0, 0, 0, 0, 0}), "%g, %g", second.seen[2], second.seen[5]);

  Job job = decoded(combineJob);
  setValues(job, combineJob.values);
  const auto& combine = std::get<CombineCommand>(job.commands.at(0));
  CHECK(combine.out == 3 && combine.terms.size() == 2 && combine.terms[1].weight == -1 && combine.terms[1].slot == 1);
  CHECK(combine.divisor == 0.5 && combine.divisorSlot == 2u);
}

// A space of two segments: elements 2 to 6 times 3, and 10 to 15 masked.
const List spaceCommand{9, 2, 2, 5, 3, 0, 0, 0, 0, 0, 0, 10, 6, -0.5, 1, 2147483648.0, 5, 6, 7, 8};

void directionsAreInSpaces() {
  // The space of a direction is in its first word: 4 for each.
  const Job job = decoded(List{0} + spaceCommand + spaceCommand + with(fill, 3, 1 + 4 * 2) + with(pass, 7, 4) + pass);
  CHECK(job.commands.size() == 3 && job.spaces.size() == 2);
  CHECK(std::get<FillCommand>(job.commands[0]).space == job.spaces[1].get());
  CHECK(std::get<FillCommand>(job.commands[0]).direction.distribution == Distribution::rademacher);
  const auto spaceOf = [&](size_t i) { return std::get<PassCommand>(job.commands[i]).ops[0].terms[0].space; };
  CHECK(spaceOf(1) == job.spaces[0].get() && spaceOf(2) == nullptr);
  const Space& space = *job.spaces[0];
  CHECK(space.segments.size() == 2 && space.largestScale == 3);
  const Segment &first = space.segments[0], &second = space.segments[1];
  CHECK(first.begin == 2 && first.end == 7 && first.scale == 3 && !first.masked);
  CHECK(second.begin == 10 && second.end == 16 && second.scale == -0.5f && second.masked);
  CHECK(second.mask.threshold == uint32_t{1} << 31);
  CHECK(second.mask.seed == (uint64_t{6} << 32 | 5) && second.mask.stream == (uint64_t{8} << 32 | 7));

  const auto given = [](const List& command) { return List{0} + command + with(pass, 7, 4); };
  CHECK(refusal(given(spaceCommand)).empty(), "%s", refusal(given(spaceCommand)).c_str());
  expectRefusal(List{0} + with(pass, 7, 4) + spaceCommand, "a space that the job has not given");
  expectRefusal(given(spaceCommand) + with(pass, 7, 8), "a space that the job has not given");
  expectRefusal(given(with(spaceCommand, 1, 1e6)), "segments exceeds the job's length");
  expectRefusal(given(with(spaceCommand, 3, 0)), "have elements");
  expectRefusal(given(with(spaceCommand, 3, 9)), "begin after the one before");
  expectRefusal(given(with(spaceCommand, 4, 0)), "a finite scale that is not 0");
  expectRefusal(given(with(spaceCommand, 4, 1e39)), "scale: expected a number in the range of f32");
  expectRefusal(given(with(spaceCommand, 5, 2)), "masked");
  expectRefusal(given(with(spaceCommand, 15, 2147483649.0)), "at most 2^31");
  const List large = with(spaceCommand, 4, 1e30);
  expectRefusal(List{0} + large + withValue(with(pass, 7, 4), 4, 1e30), "stays in the range of f32 when it is scaled");
  // Of one that a slot feeds, it shows when the pass is due.
  FakeBackend backend;
  const Run result = run(backend, large + sums + divided(1e-29) + with(fedPass(1), 7, 4) + pass);
  CHECK(backend.log == "sums" && result.complete, "%s", backend.log.c_str());
}

void slotsFeedLinearCombinations() {
  // The sums are 2 and 8; the products, of two outputs with one vector each, are added from slot 1 on.
  const List linear = commandOf(linearJob);
  for (const auto& [inverse, coefficient] : {std::pair{1.0, -0.5 / std::sqrt(8.0)}, {0.0, -0.5 * 8.0}}) {
    FakeBackend backend;
    Job job = decoded(List{3} + sums + with(linear, 15, inverse));
    const Run result = run(backend, job, linear.values);
    CHECK(result.complete && result.slots == (std::vector<double>{2, 8.25, 0.25}));
    CHECK(backend.log == "sums linear2", "%s", backend.log.c_str());
    CHECK(backend.coefficients == (std::vector<double>{1, coefficient, 4, 0.25}), "%g", backend.coefficients[1]);
  }
  // There is no unit vector beside one of zeros.
  Job job = decoded(linearJob);
  FakeBackend zero;
  CHECK(run(zero, job, linearJob.values).complete && zero.coefficients[1] == 0);
  // Not a pass: after an abort it does not run.
  FakeBackend stopped;
  CHECK(!run(stopped, job, linearJob.values, true).complete && stopped.log.empty());
}

/** What comes after would be made of numbers that are none. */
void aFedJobEndsWhereItCannotGoOn() {
  for (double divisor : {0.0, 1e-300}) {
    FakeBackend backend;
    const Run result = run(backend, pass + sums + divided(divisor) + fedPass(1) + sums + pass);
    CHECK(backend.log == "pass1 sums" && result.complete && result.error.empty(), "%s", backend.log.c_str());
  }
  FakeBackend fails;
  fails.failsAt = "fill";
  CHECK(run(fails, sums + fill + pass + fedPass(1)).error == "fill failed");
  CHECK(fails.log == "sums fill", "%s", fails.log.c_str());

  std::atomic<bool> placeholder{false};
  FakeBackend aborted;
  aborted.abortsAt = &placeholder;
  CHECK(!run(aborted, pass + copy + pass + fedPass(1)).complete);
  CHECK(aborted.log == "pass1 copy", "%s", aborted.log.c_str());
}

/** Whatever a run has put in places of the job, its next one is as a run of a fresh job. */
void aJobRunsAgainWithOtherValues() {
  const List commands = pass + fill + call + gather + sums + divided(4) + fedPass(-0.5) + commandOf(adamJob) +
                        commandOf(tracedJob) + commandOf(linearJob) + List{{7, 0, 2, 0, 1, 2}, {1, -1, 3}};
  // Others as well: counts are of 0 or more, rows below 4, decays below 1.
  Words others = commands.values;
  for (double& value : others)
    value = value == 0 ? 0 : value == 3 ? 2 : value == std::floor(value) ? value + 1 : value / 2;
  const auto alone = [&](const Words& values) {
    FakeBackend backend;
    Job job = decoded(List{3} + commands);
    const Run result = run(backend, job, values);
    CHECK(result.error.empty() && result.complete, "%s", result.error.c_str());
    return std::pair{backend.seen, result.slots};
  };
  Job job = decoded(List{3} + commands);
  CHECK(alone(commands.values) != alone(others));
  for (const bool first : {true, false, false, true, true, false}) {
    const Words& values = first ? commands.values : others;
    FakeBackend backend;
    const Run result = run(backend, job, values);
    CHECK((std::pair{backend.seen, result.slots} == alone(values)), "%s", result.error.c_str());
    // One that ends early, in whichever way, leaves nothing behind either.
    FakeBackend fails;
    fails.failsAt = first ? "gather2" : "linear2";
    CHECK(!run(fails, job, first ? others : commands.values).error.empty());
  }
}

/** Of a buffer of a TiB, which nobody allocates: where 32 bits of bytes, of words or of elements would have come round.
 */
void offsetsHave64Bits() {
  constexpr double bytes = 0x1p40;
  const auto huge = std::make_shared<Buffer>(static_cast<size_t>(bytes));
  const Registry one{[&](uint32_t) { return huge; }, registry.program, 2};
  const auto made = [&](const List& job) { return decoded(job, one); };
  const auto refused = [&](const List& job) {
    try {
      made(job);
    } catch (const CommandError&) {
      return true;
    }
    return false;
  };
  const double last = bytes - 12 * 4;  // of a vector of 12 elements
  for (const double offset : {0x1p32, 0x1p34 + 4, last}) {
    const auto at = static_cast<size_t>(offset);
    CHECK(std::get<FillCommand>(made(with(fillJob, 3, offset)).commands[0]).byteOffset == at);
    CHECK(std::get<SumsCommand>(made(with(sumsJob, 3, offset)).commands[0]).byteOffset == at);
    CHECK(std::get<LinearCommand>(made(with(linearJob, 10, offset)).commands[0]).op.outputs[0].byteOffset == at);
    CHECK(std::get<CopyCommand>(made(with(copyJob, 3, offset)).commands[0]).fromByte == at);
    const Job call = made(with(with(with(callJob, 6, offset - 8), 12, 4), 14, offset));
    const Call& bound = std::get<CallCommand>(call.commands[0]).group[0];
    CHECK(bound.inputs[0].byteOffset == at - 8 && bound.outputs[1].byteOffset == 4 &&
          bound.outputs[1].byteStride == at);
  }
  CHECK(refused(with(fillJob, 3, last + 4)) && refused(with(sumsJob, 3, last + 4)));
  CHECK(refused(with(linearJob, 10, bytes - 8 * 4 + 4)) && refused(with(copyJob, 3, bytes - 28)));
  // Its two rows of 4 elements end beyond it by one, or begin there.
  CHECK(refused(with(with(callJob, 12, 4), 14, bytes - 16)) && !refused(with(with(callJob, 12, 4), 14, bytes - 20)));
  CHECK(refused(with(callJob, 12, bytes)) && refused(with(callJob, 6, bytes)));
}

void aJobHoldsItsBuffers() {
  std::weak_ptr<Buffer> watched;
  Job job;
  {
    auto from = std::make_shared<Buffer>(64), to = std::make_shared<Buffer>(64);
    watched = from;
    const Registry two{[&](uint32_t id) { return id == 1 ? from : to; }, nullptr, 1};
    job = decoded(copyJob, two);
  }
  CHECK(!watched.expired());
  job = Job();
  CHECK(watched.expired());
}

}  // namespace

int main() {
  wholeJobsDecode();
  anythingThatEndsTooSoonIsRefused();
  everyNumberIsChecked();
  valuesAreCounted();
  refusalsSayWhatIsWrong();
  commandsRunInOrderAndSlotsAddUp();
  passesStillRunAfterAnAbort();
  passesStillRunAfterAFailure();
  slotsFeedThePassesThatFollow();
  directionsAreInSpaces();
  slotsFeedLinearCombinations();
  aFedJobEndsWhereItCannotGoOn();
  aJobIsRefusedWhole();
  nothingRunsOnceTheBackendIsStopped();
  aJobRunsAgainWithOtherValues();
  offsetsHave64Bits();
  aJobHoldsItsBuffers();
  return test::summary("engine_job_test");
}
