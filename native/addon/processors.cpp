#include "addon/processors.h"

#include <omp.h>
#include <sched.h>

#include <thread>
#include <vector>

namespace zeroth::addon {
namespace {

void addPlace(cpu_set_t& processors, int place) {
  std::vector<int> ids(static_cast<size_t>(omp_get_place_num_procs(place)));
  omp_get_place_proc_ids(place, ids.data());
  for (const int id : ids) CPU_SET(static_cast<size_t>(id), &processors);
}

}  // namespace

void giveBackProcessors() {
  const int places = omp_get_num_places();
  if (places < 1) return;
  cpu_set_t now, first, all;
  CPU_ZERO(&first);
  CPU_ZERO(&all);
  addPlace(first, 0);
  for (int place = 0; place < places; ++place) addPlace(all, place);
  // Any other binding is somebody's wish.
  if (sched_getaffinity(0, sizeof now, &now) == 0 && CPU_EQUAL(&now, &first)) sched_setaffinity(0, sizeof all, &all);
}

unsigned processorCount() {
  cpu_set_t allowed;
  const bool known = sched_getaffinity(0, sizeof allowed, &allowed) == 0;
  const unsigned count = known ? static_cast<unsigned>(CPU_COUNT(&allowed)) : std::thread::hardware_concurrency();
  return count > 0 ? count : 1;
}

}  // namespace zeroth::addon
