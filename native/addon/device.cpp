#include "addon/device.h"

#include <string>
#include <utility>

#include "addon/guarded.h"

namespace zeroth::addon {

Napi::Function Device::define(Napi::Env env) {
  return DefineClass(env, "Device",
                     {
                         InstanceMethod<&Device::traits>("traits"),
                         InstanceMethod<&Device::allocate>("allocate"),
                         InstanceMethod<&Device::release>("release"),
                         InstanceMethod<&Device::load>("load"),
                         InstanceMethod<&Device::unload>("unload"),
                         InstanceMethod<&Device::submit>("submit"),
                         InstanceMethod<&Device::abort>("abort"),
                         InstanceMethod<&Device::write>("write"),
                         InstanceMethod<&Device::read>("read"),
                         InstanceMethod<&Device::memory>("memory"),
                         InstanceMethod<&Device::dispose>("dispose"),
                     });
}

Device::Device(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Device>(info), env_(info.Env()) {
  const int threads = threadsArgument(info, 0);
  try {
    core_ = std::make_shared<Core>(threads);
  } catch (const std::exception& error) {  // the system grants no more threads, or ZEROTH_ISA names what is not there
    throw codedError(env_, "ERR_ZEROTH_DEVICE",
                     "device: cannot open one of " + std::to_string(threads) + " threads: " + error.what());
  }
  if (core_->attach(env_, *this) != napi_ok) throw Napi::Error::New(env_);
}

Device::~Device() {
  if (core_) core_->abandon();
}

Napi::Value Device::enqueue(std::function<void(Completion&)> work, napi_ref kept, int64_t copied) {
  const napi_value promise = core_->enqueue(env_, std::move(work), kept, copied);
  if (promise == nullptr) throw Napi::Error::New(env_);
  return Napi::Value(env_, promise);
}

void Device::checkOpen() const {
  if (!core_->closed()) return;
  throw codedError(env_, "ERR_ZEROTH_DISPOSED",
                   "device: expected an open device, received a disposed one; open a new one.");
}

Napi::Value Device::traits(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  checkOpen();
  const Traits& traits = core_->backend().traits();
  const auto number = [env](size_t value) { return Napi::Number::New(env, static_cast<double>(value)); };
  Napi::Array composites = Napi::Array::New(env);
  for (const std::string& composite : traits.composites) composites.Set(composites.Length(), composite);
  Napi::Object elementBytes = Napi::Object::New(env);
  for (const DType dtype : traits.dtypes) elementBytes.Set(name(dtype), number(format::bytesOf(dtype)));
  Napi::Object result = Napi::Object::New(env);
  result.Set("lanes", number(traits.lanes));
  result.Set("laneExamples", number(traits.laneExamples));
  result.Set("smallModelExamples", number(traits.smallModelExamples));
  result.Set("smallModelParameters", number(traits.smallModelParameters));
  result.Set("alignment", number(traits.alignment));
  result.Set("composites", composites);
  result.Set("elementBytes", elementBytes);
  return result;
}

Napi::Value Device::dispose(const Napi::CallbackInfo&) {
  return guarded(env_, [&]() -> Napi::Value {
    const napi_value promise = core_->dispose(env_);
    if (promise == nullptr) throw Napi::Error::New(env_);
    return Napi::Value(env_, promise);
  });
}

}  // namespace zeroth::addon
