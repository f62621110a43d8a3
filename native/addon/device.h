// The device as JavaScript sees it: ids for buffers and programs, and promises for everything that takes time.
#pragma once
#include <napi.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "backend.h"
#include "thread/worker.h"

namespace zeroth::addon {

// What a finished task leaves for the JavaScript thread.
struct Completion;

// Shared with the worker thread, so that it outlives the JavaScript object if need be.
struct Core {
  std::unique_ptr<Backend> backend;
  std::mutex mutex;  // guards the maps and the counters; both threads allocate
  std::unordered_map<uint32_t, BufferRef> buffers;
  std::unordered_map<uint32_t, ExecutableRef> programs;
  std::unordered_map<uint32_t, std::shared_ptr<std::atomic<bool>>> running;
  uint32_t nextId = 1;
};

class Device : public Napi::ObjectWrap<Device> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit Device(const Napi::CallbackInfo& info);
  ~Device() override;

 private:
  Napi::Value allocate(const Napi::CallbackInfo& info);
  void release(const Napi::CallbackInfo& info);
  Napi::Value load(const Napi::CallbackInfo& info);
  void unload(const Napi::CallbackInfo& info);
  Napi::Value submit(const Napi::CallbackInfo& info);
  void abort(const Napi::CallbackInfo& info);
  Napi::Value write(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  Napi::Value memory(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);

  // Runs `work` on the worker thread and settles the promise with what it returns, on the JavaScript thread.
  Napi::Promise enqueue(Napi::Env env, std::function<void(Completion&)> work);
  void checkOpen() const;
  void account(int64_t bytes);
  // Aborts the jobs, waits for the passes, reads and writes that are queued, and frees everything.
  void close();
  static void onEnvironmentExit(void* device);
  static void settle(Napi::Env env, Napi::Function, Device* device, Completion* completion);

  std::shared_ptr<Core> core_;
  std::unique_ptr<Worker> worker_;
  using Settler = Napi::TypedThreadSafeFunction<Device, Completion, &Device::settle>;
  Settler settler_;
  Napi::Env env_;
  int pending_ = 0;
  int64_t heldBytes_ = 0;  // what the garbage collector has been told of
  bool closed_ = false;
};

}  // namespace zeroth::addon
