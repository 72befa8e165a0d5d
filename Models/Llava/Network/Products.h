// SPDX-License-Identifier: Apache-2.0
/// @file Products.h
/// The one place where matrices are multiplied, and that knows how this machine does it best.
/// Internal to Models/Llava.
///
/// Activations are float32 (results as exact as a float32 product's) or bfloat16 (as Hugging Face
/// has it: weights in bfloat16, sums in float32, rounded once). On a CPU nothing here depends on
/// the BLAS that LibTorch was built with:
///  - a row or two read the stored weights as they lie, at the speed of memory (MatVec.h);
///  - more rows go through AMX tiles where the CPU has them (TileProduct.h; LVLM_NO_TILES in the
///    environment forbids it);
///  - else, and with float32 weights, through oneDNN (MatrixProduct.h): bfloat16 in bfloat16 where
///    the CPU has units for it, and so the three terms of a few float32 rows; the rest in float32,
///    weights widened a block at a time.
/// On another device float32 activations times bfloat16 weights are sums of bfloat16 products
/// (TermProduct.h). What else there is (float64, other weights on a device) is LibTorch's.
#ifndef LVLM_LLAVA_PRODUCTS_H
#define LVLM_LLAVA_PRODUCTS_H

#include "BufferPool.h"

#include <ATen/ATen.h>

namespace lvlm::llava
{

/// Rows [n, in] that one or several maps read. What the maps can share, the three terms, is
/// made once.
class Activations
{
public:
  Activations(const at::Tensor& rows) : Rows(rows) {} // rows are activations: converted in silence

  const at::Tensor& rows() const { return this->Rows; }
  /// bfloat16Terms() of the rows: [3 n, in].
  const at::Tensor& terms() const;

private:
  at::Tensor Rows;
  mutable at::Tensor Terms; ///< when they have been asked for
};

/// Whether product() and transposedProduct() take these activations and weights: on a CPU, float32
/// or bfloat16; on another device, float32 with bfloat16 weights.
bool takesProduct(const at::Tensor& x, const at::Tensor& weight);

/// x W^T + bias: x [n, in], weight [out, in] of any stored type, bias [out] or undefined ->
/// [n, out] in x's type.
at::Tensor product(
  const Activations& x, const at::Tensor& weight, const at::Tensor& bias, BufferPool& pool);

/// Bytes that a product of [n, in] activations with numbers of `element` bytes may take beside its
/// result.
std::int64_t productScratch(std::int64_t n, std::int64_t in, std::int64_t element);

/// g W: g [n, out], weight [out, in] -> [n, in] in g's type.
at::Tensor transposedProduct(const at::Tensor& g, const at::Tensor& weight, BufferPool& pool);

/// factor * a b for each of a batch: [h, n, k] times [h, k, m] -> [h, n, m], where either has a
/// stride of 1 along one of its last two axes.
at::Tensor batchedProduct(
  const at::Tensor& a, const at::Tensor& b, double factor, BufferPool& pool);

} // namespace lvlm::llava

#endif
