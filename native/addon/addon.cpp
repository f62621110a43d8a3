// What the addon exports: the Device class, what this machine's CPU offers, and locks on files. Everything else is
// reached through a Device.
#include <napi.h>

#include "addon/device.h"
#include "addon/file_lock.h"
#include "addon/processors.h"
#include "direction/isa.h"

namespace {

Napi::Value activeIsa(const Napi::CallbackInfo& info) {
  try {
    return Napi::String::New(info.Env(), zeroth::isaName(zeroth::activeIsa()));
  } catch (const std::exception& error) {
    Napi::Error failure = Napi::Error::New(info.Env(), error.what());
    failure.Set("code", "ERR_ZEROTH_DEVICE");
    throw failure;
  }
}

Napi::Value availableIsas(const Napi::CallbackInfo& info) {
  Napi::Array names = Napi::Array::New(info.Env());
  for (const zeroth::Isa isa : zeroth::availableIsas()) {
    names.Set(names.Length(), Napi::String::New(info.Env(), zeroth::isaName(isa)));
  }
  return names;
}

Napi::Value processors(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), zeroth::addon::processorCount());
}

void end(const Napi::CallbackInfo& info) { zeroth::addon::Core::endAll(info.Env()); }

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  zeroth::addon::giveBackProcessors();
  exports.Set("Device", zeroth::addon::Device::define(env));
  exports.Set("activeIsa", Napi::Function::New(env, activeIsa));
  exports.Set("availableIsas", Napi::Function::New(env, availableIsas));
  exports.Set("end", Napi::Function::New(env, end));
  exports.Set("processors", Napi::Function::New(env, processors));
  exports.Set("lockFile", Napi::Function::New(env, zeroth::addon::lockFile));
  return exports;
}

}  // namespace

NODE_API_MODULE(zeroth, initialise)
