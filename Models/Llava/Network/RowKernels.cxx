// SPDX-License-Identifier: Apache-2.0
#include "RowKernels.h"

#include "CpuFeatures.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#ifdef LVLM_X86
// One version of a loop for each kind of CPU; the loader chooses.
#define LVLM_EACH_CPU __attribute__((target_clones("avx512f", "avx2", "default")))
#define LVLM_INLINE __attribute__((always_inline)) inline
#else
#define LVLM_EACH_CPU
#define LVLM_INLINE inline
#endif

namespace lvlm::llava
{

namespace
{
/// Numbers that are worth a thread.
constexpr std::int64_t ThreadWork = 1 << 14;

struct Bf16
{
  std::uint16_t bits;
};

LVLM_INLINE float wide(float x)
{
  return x;
}

LVLM_INLINE float wide(Bf16 x)
{
  const std::uint32_t bits = static_cast<std::uint32_t>(x.bits) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

LVLM_INLINE void put(float value, float& to)
{
  to = value;
}

/// To the nearest, ties to even; what is not a number stays one.
LVLM_INLINE void put(float value, Bf16& to)
{
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const std::uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  to.bits = static_cast<std::uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : rounded);
}

template <typename Number>
LVLM_INLINE float rounded(float value)
{
  Number number;
  put(value, number);
  return wide(number);
}

template <typename Number>
LVLM_INLINE void normalizeRow(
  const Number* x, const Number* weight, std::int64_t size, float eps, Number* y)
{
  // Sixteen sums, as wide as a register: one alone would wait for itself.
  constexpr std::int64_t lanes = 16;
  float sums[lanes] = {};
  std::int64_t i = 0;
  for (; i + lanes <= size; i += lanes)
  {
    for (std::int64_t lane = 0; lane < lanes; ++lane)
    {
      const float value = wide(x[i + lane]);
      sums[lane] += value * value;
    }
  }
  float sum = 0;
  for (; i < size; ++i)
  {
    sum += wide(x[i]) * wide(x[i]);
  }
  for (const float part : sums)
  {
    sum += part;
  }
  const float scale = 1.0f / std::sqrt(sum / static_cast<float>(size) + eps);
  for (i = 0; i < size; ++i)
  {
    put(wide(weight[i]) * rounded<Number>(wide(x[i]) * scale), y[i]);
  }
}

/// One position's heads, [heads][d].
template <typename Number>
LVLM_INLINE void turnRow(
  Number* x, std::int64_t heads, std::int64_t d, const Number* cos, const Number* sin)
{
  const std::int64_t half = d / 2;
  for (std::int64_t head = 0; head < heads; ++head, x += d)
  {
    for (std::int64_t i = 0; i < half; ++i)
    {
      const float a = wide(x[i]), b = wide(x[half + i]), c = wide(cos[i]), s = wide(sin[i]);
      put(rounded<Number>(a * c) + rounded<Number>(-b * s), x[i]);
      put(rounded<Number>(b * c) + rounded<Number>(a * s), x[half + i]);
    }
  }
}

LVLM_EACH_CPU void normalizeFloats(
  const float* x, const float* weight, std::int64_t size, float eps, float* y)
{
  normalizeRow(x, weight, size, eps, y);
}

LVLM_EACH_CPU void normalizeBfloats(
  const Bf16* x, const Bf16* weight, std::int64_t size, float eps, Bf16* y)
{
  normalizeRow(x, weight, size, eps, y);
}

LVLM_EACH_CPU void turnFloats(
  float* x, std::int64_t heads, std::int64_t d, const float* cos, const float* sin)
{
  turnRow(x, heads, d, cos, sin);
}

LVLM_EACH_CPU void turnBfloats(
  Bf16* x, std::int64_t heads, std::int64_t d, const Bf16* cos, const Bf16* sin)
{
  turnRow(x, heads, d, cos, sin);
}

LVLM_EACH_CPU void roundFloats(float* x, std::int64_t size, float factor)
{
  for (std::int64_t i = 0; i < size; ++i)
  {
    x[i] = rounded<Bf16>(rounded<Bf16>(x[i]) * factor);
  }
}

/// For all rows, each on a thread.
template <typename Row>
void forRows(std::int64_t rows, std::int64_t size, const Row& row)
{
#pragma omp parallel for schedule(static) if (rows * size > ThreadWork)
  for (std::int64_t i = 0; i < rows; ++i)
  {
    row(i);
  }
}

template <typename Number>
Number* dataOf(const at::Tensor& x)
{
  return static_cast<Number*>(x.data_ptr());
}
}

bool takesRows(const at::Tensor& x)
{
  return x.device().is_cpu() && x.is_contiguous() &&
    (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}

at::Tensor normalizedRows(
  const at::Tensor& x, const at::Tensor& weight, double eps, BufferPool& pool)
{
  const std::int64_t rows = x.size(0), size = x.size(1);
  at::Tensor y = pool.empty(x.sizes(), x.scalar_type()); // [n, D]
  const auto epsilon = static_cast<float>(eps);
  if (x.scalar_type() == at::kFloat)
  {
    const auto* from = dataOf<float>(x);
    const auto* scale = dataOf<float>(weight);
    auto* to = dataOf<float>(y);
    forRows(rows, size,
      [&](std::int64_t i)
      { normalizeFloats(from + i * size, scale, size, epsilon, to + i * size); });
  }
  else
  {
    const auto* from = dataOf<Bf16>(x);
    const auto* scale = dataOf<Bf16>(weight);
    auto* to = dataOf<Bf16>(y);
    forRows(rows, size,
      [&](std::int64_t i)
      { normalizeBfloats(from + i * size, scale, size, epsilon, to + i * size); });
  }
  return y;
}

void turnRows(at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin)
{
  const std::int64_t rows = x.size(0), size = x.size(1), d = cos.size(1), heads = size / d;
  if (x.scalar_type() == at::kFloat)
  {
    auto* data = dataOf<float>(x);
    const auto *c = dataOf<float>(cos), *s = dataOf<float>(sin);
    forRows(rows, size,
      [&](std::int64_t i) { turnFloats(data + i * size, heads, d, c + i * d, s + i * d); });
  }
  else
  {
    auto* data = dataOf<Bf16>(x);
    const auto *c = dataOf<Bf16>(cos), *s = dataOf<Bf16>(sin);
    forRows(rows, size,
      [&](std::int64_t i) { turnBfloats(data + i * size, heads, d, c + i * d, s + i * d); });
  }
}

void roundToBfloat16(at::Tensor& x, double factor)
{
  auto* data = dataOf<float>(x);
  const std::int64_t total = x.numel();
  forRows((total + ThreadWork - 1) / ThreadWork, ThreadWork,
    [&](std::int64_t i)
    {
      const std::int64_t first = i * ThreadWork;
      roundFloats(data + first, std::min(ThreadWork, total - first), static_cast<float>(factor));
    });
}

} // namespace lvlm::llava
