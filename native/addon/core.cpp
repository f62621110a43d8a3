#include "addon/core.h"

#include <new>
#include <set>
#include <utility>
#include <vector>

#include "cpu/cpu_backend.h"
#include "program/program.h"

namespace zeroth::addon {

namespace {

// Smaller memory is given back sooner than a thread is woken.
constexpr size_t kLarge = 1 << 20;

// What a task that is no longer wanted throws instead of doing its work.
struct Stopped {};

// All that are attached to an environment. Never destroyed, for a process may end in any order.
struct Attached {
  std::mutex mutex;
  std::set<Core*> cores;
};

Attached& attached() {
  static Attached& all = *new Attached;
  return all;
}

void reject(napi_env env, napi_deferred deferred, const char* code, const std::string& message) {
  napi_value codeValue, messageValue, error;
  if (napi_create_string_utf8(env, code, NAPI_AUTO_LENGTH, &codeValue) == napi_ok &&
      napi_create_string_utf8(env, message.data(), message.size(), &messageValue) == napi_ok &&
      napi_create_error(env, codeValue, messageValue, &error) == napi_ok) {
    napi_reject_deferred(env, deferred, error);
  }
}

// Whatever the environment refuses is left undone: nobody is there to be told.
void conclude(napi_env env, const Completion& completion) {
  if (completion.deferred == nullptr) return;
  if (completion.errorCode != nullptr) {
    reject(env, completion.deferred, completion.errorCode, completion.errorMessage);
    return;
  }
  napi_value value = nullptr;
  if (completion.value) {
    value = completion.value(env);
  } else {
    napi_get_undefined(env, &value);
  }
  if (value != nullptr) {
    napi_resolve_deferred(env, completion.deferred, value);
    return;
  }
  napi_value error = nullptr;
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending &&
      napi_get_and_clear_last_exception(env, &error) == napi_ok) {
    napi_reject_deferred(env, completion.deferred, error);
  } else {
    reject(env, completion.deferred, "ERR_ZEROTH_NATIVE", "device: its result could not be made.");
  }
}

}  // namespace

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

Core::Core(int threads) : backend_(makeCpuBackend(threads)), worker_(std::make_unique<Worker>()) {}

napi_status Core::attach(napi_env env, napi_ref self) {
  env_ = env;
  self_ = self;
  napi_value name;
  napi_status status = napi_create_string_utf8(env, "zeroth", NAPI_AUTO_LENGTH, &name);
  if (status == napi_ok) {
    status = napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, nullptr,
                                             &Core::settle, &settler_);
  }
  if (status != napi_ok) return status;
  napi_unref_threadsafe_function(env, settler_);  // an idle device does not keep the process alive
  // After the settler, whose own hook then comes later: hooks run in reverse order.
  status = napi_add_env_cleanup_hook(env, &Core::onEnvironmentExit, this);
  if (status != napi_ok) return status;
  std::lock_guard<std::mutex> lock(attached().mutex);
  attached().cores.insert(this);
  return napi_ok;
}

void Core::detach() {
  std::lock_guard<std::mutex> lock(attached().mutex);
  attached().cores.erase(this);
}

napi_value Core::enqueue(napi_env env, std::function<void(Completion&)> work, napi_ref kept, int64_t copied) {
  auto owned = std::make_unique<Completion>();
  Completion* const completion = owned.get();
  napi_value promise;
  if (napi_create_promise(env, &completion->deferred, &promise) != napi_ok) {
    if (kept != nullptr) napi_delete_reference(env, kept);
    return nullptr;
  }
  completion->core = shared_from_this();
  completion->kept = kept;
  completion->copied = copied;
  begin(env);
  if (copied > 0) account(copied);
  try {
    worker_->submit([this, completion, work = std::move(work)] {
      try {
        if (backend_->stopped()) throw Stopped();
        work(*completion);
      } catch (const Stopped&) {
        completion->errorCode = "ERR_ZEROTH_ABORTED";
        completion->errorMessage = "The operation was aborted: its device was disposed.";
      } catch (...) {
        Failure failure = currentFailure();
        completion->errorCode = failure.code;
        completion->errorMessage = std::move(failure.message);
      }
      post(completion);
    });
  } catch (...) {
    done(env);
    if (copied > 0) account(-copied);
    if (kept != nullptr) napi_delete_reference(env, kept);
    throw;
  }
  owned.release();
  return promise;
}

// While work is under way the process must not exit and the JavaScript object must not be collected; an idle device
// allows both.
void Core::begin(napi_env env) {
  if (pending_++ > 0) return;
  napi_ref_threadsafe_function(env, settler_);
  napi_reference_ref(env, self_, nullptr);
}

void Core::done(napi_env env) {
  if (--pending_ > 0) return;
  if (!awaited_) napi_unref_threadsafe_function(env, settler_);
  napi_reference_unref(env, self_, nullptr);
}

void Core::post(Completion* completion) {
  if (napi_call_threadsafe_function(settler_, completion, napi_tsfn_nonblocking) != napi_ok) delete completion;
}

void Core::settle(napi_env env, napi_value, void*, void* data) {
  const std::unique_ptr<Completion> completion(static_cast<Completion*>(data));
  if (env == nullptr) return;  // it is gone
  Core& core = *completion->core;
  if (completion->kept != nullptr) napi_delete_reference(env, completion->kept);
  if (completion->copied > 0) core.account(-completion->copied);
  if (completion->last) {
    core.worker_.reset();  // its last task is done
    core.account(-core.accounted_);
    core.detach();
    napi_remove_env_cleanup_hook(env, &Core::onEnvironmentExit, &core);
    napi_release_threadsafe_function(core.settler_, napi_tsfn_release);
  } else {
    core.done(env);
  }
  conclude(env, *completion);
}

void Core::stop() {
  closed_ = true;
  backend_->stop();
  std::lock_guard<std::mutex> lock(mutex);
  for (const auto& job : running) job.second->store(true);
}

void Core::close(napi_deferred deferred) {
  stop();
  auto* const completion = new Completion;
  completion->core = shared_from_this();
  completion->deferred = deferred;
  completion->last = true;
  worker_->submit([this, completion] {
    freeAll();
    post(completion);
  });
}

napi_value Core::dispose(napi_env env) {
  napi_deferred deferred;
  napi_value promise;
  if (napi_create_promise(env, &deferred, &promise) != napi_ok) return nullptr;
  if (closed_) {
    napi_value nothing;
    napi_get_undefined(env, &nothing);
    napi_resolve_deferred(env, deferred, nothing);
    return promise;
  }
  napi_ref_threadsafe_function(env, settler_);  // until it is released: whoever awaits the end lives to see it
  awaited_ = true;
  close(deferred);
  return promise;
}

void Core::abandon() {
  if (!closed_ && settler_ != nullptr) close(nullptr);
}

void Core::freeAll() {
  held.clear();
  backend_.reset();
}

// Here the thread waits, but nothing else will run on it: for the kernel that is computing now, if there is one.
void Core::end() {
  if (!closed_) stop();
  worker_.reset();
  freeAll();
}

void Core::endAll(napi_env env) {
  std::vector<std::shared_ptr<Core>> ending;
  {
    std::lock_guard<std::mutex> lock(attached().mutex);
    for (Core* core : attached().cores) {
      if (core->env_ == env) ending.push_back(core->shared_from_this());
    }
  }
  for (const auto& core : ending) core->end();
}

void Core::onEnvironmentExit(void* data) {
  const auto core = static_cast<Core*>(data)->shared_from_this();
  core->end();
  core->detach();
  napi_release_threadsafe_function(core->settler_, napi_tsfn_abort);
}

void Core::retire(BufferRef buffer) {
  if (closed_ || buffer->bytes() < kLarge) return;
  worker_->submit([buffer = std::move(buffer)]() mutable { buffer.reset(); });
}

void Core::retire(ExecutableRef program) {
  if (closed_ || program->arenaBytes() < kLarge) return;
  worker_->submit([program = std::move(program)]() mutable { program.reset(); });
}

void Core::account(int64_t bytes) {
  accounted_ += bytes;
  int64_t total;
  napi_adjust_external_memory(env_, bytes, &total);
}

}  // namespace zeroth::addon
