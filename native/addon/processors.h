// The processors that this process may run on.
#pragma once

namespace zeroth::addon {

// Undoes that libgomp, which the addon brings, binds the thread that loads it to the first of its places, where the
// environment asks for places at all (OMP_PROC_BIND, OMP_PLACES, GOMP_CPU_AFFINITY): Node's own thread would stay
// there, and every thread that it starts. To be called on that thread before it starts any.
void giveBackProcessors();

// Those of the calling thread, which taskset and containers restrict.
unsigned processorCount();

}  // namespace zeroth::addon
