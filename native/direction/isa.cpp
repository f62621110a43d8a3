#include "direction/isa.h"

#include <cstdlib>
#include <stdexcept>
#include <string>

namespace zeroth {
namespace {

Isa chosenIsa() {
  const std::vector<Isa> available = availableIsas();
  const char* wanted = std::getenv("ZEROTH_ISA");
  if (wanted == nullptr || *wanted == '\0') return available.back();
  std::string names;
  for (Isa isa : available) {
    if (std::string(wanted) == isaName(isa)) return isa;
    names += std::string(names.empty() ? "" : ", ") + isaName(isa);
  }
  throw std::invalid_argument("ZEROTH_ISA: expected one of " + names + " (what this machine can run), received \"" +
                              wanted + "\". Unset it to let Zeroth choose.");
}

}  // namespace

const char* isaName(Isa isa) {
  switch (isa) {
    case Isa::scalar:
      return "scalar";
    case Isa::avx2:
      return "avx2";
    case Isa::avx512:
      return "avx512";
    case Isa::neon:
      return "neon";
  }
  throw std::invalid_argument("isaName: not an instruction set");
}

std::vector<Isa> availableIsas() {
  std::vector<Isa> isas{Isa::scalar};
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx2) isas.push_back(Isa::avx2);
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
    isas.push_back(Isa::avx512);
  }
#elif defined(__aarch64__)
  isas.push_back(Isa::neon);
#endif
  return isas;
}

Isa activeIsa() {
  static const Isa isa = chosenIsa();
  return isa;
}

}  // namespace zeroth
