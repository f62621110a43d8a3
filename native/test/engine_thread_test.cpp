// The worker's queue and the crew: order, completion, visibility of what was written, and ends with work under way.
// Nothing here uses OpenMP, so that it also runs under ThreadSanitizer:
// g++ -std=c++17 -O1 -g -fsanitize=thread -I native native/thread/*.cpp native/test/engine_thread_test.cpp
#include <future>
#include <set>
#include <vector>

#include "check.h"
#include "thread/crew.h"
#include "thread/worker.h"

using namespace zeroth;

namespace {

void tasksRunInOrderAfterTheStart() {
  std::vector<int> order;  // only the worker's thread writes
  {
    Worker worker([&] { order.push_back(-1); });
    for (int i = 0; i < 1000; ++i) worker.submit([&order, i] { order.push_back(i); });
  }  // joined: everything that was queued has run
  CHECK(order.size() == 1001);
  for (size_t i = 0; i < order.size(); ++i) CHECK(order[i] == static_cast<int>(i) - 1, "place %zu", i);
}

void tasksShareOneThreadOfTheirOwn() {
  std::set<std::thread::id> threads;
  {
    Worker worker([&] { threads.insert(std::this_thread::get_id()); });
    for (int i = 0; i < 100; ++i) worker.submit([&] { threads.insert(std::this_thread::get_id()); });
  }
  CHECK(threads.size() == 1 && threads.count(std::this_thread::get_id()) == 0);
}

/** The worker is idle before each task, whether it still lingers or sleeps already. */
void anIdleWorkerWakes() {
  Worker worker([] {});
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
    Worker worker([] {});
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
  for (int i = 0; i < 50; ++i) Worker worker([] {});
  CHECK(true);
}

/** Every member's writes are seen by the one that called, without locks of its own. */
void aCrewDoesEachPieceOnce() {
  for (int size : {1, 2, 3, 8}) {
    Crew crew(size, [] {});
    for (int round = 0; round < 200; ++round) {
      for (int count = 0; count <= size; ++count) {
        std::vector<int> done(static_cast<size_t>(size));
        crew.run(count, [&](int i) { ++done[static_cast<size_t>(i)]; });
        for (int i = 0; i < size; ++i) {
          CHECK(done[static_cast<size_t>(i)] == (i < count ? 1 : 0), "piece %d of %d, crew of %d", i, count, size);
        }
      }
    }
  }
}

/** Each piece waits for all the others: it ends only if they run at the same time. */
void aCrewWorksAtTheSameTime() {
  constexpr int size = 4;
  Crew crew(size, [] {});
  std::atomic<int> arrived{0};
  crew.run(size, [&](int) {
    ++arrived;
    while (arrived.load() < size) std::this_thread::yield();
  });
  CHECK(arrived == size);
}

void theCallerDoesTheFirstPiece() {
  std::atomic<int> started{0};
  {
    Crew crew(3, [&] { ++started; });
    std::thread::id first;
    crew.run(3, [&](int i) {
      if (i == 0) first = std::this_thread::get_id();
    });
    CHECK(first == std::this_thread::get_id());
  }
  CHECK(started == 2, "start runs on each of the others");
}

}  // namespace

int main() {
  tasksRunInOrderAfterTheStart();
  tasksShareOneThreadOfTheirOwn();
  anIdleWorkerWakes();
  manyThreadsMaySubmit();
  aWorkerWithoutWorkEnds();
  aCrewDoesEachPieceOnce();
  aCrewWorksAtTheSameTime();
  theCallerDoesTheFirstPiece();
  return test::summary("engine_thread_test");
}
