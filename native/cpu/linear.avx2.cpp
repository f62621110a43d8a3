#include "cpu/linear_kernels.h"

namespace zeroth {

constexpr LinearKernels linearKernelsAvx2 = LinearLoops<struct Avx2Loops>::kernels();

}  // namespace zeroth
