// What a device is between the two languages: its worker's queue, what it holds, and how results come back as promises.
// It outlives the JavaScript object where work is under way.
//
// An environment that ends (worker.terminate(), process.exit()) refuses any call of Node-API at any moment. So what
// runs then, that is settling, closing and the end itself, calls it without exceptions and without minding a refusal.
#pragma once
#include <node_api.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "backend.h"
#include "engine/holdings.h"
#include "thread/worker.h"

namespace zeroth::addon {

class Core;

// What a finished task leaves for the JavaScript thread.
struct Completion {
  std::shared_ptr<Core> core;
  napi_deferred deferred = nullptr;
  // Makes the promise's value on the JavaScript thread, null where it cannot; absent: undefined. A failure has a code.
  std::function<napi_value(napi_env)> value;
  const char* errorCode = nullptr;
  std::string errorMessage;
  napi_ref kept = nullptr;  // what the task needs alive
  int64_t copied = 0;       // bytes that the task held for itself
  bool last = false;        // the worker has nothing left to do
};

struct Failure {
  const char* code;
  std::string message;
};

// What the exception that is being handled is to JavaScript.
Failure currentFailure();

// The methods are for the JavaScript thread, unless they say otherwise.
class Core : public std::enable_shared_from_this<Core> {
 public:
  // Starts all the device's threads; throws std::system_error where the system grants fewer.
  explicit Core(int threads);

  // `self` is the JavaScript object, kept alive while work is under way.
  napi_status attach(napi_env env, napi_ref self);
  bool closed() const { return closed_; }

  // Runs `work` on the worker; the promise settles with what it leaves. Null where the environment refuses. `kept` is
  // released when the work is done; until then the garbage collector knows of the `copied` bytes that `work` holds.
  napi_value enqueue(napi_env env, std::function<void(Completion&)> work, napi_ref kept = nullptr, int64_t copied = 0);
  // A promise for the moment when nothing of the device is left. Work that is under way stops between kernels, queued
  // work does not begin; both are rejected.
  napi_value dispose(napi_env env);
  // The same, with nobody to tell.
  void abandon();
  // Ends every device of an environment now, and waits for the kernels that are computing: nothing may compute once the
  // process has begun to take its libraries apart.
  static void endAll(napi_env env);

  // Gives back memory: on the worker, where it takes the system long.
  void retire(BufferRef buffer);
  void retire(ExecutableRef program);
  // The garbage collector sees only small handles; told what they hold, it runs before memory grows without bound.
  void account(int64_t bytes);

  Backend& backend() { return *backend_; }

  Holdings held;

  std::mutex mutex;  // guards the map: both threads use it
  std::unordered_map<uint32_t, std::shared_ptr<std::atomic<bool>>> running;

 private:
  void stop();
  void end();
  void close(napi_deferred deferred);
  void detach();
  void begin(napi_env env);
  void done(napi_env env);
  void post(Completion* completion);  // on the worker
  void freeAll();
  static void settle(napi_env env, napi_value, void*, void* completion);
  static void onEnvironmentExit(void* core);

  napi_env env_ = nullptr;
  napi_ref self_ = nullptr;
  napi_threadsafe_function settler_ = nullptr;
  int pending_ = 0;
  int64_t accounted_ = 0;  // what the garbage collector has been told of
  bool closed_ = false;
  bool awaited_ = false;  // by whoever disposed it
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Worker> worker_;
};

}  // namespace zeroth::addon
