// Jobs on a device.
#include <algorithm>
#include <utility>
#include <vector>

#include "addon/device.h"
#include "addon/guarded.h"
#include "engine/decode.h"
#include "engine/run.h"

namespace zeroth::addon {

namespace {

napi_value slotsToArray(napi_env env, const std::vector<double>& slots) {
  void* data = nullptr;
  napi_value buffer, array = nullptr;
  if (napi_create_arraybuffer(env, slots.size() * sizeof(double), &data, &buffer) != napi_ok) return nullptr;
  std::copy(slots.begin(), slots.end(), static_cast<double*>(data));
  if (napi_create_typedarray(env, napi_float64_array, slots.size(), buffer, 0, &array) != napi_ok) return nullptr;
  return array;
}

}  // namespace

Napi::Value Device::submit(const Napi::CallbackInfo& info) {
  const Array words = arrayArgument(info, 0, "commands");
  if (words.type != napi_float64_array) {
    throw codedError(env_, "ERR_ZEROTH_ARGUMENT", "commands: expected a Float64Array");
  }
  const uint32_t number = idArgument(info, 1, "job");
  // A signal that has fired already: said here, since the worker may be quicker than a call of abort().
  const bool abortedBefore = info.Length() > 2 && info[2].ToBoolean().Value();
  checkOpen();
  return guarded(env_, [&] {
    const Registry registry{[this](uint32_t id) { return core_->held.buffer(id); },
                            [this](uint32_t id) { return core_->held.program(id); }, core_->backend().traits().lanes};
    auto job = std::make_shared<Job>(
        decodeJob(static_cast<const double*>(words.data), words.bytes / sizeof(double), registry));
    auto aborted = std::make_shared<std::atomic<bool>>(abortedBefore);
    {
      std::lock_guard<std::mutex> lock(core_->mutex);
      core_->running[number] = aborted;
    }
    return enqueue([core = core_.get(), job, aborted, number](Completion& completion) {
      std::vector<double> slots;
      struct Unregister {
        Core& core;
        uint32_t number;
        ~Unregister() {
          std::lock_guard<std::mutex> lock(core.mutex);
          core.running.erase(number);
        }
      } const unregister{*core, number};
      if (!runJob(core->backend(), *job, *aborted, slots)) {
        completion.errorCode = "ERR_ZEROTH_ABORTED";
        completion.errorMessage = "The operation was aborted.";
        return;
      }
      completion.value = [slots = std::move(slots)](napi_env env) { return slotsToArray(env, slots); };
    });
  });
}

void Device::abort(const Napi::CallbackInfo& info) {
  const uint32_t number = idArgument(info, 0, "job");
  std::lock_guard<std::mutex> lock(core_->mutex);
  const auto job = core_->running.find(number);
  if (job != core_->running.end()) job->second->store(true);
}

}  // namespace zeroth::addon
