// Sums and sums of squares: against long double, at every length around a register and a chunk, with any number of
// threads to the bit, and what one element that is not finite makes of them.
#include "cpu/sums.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "check.h"
#include "direction/direction.h"

using namespace zeroth;

namespace {

Team two(2);

bool sameBits(double a, double b) { return std::memcmp(&a, &b, sizeof a) == 0; }

void agreesWithExtendedPrecisionOnAnyNumberOfThreads() {
  for (size_t count : {0, 1, 15, 16, 17, 33, 65535, 65536, 65537, 200000}) {
    std::vector<float> values(count);
    fill({Distribution::normal, 3, 4}, 0, count, values.data());
    long double sum = 0, squares = 0, size = 0;
    for (float value : values) {
      sum += value;
      squares += static_cast<long double>(value) * value;
      size += std::abs(value);
    }
    const Sums one = sums(values.data(), count, nullptr);
    CHECK(std::abs(static_cast<double>(one.sum - sum)) <= 1e-13 * static_cast<double>(size), "%zu elements", count);
    CHECK(std::abs(static_cast<double>(one.squares - squares)) <= 1e-13 * static_cast<double>(squares), "%zu", count);
    for (int threads : {1, 2, 3, 7}) {
      Team team(threads);
      const Sums many = sums(values.data(), count, &team);
      CHECK(sameBits(many.sum, one.sum) && sameBits(many.squares, one.squares), "%zu, %d threads", count, threads);
    }
  }
}

void noSquareOverflowsOrVanishes() {
  const std::vector<float> large(100000, std::numeric_limits<float>::max());
  CHECK(std::isfinite(sums(large.data(), large.size(), &two).squares));
  const float small[] = {std::numeric_limits<float>::denorm_min()};
  CHECK(sums(small, 1, nullptr).squares > 0);
}

void oneElementThatIsNotFiniteShowsWhereverItIs() {
  std::vector<float> values(65536 + 40, 1.0f);
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                    -std::numeric_limits<float>::infinity()}) {
    for (size_t at : {size_t{0}, size_t{15}, size_t{65535}, size_t{65536}, values.size() - 1}) {
      values[at] = bad;
      CHECK(!std::isfinite(sums(values.data(), values.size(), &two).squares), "element %zu", at);
      values[at] = 1.0f;
    }
  }
  CHECK(sums(values.data(), values.size(), &two).squares == static_cast<double>(values.size()));
}

}  // namespace

int main() {
  agreesWithExtendedPrecisionOnAnyNumberOfThreads();
  noSquareOverflowsOrVanishes();
  oneElementThatIsNotFiniteShowsWhereverItIs();
  return test::summary("sums_test");
}
