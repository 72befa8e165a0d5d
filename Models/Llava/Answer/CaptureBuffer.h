// SPDX-License-Identifier: Apache-2.0
/// @file CaptureBuffer.h
/// Memory for attention and hidden states that are captured while the answer's length is not yet
/// known.
#ifndef LVLM_LLAVA_CAPTUREBUFFER_H
#define LVLM_LLAVA_CAPTUREBUFFER_H

#include "Models/Trace/Tensor.h"

#include <cstdint>
#include <memory>

namespace lvlm::llava
{

/// A tensor [slabs, heads, rows, cols] reserved for the longest possible answer. Pages that
/// nothing was written to cost nothing; take() closes the gaps in place, so that the tensor is
/// never held twice.
class CaptureBuffer
{
public:
  /// Reserves address space. Throws Error when even that is not to be had.
  CaptureBuffer(std::int64_t slabs, std::int64_t heads, std::int64_t rowCapacity,
    std::int64_t colCapacity, DType type = DType::F32);

  /// Copies n values of the tensor's type to the start of a row; the rest of the row stays 0.
  void write(
    std::int64_t slab, std::int64_t head, std::int64_t row, const void* values, std::int64_t n);

  /// The captured tensor [slabs, heads, rows, cols]; the buffer is empty afterwards.
  Tensor take(std::int64_t rows, std::int64_t cols);

  /// Bytes of a tensor of this shape. Throws Error on overflow.
  static std::size_t bytes(std::int64_t slabs, std::int64_t heads, std::int64_t rows,
    std::int64_t cols, DType type = DType::F32);

private:
  struct Mapping;
  std::shared_ptr<Mapping> Memory;
  std::int64_t Slabs, Heads, Rows, Cols;
  DType Type;
};

} // namespace lvlm::llava

#endif
