// Directions bit by bit: the published Philox vectors, the element mapping, the variates against double precision, and
// every instruction set against the scalar definition.
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.h"
#include "direction/direction.h"
#include "inputs.h"

using namespace zeroth;
using test::Inputs;

namespace {

constexpr Distribution distributions[] = {Distribution::normal, Distribution::rademacher, Distribution::uniform};

bool sameBits(const float* a, const float* b, size_t count) { return std::memcmp(a, b, count * sizeof(float)) == 0; }

void philoxYieldsThePublishedVectors() {
  struct Vector {
    uint32_t counter[4], key[2], words[4];
  };
  // kat_vectors of the Random123 distribution, philox4x32, 10 rounds
  constexpr Vector vectors[] = {
      {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
       {0xffffffff, 0xffffffff},
       {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       {0xa4093822, 0x299f31d0},
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (const Vector& v : vectors) {
    const uint64_t key = static_cast<uint64_t>(v.key[1]) << 32 | v.key[0];
    const Words4 words = philox({{v.counter[0], v.counter[1], v.counter[2], v.counter[3]}}, key);
    CHECK(std::memcmp(words.word, v.words, sizeof v.words) == 0, "counter %08x: got %08x", v.counter[0], words.word[0]);
  }
}

void elementsMapToCountersAsDocumented() {
  Inputs inputs;
  for (int round = 0; round < 2000; ++round) {
    const Direction direction{Distribution::uniform, inputs.next(), inputs.next()};
    const uint64_t k = inputs.next() >> 6, j = inputs.next() % 4, i = inputs.next() % 16;
    const uint64_t counter = 16 * k + i;
    const Words4 words =
        philox({{static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32),
                 static_cast<uint32_t>(direction.stream), static_cast<uint32_t>(direction.stream >> 32)}},
               direction.seed);
    const int64_t top24 = words.word[j] >> 8;
    const double expected = static_cast<double>(2 * top24 + 1 - (int64_t{1} << 24)) / (1 << 24);
    CHECK(directionElement(direction, 64 * k + 16 * j + i) == expected, "k %llu j %llu i %llu",
          static_cast<unsigned long long>(k), static_cast<unsigned long long>(j), static_cast<unsigned long long>(i));
    const Direction signs{Distribution::rademacher, direction.seed, direction.stream};
    const uint64_t block = k >> 5, b = inputs.next() % 32;
    const uint64_t shared = 16 * block + i;
    const Words4 bits =
        philox({{static_cast<uint32_t>(shared), static_cast<uint32_t>(shared >> 32),
                 static_cast<uint32_t>(direction.stream), static_cast<uint32_t>(direction.stream >> 32)}},
               direction.seed);
    CHECK(directionElement(signs, 2048 * block + 64 * b + 16 * j + i) ==
              ((bits.word[j] >> (31 - b) & 1) != 0 ? -1.0f : 1.0f),
          "block %llu b %llu j %llu i %llu", static_cast<unsigned long long>(block), static_cast<unsigned long long>(b),
          static_cast<unsigned long long>(j), static_cast<unsigned long long>(i));
  }
}

void uniformsAreSymmetricAndNeverReachOne() {
  CHECK(symmetricUniform<ScalarLane>(0) == -0x1.fffffep-1f);
  CHECK(symmetricUniform<ScalarLane>(0xffffffffu) == 0x1.fffffep-1f);
  for (uint32_t x = 0; x < (1u << 24); x += 997) {
    CHECK(symmetricUniform<ScalarLane>(x << 8) == -symmetricUniform<ScalarLane>(~(x << 8)), "word %08x", x << 8);
  }
}

/** The relative error of a pair against libm in double precision, of the same rounded uniform. */
double normalError(uint32_t x0, uint32_t x1) {
  float z0, z1;
  normalPair<ScalarLane>(x0, x1, z0, z1);
  const double u = std::fma(static_cast<float>(x0), 0x1.fffffep-33f, 0x1p-33f);
  const double radius = std::sqrt(-2 * std::log(u)) * (x1 >> 31 ? -1 : 1);
  // The low 30 bits, signed, in units of 2^-32 turns.
  const double angle = 2 * std::acos(-1.0) * (static_cast<int32_t>(x1 << 2) * 0x1p-34);
  const bool swapped = (x1 >> 30 & 1) != 0;
  const double cosine = swapped ? std::sin(angle) : std::cos(angle);
  const double sine = swapped ? std::cos(angle) : std::sin(angle);
  const auto error = [](double value, double exact) {
    return std::abs(value - exact) / std::max(std::abs(exact), 0x1p-100);
  };
  if (!std::isfinite(z0) || !std::isfinite(z1)) return INFINITY;
  return std::max(error(z0, radius * cosine), error(z1, radius * sine));
}

void normalsAreAccurate() {
  double worst = 0;
  std::vector<uint32_t> edges;
  for (uint32_t eighth = 0; eighth < 8; ++eighth) {
    for (uint32_t offset = 0; offset < 5; ++offset) edges.push_back((eighth << 29) + offset - 2);
  }
  for (uint32_t x0 : edges) {
    for (uint32_t x1 : edges) worst = std::max(worst, normalError(x0, x1));
  }
  Inputs inputs;
  for (int i = 0; i < 1000000; ++i) {
    const uint64_t word = inputs.next();
    worst = std::max(worst, normalError(static_cast<uint32_t>(word), static_cast<uint32_t>(word >> 32)));
  }
  std::printf("largest relative error of a normal against double precision: %.2e\n", worst);
  CHECK(worst < 4e-7, "relative error %.2e", worst);  // half of 1.5e-7, 4e-8, and five f32 roundings
  // Every f32 argument of the logarithm near 1, where the root would first see a negative number.
  for (uint64_t x = 0xfffff000u; x <= 0xffffffffu; ++x) CHECK(minusTwoLog<ScalarLane>(static_cast<uint32_t>(x)) >= 0);
  CHECK(std::abs(minusTwoLog<ScalarLane>(0) - 66 * std::log(2.0)) < 1e-5, "the largest radius is sqrt(66 ln 2)");
}

void everyInstructionSetYieldsTheScalarBits() {
  constexpr size_t count = 10000019;
  constexpr uint64_t first = 37;
  std::vector<float> expected(count), z(count + 3);
  for (Distribution distribution : distributions) {
    const Direction direction{distribution, 0x0123456789abcdefu, 0xfedcba9876543210u};
    fill(direction, first, count, expected.data(), Isa::scalar);
    for (size_t i = 0; i < count; i += 101) {
      const float element = directionElement(direction, first + i);
      CHECK(sameBits(&element, &expected[i], 1), "element %zu of the scalar path", i);
    }
    for (Isa isa : availableIsas()) {
      fill(direction, first, count, z.data() + 1, isa);  // off any vector's alignment
      CHECK(sameBits(z.data() + 1, expected.data(), count), "%s, distribution %u", isaName(isa),
            static_cast<unsigned>(distribution));
    }
  }
}

void anyStretchEqualsItsElements() {
  // Where the counter's low word overflows: of variates, and of signs.
  const uint64_t carry = uint64_t{1} << 34, carryOfSigns = uint64_t{1} << 39;
  const uint64_t starts[] = {0,
                             1,
                             15,
                             16,
                             17,
                             48,
                             63,
                             64,
                             65,
                             1000,
                             1983,
                             1984,
                             2047,
                             2048,
                             carry - 130,
                             carry - 1,
                             carry,
                             carryOfSigns - 130,
                             carryOfSigns - 1,
                             carryOfSigns,
                             UINT64_MAX - 2200};
  const size_t counts[] = {0, 1, 2, 15, 16, 17, 63, 64, 65, 127, 128, 129, 200, 399, 2047, 2200};
  std::vector<float> z(2300);
  for (Distribution distribution : distributions) {
    const Direction direction{distribution, 0xdeadbeefcafef00du, 0xffffffffu};
    for (Isa isa : availableIsas()) {
      size_t offset = 0;
      for (uint64_t first : starts) {
        for (size_t count : counts) {
          offset = (offset + 1) % 17;
          std::fill(z.begin(), z.end(), 123.0f);
          fill(direction, first, count, z.data() + 16 + offset, isa);
          bool same = true;
          for (size_t i = 0; i < count; ++i) {
            const float element = directionElement(direction, first + i);
            same = same && sameBits(&element, &z[16 + offset + i], 1);
          }
          CHECK(same, "%s first %llu count %zu", isaName(isa), static_cast<unsigned long long>(first), count);
          CHECK(z[15 + offset] == 123.0f && z[16 + offset + count] == 123.0f, "%s wrote outside", isaName(isa));
        }
      }
    }
  }
}

template <class Function>
std::string messageOf(const Function& function) {
  try {
    function();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

void badArgumentsAreRefused() {
  float z[2];
  const Direction direction{Distribution::normal, 1, 1};
  CHECK(!messageOf([&] { fill({static_cast<Distribution>(3), 1, 1}, 0, 1, z); }).empty());
  CHECK(!messageOf([&] { fill(direction, UINT64_MAX, 2, z); }).empty());
  CHECK(messageOf([&] { fill(direction, UINT64_MAX, 1, z); }).empty());
#if defined(__x86_64__)
  CHECK(messageOf([&] { fill(direction, 0, 1, z, Isa::neon); }).find("neon") != std::string::npos);
#else
  CHECK(messageOf([&] { fill(direction, 0, 1, z, Isa::avx2); }).find("avx2") != std::string::npos);
#endif
}

/** Runs in a child process, since the choice is made once a process. */
template <class Function>
bool inChild(const char* isa, const Function& holds) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    setenv("ZEROTH_ISA", isa, 1);
    _exit(holds() ? 0 : 1);
  }
  int status = 1;
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void theEnvironmentChoosesTheInstructionSet() {
  for (Isa isa : availableIsas()) {
    CHECK(inChild(isaName(isa), [isa] { return activeIsa() == isa; }), "ZEROTH_ISA=%s", isaName(isa));
  }
  CHECK(inChild("", [] { return activeIsa() == availableIsas().back(); }));
#if defined(__x86_64__)
  const char* const unusable[] = {"sse9", "neon", "AVX2"};
#else
  const char* const unusable[] = {"sse9", "avx2", "NEON"};
#endif
  for (const char* name : unusable) {
    CHECK(inChild(name,
                  [name] {
                    const std::string message = messageOf([] { activeIsa(); });
                    return message.find("scalar") != std::string::npos && message.find(name) != std::string::npos;
                  }),
          "ZEROTH_ISA=%s is refused, naming what there is", name);
  }
}

}  // namespace

int main() {
  theEnvironmentChoosesTheInstructionSet();  // first: before this process has made its own choice
  philoxYieldsThePublishedVectors();
  elementsMapToCountersAsDocumented();
  uniformsAreSymmetricAndNeverReachOne();
  normalsAreAccurate();
  everyInstructionSetYieldsTheScalarBits();
  anyStretchEqualsItsElements();
  badArgumentsAreRefused();
  return test::summary("direction_bits_test");
}
