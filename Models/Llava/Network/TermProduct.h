// SPDX-License-Identifier: Apache-2.0
/// @file TermProduct.h
/// Products of float32 activations with bfloat16 weights on the bfloat16 units of a device, as
/// exact as float32's. On AMX see TileProduct.h. Internal to Models/Llava.
///
/// A float32 number is the sum of three bfloat16 numbers without rest (24 = 8 + 8 + 8 bits), so
/// three products of bfloat16 matrices with sums in float32 are the product, and nothing of the
/// input is rounded. While decoding all three are one call: the weights are read once.
#ifndef LVLM_LLAVA_TERMPRODUCT_H
#define LVLM_LLAVA_TERMPRODUCT_H

#include <ATen/ATen.h>

namespace lvlm::llava
{

/// x [n, in] float32 -> [3 n, in] bfloat16: rows i, n + i and 2 n + i sum up to row i of x, the
/// small one first. Of numbers from 2^-110 to 2^127 nothing is lost.
at::Tensor bfloat16Terms(const at::Tensor& x);

/// Whether the LibTorch that this was built with (2.8 and later) has products of bfloat16 with
/// results in float32 on this device.
bool takesTerms(const at::Tensor& x, const at::Tensor& weight);

/// x W: bfloat16Terms(x) [3 n, k], W [k, m] bfloat16, of any strides, on the same device -> [n, m]
/// float32.
at::Tensor termProduct(const at::Tensor& terms, const at::Tensor& w);

} // namespace lvlm::llava

#endif
