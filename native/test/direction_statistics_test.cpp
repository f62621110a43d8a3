// Directions as random numbers. Seeds are fixed, so a result never varies; the bounds are what a right generator
// exceeds with the probability stated, for one seed in very many.
#include <algorithm>
#include <cmath>
#include <vector>

#include "check.h"
#include "direction/direction.h"

using namespace zeroth;

namespace {

constexpr size_t chunk = size_t{1} << 16;

/** P(|N(0,1)| > t) */
double tail(double t) { return std::erfc(t / std::sqrt(2.0)); }

/** Moments to order 4 within 5 standard errors (P < 6e-7 each), and tails within Poisson bounds. */
void normalMomentsAndTailsAreRight() {
  constexpr size_t chunks = 4096;
  constexpr double n = static_cast<double>(chunk) * chunks;  // 2^28
  const Direction direction{Distribution::normal, 2026, 7};
  double p1 = 0, p2 = 0, p3 = 0, p4 = 0;
  int64_t beyond4 = 0, beyond5 = 0, beyond55 = 0;
#pragma omp parallel for schedule(static) reduction(+ : p1, p2, p3, p4, beyond4, beyond5, beyond55)
  for (int64_t c = 0; c < static_cast<int64_t>(chunks); ++c) {
    static thread_local std::vector<float> z(chunk);
    fill(direction, static_cast<uint64_t>(c) * chunk, chunk, z.data());
    double s1 = 0, s2 = 0, s3 = 0, s4 = 0;
    int32_t far = 0;
    for (size_t i = 0; i < chunk; ++i) {
      const double x = z[i], xx = x * x;
      s1 += x;
      s2 += xx;
      s3 += xx * x;
      s4 += xx * xx;
      far += std::abs(z[i]) > 4.0f;
    }
    p1 += s1, p2 += s2, p3 += s3, p4 += s4;
    beyond4 += far;
    if (far == 0) continue;
    for (size_t i = 0; i < chunk; ++i) {
      beyond5 += std::abs(z[i]) > 5.0f;
      beyond55 += std::abs(z[i]) > 5.5f;
    }
  }
  // Var z^k = E z^2k - (E z^k)²: 1, 2, 15, 96.
  CHECK(std::abs(p1 / n) < 5 * std::sqrt(1 / n), "mean %g", p1 / n);
  CHECK(std::abs(p2 / n - 1) < 5 * std::sqrt(2 / n), "second moment - 1 = %g", p2 / n - 1);
  CHECK(std::abs(p3 / n) < 5 * std::sqrt(15 / n), "third moment %g", p3 / n);
  CHECK(std::abs(p4 / n - 3) < 5 * std::sqrt(96 / n), "fourth moment - 3 = %g", p4 / n - 3);
  const double expected4 = n * tail(4), expected5 = n * tail(5), expected55 = n * tail(5.5);
  CHECK(std::abs(static_cast<double>(beyond4) - expected4) < 5 * std::sqrt(expected4), "beyond 4 sigma: %lld of %.1f",
        static_cast<long long>(beyond4), expected4);
  CHECK(std::abs(static_cast<double>(beyond5) - expected5) < 5 * std::sqrt(expected5), "beyond 5 sigma: %lld of %.1f",
        static_cast<long long>(beyond5), expected5);
  // 10.2 expected: P(0) = 4e-5, P(≥ 30) = 9e-7.
  CHECK(beyond55 > 0 && beyond55 < 30, "beyond 5.5 sigma: %lld of %.1f", static_cast<long long>(beyond55), expected55);
  std::printf(
      "2^28 normals: moments - exact %.1e %.1e %.1e %.1e; beyond 4, 5, 5.5 sigma %lld %lld %lld, expected %.0f %.1f "
      "%.1f\n",
      p1 / n, p2 / n - 1, p3 / n, p4 / n - 3, static_cast<long long>(beyond4), static_cast<long long>(beyond5),
      static_cast<long long>(beyond55), expected4, expected5, expected55);
}

/** Rademacher: mean and lag products; uniform: moments 1/3 and 1/5 with variances 4/45 and 16/225. */
void otherDistributionsHaveTheirMoments() {
  constexpr size_t count = size_t{1} << 24;
  const double n = static_cast<double>(count);
  std::vector<float> z(count);
  fill({Distribution::rademacher, 2026, 8}, 0, count, z.data());
  double sum = 0;
  bool unit = true;
  for (float x : z) sum += x, unit = unit && std::abs(x) == 1.0f;
  CHECK(unit);
  CHECK(std::abs(sum / n) < 5 / std::sqrt(n), "mean %g", sum / n);
  fill({Distribution::uniform, 2026, 9}, 0, count, z.data());
  double p1 = 0, p2 = 0, p3 = 0, p4 = 0;
  bool inside = true;
  for (float f : z) {
    const double x = f;
    p1 += x, p2 += x * x, p3 += x * x * x, p4 += x * x * x * x;
    inside = inside && std::abs(f) < 1.0f;
  }
  CHECK(inside);
  CHECK(std::abs(p1 / n) < 5 * std::sqrt(1 / 3.0 / n), "mean %g", p1 / n);
  CHECK(std::abs(p2 / n - 1 / 3.0) < 5 * std::sqrt(4 / 45.0 / n), "second moment %g", p2 / n);
  CHECK(std::abs(p3 / n) < 5 * std::sqrt(1 / 7.0 / n), "third moment %g", p3 / n);
  CHECK(std::abs(p4 / n - 1 / 5.0) < 5 * std::sqrt(16 / 225.0 / n), "fourth moment %g", p4 / n);
}

/** Kolmogorov-Smirnov: P(√n D > 2.5) = 2 exp(-12.5) = 7e-6. */
void distributionFunctionsAreRight() {
  constexpr size_t count = size_t{1} << 21;
  const double n = static_cast<double>(count);
  std::vector<float> z(count);
  for (Distribution distribution : {Distribution::normal, Distribution::uniform}) {
    for (uint64_t stream : {uint64_t{0}, uint64_t{1}, uint64_t{3} << 56}) {
      fill({distribution, 11, stream}, 0, count, z.data());
      std::sort(z.begin(), z.end());
      double distance = 0;
      for (size_t i = 0; i < count; ++i) {
        const double x = z[i];
        const double f = distribution == Distribution::normal ? std::erfc(-x / std::sqrt(2.0)) / 2 : (x + 1) / 2;
        distance = std::max(
            {distance, std::abs(f - static_cast<double>(i) / n), std::abs(f - (static_cast<double>(i) + 1) / n)});
      }
      CHECK(std::sqrt(n) * distance < 2.5, "distance %g", distance);
    }
  }
}

double correlation(const float* a, const float* b, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum / static_cast<double>(count);
}

/** Correlation of squares, which the shared radius of a Box-Muller pair would show: unit variance after (x² - 1)/√2. */
double squareCorrelation(const float* a, const float* b, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; ++i) {
    const double x = static_cast<double>(a[i]) * a[i] - 1, y = static_cast<double>(b[i]) * b[i] - 1;
    sum += x * y / 2;
  }
  return sum / static_cast<double>(count);
}

/** Each within 5 standard errors (P < 6e-7) of 0. Lags 16, 32, 48 are other outputs of one counter; 1 and 64 other
 * counters. */
void neighboursAndStreamsAreIndependent() {
  constexpr size_t count = size_t{1} << 22;
  const double bound = 5 / std::sqrt(static_cast<double>(count));
  std::vector<float> z(count + 128), other(count);
  const Direction base{Distribution::normal, 5, 100};
  fill(base, 0, z.size(), z.data());
  for (size_t lag : {1, 2, 15, 16, 17, 32, 48, 64, 128}) {
    const double r = correlation(z.data(), z.data() + lag, count),
                 s = squareCorrelation(z.data(), z.data() + lag, count);
    CHECK(std::abs(r) < bound, "lag %zu: correlation %g", lag, r);
    CHECK(std::abs(s) < bound, "lag %zu: correlation of squares %g", lag, s);
  }
  const Direction others[] = {{Distribution::normal, 5, 101},
                              {Distribution::normal, 6, 100},
                              {Distribution::normal, 5, 100 + (uint64_t{1} << 32)},
                              {Distribution::normal, 5, 100 + (uint64_t{1} << 56)},
                              {Distribution::normal, 5 + (uint64_t{1} << 32), 100},
                              {Distribution::normal, 100, 5}};
  for (const Direction& direction : others) {
    fill(direction, 0, count, other.data());
    const double r = correlation(z.data(), other.data(), count), s = squareCorrelation(z.data(), other.data(), count);
    CHECK(std::abs(r) < bound && std::abs(s) < bound, "seed %llu stream %llu: %g, squares %g",
          static_cast<unsigned long long>(direction.seed), static_cast<unsigned long long>(direction.stream), r, s);
  }
  std::vector<float> signs(count + 2048);
  fill({Distribution::rademacher, 5, 100}, 0, signs.size(), signs.data());
  for (size_t lag : {1, 15, 16, 17, 32, 48, 64, 128, 1024, 1984, 2048}) {
    const double r = correlation(signs.data(), signs.data() + lag, count);
    CHECK(std::abs(r) < bound, "signs, lag %zu: correlation %g", lag, r);
  }
}

/** All 128 signs of a counter: each balanced, and each pair of them uncorrelated. */
void signsOfACounterAreIndependent() {
  constexpr size_t signs = 128, perBlock = 2048, blocks = size_t{1} << 14;
  constexpr double n = 16.0 * blocks;  // counters
  // Bit c of signOf[s] is sign s of counter c.
  std::vector<std::vector<uint64_t>> signOf(signs, std::vector<uint64_t>(blocks / 4));
  std::vector<float> z(perBlock);
  for (size_t block = 0; block < blocks; ++block) {
    fill({Distribution::rademacher, 2027, 11}, block * perBlock, perBlock, z.data());
    for (size_t e = 0; e < perBlock; ++e) {
      const size_t counter = 16 * block + e % 16;
      if (z[e] < 0) signOf[e / 16][counter / 64] |= uint64_t{1} << counter % 64;
    }
  }
  // Of ±1: n minus twice the number of places where they differ.
  const auto correlation = [&](size_t a, const std::vector<uint64_t>* b) {
    int64_t differ = 0;
    for (size_t w = 0; w < signOf[a].size(); ++w)
      differ += __builtin_popcountll(signOf[a][w] ^ (b != nullptr ? (*b)[w] : 0));
    return 1 - 2 * static_cast<double>(differ) / n;
  };
  double squares = 0;
  for (size_t a = 0; a < signs; ++a) {
    const double mean = correlation(a, nullptr);
    CHECK(std::abs(mean) < 5.5 / std::sqrt(n), "sign %zu: mean %g", a, mean);  // P < 128 · 4e-8
    for (size_t b = 0; b < a; ++b) {
      const double r = correlation(a, &signOf[b]);
      CHECK(std::abs(r) < 6.3 / std::sqrt(n), "signs %zu and %zu: correlation %g", a, b, r);  // P < 8128 · 3e-10
      squares += r * r * n;
    }
  }
  constexpr double pairs = signs * (signs - 1) / 2.0;
  CHECK(std::abs(squares / pairs - 1) < 5 * std::sqrt(2 / pairs), "mean square of correlations %g / n",
        squares / pairs);
}

}  // namespace

int main() {
  normalMomentsAndTailsAreRight();
  otherDistributionsHaveTheirMoments();
  distributionFunctionsAreRight();
  neighboursAndStreamsAreIndependent();
  signsOfACounterAreIndependent();
  return test::summary("direction_statistics_test");
}
