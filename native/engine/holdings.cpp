#include "engine/holdings.h"

#include <string>
#include <utility>

#include "engine/decode.h"

namespace zeroth {

namespace {

template <typename Map>
typename Map::mapped_type find(const Map& map, uint32_t id, const char* what) {
  const auto entry = map.find(id);
  if (entry == map.end()) {
    throw CommandError(std::string(what) + " " + std::to_string(id) + " does not exist or was disposed");
  }
  return entry->second;
}

template <typename Map>
typename Map::mapped_type take(Map& map, uint32_t id) {
  const auto entry = map.find(id);
  if (entry == map.end()) return nullptr;
  auto taken = std::move(entry->second);
  map.erase(entry);
  return taken;
}

}  // namespace

uint32_t Holdings::add(BufferRef buffer) {
  std::lock_guard<std::mutex> lock(mutex_);
  const uint32_t id = freshId();
  buffers_.emplace(id, std::move(buffer));
  return id;
}

uint32_t Holdings::add(ExecutableRef program) {
  std::lock_guard<std::mutex> lock(mutex_);
  const uint32_t id = freshId();
  programs_.emplace(id, std::move(program));
  return id;
}

BufferRef Holdings::buffer(uint32_t id) const {
  std::lock_guard<std::mutex> lock(mutex_);
  return find(buffers_, id, "buffer");
}

ExecutableRef Holdings::program(uint32_t id) const {
  std::lock_guard<std::mutex> lock(mutex_);
  return find(programs_, id, "program");
}

std::shared_ptr<Job> Holdings::job(const double* words, size_t length, size_t lanes) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (std::shared_ptr<Job> job = recent_.find(words, length)) return job;
  const Registry registry{[this](uint32_t id) { return find(buffers_, id, "buffer"); },
                          [this](uint32_t id) { return find(programs_, id, "program"); }, lanes};
  auto job = std::make_shared<Job>(decodeJob(words, length, registry));
  recent_.keep(words, length, job);
  return job;
}

BufferRef Holdings::takeBuffer(uint32_t id) {
  std::lock_guard<std::mutex> lock(mutex_);
  recent_.drop(id);
  return take(buffers_, id);
}

ExecutableRef Holdings::takeProgram(uint32_t id) {
  std::lock_guard<std::mutex> lock(mutex_);
  recent_.drop(id);
  return take(programs_, id);
}

Holdings::Memory Holdings::memory() const {
  std::lock_guard<std::mutex> lock(mutex_);
  Memory held;
  for (const auto& entry : buffers_) held.buffers += entry.second->bytes();
  for (const auto& entry : programs_) held.arenas += entry.second->arenaBytes();
  return held;
}

void Holdings::clear() {
  // What was held ends when the lock is free again: that may take the system long.
  std::unordered_map<uint32_t, BufferRef> buffers;
  std::unordered_map<uint32_t, ExecutableRef> programs;
  RecentJobs recent;
  std::lock_guard<std::mutex> lock(mutex_);
  buffers.swap(buffers_);
  programs.swap(programs_);
  std::swap(recent, recent_);
}

uint32_t Holdings::freshId() {
  while (nextId_ == 0 || buffers_.count(nextId_) > 0 || programs_.count(nextId_) > 0) ++nextId_;
  return nextId_++;
}

}  // namespace zeroth
