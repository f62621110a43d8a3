// The CUDA kernels that displace parameters, on the host: bits of one fused multiply-add a summand, in place and into a
// copy, in any order of threads, for any grid, and nothing beside the blocks.
#include <cmath>
#include <vector>

#include "check.h"
#include "cuda/perturb.cuh"
#include "cuda_host.h"
#include "inputs.h"

using namespace zeroth;
using namespace zeroth::cuda;
using zeroth::test::normalValues;

namespace {

std::vector<float> expected(std::vector<float> x, const std::vector<Stream>& streams, uint64_t first = 0) {
  for (const Stream& stream : streams)
    for (size_t i = first; i < x.size(); ++i)
      x[i] = std::fma(stream.coefficient, directionElement(stream.direction, i), x[i]);
  return x;
}

// launchOn(order, grid, in, out)
template <class Launch>
void blocksAgree(const char* what, uint64_t blocks, const std::vector<Stream>& streams, const Launch& launchOn) {
  const std::vector<float> theta = normalValues(blocks * kBlock, blocks), moved = expected(theta, streams);
  for (uint32_t grid : {1u, 3u}) {
    for (Order order : kOrders) {
      Vector in(theta), out(theta.size());
      launchOn(order, grid, in.data(), out.data());
      CHECK(in.holds(theta) && out.holds(moved), "%s, %llu blocks, into a copy", what,
            static_cast<unsigned long long>(blocks));
      launchOn(order, grid, in.data(), in.data());
      CHECK(in.holds(moved), "%s, %llu blocks, in place", what, static_cast<unsigned long long>(blocks));
    }
  }
}

void blocks() {
  const auto direction = [](Distribution distribution, uint64_t stream) {
    return Direction{distribution, 0x123456789abcdef0u, stream};
  };
  for (uint64_t count : {0u, 1u, 2u, 31u, 32u, 33u, 64u, 100u}) {
    const Stream normal{direction(Distribution::normal, 1), 1e-3f}, other{direction(Distribution::normal, 2), -0.5f};
    blocksAgree("one normal stream", count, {normal}, [&](Order order, uint32_t grid, const float* in, float* out) {
      launch(order, perturbBlocks<Distribution::normal, 1>, grid, 32, Streams<1>{{normal}}, count, in, out);
    });
    blocksAgree("two of them", count, {normal, other}, [&](Order order, uint32_t grid, const float* in, float* out) {
      launch(order, perturbBlocks<Distribution::normal, 2>, grid, 32, Streams<2>{{normal, other}}, count, in, out);
    });
    const Stream uniform{direction(Distribution::uniform, 3), 0.25f};
    blocksAgree("a uniform stream", count, {uniform}, [&](Order order, uint32_t grid, const float* in, float* out) {
      launch(order, perturbBlocks<Distribution::uniform, 1>, grid, 32, Streams<1>{{uniform}}, count, in, out);
    });
    const Stream signs{direction(Distribution::rademacher, 4), 1e-3f};
    blocksAgree("signs", count, {signs}, [&](Order order, uint32_t grid, const float* in, float* out) {
      launch(order, perturbSignBlocks, grid, 32, signs, count, in, out);
    });
  }
}

void whatIsAfterTheLastBlock() {
  for (Distribution distribution : {Distribution::normal, Distribution::rademacher, Distribution::uniform}) {
    const Stream stream{{distribution, 3, 5}, 0.75f};
    for (uint64_t rest : {1u, 7u, 63u}) {
      const uint64_t first = 33 * kBlock;
      const std::vector<float> theta = normalValues(first + rest, 9), moved = expected(theta, {stream}, first);
      for (Order order : kOrders) {
        Vector in(theta);
        launch(order, perturbElements, 2, 32, stream, first, rest, in.data(), in.data());
        CHECK(in.holds(moved), "the last %llu elements", static_cast<unsigned long long>(rest));
      }
    }
  }
}

}  // namespace

int main() {
  blocks();
  whatIsAfterTheLastBlock();
  return zeroth::test::summary("cuda_perturb_test");
}
