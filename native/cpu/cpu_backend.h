// The CPU as a backend.
#pragma once
#include <memory>

#include "backend.h"

namespace zeroth {

// `threads` is the OpenMP team of every kernel; the calling thread must have set it too (oneDNN asks OpenMP).
std::unique_ptr<Backend> makeCpuBackend(int threads);

}  // namespace zeroth
