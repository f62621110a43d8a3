#include "addon/device.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "addon/arguments.h"
#include "engine/job.h"

namespace zeroth::addon {

namespace {

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

ExecutableRef findProgram(Core& core, uint32_t id) {
  std::lock_guard<std::mutex> lock(core.mutex);
  return find(core.programs, id, "program");
}

// Takes an entry out of a map, null where there is none.
template <typename Map>
typename Map::mapped_type take(Core& core, Map& map, uint32_t id) {
  std::lock_guard<std::mutex> lock(core.mutex);
  const auto entry = map.find(id);
  if (entry == map.end()) return nullptr;
  auto taken = std::move(entry->second);
  map.erase(entry);
  return taken;
}

void checkExtent(const char* what, const Buffer& buffer, uint64_t offset, uint64_t bytes) {
  if (offset > buffer.bytes() || bytes > buffer.bytes() - offset) {
    throw CommandError(std::string(what) + ": it ends beyond the buffer's " + std::to_string(buffer.bytes()) +
                       " bytes");
  }
}

napi_value slotsToArray(napi_env env, const std::vector<double>& slots) {
  void* data = nullptr;
  napi_value buffer, array = nullptr;
  if (napi_create_arraybuffer(env, slots.size() * sizeof(double), &data, &buffer) != napi_ok) return nullptr;
  std::copy(slots.begin(), slots.end(), static_cast<double*>(data));
  if (napi_create_typedarray(env, napi_float64_array, slots.size(), buffer, 0, &array) != napi_ok) return nullptr;
  return array;
}

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

Napi::Value Device::allocate(const Napi::CallbackInfo& info) {
  const uint64_t bytes = sizeArgument(info, 0, "bytes");
  checkOpen();
  return guarded(env_, [&]() -> Napi::Value {
    BufferRef buffer;
    try {
      buffer = core_->backend().allocate(bytes);
    } catch (const std::bad_alloc&) {
      throw codedError(env_, "ERR_ZEROTH_DEVICE", "device: cannot allocate " + std::to_string(bytes) + " bytes.");
    }
    uint32_t id;
    {
      std::lock_guard<std::mutex> lock(core_->mutex);
      id = core_->freshId();
      core_->buffers.emplace(id, std::move(buffer));
    }
    core_->account(static_cast<int64_t>(bytes));
    return Napi::Number::New(env_, id);
  });
}

void Device::release(const Napi::CallbackInfo& info) {
  const uint32_t id = idArgument(info, 0, "id");
  guarded(env_, [&] {
    BufferRef buffer = take(*core_, core_->buffers, id);
    if (!buffer) return;
    core_->account(-static_cast<int64_t>(buffer->bytes()));
    core_->retire(std::move(buffer));
  });
}

Napi::Value Device::load(const Napi::CallbackInfo& info) {
  const Array program = arrayArgument(info, 0, "program");
  const int threads = threadsArgument(info, 1);
  checkOpen();
  return guarded(env_, [&] {
    return enqueue([core = core_.get(), threads, bytes = copyOf(program)](Completion& completion) {
      ExecutableRef program = core->backend().load(bytes.data(), bytes.size(), threads);
      const auto arenaBytes = static_cast<int64_t>(program->arenaBytes());
      uint32_t id;
      {
        std::lock_guard<std::mutex> lock(core->mutex);
        id = core->freshId();
        core->programs.emplace(id, std::move(program));
      }
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
    ExecutableRef program = take(*core_, core_->programs, id);
    if (!program) return;
    core_->account(-static_cast<int64_t>(program->arenaBytes()));
    core_->retire(std::move(program));
  });
}

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
    const Registry registry{[this](uint32_t id) { return findBuffer(*core_, id); },
                            [this](uint32_t id) { return findProgram(*core_, id); }, core_->backend().lanes()};
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

Napi::Value Device::write(const Napi::CallbackInfo& info) {
  const uint32_t id = idArgument(info, 0, "id");
  const uint64_t offset = sizeArgument(info, 1, "byte offset");
  const Array data = arrayArgument(info, 2, "data");
  const bool lent = info.Length() > 3 && info[3].ToBoolean().Value();
  checkOpen();
  return guarded(env_, [&] {
    // The buffer is held from now on, whoever releases it before the task's turn. An array that is lent is read where
    // it is, on the worker; of any other the queue owns a copy.
    BufferRef buffer = findBuffer(*core_, id);
    checkExtent("write", *buffer, offset, data.bytes);
    if (!lent) {
      return enqueue([core = core_.get(), buffer, offset, bytes = copyOf(data)](
                         Completion&) { core->backend().write(*buffer, offset, bytes.data(), bytes.size()); },
                     nullptr, static_cast<int64_t>(data.bytes));
    }
    napi_ref kept = nullptr;
    if (napi_create_reference(env_, info[2], 1, &kept) != napi_ok) throw Napi::Error::New(env_);
    return enqueue([core = core_.get(), buffer, offset,
                    data](Completion&) { core->backend().write(*buffer, offset, data.data, data.bytes); },
                   kept);
  });
}

// The caller brings the memory, so that what it costs to fill it is not the JavaScript thread's to pay, and so that
// there being none is an exception that can be caught.
Napi::Value Device::read(const Napi::CallbackInfo& info) {
  const uint32_t id = idArgument(info, 0, "id");
  const uint64_t offset = sizeArgument(info, 1, "byte offset");
  if (info.Length() < 3 || !info[2].IsArrayBuffer()) {
    throw codedError(env_, "ERR_ZEROTH_ARGUMENT", "into: expected an ArrayBuffer");
  }
  auto into = info[2].As<Napi::ArrayBuffer>();
  checkOpen();
  return guarded(env_, [&] {
    BufferRef buffer = findBuffer(*core_, id);
    void* const to = into.Data();
    const size_t bytes = into.ByteLength();
    checkExtent("read", *buffer, offset, bytes);
    napi_ref kept = nullptr;
    if (napi_create_reference(env_, into, 1, &kept) != napi_ok) throw Napi::Error::New(env_);
    return enqueue([core = core_.get(), buffer, offset, to,
                    bytes](Completion&) { core->backend().read(*buffer, offset, to, bytes); },
                   kept);
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

Napi::Value Device::dispose(const Napi::CallbackInfo&) {
  return guarded(env_, [&]() -> Napi::Value {
    const napi_value promise = core_->dispose(env_);
    if (promise == nullptr) throw Napi::Error::New(env_);
    return Napi::Value(env_, promise);
  });
}

}  // namespace zeroth::addon
