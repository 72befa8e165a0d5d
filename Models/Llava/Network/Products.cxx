// SPDX-License-Identifier: Apache-2.0
#include "Products.h"

#include "CpuFeatures.h"
#include "MatVec.h"
#include "TermProduct.h"
#include "TileProduct.h"
#include "TorchTensors.h"

#include "Models/Trace/Error.h"

#include <oneapi/dnnl/dnnl.h>

#include <algorithm>
#include <cstdlib>

namespace lvlm::llava
{

namespace
{
/// A row or two during decoding: bandwidth is all that counts, so the stored weights are read once
/// per row.
constexpr std::int64_t MaximumDirectRows = 2;
/// Of weights that are widened at a time: they stay in the cache until they are used.
constexpr std::int64_t WidenedBytes = 8 << 20;

bool isFloating16Or32(at::ScalarType type)
{
  return type == at::kFloat || type == at::kBFloat16 || type == at::kHalf;
}

/// A matrix of float32 for oneDNN, [rows, cols], which counts along its rows or along its columns.
struct FloatMatrix
{
  explicit FloatMatrix(const at::Tensor& m) // [..., rows, cols]
    : Data(m.data_ptr<float>()), Rows(m.size(-2)), Cols(m.size(-1))
  {
    const bool alongRows = m.stride(-1) == 1 || m.size(-1) == 1;
    this->Transposed = alongRows ? 'N' : 'T';
    this->Leading = std::max<std::int64_t>(
      { 1, alongRows ? m.size(-1) : m.size(-2), m.stride(alongRows ? -2 : -1) });
  }

  float* Data;
  std::int64_t Rows, Cols, Leading;
  char Transposed;
};

/// y = alpha a b + beta y from `offset`s on, y along its rows; on the calling thread within a
/// parallel region, else on all.
bool multiplied(float alpha, const FloatMatrix& a, std::int64_t offsetA, const FloatMatrix& b,
  std::int64_t offsetB, float beta, const FloatMatrix& y, std::int64_t offsetY)
{
  return dnnl_sgemm(a.Transposed, b.Transposed, y.Rows, y.Cols, a.Cols, alpha, a.Data + offsetA,
           a.Leading, b.Data + offsetB, b.Leading, beta, y.Data + offsetY,
           y.Leading) == dnnl_success;
}

void checkMultiplied(bool done, const at::Tensor& a, const at::Tensor& b)
{
  if (!done)
  {
    fail("oneDNN cannot multiply ", shapeText(a.sizes().vec()), " by ", shapeText(b.sizes().vec()));
  }
}

void multiplyFloats(const at::Tensor& a, const at::Tensor& b, float beta, const at::Tensor& y)
{
  checkMultiplied(
    multiplied(1.0f, FloatMatrix(a), 0, FloatMatrix(b), 0, beta, FloatMatrix(y), 0), a, b);
}

/// Weights [rows, in] as float32, or as bfloat16 would have them.
at::Tensor widened(const at::Tensor& weight, bool rounded)
{
  return (rounded ? weight.to(at::kBFloat16) : weight).to(at::kFloat);
}

/// Calls use(first row, widened rows) for block after block of the weights.
template <typename Use>
void widenInBlocks(const at::Tensor& weight, bool rounded, const Use& use)
{
  const std::int64_t rowBytes = std::max<std::int64_t>(1, weight.size(1) * 4);
  const std::int64_t step = weight.scalar_type() == at::kFloat && !rounded
    ? std::max<std::int64_t>(1, weight.size(0)) // nothing to widen
    : std::max<std::int64_t>(64, WidenedBytes / rowBytes);
  for (std::int64_t row = 0; row < weight.size(0); row += step)
  {
    use(row, widened(weight.narrow(0, row, std::min(step, weight.size(0) - row)), rounded));
  }
}

StoredMatrix matrixOf(const at::Tensor& m)
{
  return { coreType(m.scalar_type()), m.data_ptr(), m.size(0), m.size(1) };
}

bool tilesAllowed()
{
  static const bool allowed = hasTiles() && std::getenv("LVLM_NO_TILES") == nullptr;
  return allowed;
}

/// Where there are tiles, which way is taken does not depend on a stopwatch: the same question gets
/// the same bits each time. They win by far (Plugin/Documentation/benchmarks.md), except with
/// float32 weights, which need six products for one.
bool usesTiles(at::ScalarType activations, at::ScalarType weights)
{
  return tilesAllowed() && (activations == at::kBFloat16 || weights != at::kFloat);
}

at::Tensor directProduct(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias)
{
  at::Tensor y = at::empty({ x.size(0), weight.size(0) }, x.options()); // [n, out]
  for (std::int64_t row = 0; row < x.size(0); ++row)
  {
    matVec(coreType(weight.scalar_type()), weight.data_ptr(), weight.size(0), weight.size(1),
      x.data_ptr<float>() + row * x.size(1), y.data_ptr<float>() + row * y.size(1));
  }
  return bias.defined() ? y.add_(bias) : y;
}
}

const at::Tensor& Activations::terms() const
{
  if (!this->Terms.defined())
  {
    this->Terms = bfloat16Terms(this->Rows);
  }
  return this->Terms;
}

bool takesProduct(const at::Tensor& x, const at::Tensor& weight)
{
  return takesTerms(x, weight) ||
    (x.device().is_cpu() && weight.device().is_cpu() && isFloating16Or32(weight.scalar_type()) &&
      (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16));
}

at::Tensor product(const Activations& activations, const at::Tensor& weight, const at::Tensor& bias,
  BufferPool& pool)
{
  if (takesTerms(activations.rows(), weight))
  {
    at::Tensor y = termProduct(activations.terms(), weight.t()); // [n, out]
    return bias.defined() ? y.add_(bias) : y;
  }
  const at::Tensor x = activations.rows().contiguous(); // [n, in]
  const at::ScalarType type = x.scalar_type();
  const bool rounded = type == at::kBFloat16;
  const at::Tensor added = bias.defined() ? bias.to(at::kFloat).contiguous() : bias; // [out]
  if (x.size(0) <= MaximumDirectRows && (!rounded || weight.scalar_type() == at::kBFloat16))
  {
    return directProduct(x.to(at::kFloat), weight, added).to(type);
  }
  if (usesTiles(type, weight.scalar_type()))
  {
    at::Tensor y = pool.empty({ x.size(0), weight.size(0) }, type); // [n, out]
    const at::Tensor scratch = pool.empty({ tileScratch(matrixOf(x)) }, at::kByte);
    tileProduct(matrixOf(x), matrixOf(weight), added.defined() ? added.data_ptr<float>() : nullptr,
      y.data_ptr(), scratch.data_ptr());
    return y;
  }
  const at::Tensor wide = x.to(at::kFloat);
  at::Tensor y = pool.empty({ x.size(0), weight.size(0) }, at::kFloat); // [n, out]
  widenInBlocks(weight, rounded,
    [&](std::int64_t row, const at::Tensor& part)
    { multiplyFloats(wide, part.t(), 0.0f, y.narrow(1, row, part.size(0))); });
  return (added.defined() ? y.add_(added) : y).to(type);
}

std::int64_t productScratch(std::int64_t n, std::int64_t in, std::int64_t element)
{
  if (element > 4 || !tilesAllowed())
  {
    return element > 4 ? 0 : WidenedBytes;
  }
  return tileScratch({ element == 4 ? DType::F32 : DType::BF16, nullptr, n, in });
}

at::Tensor transposedProduct(const at::Tensor& gradient, const at::Tensor& weight, BufferPool& pool)
{
  if (takesTerms(gradient, weight))
  {
    return termProduct(bfloat16Terms(gradient), weight);
  }
  const at::Tensor g = gradient.contiguous(); // [n, out]
  const at::ScalarType type = g.scalar_type();
  if (usesTiles(type, weight.scalar_type()))
  {
    at::Tensor y = pool.empty({ g.size(0), weight.size(1) }, type); // [n, in]
    const at::Tensor scratch = pool.empty({ tileScratch(matrixOf(g)) }, at::kByte);
    tileTransposedProduct(matrixOf(g), matrixOf(weight), y.data_ptr(), scratch.data_ptr());
    return y;
  }
  const at::Tensor wide = g.to(at::kFloat);
  at::Tensor y = pool.empty({ g.size(0), weight.size(1) }, at::kFloat).zero_(); // [n, in]
  widenInBlocks(weight, type == at::kBFloat16,
    [&](std::int64_t row, const at::Tensor& part)
    { multiplyFloats(wide.narrow(1, row, part.size(0)), part, 1.0f, y); });
  return y.to(type);
}

at::Tensor batchedProduct(const at::Tensor& a, const at::Tensor& b, double factor, BufferPool& pool)
{
  if (!a.device().is_cpu() || a.scalar_type() != at::kFloat)
  {
    const at::Tensor y = at::bmm(a, b);
    return factor == 1 ? y : y.mul_(factor);
  }
  const std::int64_t batch = a.size(0);
  at::Tensor y = pool.empty({ batch, a.size(1), b.size(2) }, at::kFloat); // [h, n, m]
  const FloatMatrix left(a), right(b), result(y);
  const auto scale = static_cast<float>(factor);
  bool done = true;
#pragma omp parallel for schedule(dynamic) reduction(&& : done) if (batch > 1)
  for (std::int64_t i = 0; i < batch; ++i)
  {
    done = multiplied(
             scale, left, i * a.stride(0), right, i * b.stride(0), 0.0f, result, i * y.stride(0)) &&
      done;
  }
  checkMultiplied(done, a, b);
  return y;
}

} // namespace lvlm::llava
