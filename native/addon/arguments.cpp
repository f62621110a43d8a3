#include "addon/arguments.h"

namespace zeroth::addon {

Napi::Error codedError(Napi::Env env, const char* code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  return error;
}

double numberArgument(const Napi::CallbackInfo& info, size_t i, const char* name) {
  if (i >= info.Length() || !info[i].IsNumber()) {
    throw codedError(info.Env(), "ERR_ZEROTH_ARGUMENT", std::string(name) + ": expected a number");
  }
  return info[i].As<Napi::Number>().DoubleValue();
}

uint64_t sizeArgument(const Napi::CallbackInfo& info, size_t i, const char* name) {
  const double value = numberArgument(info, i, name);
  if (!(value >= 0 && value <= 9007199254740991.0 && value == static_cast<double>(static_cast<uint64_t>(value)))) {
    throw codedError(info.Env(), "ERR_ZEROTH_ARGUMENT", std::string(name) + ": expected a non-negative integer");
  }
  return static_cast<uint64_t>(value);
}

uint32_t idArgument(const Napi::CallbackInfo& info, size_t i, const char* name) {
  const uint64_t value = sizeArgument(info, i, name);
  if (value > UINT32_MAX) {
    throw codedError(info.Env(), "ERR_ZEROTH_ARGUMENT", std::string(name) + ": expected at most 2^32 - 1");
  }
  return static_cast<uint32_t>(value);
}

int threadsArgument(const Napi::CallbackInfo& info, size_t i) {
  const uint64_t value = sizeArgument(info, i, "threads");
  if (value < 1 || value > 1024) {
    throw codedError(info.Env(), "ERR_ZEROTH_ARGUMENT", "threads: expected an integer from 1 to 1024");
  }
  return static_cast<int>(value);
}

Array arrayArgument(const Napi::CallbackInfo& info, size_t i, const char* name) {
  Array array{};
  if (i >= info.Length() || !info[i].IsTypedArray() ||
      napi_get_typedarray_info(info.Env(), info[i], &array.type, nullptr, const_cast<void**>(&array.data), nullptr,
                               nullptr) != napi_ok) {
    throw codedError(info.Env(), "ERR_ZEROTH_ARGUMENT", std::string(name) + ": expected a typed array");
  }
  array.bytes = info[i].As<Napi::TypedArray>().ByteLength();
  return array;
}

std::vector<uint8_t> copyOf(const Array& array) {
  const auto* bytes = static_cast<const uint8_t*>(array.data);
  return bytes == nullptr ? std::vector<uint8_t>() : std::vector<uint8_t>(bytes, bytes + array.bytes);
}

}  // namespace zeroth::addon
