// Exceptions on their way to JavaScript.
#pragma once
#include "addon/arguments.h"
#include "addon/core.h"

namespace zeroth::addon {

// Runs what JavaScript called. Only Napi::Error may pass through the engine's frames; any other exception would end the
// process.
template <typename Body>
auto guarded(Napi::Env env, const Body& body) -> decltype(body()) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    const Failure failure = currentFailure();
    throw codedError(env, failure.code, failure.message);
  }
}

}  // namespace zeroth::addon
