#include "addon/device.h"

#include <cstring>
#include <utility>
#include <vector>

#include "addon/arguments.h"
#include "cpu/cpu_backend.h"
#include "engine/job.h"
#include "program/program.h"

namespace zeroth::addon {

struct Completion {
  explicit Completion(Napi::Env env) : deferred(Napi::Promise::Deferred::New(env)) {}

  Napi::Promise::Deferred deferred;
  // Makes the promise's value on the JavaScript thread; a failure has a code instead.
  std::function<Napi::Value(Napi::Env)> value = [](Napi::Env env) { return env.Undefined(); };
  const char* errorCode = nullptr;
  std::string errorMessage;
};

namespace {

struct Failure {
  const char* code;
  std::string message;
};

// What the exception that is being handled is to JavaScript.
Failure currentFailure() {
  try {
    throw;
  } catch (const CommandError& error) {
    return {"ERR_ZEROTH_NATIVE", error.what()};
  } catch (const ProgramError& error) {
    return {"ERR_ZEROTH_PROGRAM", error.what()};
  } catch (const std::bad_alloc&) {
    return {"ERR_ZEROTH_DEVICE", "device: out of memory; use a smaller micro-batch or model."};
  } catch (const std::exception& error) {
    return {"ERR_ZEROTH_NATIVE", error.what()};
  } catch (...) {
    return {"ERR_ZEROTH_NATIVE", "device: an unknown failure"};
  }
}

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

template <typename Map>
typename Map::mapped_type find(const Map& map, uint32_t id, const char* what) {
  const auto entry = map.find(id);
  if (entry == map.end()) {
    throw CommandError(std::string(what) + " " + std::to_string(id) + " does not exist or was disposed");
  }
  return entry->second;
}

BufferRef findBuffer(Core& core, uint32_t id) {
  std::lock_guard<std::mutex> lock(core.mutex);
  return find(core.buffers, id, "buffer");
}

// Call with the lock held. Ids come round after 2^32 allocations.
uint32_t freshId(Core& core) {
  while (core.nextId == 0 || core.buffers.count(core.nextId) > 0 || core.programs.count(core.nextId) > 0) ++core.nextId;
  return core.nextId++;
}

}  // namespace

Napi::Function Device::define(Napi::Env env) {
  return DefineClass(env, "Device",
                     {
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
  core_ = std::make_shared<Core>();
  try {
    core_->backend = makeCpuBackend(threads);
    worker_ = std::make_unique<Worker>();
  } catch (const std::exception& error) {  // the system grants no more threads, or ZEROTH_ISA names what is not there
    throw codedError(env_, "ERR_ZEROTH_DEVICE",
                     "device: cannot open one of " + std::to_string(threads) + " threads: " + error.what());
  }
  settler_ = Settler::New(env_, "zeroth", 0, 1, this);
  settler_.Unref(env_);
  // A worker_thread that is terminated never runs finalizers in time: stop our thread before its environment goes.
  napi_add_env_cleanup_hook(env_, &Device::onEnvironmentExit, this);
}

Device::~Device() {
  if (closed_) return;
  napi_remove_env_cleanup_hook(env_, &Device::onEnvironmentExit, this);
  close();
  account(-heldBytes_);
}

void Device::onEnvironmentExit(void* device) { static_cast<Device*>(device)->close(); }

void Device::close() {
  if (closed_) return;
  closed_ = true;
  {
    std::lock_guard<std::mutex> lock(core_->mutex);
    for (auto& job : core_->running) job.second->store(true);
  }
  worker_.reset();
  settler_.Release();
  std::lock_guard<std::mutex> lock(core_->mutex);
  core_->programs.clear();
  core_->buffers.clear();
}

Napi::Promise Device::enqueue(Napi::Env env, std::function<void(Completion&)> work) {
  auto* completion = new Completion(env);
  const Napi::Promise promise = completion->deferred.Promise();
  if (closed_) {
    completion->deferred.Reject(codedError(env, "ERR_ZEROTH_DISPOSED",
                                           "device: expected an open device, received a disposed one; open a new one.")
                                    .Value());
    delete completion;
    return promise;
  }
  // While work is under way the process must not exit and this object must not be collected; an idle device allows
  // both.
  if (pending_++ == 0) {
    settler_.Ref(env);
    Ref();
  }
  worker_->submit([this, completion, work = std::move(work)] {
    try {
      work(*completion);
    } catch (...) {
      Failure failure = currentFailure();
      completion->errorCode = failure.code;
      completion->errorMessage = std::move(failure.message);
    }
    if (settler_.BlockingCall(completion) != napi_ok) delete completion;
  });
  return promise;
}

void Device::settle(Napi::Env env, Napi::Function, Device* device, Completion* completion) {
  const std::unique_ptr<Completion> owned(completion);
  // The environment is being torn down: nobody is left to tell.
  if (static_cast<napi_env>(env) == nullptr) return;
  const Napi::HandleScope scope(env);
  if (--device->pending_ == 0) {
    if (!device->closed_) device->settler_.Unref(env);
    device->Unref();
  }
  if (completion->errorCode != nullptr) {
    completion->deferred.Reject(codedError(env, completion->errorCode, completion->errorMessage).Value());
    return;
  }
  try {
    completion->deferred.Resolve(completion->value(env));
  } catch (const Napi::Error& error) {
    completion->deferred.Reject(error.Value());
  }
}

void Device::checkOpen() const {
  if (!closed_) return;
  throw codedError(env_, "ERR_ZEROTH_DISPOSED",
                   "device: expected an open device, received a disposed one; open a new one.");
}

// The garbage collector sees only small handles; told what they hold, it runs before memory grows without bound.
void Device::account(int64_t bytes) {
  heldBytes_ += bytes;
  Napi::MemoryManagement::AdjustExternalMemory(env_, bytes);
}

Napi::Value Device::allocate(const Napi::CallbackInfo& info) {
  const uint64_t bytes = sizeArgument(info, 0, "bytes");
  checkOpen();
  return guarded(env_, [&]() -> Napi::Value {
    BufferRef buffer;
    try {
      buffer = core_->backend->allocate(bytes);
    } catch (const std::bad_alloc&) {
      throw codedError(env_, "ERR_ZEROTH_DEVICE", "device: cannot allocate " + std::to_string(bytes) + " bytes.");
    }
    uint32_t id;
    {
      std::lock_guard<std::mutex> lock(core_->mutex);
      id = freshId(*core_);
      core_->buffers.emplace(id, std::move(buffer));
    }
    account(static_cast<int64_t>(bytes));
    return Napi::Number::New(env_, id);
  });
}

void Device::release(const Napi::CallbackInfo& info) {
  const uint32_t id = idArgument(info, 0, "id");
  BufferRef released;  // freed without the lock
  {
    std::lock_guard<std::mutex> lock(core_->mutex);
    const auto entry = core_->buffers.find(id);
    if (entry == core_->buffers.end()) return;
    released = std::move(entry->second);
    core_->buffers.erase(entry);
  }
  account(-static_cast<int64_t>(released->bytes()));
}

Napi::Value Device::load(const Napi::CallbackInfo& info) {
  const Array program = arrayArgument(info, 0, "program");
  const int threads = threadsArgument(info, 1);
  return guarded(env_, [&]() -> Napi::Value {
    return enqueue(env_, [core = core_, threads, bytes = copyOf(program)](Completion& completion) {
      ExecutableRef program = core->backend->load(bytes.data(), bytes.size(), threads);
      const double arenaBytes = static_cast<double>(program->arenaBytes());
      std::lock_guard<std::mutex> lock(core->mutex);
      const uint32_t id = freshId(*core);
      core->programs.emplace(id, std::move(program));
      completion.value = [id, arenaBytes](Napi::Env env) -> Napi::Value {
        Napi::Object result = Napi::Object::New(env);
        result.Set("id", Napi::Number::New(env, id));
        result.Set("arenaBytes", Napi::Number::New(env, arenaBytes));
        return result;
      };
    });
  });
}

void Device::unload(const Napi::CallbackInfo& info) {
  const uint32_t id = idArgument(info, 0, "id");
  ExecutableRef released;
  std::lock_guard<std::mutex> lock(core_->mutex);
  const auto entry = core_->programs.find(id);
  if (entry == core_->programs.end()) return;
  released = std::move(entry->second);
  core_->programs.erase(entry);
}

Napi::Value Device::submit(const Napi::CallbackInfo& info) {
  const Array words = arrayArgument(info, 0, "commands");
  if (words.type != napi_float64_array) {
    throw codedError(env_, "ERR_ZEROTH_ARGUMENT", "commands: expected a Float64Array");
  }
  const uint32_t number = idArgument(info, 1, "job");
  // A signal that has fired already: said here, since the worker may be quicker than a call of abort().
  auto aborted = std::make_shared<std::atomic<bool>>(info.Length() > 2 && info[2].ToBoolean().Value());
  checkOpen();
  return guarded(env_, [&]() -> Napi::Value {
    const Registry registry{[this](uint32_t id) { return findBuffer(*core_, id); },
                            [this](uint32_t id) {
                              std::lock_guard<std::mutex> lock(core_->mutex);
                              return find(core_->programs, id, "program");
                            }};
    auto job = std::make_shared<Job>(
        decodeJob(static_cast<const double*>(words.data), words.bytes / sizeof(double), registry));
    {
      std::lock_guard<std::mutex> lock(core_->mutex);
      core_->running[number] = aborted;
    }
    return enqueue(env_, [core = core_, job, aborted, number](Completion& completion) {
      std::vector<double> slots;
      struct Unregister {
        Core& core;
        uint32_t number;
        ~Unregister() {
          std::lock_guard<std::mutex> lock(core.mutex);
          core.running.erase(number);
        }
      } const unregister{*core, number};
      if (!runJob(*core->backend, *job, *aborted, slots)) {
        completion.errorCode = "ERR_ZEROTH_ABORTED";
        completion.errorMessage = "The operation was aborted.";
        return;
      }
      completion.value = [slots = std::move(slots)](Napi::Env env) -> Napi::Value {
        Napi::Float64Array result = Napi::Float64Array::New(env, slots.size());
        std::copy(slots.begin(), slots.end(), result.Data());
        return result;
      };
    });
  });
}

void Device::abort(const Napi::CallbackInfo& info) {
  const uint32_t number = idArgument(info, 0, "job");
  std::lock_guard<std::mutex> lock(core_->mutex);
  const auto job = core_->running.find(number);
  if (job != core_->running.end()) job->second->store(true);
}

Napi::Value Device::write(const Napi::CallbackInfo& info) {
  const uint32_t id = idArgument(info, 0, "id");
  const uint64_t offset = sizeArgument(info, 1, "byte offset");
  const Array data = arrayArgument(info, 2, "data");
  checkOpen();
  return guarded(env_, [&]() -> Napi::Value {
    // The buffer is held from now on, whoever releases it before the task's turn; and the caller may change its array
    // at once: the queue owns a copy.
    return enqueue(env_, [core = core_, buffer = findBuffer(*core_, id), offset, bytes = copyOf(data)](Completion&) {
      if (offset > buffer->bytes() || bytes.size() > buffer->bytes() - offset) {
        throw CommandError("write: it ends beyond the buffer's " + std::to_string(buffer->bytes()) + " bytes");
      }
      core->backend->write(*buffer, offset, bytes.data(), bytes.size());
    });
  });
}

Napi::Value Device::read(const Napi::CallbackInfo& info) {
  const uint32_t id = idArgument(info, 0, "id");
  const uint64_t offset = sizeArgument(info, 1, "byte offset");
  const uint64_t length = sizeArgument(info, 2, "bytes");
  checkOpen();
  return guarded(env_, [&]() -> Napi::Value {
    return enqueue(env_, [core = core_, buffer = findBuffer(*core_, id), offset, length](Completion& completion) {
      if (offset > buffer->bytes() || length > buffer->bytes() - offset) {
        throw CommandError("read: it ends beyond the buffer's " + std::to_string(buffer->bytes()) + " bytes");
      }
      auto bytes = std::make_shared<std::vector<uint8_t>>(length);
      core->backend->read(*buffer, offset, bytes->data(), length);
      completion.value = [bytes](Napi::Env env) -> Napi::Value {
        Napi::ArrayBuffer result = Napi::ArrayBuffer::New(env, bytes->size());
        if (!bytes->empty()) std::memcpy(result.Data(), bytes->data(), bytes->size());
        return result;
      };
    });
  });
}

Napi::Value Device::memory(const Napi::CallbackInfo& info) {
  double buffers = 0;
  double arenas = 0;
  {
    std::lock_guard<std::mutex> lock(core_->mutex);
    for (const auto& entry : core_->buffers) buffers += static_cast<double>(entry.second->bytes());
    for (const auto& entry : core_->programs) arenas += static_cast<double>(entry.second->arenaBytes());
  }
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("bufferBytes", Napi::Number::New(info.Env(), buffers));
  result.Set("arenaBytes", Napi::Number::New(info.Env(), arenas));
  return result;
}

void Device::dispose(const Napi::CallbackInfo& info) {
  if (closed_) return;
  napi_remove_env_cleanup_hook(info.Env(), &Device::onEnvironmentExit, this);
  close();
  account(-heldBytes_);
}

}  // namespace zeroth::addon
