// SPDX-License-Identifier: Apache-2.0
#include "Tensor.h"

#include "Error.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace lvlm
{

namespace
{
struct TypeRow
{
  DType type;
  std::size_t size;
  const char* name;
};
constexpr TypeRow Types[] = { { DType::Bool, 1, "BOOL" }, { DType::U8, 1, "U8" },
  { DType::I8, 1, "I8" }, { DType::I16, 2, "I16" }, { DType::I32, 4, "I32" },
  { DType::I64, 8, "I64" }, { DType::F16, 2, "F16" }, { DType::BF16, 2, "BF16" },
  { DType::F32, 4, "F32" }, { DType::F64, 8, "F64" } };

float floatFromBits(std::uint32_t bits)
{
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

std::uint32_t bitsOf(float value)
{
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

template <typename From, typename Convert>
void convertElements(const std::byte* data, std::int64_t n, float* out, Convert&& convert)
{
  for (std::int64_t i = 0; i < n; ++i)
  {
    From value;
    std::memcpy(&value, data + i * sizeof value, sizeof value);
    out[i] = convert(value);
  }
}
}

std::size_t sizeOf(DType type)
{
  return Types[static_cast<int>(type)].size;
}

const char* nameOf(DType type)
{
  return Types[static_cast<int>(type)].name;
}

DType dtypeFromName(const std::string& name)
{
  for (const TypeRow& row : Types)
  {
    if (name == row.name)
    {
      return row.type;
    }
  }
  fail("unsupported element type '", name, "'");
}

float bfloat16ToFloat(std::uint16_t bits)
{
  return floatFromBits(static_cast<std::uint32_t>(bits) << 16);
}

float halfToFloat(std::uint16_t bits)
{
  const std::uint32_t sign = (bits & 0x8000u) << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1fu;
  const std::uint32_t fraction = bits & 0x3ffu;
  if (exponent == 0) // zero and subnormal: fraction * 2^-24, exact in float32
  {
    const float magnitude = static_cast<float>(fraction) * 5.9604644775390625e-8f;
    return floatFromBits(sign | bitsOf(magnitude));
  }
  if (exponent == 31) // infinity and NaN
  {
    return floatFromBits(sign | 0x7f800000u | (fraction << 13));
  }
  return floatFromBits(sign | ((exponent + 112u) << 23) | (fraction << 13));
}

std::uint16_t floatToBfloat16(float value)
{
  const std::uint32_t bits = bitsOf(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) // NaN stays NaN whatever its payload
  {
    return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  }
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

std::uint16_t floatToHalf(float value)
{
  const std::uint32_t bits = bitsOf(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u)
  {
    return static_cast<std::uint16_t>(sign | 0x7e00u);
  }
  if (magnitude >= 0x477ff000u) // rounds beyond the largest half
  {
    return static_cast<std::uint16_t>(sign | 0x7c00u);
  }
  if (magnitude < 0x38800000u) // subnormal half: adding 0.5 lets the FPU round at 2^-24
  {
    const std::uint32_t rounded = bitsOf(floatFromBits(magnitude) + 0.5f) - bitsOf(0.5f);
    return static_cast<std::uint16_t>(sign | rounded);
  }
  const std::uint32_t rounded = magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u);
  return static_cast<std::uint16_t>(sign | (rounded >> 13));
}

std::string shapeText(const std::vector<std::int64_t>& shape)
{
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i)
  {
    text += (i ? ", " : "") + std::to_string(shape[i]);
  }
  return text + "]";
}

std::int64_t elementCount(const std::vector<std::int64_t>& shape)
{
  std::int64_t count = 1;
  for (const std::int64_t extent : shape)
  {
    if (extent < 0 || __builtin_mul_overflow(count, extent, &count))
    {
      fail("impossible shape ", shapeText(shape));
    }
  }
  return count;
}

template <>
DType dtypeOf<float>()
{
  return DType::F32;
}
template <>
DType dtypeOf<double>()
{
  return DType::F64;
}
template <>
DType dtypeOf<std::int64_t>()
{
  return DType::I64;
}
template <>
DType dtypeOf<std::int32_t>()
{
  return DType::I32;
}
template <>
DType dtypeOf<std::uint8_t>()
{
  return DType::U8;
}

template <typename T>
const T* Tensor::as() const
{
  if (this->dtype != dtypeOf<T>())
  {
    fail("a tensor of type ", nameOf(this->dtype), " was read as ", nameOf(dtypeOf<T>()));
  }
  return reinterpret_cast<const T*>(this->data);
}

void Tensor::toFloat(std::int64_t first, std::int64_t n, float* out) const
{
  const std::int64_t total = this->count();
  if (first < 0 || n < 0 || n > total || first > total - n)
  {
    fail(
      "elements [", first, ", ", first, "+", n, ") of a tensor of shape ", shapeText(this->shape));
  }
  if (n == 0)
  {
    return; // an empty tensor may come with null pointers
  }
  const std::byte* from = this->data + static_cast<std::size_t>(first) * sizeOf(this->dtype);
  switch (this->dtype)
  {
    case DType::F32:
      std::memcpy(out, from, static_cast<std::size_t>(n) * sizeof(float));
      return;
    case DType::F64:
      convertElements<double>(from, n, out, [](double v) { return static_cast<float>(v); });
      return;
    case DType::F16:
      convertElements<std::uint16_t>(from, n, out, halfToFloat);
      return;
    case DType::BF16:
      convertElements<std::uint16_t>(from, n, out, bfloat16ToFloat);
      return;
    default:
      fail("a tensor of type ", nameOf(this->dtype), " was read as floating point");
  }
}

template <typename T>
Tensor Tensor::of(const std::vector<T>& values, std::vector<std::int64_t> shape)
{
  if (elementCount(shape) != static_cast<std::int64_t>(values.size()))
  {
    fail(values.size(), " values do not fill shape ", shapeText(shape));
  }
  auto storage = std::make_shared<const std::vector<T>>(values);
  Tensor tensor;
  tensor.dtype = dtypeOf<T>();
  tensor.shape = std::move(shape);
  tensor.data = reinterpret_cast<const std::byte*>(storage->data());
  tensor.owner = std::move(storage);
  return tensor;
}

#define LVLM_INSTANTIATE(T)                                                                        \
  template const T* Tensor::as<T>() const;                                                         \
  template Tensor Tensor::of<T>(const std::vector<T>&, std::vector<std::int64_t>)
LVLM_INSTANTIATE(float);
LVLM_INSTANTIATE(double);
LVLM_INSTANTIATE(std::int64_t);
LVLM_INSTANTIATE(std::int32_t);
LVLM_INSTANTIATE(std::uint8_t);

} // namespace lvlm
