// SPDX-License-Identifier: Apache-2.0
/// @file RowKernels.h
/// What happens between two products of the decoder, each in one pass over memory: LibTorch takes
/// five passes and as many temporaries. Rounds where Hugging Face rounds. On a CPU, float32 or
/// bfloat16. Internal to Models/Llava.
#ifndef LVLM_LLAVA_ROWKERNELS_H
#define LVLM_LLAVA_ROWKERNELS_H

#include "BufferPool.h"

#include <ATen/ATen.h>

namespace lvlm::llava
{

/// Whether the kernels take this tensor.
bool takesRows(const at::Tensor& x);

/// RMSNorm of the rows of x [n, D] with weight [D] of x's type: computed in float32, rounded to x's
/// type, then scaled.
at::Tensor normalizedRows(
  const at::Tensor& x, const at::Tensor& weight, double eps, BufferPool& pool);

/// Rotate-half RoPE, in place: x [n, heads * d] in rows, cos and sin [n, d] of x's type, whose
/// halves are equal.
void turnRows(at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);

/// Numbers of x, float32 and in place, as if they were bfloat16: rounded, scaled, rounded again.
void roundToBfloat16(at::Tensor& x, double factor);

} // namespace lvlm::llava

#endif
