// What the executor tests share: seeded data, a run of a built program, and results as vectors.
#pragma once
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "check.h"
#include "cpu/executor.h"
#include "program_builder.h"

namespace zeroth::test {

using Floats = std::vector<float>;
using Op = MapOpcode;

inline uint32_t count(const std::vector<uint32_t>& dims) {
  uint32_t product = 1;
  for (uint32_t dim : dims) product *= dim;
  return product;
}

// Small integers, so that sums and products of a few of them are exact in f32.
inline Floats integers(size_t n, uint32_t seed, int low = -8, int high = 8) {
  std::mt19937 random(seed);
  Floats values(n);
  for (float& value : values) value = static_cast<float>(low + static_cast<int>(random() % (high - low + 1)));
  return values;
}

inline Floats normals(size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Floats values(n);
  for (float& value : values) value = normal(random);
  return values;
}

// Over so many magnitudes that a sum in f64 rounds, and so depends on its order.
inline Floats wide(size_t n, uint32_t seed) {
  Floats values = normals(n, seed);
  for (size_t i = 0; i < n; ++i) values[i] = std::ldexp(values[i], static_cast<int>(i * 7919 % 81) - 40);
  return values;
}

// Inputs at addresses that are multiples of 4 bytes and of nothing more, and outputs as raw bytes.
class Run {
 public:
  Run(const ProgramBuilder& builder, int threads)
      : words_(builder.words()), executor_(decode(bytesOf(words_), words_.size() * 4), threads), team_(threads) {}

  template <class T>
  Run& bind(const std::vector<T>& values) {
    storage_.emplace_back(values.size() * sizeof(T) / 4 + 1);
    std::memcpy(storage_.back().data() + 1, values.data(), values.size() * sizeof(T));
    return *this;
  }

  bool go(const std::atomic<bool>* aborted = nullptr) {
    std::vector<const void*> bindings;
    for (const Words& stored : storage_) bindings.push_back(stored.data() + 1);
    return executor_.run(bindings, &team_, aborted);
  }

  template <class T = float>
  std::vector<T> output(size_t i) const {
    std::vector<T> values(executor_.program().outputs[i].count);
    std::memcpy(values.data(), executor_.output(i), values.size() * sizeof(T));
    return values;
  }

  cpu::Executor& executor() { return executor_; }

 private:
  Words words_;
  cpu::Executor executor_;
  Team team_;
  std::vector<Words> storage_;
};

inline bool sameBits(const void* a, const void* b, size_t bytes) { return std::memcmp(a, b, bytes) == 0; }

template <class T>
bool sameBits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

// The message of the error that `body` throws, or "" where it throws none.
template <class Error, class Body>
std::string messageOf(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

inline bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

}  // namespace zeroth::test
