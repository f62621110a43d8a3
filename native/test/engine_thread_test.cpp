// The worker's queue and the team: order, completion, visibility of what was written, and ends with work under way.
// Nothing here uses OpenMP, so that it also runs under ThreadSanitizer (.ci/run).
#include <future>
#include <mutex>
#include <set>
#include <stdexcept>
#include <vector>

#include "check.h"
#include "thread/team.h"
#include "thread/worker.h"

using namespace zeroth;

namespace {

void tasksRunInOrder() {
  std::vector<int> order;  // only the worker's thread writes
  {
    Worker worker;
    for (int i = 0; i < 1000; ++i) worker.submit([&order, i] { order.push_back(i); });
  }  // joined: everything that was queued has run
  CHECK(order.size() == 1000);
  for (size_t i = 0; i < order.size(); ++i) CHECK(order[i] == static_cast<int>(i), "place %zu", i);
}

void tasksShareOneThreadOfTheirOwn() {
  std::set<std::thread::id> threads;
  {
    Worker worker;
    for (int i = 0; i < 100; ++i) worker.submit([&] { threads.insert(std::this_thread::get_id()); });
  }
  CHECK(threads.size() == 1 && threads.count(std::this_thread::get_id()) == 0);
}

/** The worker is idle before each task, whether it still lingers or sleeps already. */
void anIdleWorkerWakes() {
  Worker worker;
  for (int i = 0; i < 200; ++i) {
    std::promise<int> done;
    worker.submit([&done, i] { done.set_value(i); });
    CHECK(done.get_future().get() == i);
    // Longer than it lingers, now and then.
    if (i % 50 == 0) {
      const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(2);
      while (std::chrono::steady_clock::now() < end) std::this_thread::yield();
    }
  }
}

void manyThreadsMaySubmit() {
  int ran = 0;  // only the worker's thread writes
  {
    Worker worker;
    std::vector<std::thread> submitters;
    for (int t = 0; t < 4; ++t) {
      submitters.emplace_back([&] {
        for (int i = 0; i < 500; ++i) worker.submit([&ran] { ++ran; });
      });
    }
    for (std::thread& thread : submitters) thread.join();
  }
  CHECK(ran == 2000, "%d", ran);
}

void aWorkerWithoutWorkEnds() {
  for (int i = 0; i < 50; ++i) Worker{};
  CHECK(true);
}

/** Every member's writes are seen by the one that called, without locks of its own. */
void aTeamDoesEachPieceOnce() {
  for (int size : {1, 2, 3, 8}) {
    Team team(size);
    CHECK(team.size() == size);
    for (int round = 0; round < 200; ++round) {
      for (int count = 0; count <= size; ++count) {
        std::vector<int> done(static_cast<size_t>(size));
        team.run(count, [&](int i) { ++done[static_cast<size_t>(i)]; });
        for (int i = 0; i < size; ++i) {
          CHECK(done[static_cast<size_t>(i)] == (i < count ? 1 : 0), "piece %d of %d, team of %d", i, count, size);
        }
      }
    }
  }
}

/** Each piece waits for all the others: it ends only if they run at the same time. */
void aTeamIsAsLargeAsItSays() {
  for (int size : {1, 2, 5}) {
    Team team(size);
    std::atomic<int> arrived{0};
    std::mutex mutex;
    std::set<std::thread::id> threads;
    team.run(size, [&](int) {
      ++arrived;
      while (arrived.load() < size) std::this_thread::yield();
      std::lock_guard<std::mutex> lock(mutex);
      threads.insert(std::this_thread::get_id());
    });
    CHECK(threads.size() == static_cast<size_t>(size), "%zu threads", threads.size());
    CHECK(threads.count(std::this_thread::get_id()) == 1, "the caller is one of them");
  }
}

/** Members sleep, and so does the caller while they are at work longer than it lingers. */
void aTeamThatSleepsWakes() {
  const auto pause = [] {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(2);
    while (std::chrono::steady_clock::now() < end) std::this_thread::yield();
  };
  Team team(3);
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> done{0};
    if (round % 2 == 0) pause();
    team.run(3, [&](int i) {
      if (i > 0 && round % 3 == 0) pause();
      ++done;
    });
    CHECK(done.load() == 3);
  }
}

void sharesCoverTheWholeOnceAndInOrder() {
  Team team(4);
  for (Team* const one : {&team, static_cast<Team*>(nullptr)}) {
    for (int members : {1, 2, 3, 4}) {
      for (size_t count : {0, 1, 3, 4, 1001}) {
        std::vector<int> seen(count, -1);
        parallelShares(one, count, members, [&](size_t begin, size_t end, int member) {
          for (; begin < end; ++begin) seen[begin] = seen[begin] == -1 ? member : 1000;
        });
        for (size_t i = 0; i < count; ++i) {
          CHECK(seen[i] >= (i == 0 ? 0 : seen[i - 1]) && seen[i] < members, "element %zu of %zu: %d", i, count,
                seen[i]);
        }
      }
    }
  }
}

void chunksCoverTheWholeAndAreCutByItsLengthAlone() {
  Team team(4);
  for (size_t count : {size_t{0}, size_t{1}, kChunk, kChunk + 1, 5 * kChunk - 1}) {
    const size_t chunks = chunksOf(count);
    CHECK(chunks == (count + kChunk - 1) / kChunk, "%zu elements", count);
    for (Team* const one : {&team, static_cast<Team*>(nullptr)}) {
      std::vector<int> seen(chunks);
      parallelChunks(one, count, [&](size_t chunk, size_t begin, size_t end) {
        seen[chunk] += begin == chunk * kChunk && end == (chunk + 1 == chunks ? count : begin + kChunk) ? 1 : 100;
      });
      CHECK(seen == std::vector<int>(chunks, 1), "%zu elements", count);
    }
  }
}

void aTeamOfNobodyIsRefused() {
  for (int size : {0, -1}) {
    try {
      Team team(size);
      CHECK(false, "a team of %d", size);
    } catch (const std::invalid_argument&) {
      CHECK(true);
    }
  }
}

}  // namespace

int main() {
  tasksRunInOrder();
  tasksShareOneThreadOfTheirOwn();
  anIdleWorkerWakes();
  manyThreadsMaySubmit();
  aWorkerWithoutWorkEnds();
  aTeamDoesEachPieceOnce();
  aTeamIsAsLargeAsItSays();
  aTeamThatSleepsWakes();
  sharesCoverTheWholeOnceAndInOrder();
  chunksCoverTheWholeAndAreCutByItsLengthAlone();
  aTeamOfNobodyIsRefused();
  return test::summary("engine_thread_test");
}
