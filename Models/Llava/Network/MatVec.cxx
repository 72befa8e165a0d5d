// SPDX-License-Identifier: Apache-2.0
#include "MatVec.h"

#include "CpuFeatures.h"

#include "Models/Trace/Error.h"

#include <algorithm>
#include <cstring>

#ifdef LVLM_X86
#include <immintrin.h>
#endif

namespace lvlm::llava
{

namespace
{
float dotPortable(const float* w, const float* x, std::int64_t n)
{
  float sum = 0;
  for (std::int64_t i = 0; i < n; ++i)
  {
    sum += w[i] * x[i];
  }
  return sum;
}

struct Bf16
{
  std::uint16_t bits;
};
struct F16
{
  std::uint16_t bits;
};

float dotPortable(const Bf16* w, const float* x, std::int64_t n)
{
  float sum = 0;
  for (std::int64_t i = 0; i < n; ++i)
  {
    sum += bfloat16ToFloat(w[i].bits) * x[i];
  }
  return sum;
}

float dotPortable(const F16* w, const float* x, std::int64_t n)
{
  float sum = 0;
  for (std::int64_t i = 0; i < n; ++i)
  {
    sum += halfToFloat(w[i].bits) * x[i];
  }
  return sum;
}

#ifdef LVLM_X86
#define LVLM_AVX2 __attribute__((target("avx2,fma,f16c")))

LVLM_AVX2 inline __m256 load8(const float* w)
{
  return _mm256_loadu_ps(w);
}
LVLM_AVX2 inline __m256 load8(const Bf16* w)
{
  const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(w));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
LVLM_AVX2 inline __m256 load8(const F16* w)
{
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(w)));
}

/// y[r] = sum_c w[r, c] * x[c] for a few rows side by side: each is a stream of its own, and one
/// alone does not keep the memory busy.
template <int Rows, typename Weight>
LVLM_AVX2 void dotsAvx2(const Weight* w, std::int64_t n, const float* x, float* y)
{
  __m256 sums[Rows][2];
  for (auto& sum : sums)
  {
    sum[0] = sum[1] = _mm256_setzero_ps();
  }
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16)
  {
    const __m256 low = _mm256_loadu_ps(x + i), high = _mm256_loadu_ps(x + i + 8);
    for (int row = 0; row < Rows; ++row)
    {
      const Weight* from = w + row * n + i;
      _mm_prefetch(reinterpret_cast<const char*>(from) + 1024, _MM_HINT_T0);
      sums[row][0] = _mm256_fmadd_ps(load8(from), low, sums[row][0]);
      sums[row][1] = _mm256_fmadd_ps(load8(from + 8), high, sums[row][1]);
    }
  }
  for (int row = 0; row < Rows; ++row)
  {
    alignas(32) float lanes[8];
    _mm256_store_ps(lanes, _mm256_add_ps(sums[row][0], sums[row][1]));
    const float total = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
      ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
    y[row] = total + dotPortable(w + row * n + i, x + i, n - i);
  }
}
#endif

constexpr std::int64_t RowsTogether = 4;

/// y[r] = sum_c w[r, c] * x[c] for up to RowsTogether rows.
template <typename Weight>
void dots(const Weight* w, std::int64_t rows, std::int64_t n, const float* x, float* y)
{
#ifdef LVLM_X86
  if (hasAvx2() && rows == RowsTogether)
  {
    return dotsAvx2<RowsTogether>(w, n, x, y);
  }
#endif
  for (std::int64_t row = 0; row < rows; ++row)
  {
#ifdef LVLM_X86
    if (hasAvx2())
    {
      dotsAvx2<1>(w + row * n, n, x, y + row);
      continue;
    }
#endif
    y[row] = dotPortable(w + row * n, x, n);
  }
}

float widened(float x)
{
  return x;
}

float widened(Bf16 x)
{
  return bfloat16ToFloat(x.bits);
}

/// y[0, d) += weight * row[0, d)
template <typename Row>
void addScaledPortable(const Row* row, std::int64_t d, float weight, float* y)
{
  for (std::int64_t c = 0; c < d; ++c)
  {
    y[c] += weight * widened(row[c]);
  }
}

#ifdef LVLM_X86
template <typename Row>
LVLM_AVX2 void addScaledAvx2(const Row* row, std::int64_t d, float weight, float* y)
{
  const __m256 factor = _mm256_set1_ps(weight);
  std::int64_t c = 0;
  for (; c + 8 <= d; c += 8)
  {
    _mm256_storeu_ps(y + c, _mm256_fmadd_ps(factor, load8(row + c), _mm256_loadu_ps(y + c)));
  }
  addScaledPortable(row + c, d - c, weight, y + c);
}
#endif

template <typename Row>
void dotRowsOf(
  const Row* rows, std::int64_t n, std::int64_t d, const float* x, float scale, float* y)
{
  for (std::int64_t row = 0; row < n; row += RowsTogether)
  {
    const std::int64_t count = std::min(RowsTogether, n - row);
    dots(rows + row * d, count, d, x, y + row);
    for (std::int64_t i = row; i < row + count; ++i)
    {
      y[i] *= scale;
    }
  }
}

template <typename Row>
void weightedSumOf(const Row* rows, std::int64_t n, std::int64_t d, const float* weights, float* y)
{
  auto* add = &addScaledPortable<Row>;
#ifdef LVLM_X86
  add = hasAvx2() ? &addScaledAvx2<Row> : add;
#endif
  std::fill(y, y + d, 0.0f);
  for (std::int64_t row = 0; row < n; ++row)
  {
    add(rows + row * d, d, weights[row], y);
  }
}

template <typename Weight>
void matVecOf(const Weight* weight, std::int64_t rows, std::int64_t cols, const float* x, float* y)
{
#pragma omp parallel for schedule(static)
  for (std::int64_t row = 0; row < rows; row += RowsTogether)
  {
    dots(weight + row * cols, std::min(RowsTogether, rows - row), cols, x, y + row);
  }
}
}

void matVec(
  DType type, const void* weight, std::int64_t rows, std::int64_t cols, const float* x, float* y)
{
  switch (type)
  {
    case DType::F32:
      return matVecOf(static_cast<const float*>(weight), rows, cols, x, y);
    case DType::BF16:
      return matVecOf(static_cast<const Bf16*>(weight), rows, cols, x, y);
    case DType::F16:
      return matVecOf(static_cast<const F16*>(weight), rows, cols, x, y);
    default:
      fail("matrix-vector product on weights of type ", nameOf(type));
  }
}

void dotRows(DType type, const void* rows, std::int64_t n, std::int64_t d, const float* x,
  float scale, float* y)
{
  type == DType::BF16 ? dotRowsOf(static_cast<const Bf16*>(rows), n, d, x, scale, y)
                      : dotRowsOf(static_cast<const float*>(rows), n, d, x, scale, y);
}

void weightedSum(
  DType type, const void* rows, std::int64_t n, std::int64_t d, const float* weights, float* y)
{
  type == DType::BF16 ? weightedSumOf(static_cast<const Bf16*>(rows), n, d, weights, y)
                      : weightedSumOf(static_cast<const float*>(rows), n, d, weights, y);
}

} // namespace lvlm::llava
