// The CUDA kernels of rules with states, on the host: the bits of the CPU's pass, step after step, in place and into a
// copy, in any order of threads, for any grid, and nothing beside the blocks.
#include <vector>

#include "check.h"
#include "cpu/update.h"
#include "cuda/update.cuh"
#include "cuda_host.h"
#include "inputs.h"

using namespace zeroth;
using namespace zeroth::cuda;
using zeroth::test::normalValues;

namespace {

using Numbers = std::vector<float>;
constexpr double kBeta1 = 0.9, kBeta2 = 0.99, kLr = 0.01, kEpsilon = 1e-6;

const Stream stream(uint64_t step) { return {{Distribution::normal, 7, step}, 0.3f - 0.1f * static_cast<float>(step)}; }
Gradient gradientOf(const Stream& one) { return {{{one.direction, one.coefficient}}}; }

// Second moments are not negative.
Numbers squares(size_t count) {
  Numbers values = normalValues(count, 3);
  for (float& value : values) value *= value;
  return values;
}

void momentumAgrees(uint64_t blocks, uint32_t grid, Order order) {
  const size_t count = blocks * kBlock;
  Numbers theta = normalValues(count, 1), m = normalValues(count, 2);
  Vector x(theta), copy(count), state(m);
  for (uint64_t step = 1; step <= 3; ++step) {
    const bool inPlace = step != 2;
    const Stream one = stream(step);
    Numbers next = theta;
    pass(theta.data(), next.data(), count, {MomentumUpdate{gradientOf(one), kBeta1, kLr, m.data()}}, nullptr);
    launch(order, updateBlocks<Distribution::normal, MomentumRule>, grid, 32, one,
           MomentumRule{momentumFactors(kBeta1, kLr), state.data()}, blocks, x.data(),
           inPlace ? x.data() : copy.data());
    CHECK((inPlace ? x : copy).holds(next) && (inPlace || x.holds(theta)) && state.holds(m),
          "momentum, %llu blocks, step %llu", static_cast<unsigned long long>(blocks),
          static_cast<unsigned long long>(step));
    if (inPlace) theta = next;
  }
}

void adamAgrees(uint64_t blocks, uint32_t grid, Order order) {
  const size_t count = blocks * kBlock;
  Numbers theta = normalValues(count, 1), m = normalValues(count, 2), v = squares(count);
  Vector x(theta), copy(count), mean(m), square(v);
  for (uint64_t step = 1; step <= 3; ++step) {
    const bool inPlace = step != 2;
    const Stream one = stream(step);
    Numbers next = theta;
    pass(theta.data(), next.data(), count,
         {AdamUpdate{gradientOf(one), kBeta1, kBeta2, kLr, kEpsilon, static_cast<int64_t>(step), m.data(), v.data()}},
         nullptr);
    const AdamFactors factors = adamFactors(kBeta1, kBeta2, kLr, kEpsilon, static_cast<double>(step));
    launch(order, updateBlocks<Distribution::normal, AdamRule>, grid, 32, one,
           AdamRule{factors, mean.data(), square.data()}, blocks, x.data(), inPlace ? x.data() : copy.data());
    CHECK((inPlace ? x : copy).holds(next) && (inPlace || x.holds(theta)) && mean.holds(m) && square.holds(v),
          "Adam, %llu blocks, step %llu", static_cast<unsigned long long>(blocks),
          static_cast<unsigned long long>(step));
    if (inPlace) theta = next;
  }
}

void noBlocksAreTouched() {
  const Stream one = stream(1);
  Vector x(Numbers{}), m(Numbers{}), v(Numbers{});
  launch(Order::forward, updateBlocks<Distribution::normal, MomentumRule>, 1, 32, one,
         MomentumRule{momentumFactors(kBeta1, kLr), m.data()}, 0, x.data(), x.data());
  launch(Order::forward, updateBlocks<Distribution::normal, AdamRule>, 1, 32, one,
         AdamRule{adamFactors(kBeta1, kBeta2, kLr, kEpsilon, 1), m.data(), v.data()}, 0, x.data(), x.data());
  CHECK(x.holds({}) && m.holds({}) && v.holds({}), "a step of nothing");
}

}  // namespace

int main() {
  noBlocksAreTouched();
  for (uint64_t blocks : {1u, 2u, 33u, 100u}) {
    for (uint32_t grid : {1u, 3u}) {
      for (Order order : kOrders) {
        momentumAgrees(blocks, grid, order);
        adamAgrees(blocks, grid, order);
      }
    }
  }
  return zeroth::test::summary("cuda_update_test");
}
