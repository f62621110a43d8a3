#include "thread/team.h"

#include <stdexcept>
#include <string>
#include <thread>

namespace zeroth {

class Team::Member {
 public:
  Member(Team& team, int index) : team_(team), index_(index), thread_([this] { loop(); }) {}

  ~Member() {
    stopping_.store(true);
    rest_.wake();
    thread_.join();
  }

  void begin() {
    round_.fetch_add(1);
    rest_.wake();
  }

 private:
  void loop() {
    for (unsigned done = 0;; ++done) {
      rest_.until([this, done] { return round_.load() != done || stopping_.load(); });
      if (stopping_.load()) return;
      team_.call_(team_.task_, index_);
      if (team_.busy_.fetch_sub(1) == 1) team_.caller_.wake();
    }
  }

  Team& team_;
  const int index_;
  alignas(64) std::atomic<unsigned> round_{0};
  std::atomic<bool> stopping_{false};
  Rest rest_;
  std::thread thread_;
};

Team::Team(int size) {
  if (size < 1) throw std::invalid_argument("team: expected at least 1 thread, received " + std::to_string(size));
  others_.reserve(static_cast<size_t>(size) - 1);
  for (int i = 1; i < size; ++i) others_.push_back(std::make_unique<Member>(*this, i));
}

Team::~Team() = default;

void Team::begin(int count) {
  if (count <= 1) return;
  busy_.store(count - 1);
  for (int i = 1; i < count; ++i) others_[static_cast<size_t>(i) - 1]->begin();
}

void Team::finish() {
  if (busy_.load() == 0) return;
  caller_.until([this] { return busy_.load() == 0; });
}

}  // namespace zeroth
