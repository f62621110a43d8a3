// A device's programs.
#include <utility>

#include "addon/device.h"
#include "addon/guarded.h"
#include "program/program.h"

namespace zeroth::addon {

namespace {

napi_value loadedToObject(napi_env env, uint32_t id, double arenaBytes) {
  napi_value object, idValue, bytesValue;
  if (napi_create_object(env, &object) != napi_ok || napi_create_uint32(env, id, &idValue) != napi_ok ||
      napi_create_double(env, arenaBytes, &bytesValue) != napi_ok ||
      napi_set_named_property(env, object, "id", idValue) != napi_ok ||
      napi_set_named_property(env, object, "arenaBytes", bytesValue) != napi_ok) {
    return nullptr;
  }
  return object;
}

}  // namespace

Napi::Value Device::load(const Napi::CallbackInfo& info) {
  const Array program = arrayArgument(info, 0, "program");
  const int threads = threadsArgument(info, 1);
  checkOpen();
  return guarded(env_, [&] {
    return enqueue([core = core_.get(), threads, bytes = copyOf(program)](Completion& completion) {
      ExecutableRef program = core->backend().load(decode(bytes.data(), bytes.size()), threads);
      const auto arenaBytes = static_cast<int64_t>(program->arenaBytes());
      const uint32_t id = core->held.add(std::move(program));
      completion.value = [core, id, arenaBytes](napi_env env) {
        core->account(arenaBytes);
        return loadedToObject(env, id, static_cast<double>(arenaBytes));
      };
    });
  });
}

void Device::unload(const Napi::CallbackInfo& info) {
  const uint32_t id = idArgument(info, 0, "id");
  guarded(env_, [&] {
    ExecutableRef program = core_->held.takeProgram(id);
    if (!program) return;
    core_->account(-static_cast<int64_t>(program->arenaBytes()));
    core_->retire(std::move(program));
  });
}

}  // namespace zeroth::addon
