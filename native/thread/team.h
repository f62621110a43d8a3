// The threads of a device. They are its own, not OpenMP's, which grants smaller teams than asked for as it sees fit,
// ends the process where it can start no thread, and keeps its threads when nobody needs them: a team is as large as it
// says from the moment it exists to the moment it ends.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

#include "thread/patience.h"

namespace zeroth {

class Team {
 public:
  // `size` members, of whom the thread that calls run() is the first; all others exist when this returns. Throws
  // std::system_error where the system grants fewer threads, and then leaves none behind.
  explicit Team(int size);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int size() const { return static_cast<int>(others_.size()) + 1; }

  // work(0) … work(count - 1), count ≤ size, at the same time; returns when all are done. One run at a time, and `work`
  // neither throws nor runs the team itself.
  template <class Work>
  void run(int count, const Work& work) {
    task_ = &work;
    call_ = [](const void* task, int member) { (*static_cast<const Work*>(task))(member); };
    begin(count);
    if (count > 0) work(0);
    finish();
  }

 private:
  class Member;

  void begin(int count);
  void finish();

  const void* task_ = nullptr;
  void (*call_)(const void* task, int member) = nullptr;
  std::atomic<int> busy_{0};  // members that still have to arrive
  Rest caller_;
  std::vector<std::unique_ptr<Member>> others_;  // last: they end before what they use
};

// body(begin, end, member) over consecutive shares of [0, count), one a member. What is computed must not depend on
// where the shares are cut. Without a team, the calling thread does it all.
template <class Body>
void parallelShares(Team* team, size_t count, int members, const Body& body) {
  if (team == nullptr || members <= 1) {
    body(size_t{0}, count, 0);
    return;
  }
  const auto shares = static_cast<size_t>(members);
  team->run(members, [&](int member) {
    const auto i = static_cast<size_t>(member);
    body(count * i / shares, count * (i + 1) / shares, member);
  });
}

// Elements of a chunk: enough of them that to hand one out costs nothing beside it.
constexpr size_t kChunk = 1 << 16;

inline size_t chunksOf(size_t count) { return count / kChunk + (count % kChunk != 0); }

// body(chunk, begin, end) for each chunk of [0, count), shared by all members. Where the chunks are cut depends on
// `count` alone.
template <class Body>
void parallelChunks(Team* team, size_t count, const Body& body) {
  const size_t chunks = chunksOf(count), threads = team == nullptr ? 1 : static_cast<size_t>(team->size());
  parallelShares(team, chunks, static_cast<int>(std::min(chunks, threads)), [&](size_t chunk, size_t end, int) {
    for (; chunk < end; ++chunk) body(chunk, chunk * kChunk, std::min(count, (chunk + 1) * kChunk));
  });
}

}  // namespace zeroth
