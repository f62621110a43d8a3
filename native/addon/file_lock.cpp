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

  // From now on the file is removed with the lock.
  void own() { owned_ = true; }

  // 0, or why the file cannot say who owns it.
  int write(const std::string& owner) {
    if (ftruncate(file_, 0) != 0) return errno;
    for (size_t done = 0; done < owner.size();) {
      const ssize_t wrote = pwrite(file_, owner.data() + done, owner.size() - done, static_cast<off_t>(done));
      if (wrote > 0) done += static_cast<size_t>(wrote);
      // A short write gives no reason: the one after it does.
      if (wrote == 0 || (wrote < 0 && errno != EINTR)) return wrote == 0 ? EIO : errno;
    }
    return 0;
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
    int file = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    const bool created = file >= 0;
    if (!created && errno == EEXIST) file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0) fail(env, "could not be opened", errno);
    const auto lock = std::make_shared<FileLock>(path, file);
    int refused = 0;
    while (flock(file, LOCK_EX | LOCK_NB) != 0 && (refused = errno) == EINTR) refused = 0;
    if (refused == EWOULDBLOCK) return env.Null();
    if (refused != 0) {
      if (created) lock->own();  // nobody can hold it here
      fail(env, "could not be locked", refused);
    }
    // Between the two calls its holder may have removed it.
    if (!lock->isThere()) continue;
    lock->own();
    if (const int failure = lock->write(owner)) fail(env, "could not be written", failure);
    return Napi::Function::New(
        env, [lock](const Napi::CallbackInfo&) { lock->release(); }, "release");
  }
}

}  // namespace zeroth::addon
