// The device as JavaScript sees it: ids for buffers and programs, and promises for everything that takes time.
#pragma once
#include <napi.h>

#include <memory>

#include "addon/core.h"

namespace zeroth::addon {

class Device : public Napi::ObjectWrap<Device> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit Device(const Napi::CallbackInfo& info);
  ~Device() override;

 private:
  Napi::Value traits(const Napi::CallbackInfo& info);
  Napi::Value allocate(const Napi::CallbackInfo& info);
  void release(const Napi::CallbackInfo& info);
  Napi::Value load(const Napi::CallbackInfo& info);
  void unload(const Napi::CallbackInfo& info);
  Napi::Value submit(const Napi::CallbackInfo& info);
  void abort(const Napi::CallbackInfo& info);
  Napi::Value write(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  Napi::Value memory(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);

  Napi::Value enqueue(std::function<void(Completion&)> work, napi_ref kept = nullptr, int64_t copied = 0);
  void checkOpen() const;

  Napi::Env env_;
  std::shared_ptr<Core> core_;
};

}  // namespace zeroth::addon
