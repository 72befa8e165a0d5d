// SPDX-License-Identifier: Apache-2.0
/// @file Tensor.h
/// A read-only view of a dense C-order tensor together with whatever keeps its memory alive
/// (a mapped file, a Torch storage, a VTK array): tensors are shared between layers, never copied.
#ifndef LVLM_TRACE_TENSOR_H
#define LVLM_TRACE_TENSOR_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace lvlm
{

/// Element types of the safetensors format that this project reads.
enum class DType
{
  Bool,
  U8,
  I8,
  I16,
  I32,
  I64,
  F16,
  BF16,
  F32,
  F64
};

/// Bytes of one element.
std::size_t sizeOf(DType type);
/// The format's own name, e.g. "BF16".
const char* nameOf(DType type);
/// Inverse of nameOf. Throws Error for a type that is not supported.
DType dtypeFromName(const std::string& name);

/// IEEE half / bfloat16 bit patterns to float32 (exact) and back (round to nearest even).
float halfToFloat(std::uint16_t bits);
float bfloat16ToFloat(std::uint16_t bits);
std::uint16_t floatToHalf(float value);
std::uint16_t floatToBfloat16(float value);

/// A shape written as "[2, 3]".
std::string shapeText(const std::vector<std::int64_t>& shape);
/// Product of the extents. Throws Error on a negative extent or on overflow of int64.
std::int64_t elementCount(const std::vector<std::int64_t>& shape);

struct Tensor
{
  DType dtype = DType::F32;
  std::vector<std::int64_t> shape;
  const std::byte* data = nullptr;
  std::shared_ptr<const void> owner; ///< keeps `data` alive

  bool empty() const { return this->data == nullptr; }
  std::int64_t count() const { return elementCount(this->shape); }
  std::size_t bytes() const
  {
    return static_cast<std::size_t>(this->count()) * sizeOf(this->dtype);
  }
  std::int64_t extent(std::size_t axis) const { return this->shape.at(axis); }

  /// Elements as T. Throws Error if T does not match the stored type.
  template <typename T>
  const T* as() const;

  /// Elements [first, first + n) of any floating type, converted to float32 into `out`.
  /// Throws Error when the range leaves the tensor or the type is not floating.
  void toFloat(std::int64_t first, std::int64_t n, float* out) const;

  /// A tensor that owns a copy of the values.
  template <typename T>
  static Tensor of(const std::vector<T>& values, std::vector<std::int64_t> shape);
};

/// The DType of a C++ element type (float, double, int64_t, int32_t, uint8_t).
template <typename T>
DType dtypeOf();

} // namespace lvlm

#endif
