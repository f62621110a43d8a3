// The CPU's backend, as the engine calls it: what it delivers, and memory as it is asked for.
#include "cpu/cpu_backend.h"

#include <algorithm>
#include <cstdint>
#include <new>
#include <vector>

#include "check.h"
#include "cpu/memory.h"
#include "program_builder.h"

using namespace zeroth;

namespace {

/** Where an output is an input, its place is the caller's: UndefinedBehaviorSanitizer sees a read that wants a better
 * one. */
void numbersAreDeliveredFromAnyMultipleOfFourBytes() {
  const auto backend = makeCpuBackend(2);
  test::ProgramBuilder builder;
  const test::At x = builder.input(test::DType::f64, 3);
  builder.output(test::DType::f64, 1, x);
  builder.output(test::DType::f64, 1, {x.space, 4});
  const test::Words words = builder.words();
  const ExecutableRef program = backend->load(decode(test::bytesOf(words), words.size() * 4), 1);
  const double numbers[] = {0.1, 0.2, 0.3};
  const BufferRef buffer = backend->allocate(64);
  for (size_t byte : {0, 4, 8, 12, 40}) {
    backend->write(*buffer, byte, numbers, sizeof numbers);
    const OutputBinding first{OutputBinding::Mode::addToSlot, 0, nullptr, 0, 0, 0, 2};
    const OutputBinding last{OutputBinding::Mode::addToSlot, 1, nullptr, 0, 0, 0, 1};
    std::vector<double> slots{1, 0};
    const std::atomic<bool> aborted{false};
    CHECK(backend->call({Call{program, {{buffer, byte}}, {first, last}}}, slots, aborted));
    CHECK(slots == (std::vector<double>{1 + 2 * 0.1, 0.3}), "byte %zu: %g, %g", byte, slots[0], slots[1]);
  }
}

/** An input that is an output is delivered as it is when its turn has come, and a vector of 40,000 goes by shares. */
void anOutputThatIsAnInputIsDeliveredInItsTurn() {
  constexpr uint32_t n = 40000;
  test::ProgramBuilder builder;
  const test::At x = builder.input(test::DType::f32, n);
  const test::At made = builder.allocate(n);
  builder.iota(test::DType::f32, 1, n, 1, made);
  builder.output(test::DType::f32, n, x);
  builder.output(test::DType::f32, n, made);
  builder.output(test::DType::f32, n, x);
  const test::Words words = builder.words();
  const std::vector<float> ones(n, 1.0f);
  for (int threads : {1, 2, 3}) {
    const auto backend = makeCpuBackend(threads);
    const ExecutableRef program = backend->load(decode(test::bytesOf(words), words.size() * 4), threads);
    const BufferRef input = backend->allocate(n * 4), before = backend->allocate(n * 4),
                    after = backend->allocate(n * 4 + 4096 * 4);
    backend->write(*input, 0, ones.data(), n * 4);
    std::vector<double> slots;
    const std::atomic<bool> aborted{false};
    const auto to = [](const BufferRef& buffer, size_t byteOffset) {
      return OutputBinding{OutputBinding::Mode::store, 0, buffer, byteOffset, n, n * 4, 3};
    };
    CHECK(backend->call({Call{program, {{input, 0}}, {to(before, 0), to(input, 0), to(after, 4096 * 4)}}}, slots,
                        aborted));
    std::vector<float> one(n), two(n);
    backend->read(*before, 0, one.data(), n * 4);
    backend->read(*after, 4096 * 4, two.data(), n * 4);
    size_t wrong = 0;
    for (uint32_t i = 0; i < n; ++i) wrong += one[i] != 3 || two[i] != 9 * static_cast<float>(i);
    CHECK(wrong == 0, "%zu elements, %d threads", wrong, threads);
  }
}

void memoryIsAlignedAndZeroFilled() {
  for (size_t bytes : {0, 1, 63, 64, 65, 1000, 1 << 20}) {
    const cpu::ZeroedBlock block(bytes);
    CHECK(reinterpret_cast<uintptr_t>(block.data()) % 64 == 0, "%zu bytes", bytes);
    CHECK(std::all_of(block.data(), block.data() + bytes, [](uint8_t byte) { return byte == 0; }), "%zu bytes", bytes);
    std::fill(block.data(), block.data() + bytes, uint8_t{7});
  }
}

void memoryBeyondEverythingIsAnError() {
  for (size_t bytes : {SIZE_MAX, SIZE_MAX - 63}) {
    try {
      const cpu::ZeroedBlock block(bytes);
      CHECK(false, "%zu bytes", bytes);
    } catch (const std::bad_alloc&) {
      CHECK(true);
    }
  }
}

}  // namespace

int main() {
  numbersAreDeliveredFromAnyMultipleOfFourBytes();
  anOutputThatIsAnInputIsDeliveredInItsTurn();
  memoryIsAlignedAndZeroFilled();
  memoryBeyondEverythingIsAnError();
  return test::summary("cpu_backend_test");
}
