// What a device holds: jobs that are known again by their words, and let go of what is taken back.
#include <atomic>
#include <limits>
#include <string>
#include <thread>

#include "check.h"
#include "engine/holdings.h"

using namespace zeroth;

namespace {

using Words = std::vector<double>;

constexpr size_t kLanes = 2;

struct EmptyExecutable : Executable {
  size_t arenaBytes() const override { return 7; }
  const Program& program() const override { return program_; }

 private:
  Program program_{};
};

BufferRef buffer() { return std::make_shared<Buffer>(64); }

/** A job that copies `bytes` from one buffer to another. */
Words copying(uint32_t from, uint32_t to, double bytes = 4) {
  return {0, 3, static_cast<double>(from), 0, static_cast<double>(to), 0, bytes};
}

/** A pass of Adam: in, out, dense, m and v. */
Words adam(const std::vector<uint32_t>& ids) {
  const Words name(ids.begin(), ids.end());
  return {0, 1, name[0], name[1], 16, 1, 2, 0, name[2], name[3], name[4]};
}

/** A job that calls a program of no inputs and outputs. */
Words calling(uint32_t program) { return {0, 2, 0, static_cast<double>(program), 0, 0}; }

std::shared_ptr<Job> jobOf(Holdings& held, const Words& words) { return held.job(words.data(), words.size(), kLanes); }

std::string refusal(Holdings& held, const Words& words) {
  try {
    jobOf(held, words);
  } catch (const CommandError& error) {
    return error.what();
  }
  return "";
}

void aJobIsKnownByItsWords() {
  Holdings held;
  const uint32_t a = held.add(buffer()), b = held.add(buffer());
  const std::shared_ptr<Job> first = jobOf(held, copying(a, b));
  CHECK(jobOf(held, copying(a, b)) == first);
  for (const Words& other : {copying(b, a), copying(a, b, 8), copying(a, a), Words{0}, Words{1}}) {
    const std::shared_ptr<Job> job = jobOf(held, other);
    CHECK(job != first && job == jobOf(held, other));
  }
  // Of the same length, or longer, and the same but for its end.
  Words longer = copying(a, b);
  longer.insert(longer.end(), {3, static_cast<double>(a), 0, static_cast<double>(b), 0, 4});
  CHECK(jobOf(held, longer) != first && jobOf(held, longer)->commands.size() == 2);
  CHECK(jobOf(held, copying(a, b)) == first && first->commands.size() == 1);
  CHECK(first->names == (std::vector<uint32_t>{a, b}) && jobOf(held, copying(a, a))->names.size() == 1);
  // What is refused is refused again.
  for (int i = 0; i < 2; ++i) CHECK(refusal(held, copying(a, b, 68)).find("copy source") != std::string::npos);
  const Words none{std::numeric_limits<double>::quiet_NaN()};
  for (int i = 0; i < 2; ++i) CHECK(refusal(held, none).find("result slots") != std::string::npos);
}

/** Memory that is released is free at once, although jobs were made with it; they are refused like any other. */
void whatIsTakenBackIsHeldByNoJob() {
  for (const bool asSource : {true, false}) {
    Holdings held;
    const uint32_t a = held.add(buffer()), b = held.add(buffer()), c = held.add(buffer());
    const Words words = asSource ? copying(a, b) : copying(b, a);
    jobOf(held, words);
    const std::shared_ptr<Job> other = jobOf(held, copying(b, c));
    const std::weak_ptr<Buffer> watched = held.buffer(a);
    held.takeBuffer(a);
    CHECK(watched.expired());
    CHECK(refusal(held, words) == "buffer " + std::to_string(a) + " does not exist or was disposed");
    CHECK(jobOf(held, copying(b, c)) == other, "jobs that do not name it stay");
    CHECK(held.takeBuffer(a) == nullptr && jobOf(held, copying(b, c)) == other);
  }
  // However it is named.
  for (size_t i = 0; i < 5; ++i) {
    Holdings held;
    std::vector<uint32_t> ids;
    while (ids.size() < 5) ids.push_back(held.add(buffer()));
    CHECK(jobOf(held, adam(ids))->names == ids);
    const std::weak_ptr<Buffer> watched = held.buffer(ids[i]);
    held.takeBuffer(ids[i]);
    CHECK(watched.expired(), "buffer %zu of the pass", i);
  }
  Holdings held;
  const uint32_t program = held.add(std::make_shared<EmptyExecutable>());
  jobOf(held, calling(program));
  const std::weak_ptr<Executable> watched = held.program(program);
  CHECK(held.memory().arenas == 7);
  held.takeProgram(program);
  CHECK(watched.expired() && held.memory().arenas == 0);
  CHECK(refusal(held, calling(program)) == "program " + std::to_string(program) + " does not exist or was disposed");
}

/** A job that is still to run has its memory until then. */
void aJobInHandHoldsWhatItNames() {
  Holdings held;
  const uint32_t a = held.add(buffer()), b = held.add(buffer());
  std::shared_ptr<Job> job = jobOf(held, copying(a, b));
  const std::weak_ptr<Buffer> watched = held.buffer(a);
  held.takeBuffer(a);
  CHECK(!watched.expired() && std::get<CopyCommand>(job->commands[0]).from == watched.lock());
  job.reset();
  CHECK(watched.expired());

  job = jobOf(held, copying(b, b));
  const std::weak_ptr<Buffer> other = held.buffer(b);
  held.clear();
  CHECK(!other.expired());
  job.reset();
  CHECK(other.expired());
}

/** Of jobs without end, those stay that were used last; of large ones, fewer. */
void onlyTheLastJobsAreKept() {
  Holdings held;
  const uint32_t a = held.add(buffer());
  const Words used = copying(a, a), unused = copying(a, a, 8);
  const std::shared_ptr<Job> usedJob = jobOf(held, used);
  const std::weak_ptr<Job> unusedJob = jobOf(held, unused);
  for (double slots = 1; slots < 1000; ++slots) {
    jobOf(held, {slots});
    CHECK(jobOf(held, used) == usedJob, "after %g others", slots);
    if (slots < 30) CHECK(!unusedJob.expired(), "after %g others", slots);
  }
  CHECK(unusedJob.expired());

  // A combination of so many slots has two numbers for each.
  const auto combining = [](double slot, size_t terms) {
    Words words{8, 7, slot, static_cast<double>(terms)};
    words.resize(words.size() + terms + 1, 0.0);
    return words;
  };
  std::vector<std::weak_ptr<Job>> large;
  for (double slot = 0; slot < 8; ++slot) large.push_back(jobOf(held, combining(slot, 20000)));
  size_t kept = 0;
  for (const auto& job : large) kept += !job.expired();
  CHECK(kept == 6 && large[0].expired() && !large[7].expired(), "%zu kept", kept);
  const std::weak_ptr<Job> tooLarge = jobOf(held, combining(0, 140000));
  CHECK(tooLarge.expired() && !large[7].expired());
  // Rows are values of which the words say only how many there are.
  const uint32_t b = held.add(std::make_shared<Buffer>(1 << 20));
  const Words rows{0, 5, static_cast<double>(a), static_cast<double>(b), 1, 1 << 19};
  const std::weak_ptr<Job> manyRows = jobOf(held, rows);
  CHECK(manyRows.expired());

  // What is released makes room.
  Holdings other;
  const uint32_t c = other.add(buffer()), d = other.add(buffer());
  const auto ofCopies = [](uint32_t name, double bytes) {
    Words words{0};
    for (int i = 0; i < 20000; ++i) words.insert(words.end(), {3.0, 1.0 * name, 0.0, 1.0 * name, 0.0, bytes});
    return words;
  };
  jobOf(other, ofCopies(c, 4));
  const std::weak_ptr<Job> stays = jobOf(other, ofCopies(d, 4));
  other.takeBuffer(c);
  jobOf(other, ofCopies(d, 8));
  CHECK(!stays.expired());
}

/** One thread submits, another loads and gives back, as JavaScript and the worker do. */
void anyThreadMayCall() {
  Holdings held;
  const uint32_t a = held.add(buffer()), b = held.add(buffer());
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};
  std::thread other([&] {
    for (int i = 0; i < 2000; ++i) {
      const uint32_t mine = held.add(buffer());
      const uint32_t program = held.add(std::make_shared<EmptyExecutable>());
      if (jobOf(held, copying(a, mine))->commands.size() != 1) ++wrong;
      jobOf(held, calling(program));
      held.takeBuffer(mine);
      held.takeProgram(program);
      if (refusal(held, copying(a, mine)).empty() || refusal(held, calling(program)).empty()) ++wrong;
    }
    done = true;
  });
  double bytes = 0;
  do {
    bytes = bytes < 64 ? bytes + 1 : 0;
    if (std::get<CopyCommand>(jobOf(held, copying(a, b, bytes))->commands.at(0)).bytes != bytes) ++wrong;
  } while (!done);
  other.join();
  CHECK(wrong == 0);
}

}  // namespace

int main() {
  aJobIsKnownByItsWords();
  whatIsTakenBackIsHeldByNoJob();
  aJobInHandHoldsWhatItNames();
  onlyTheLastJobsAreKept();
  anyThreadMayCall();
  return test::summary("engine_holdings_test");
}
