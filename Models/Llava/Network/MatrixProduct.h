// SPDX-License-Identifier: Apache-2.0
/// @file MatrixProduct.h
/// Products of matrices by oneDNN, which knows the CPU better than any BLAS that LibTorch may have
/// been built with. Internal to Models/Llava.
#ifndef LVLM_LLAVA_MATRIXPRODUCT_H
#define LVLM_LLAVA_MATRIXPRODUCT_H

#include <ATen/ATen.h>

namespace lvlm::llava
{

/// Whether oneDNN multiplies bfloat16 numbers on units of this CPU (AVX512-BF16, AMX), and so at
/// least twice as fast as float32.
bool hasBfloat16Units();

/// Rows are taken by this number, without which some products take half as long again: 577 rows, a
/// CLIP tower's, instead of 580.
constexpr std::int64_t RowsAtATime = 4;

/// y = a b + bias, or y += a b where `adds`: a [n, k] and b [k, m], both float32 or both bfloat16;
/// bias [m] float32 or undefined; y [n, m] in float32, or in bfloat16 as they are. Sums are
/// float32, products of bfloat16 below 2^-126 count as zero. a and b have a stride of 1 along one
/// of their axes, y along its last. Runs on the OpenMP threads.
void matrixProduct(
  const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias, bool adds, const at::Tensor& y);

/// y = factor * a b for each of a batch, float32: a [h, n, k], b [h, k, m], y [h, n, m], where a
/// and b have a stride of 1 along one of their last two axes, y along its last.
void matrixProducts(const at::Tensor& a, const at::Tensor& b, double factor, const at::Tensor& y);

} // namespace lvlm::llava

#endif
