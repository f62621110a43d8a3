// Arguments from JavaScript, checked: each function throws a Napi::Error with code ERR_ZEROTH_ARGUMENT that names the
// argument.
#pragma once
#include <napi.h>

#include <cstdint>
#include <string>
#include <vector>

namespace zeroth::addon {

Napi::Error codedError(Napi::Env env, const char* code, const std::string& message);

double numberArgument(const Napi::CallbackInfo& info, size_t i, const char* name);
// An integer from 0 to 2^53 - 1.
uint64_t sizeArgument(const Napi::CallbackInfo& info, size_t i, const char* name);
// An integer from 0 to 2^32 - 1.
uint32_t idArgument(const Napi::CallbackInfo& info, size_t i, const char* name);
int threadsArgument(const Napi::CallbackInfo& info, size_t i);

struct Array {
  napi_typedarray_type type;
  const void* data;
  size_t bytes;
};

// Shared memory and empty arrays are fine. Valid as long as the array is kept, and neither transferred nor resized.
Array arrayArgument(const Napi::CallbackInfo& info, size_t i, const char* name);
std::vector<uint8_t> copyOf(const Array& array);

}  // namespace zeroth::addon
