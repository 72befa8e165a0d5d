// SPDX-License-Identifier: Apache-2.0
/// @file StoredMatrix.h
/// A matrix in memory, as the kernels of products see it.
#ifndef LVLM_LLAVA_STOREDMATRIX_H
#define LVLM_LLAVA_STOREDMATRIX_H

#include "Models/Trace/Tensor.h"

#include <cstdint>

namespace lvlm::llava
{

/// [rows, cols] in C order, of type F32, BF16 or F16. Somebody else owns the bytes.
struct StoredMatrix
{
  DType type = DType::F32;
  const void* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
};

} // namespace lvlm::llava

#endif
