#include "cpu/update_kernel.h"
#include "direction/vector.avx512.h"

namespace zeroth {

constexpr UpdateKernels updateKernelsAvx512 = UpdateLoops<Avx512Lane>::kernels();

}  // namespace zeroth
