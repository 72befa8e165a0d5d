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

/// As many rows side by side as there are: each is a stream of its own, and one alone does not keep
/// the memory busy.
constexpr std::int64_t RowsOfAvx2 = 4;
constexpr std::int64_t RowsOfAvx512 = 8;

/// y[r] = sum_c w[r, c] * x[c] for a few rows.
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

#define LVLM_AVX512 __attribute__((target("avx512f")))

LVLM_AVX512 inline __m512 load16(const float* w)
{
  return _mm512_loadu_ps(w);
}
LVLM_AVX512 inline __m512 load16(const Bf16* w)
{
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}
LVLM_AVX512 inline __m512 load16(const F16* w)
{
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(w)));
}

/// As dotsAvx2(). Nothing is prefetched: with so many streams the CPU does that better by itself.
template <int Rows, typename Weight>
LVLM_AVX512 void dotsAvx512(const Weight* w, std::int64_t n, const float* x, float* y)
{
  __m512 sums[Rows][2];
  for (auto& sum : sums)
  {
    sum[0] = sum[1] = _mm512_setzero_ps();
  }
  std::int64_t i = 0;
  for (; i + 32 <= n; i += 32)
  {
    const __m512 low = _mm512_loadu_ps(x + i), high = _mm512_loadu_ps(x + i + 16);
    for (int row = 0; row < Rows; ++row)
    {
      const Weight* from = w + row * n + i;
      sums[row][0] = _mm512_fmadd_ps(load16(from), low, sums[row][0]);
      sums[row][1] = _mm512_fmadd_ps(load16(from + 16), high, sums[row][1]);
    }
  }
  for (int row = 0; row < Rows; ++row)
  {
    y[row] = _mm512_reduce_add_ps(_mm512_add_ps(sums[row][0], sums[row][1])) +
      dotPortable(w + row * n + i, x + i, n - i);
  }
}
#endif

/// Rows that dots() takes at a time.
std::int64_t rowsTogether()
{
#ifdef LVLM_X86
  return hasAvx512() ? RowsOfAvx512 : RowsOfAvx2;
#else
  return 1;
#endif
}

/// y[r] = sum_c w[r, c] * x[c] for up to rowsTogether() rows.
template <typename Weight>
void dots(const Weight* w, std::int64_t rows, std::int64_t n, const float* x, float* y)
{
  std::int64_t row = 0;
#ifdef LVLM_X86
  if (hasAvx512() && rows == RowsOfAvx512)
  {
    return dotsAvx512<RowsOfAvx512>(w, n, x, y);
  }
  for (; hasAvx2() && row + RowsOfAvx2 <= rows; row += RowsOfAvx2)
  {
    dotsAvx2<RowsOfAvx2>(w + row * n, n, x, y + row);
  }
  for (; hasAvx2() && row < rows; ++row)
  {
    dotsAvx2<1>(w + row * n, n, x, y + row);
  }
#endif
  for (; row < rows; ++row)
  {
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
  for (std::int64_t row = 0; row < n; row += rowsTogether())
  {
    const std::int64_t count = std::min(rowsTogether(), n - row);
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
  const std::int64_t step = rowsTogether();
#pragma omp parallel for schedule(static)
  for (std::int64_t row = 0; row < rows; row += step)
  {
    dots(weight + row * cols, std::min(step, rows - row), cols, x, y + row);
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
