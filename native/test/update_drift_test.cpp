// Perturbing and taking the perturbation back, as every ZO step does, must leave the parameters where they were: after
// 10,000 steps with no update the relative norm of the difference stays below 1e-6.
#include <cmath>
#include <vector>

#include "check.h"
#include "cpu/update.h"

using namespace zeroth;

namespace {

constexpr size_t count = 8352;  // sorting-mlp
constexpr uint64_t steps = 10000;

double relativeDrift(const std::vector<float>& start, const std::vector<float>& end) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < start.size(); ++i) {
    const double d = static_cast<double>(end[i]) - start[i];
    difference += d * d;
    norm += static_cast<double>(start[i]) * start[i];
  }
  return std::sqrt(difference / norm);
}

/** U(-1/8, 1/8), the initialisation of a layer of width 64, or a trained network's normal weights. */
std::vector<float> weights(Distribution distribution, float scale) {
  std::vector<float> x(count);
  fill({distribution, 3, 4}, 0, count, x.data());
  for (float& value : x) value *= scale;
  return x;
}

/** The passes of ZO-GD with η = 0: remove the old displacement and add the new one; then to the other side. */
double drift(const std::vector<float>& start, float mu) {
  std::vector<float> x = start;
  const auto z = [](uint64_t step) { return Direction{Distribution::normal, 42, step}; };
  for (uint64_t step = 0; step < steps; ++step) {
    std::vector<Term> terms;
    if (step > 0) terms = {{z(step - 1), mu}, {z(step - 1), 0.0f}};
    terms.push_back({z(step), mu});
    pass(x.data(), x.data(), count, {AddUpdate{{terms}}}, nullptr);
    pass(x.data(), x.data(), count, {AddUpdate{{{{z(step), -mu}, {z(step), -mu}}}}}, nullptr);
  }
  pass(x.data(), x.data(), count, {AddUpdate{{{{z(steps - 1), mu}}}}}, nullptr);
  return relativeDrift(start, x);
}

}  // namespace

int main() {
  const struct {
    const char* name;
    Distribution distribution;
    float scale, mu;
  } cases[] = {{"uniform ±1/8, mu 1e-3", Distribution::uniform, 0.125f, 1e-3f},
               {"uniform ±1/8, mu 1e-4", Distribution::uniform, 0.125f, 1e-4f},
               {"normal 0.02, mu 1e-3", Distribution::normal, 0.02f, 1e-3f},
               {"normal 1, mu 1e-3", Distribution::normal, 1.0f, 1e-3f}};
  for (const auto& c : cases) {
    const double measured = drift(weights(c.distribution, c.scale), c.mu);
    std::printf("%s: relative drift after %llu steps %.2e\n", c.name, static_cast<unsigned long long>(steps), measured);
    CHECK(measured < 1e-6, "%s: relative drift %.2e", c.name, measured);
  }
  return test::summary("update_drift_test");
}
