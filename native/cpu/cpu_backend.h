// The CPU as a backend.
#pragma once
#include <memory>

#include "backend.h"

namespace zeroth {

// All of its `threads` exist when this returns, the one that will call it counted; throws std::system_error where the
// system grants fewer.
std::unique_ptr<Backend> makeCpuBackend(int threads);

}  // namespace zeroth
