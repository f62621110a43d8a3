// Outputs on their way into buffers: every element where a plain loop puts it, to the bit, for any number of threads.
#include "cpu/delivery.h"

#include <cstring>
#include <vector>

#include "check.h"
#include "inputs.h"

using namespace zeroth;
using test::normalValues;

namespace {

using Vector = std::vector<float>;

// Where rows go, and how; which of two buffers.
struct Case {
  size_t rows, rowLength, offset, rowStride;
  float weight;
  bool accumulate;
  size_t buffer = 0;
};

constexpr size_t kBuffer = 300000;

// What the deliveries are defined as.
void byOne(const Delivery& delivery) {
  for (uint64_t i = 0; i < delivery.count; ++i) {
    float& to = delivery.buffer[delivery.offset + i / delivery.rowLength * delivery.rowStride + i % delivery.rowLength];
    const float value = delivery.weight * delivery.value[i];
    to = delivery.accumulate ? to + value : value;
  }
}

void check(const char* what, const std::vector<Case>& cases) {
  std::vector<Vector> values;
  for (size_t i = 0; i < cases.size(); ++i) values.push_back(normalValues(cases[i].rows * cases[i].rowLength, 100 + i));
  const auto delivered = [&](const auto& run) {
    std::vector<Vector> buffers{normalValues(kBuffer, 1), normalValues(kBuffer, 2)};
    std::vector<Delivery> deliveries;
    for (size_t i = 0; i < cases.size(); ++i) {
      const Case& one = cases[i];
      deliveries.push_back({values[i].data(), values[i].size(), buffers[one.buffer].data(), one.offset, one.rowLength,
                            one.rowStride, one.weight, one.accumulate});
    }
    run(deliveries);
    return buffers;
  };
  const std::vector<Vector> expected = delivered([](const std::vector<Delivery>& deliveries) {
    for (const Delivery& delivery : deliveries) byOne(delivery);
  });
  const auto same = [&](const std::vector<Vector>& buffers) {
    return std::memcmp(buffers[0].data(), expected[0].data(), kBuffer * sizeof(float)) == 0 &&
           std::memcmp(buffers[1].data(), expected[1].data(), kBuffer * sizeof(float)) == 0;
  };
  CHECK(same(delivered([](const auto& deliveries) { deliver(deliveries, nullptr); })), "%s, without a team", what);
  for (int threads : {1, 2, 3, 7}) {
    Team team(threads);
    CHECK(same(delivered([&](const auto& deliveries) { deliver(deliveries, &team); })), "%s, %d threads", what,
          threads);
  }
}

}  // namespace

int main() {
  check("nothing", {});
  check("no elements", {{0, 5, 10, 7, 1, false}});
  check("few elements", {{1, 3, 1, 3, 2, false}, {2, 3, 2, 5, -1, true}});
  check("one long row", {{1, 250000, 17, 0, 0.5f, false}});
  check("a gradient of three tensors, stored by one piece and added to by two", {{1, 40000, 0, 0, 0.5f, false},
                                                                                 {1, 7, 40000, 0, 0.5f, false},
                                                                                 {1, 90001, 40007, 0, 0.5f, false},
                                                                                 {1, 40000, 0, 0, 0.3f, true},
                                                                                 {1, 7, 40000, 0, 0.3f, true},
                                                                                 {1, 90001, 40007, 0, 0.3f, true},
                                                                                 {1, 40000, 0, 0, 0.2f, true},
                                                                                 {1, 7, 40000, 0, 0.2f, true},
                                                                                 {1, 90001, 40007, 0, 0.2f, true}});
  check("rows of several vectors", {{16, 5000, 3, 9000, 1, false}, {16, 3999, 5003, 9000, 1, true}});
  check("rows of one element", {{40000, 1, 5, 7, 3, true}});
  check("rows that end and begin with the elements of a member",
        {{8, 4096, 4096, 8192, 1, false}, {8, 4095, 8192, 8192, 1, true}});
  check("two buffers", {{1, 100000, 0, 0, 1, false, 1}, {1, 100000, 50, 0, 1, true, 0}});
  check("places that overlap, in another order", {{1, 100000, 1000, 0, 1, false},
                                                  {10, 9999, 5, 9000, 2, true},
                                                  {1, 50000, 33333, 0, -1, false},
                                                  {3, 60000, 100, 20000, 0.1f, true}});
  return test::summary("delivery_test");
}
