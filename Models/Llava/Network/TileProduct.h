// SPDX-License-Identifier: Apache-2.0
/// @file TileProduct.h
/// Products of activations with stored weights on AMX tiles of bfloat16 (see hasTiles()).
///
/// A float32 number is the sum of three bfloat16 numbers (8 + 8 + 8 bits), a float16 number that of
/// two, and the tiles accumulate in float32. So float32 activations times stored weights is a sum
/// of few bfloat16 products, without any rounding of the inputs; the sums are kept in blocks, which
/// makes them more exact than those of a plain float32 product. Terms below 2^-27 of a number times
/// a weight are left out. Numbers below 2^-126 count as zero.
#ifndef LVLM_LLAVA_TILEPRODUCT_H
#define LVLM_LLAVA_TILEPRODUCT_H

#include "StoredMatrix.h"

#include <cstdint>

namespace lvlm::llava
{

/// Bytes of scratch memory that a product with these activations needs.
std::int64_t tileScratch(const StoredMatrix& x);

/// y = x W^T + bias: x [n, cols] and y [n, rows] of one type, F32 or BF16; weight [rows, cols],
/// with F32 activations BF16 or F16; bias [rows] float32 or null. With BF16 the weights are rounded
/// to bfloat16, and y once at the end. Scratch memory starts at a cache line. Runs on the OpenMP
/// threads.
void tileProduct(
  const StoredMatrix& x, const StoredMatrix& weight, const float* bias, void* y, void* scratch);

/// y = g W: g [n, rows] and y [n, cols] of one type, F32 or BF16.
void tileTransposedProduct(
  const StoredMatrix& g, const StoredMatrix& weight, void* y, void* scratch);

} // namespace lvlm::llava

#endif
