// θ += μ z over 64 Mi parameters against the machine's read + write bandwidth, both measured in this run; prints JSON.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "cpu/update.h"
#include "thread/team.h"

namespace {

using zeroth::Direction;
using zeroth::Distribution;

double seconds(const std::chrono::steady_clock::time_point& start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

struct Free {
  void operator()(float* pointer) const { std::free(pointer); }
};

/** The limit: every element read, added to and written, nothing else. */
void stream(float* x, size_t count, zeroth::Team& team) {
  zeroth::parallelShares(&team, count, team.size(), [&](size_t begin, size_t end, int) {
#pragma omp simd
    for (size_t i = begin; i < end; ++i) x[i] += 1e-3f;
  });
}

}  // namespace

int main() {
  constexpr size_t count = size_t{64} << 20;
  constexpr int rounds = 9;
  const int threads = static_cast<int>(std::thread::hardware_concurrency());
  zeroth::Team team(threads);
  const std::unique_ptr<float, Free> x(static_cast<float*>(std::aligned_alloc(64, count * sizeof(float))));
  if (!x) throw std::bad_alloc();
  float* const theta = x.get();
  zeroth::parallelShares(&team, count, threads,
                         [&](size_t begin, size_t end, int) { std::fill(theta + begin, theta + end, 0.0f); });

  // Directions alone, into the cache.
  constexpr size_t filled = 4096;
  std::vector<std::vector<float>> cached(static_cast<size_t>(threads), std::vector<float>(filled));

  // Interleaved, and medians at the end, so that a noisy neighbour disturbs all alike.
  std::vector<double> streamTimes, addTimes, signTimes, fillTimes, stepTimes;
  for (int round = 0; round < rounds; ++round) {
    auto start = std::chrono::steady_clock::now();
    stream(theta, count, team);
    streamTimes.push_back(seconds(start));

    const Direction z{Distribution::normal, 1, static_cast<uint64_t>(round)};
    const Direction next{Distribution::normal, 1, static_cast<uint64_t>(round) + 1};
    start = std::chrono::steady_clock::now();
    zeroth::pass(theta, theta, count, {zeroth::AddUpdate{{{{z, 1e-3f}}}}}, &team);
    addTimes.push_back(seconds(start));

    const Direction signs{Distribution::rademacher, 1, static_cast<uint64_t>(round)};
    start = std::chrono::steady_clock::now();
    zeroth::pass(theta, theta, count, {zeroth::AddUpdate{{{{signs, 1e-3f}}}}}, &team);
    signTimes.push_back(seconds(start));

    start = std::chrono::steady_clock::now();
    zeroth::parallelShares(&team, count / filled, threads, [&](size_t begin, size_t end, int member) {
      for (size_t i = begin; i < end; ++i) zeroth::fill(signs, i * filled, filled, cached[member].data());
    });
    fillTimes.push_back(seconds(start));

    start = std::chrono::steady_clock::now();
    zeroth::pass(theta, theta, count, {zeroth::AddUpdate{{{{z, -1e-3f}, {z, 1e-5f}, {next, 1e-3f}}}}}, &team);
    zeroth::pass(theta, theta, count, {zeroth::AddUpdate{{{{next, -1e-3f}, {next, -1e-3f}}}}}, &team);
    stepTimes.push_back(seconds(start));
  }
  const double streamSeconds = median(streamTimes), addSeconds = median(addTimes), stepSeconds = median(stepTimes);
  const double signSeconds = median(signTimes), fillSeconds = median(fillTimes);
  const double n = static_cast<double>(count);
  std::printf(
      "{\"benchmark\":\"perturbation\",\"parameters\":%zu,\"threads\":%d,\"isa\":\"%s\",\"bandwidthGBps\":%.2f,"
      "\"parametersPerSecond\":%.4g,\"limitParametersPerSecond\":%.4g,\"ratio\":%.3f,\"signsPerSecond\":%.4g,"
      "\"signsRatio\":%.3f,\"filledSignsPerSecond\":%.4g,\"zoStepSeconds\":%.4f}\n",
      count, threads, zeroth::isaName(zeroth::activeIsa()), 8 * n / streamSeconds / 1e9, n / addSeconds,
      n / streamSeconds, streamSeconds / addSeconds, n / signSeconds, streamSeconds / signSeconds, n / fillSeconds,
      stepSeconds);
  return 0;
}
