#include "addon/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "addon/arguments.h"

namespace zeroth::addon {
namespace {

// flock, not fcntl: its locks belong to one opening of the file, so that threads exclude each other as processes do.
// The file descriptor is not inherited by programs that this one starts: they would hold the lock, too.
class FileLock {
 public:
  FileLock(std::string path, int file) : path_(std::move(path)), file_(file) {}
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock() { release(); }

  // Whether the path still names the file that is locked here.
  bool isThere() const {
    struct stat held, named;
    return fstat(file_, &held) == 0 && stat(path_.c_str(), &named) == 0 && held.st_dev == named.st_dev &&
           held.st_ino == named.st_ino;
  }

  void release() {
    if (file_ < 0) return;
    // Removed while it is still locked: whoever locks it afterwards sees that it is no longer there, and begins anew.
    if (owned_ && isThere()) unlink(path_.c_str());
    close(file_);
    file_ = -1;
  }

  bool own(const std::string& owner) {
    owned_ = true;
    return ftruncate(file_, 0) == 0 &&
           pwrite(file_, owner.data(), owner.size(), 0) == static_cast<ssize_t>(owner.size());
  }

 private:
  std::string path_;
  int file_;
  bool owned_ = false;
};

[[noreturn]] void fail(Napi::Env env, const std::string& what, int code) {
  throw codedError(env, "ERR_ZEROTH_FILE", what + ": " + std::strerror(code));
}

}  // namespace

Napi::Value lockFile(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 2 || !info[0].IsString() || !info[1].IsString()) {
    throw codedError(env, "ERR_ZEROTH_ARGUMENT", "lockFile: expected a path and an owner");
  }
  const std::string path = info[0].As<Napi::String>(), owner = info[1].As<Napi::String>();
  for (;;) {
    const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0) fail(env, "could not be opened", errno);
    const auto lock = std::make_shared<FileLock>(path, file);
    int refused = 0;
    while (flock(file, LOCK_EX | LOCK_NB) != 0 && (refused = errno) == EINTR) refused = 0;
    if (refused == EWOULDBLOCK) return env.Null();
    if (refused != 0) fail(env, "could not be locked", refused);
    // Between the two calls its holder may have removed it.
    if (!lock->isThere()) continue;
    if (!lock->own(owner)) fail(env, "could not be written", errno);
    return Napi::Function::New(
        env, [lock](const Napi::CallbackInfo&) { lock->release(); }, "release");
  }
}

}  // namespace zeroth::addon
