#include "cpu/linear_kernels.h"

namespace zeroth {

constexpr LinearKernels linearKernelsAvx512 = LinearLoops<struct Avx512Loops>::kernels();

}  // namespace zeroth
