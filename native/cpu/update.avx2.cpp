#include "cpu/update_kernel.h"
#include "direction/vector.avx2.h"

namespace zeroth {

constexpr UpdateKernels updateKernelsAvx2 = UpdateLoops<Avx2Lane>::kernels();

}  // namespace zeroth
