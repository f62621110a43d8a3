// One holder of a file, whoever it is: a lock that the kernel takes back when its holder ends, however it ends.
#pragma once
#include <napi.h>

namespace zeroth::addon {

// lockFile(path, owner): creates the file if need be, locks it and writes `owner` into it. Returns a function that
// gives the file back and removes it, or null where another holds it: another process, or another lock of this one, in
// any thread. It is given back as well when that function is collected, and when its thread or its process ends. Throws
// ERR_ZEROTH_FILE.
Napi::Value lockFile(const Napi::CallbackInfo& info);

}  // namespace zeroth::addon
