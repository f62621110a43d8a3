// Jobs on a device.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "addon/device.h"
#include "addon/guarded.h"
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

struct Numbers {
  const double* data;
  size_t length;
};

Numbers numbersArgument(const Napi::CallbackInfo& info, size_t i, const char* name) {
  const Array array = arrayArgument(info, i, name);
  if (array.type != napi_float64_array) {
    throw codedError(info.Env(), "ERR_ZEROTH_ARGUMENT", std::string(name) + ": expected a Float64Array");
  }
  return {static_cast<const double*>(array.data), array.bytes / sizeof(double)};
}

}  // namespace

Napi::Value Device::submit(const Napi::CallbackInfo& info) {
  const Numbers words = numbersArgument(info, 0, "words");
  const Numbers given = numbersArgument(info, 1, "values");
  const uint32_t number = idArgument(info, 2, "job");
  // A signal that has fired already: said here, since the worker may be quicker than a call of abort().
  const bool abortedBefore = info.Length() > 3 && info[3].ToBoolean().Value();
  checkOpen();
  return guarded(env_, [&] {
    // The buffers and programs of the job are held from now on, whoever releases them before its turn.
    std::shared_ptr<Job> job = core_->held.job(words.data, words.length, core_->backend().traits().lanes);
    std::vector<double> values(given.data, given.data + given.length);
    auto aborted = std::make_shared<std::atomic<bool>>(abortedBefore);
    {
      std::lock_guard<std::mutex> lock(core_->mutex);
      core_->running[number] = aborted;
    }
    return enqueue([core = core_.get(), job = std::move(job), values = std::move(values), aborted,
                    number](Completion& completion) {
      std::vector<double> slots;
      struct Unregister {
        Core& core;
        uint32_t number;
        ~Unregister() {
          std::lock_guard<std::mutex> lock(core.mutex);
          core.running.erase(number);
        }
      } const unregister{*core, number};
      if (!runJob(core->backend(), *job, values, *aborted, slots)) {
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
