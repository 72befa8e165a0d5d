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

/// Four independent sums hide the latency of the fused multiply-add.
template <typename Weight>
LVLM_AVX2 float dotAvx2(const Weight* w, const float* x, std::int64_t n)
{
  __m256 sum0 = _mm256_setzero_ps();
  __m256 sum1 = _mm256_setzero_ps();
  __m256 sum2 = _mm256_setzero_ps();
  __m256 sum3 = _mm256_setzero_ps();
  std::int64_t i = 0;
  for (; i + 32 <= n; i += 32)
  {
    _mm_prefetch(reinterpret_cast<const char*>(w + i) + 1024, _MM_HINT_T0);
    sum0 = _mm256_fmadd_ps(load8(w + i), _mm256_loadu_ps(x + i), sum0);
    sum1 = _mm256_fmadd_ps(load8(w + i + 8), _mm256_loadu_ps(x + i + 8), sum1);
    sum2 = _mm256_fmadd_ps(load8(w + i + 16), _mm256_loadu_ps(x + i + 16), sum2);
    sum3 = _mm256_fmadd_ps(load8(w + i + 24), _mm256_loadu_ps(x + i + 24), sum3);
  }
  const __m256 sum = _mm256_add_ps(_mm256_add_ps(sum0, sum1), _mm256_add_ps(sum2, sum3));
  alignas(32) float lanes[8];
  _mm256_store_ps(lanes, sum);
  float total = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
    ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
  return total + dotPortable(w + i, x + i, n - i);
}
#endif

template <typename Weight>
using Dot = float (*)(const Weight*, const float*, std::int64_t);

/// The fastest dot product that this CPU has.
template <typename Weight>
Dot<Weight> dotFor()
{
#ifdef LVLM_X86
  if (hasAvx2())
  {
    return &dotAvx2<Weight>;
  }
#endif
  return static_cast<Dot<Weight>>(&dotPortable);
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
  const Dot<Row> dot = dotFor<Row>();
  for (std::int64_t row = 0; row < n; ++row)
  {
    y[row] = scale * dot(rows + row * d, x, d);
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
  const Dot<Weight> dot = dotFor<Weight>();
#pragma omp parallel for schedule(static)
  for (std::int64_t row = 0; row < rows; ++row)
  {
    y[row] = dot(weight + row * cols, x, cols);
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
