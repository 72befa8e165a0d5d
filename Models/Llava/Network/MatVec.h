// SPDX-License-Identifier: Apache-2.0
/// @file MatVec.h
/// Matrix-vector products on weights in their stored type, as decoding needs them: each weight is
/// read once, widened to float32 in registers and accumulated in float32. The result is that of a
/// float32 copy of the weights, at the memory traffic of the stored ones.
#ifndef LVLM_LLAVA_MATVEC_H
#define LVLM_LLAVA_MATVEC_H

#include "Models/Trace/Tensor.h"

#include <cstdint>

namespace lvlm::llava
{

/// y[r] = sum_c weight[r, c] * x[c], with weight [rows, cols] of type F32, BF16 or F16 in C order.
/// Runs on the OpenMP threads. Throws Error for another type.
void matVec(
  DType type, const void* weight, std::int64_t rows, std::int64_t cols, const float* x, float* y);

/// y[r] = scale * sum_c rows[r, c] * x[c], with rows [n, d] F32 or BF16. On the calling thread
/// alone.
void dotRows(DType type, const void* rows, std::int64_t n, std::int64_t d, const float* x,
  float scale, float* y);

/// y[c] = sum_r weights[r] * rows[r, c], with rows [n, d] F32 or BF16. On the calling thread alone.
void weightedSum(
  DType type, const void* rows, std::int64_t n, std::int64_t d, const float* weights, float* y);

} // namespace lvlm::llava

#endif
