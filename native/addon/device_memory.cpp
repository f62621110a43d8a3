// A device's memory: given, written, read and taken back.
#include <new>
#include <string>
#include <utility>

#include "addon/device.h"
#include "addon/guarded.h"

namespace zeroth::addon {

namespace {

void checkExtent(const char* what, const Buffer& buffer, uint64_t offset, uint64_t bytes) {
  if (offset > buffer.bytes() || bytes > buffer.bytes() - offset) {
    throw CommandError(std::string(what) + ": it ends beyond the buffer's " + std::to_string(buffer.bytes()) +
                       " bytes");
  }
}

}  // namespace

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
    const uint32_t id = core_->held.add(std::move(buffer));
    core_->account(static_cast<int64_t>(bytes));
    return Napi::Number::New(env_, id);
  });
}

void Device::release(const Napi::CallbackInfo& info) {
  const uint32_t id = idArgument(info, 0, "id");
  guarded(env_, [&] {
    BufferRef buffer = core_->held.takeBuffer(id);
    if (!buffer) return;
    core_->account(-static_cast<int64_t>(buffer->bytes()));
    core_->retire(std::move(buffer));
  });
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
    BufferRef buffer = core_->held.buffer(id);
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
    BufferRef buffer = core_->held.buffer(id);
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
  const Holdings::Memory held = core_->held.memory();
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("bufferBytes", Napi::Number::New(info.Env(), static_cast<double>(held.buffers)));
  result.Set("arenaBytes", Napi::Number::New(info.Env(), static_cast<double>(held.arenas)));
  return result;
}

}  // namespace zeroth::addon
