#include "cpu/update_kernel.h"
#include "direction/vector.neon.h"

namespace zeroth {

constexpr UpdateKernels updateKernelsNeon = UpdateLoops<NeonLane>::kernels();

}  // namespace zeroth
