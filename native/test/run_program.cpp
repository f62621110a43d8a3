// Runs a program's bytes (a file) on inputs (a file each) and prints its outputs, one a line: test/recipes builds it
// where something has been added to the executor.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <vector>

#include "cpu/executor.h"

using namespace zeroth;

int main(int argc, char** argv) {
  std::vector<std::vector<char>> files;
  for (int i = 1; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    files.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  if (files.empty()) return EXIT_FAILURE;
  cpu::Executor executor(decode(reinterpret_cast<const uint8_t*>(files[0].data()), files[0].size()), 1);
  std::vector<const void*> inputs;
  for (size_t i = 1; i < files.size(); ++i) inputs.push_back(files[i].data());
  executor.run(inputs, nullptr);
  for (size_t i = 0; i < executor.program().outputs.size(); ++i) {
    const Output& output = executor.program().outputs[i];
    for (uint64_t j = 0; j < output.count; ++j) {
      const void* at = executor.output(i);
      const double value = output.dtype == DType::f64   ? static_cast<const double*>(at)[j]
                           : output.dtype == DType::i32 ? static_cast<const int32_t*>(at)[j]
                                                        : static_cast<const float*>(at)[j];
      std::printf(j == 0 ? "%.17g" : " %.17g", value);
    }
    std::printf("\n");
  }
  return EXIT_SUCCESS;
}
