// SPDX-License-Identifier: Apache-2.0
#include "Products.h"

#include "CpuFeatures.h"
#include "MatVec.h"
#include "MatrixProduct.h"
#include "TermProduct.h"
#include "TileProduct.h"
#include "TorchTensors.h"

#include "Models/Trace/Error.h"

#include <algorithm>
#include <cstdlib>

namespace lvlm::llava
{

namespace
{
/// A row or two during decoding: bandwidth is all that counts, so the stored weights are read once
/// per row.
constexpr std::int64_t MaximumDirectRows = 2;
/// Of float32 rows that are multiplied as three times as many of bfloat16 where the CPU has units
/// for these: of more than that, converting the weights is cheaper.
constexpr std::int64_t MaximumTermRows = 64;
/// Of weights that are converted at a time: they stay in the cache until they are used.
constexpr std::int64_t ConvertedBytes = 8 << 20;

bool isFloating16Or32(at::ScalarType type)
{
  return type == at::kFloat || type == at::kBFloat16 || type == at::kHalf;
}

/// What activations and weights are multiplied in, sums in float32 always: bfloat16 numbers are
/// float32 numbers, too.
at::ScalarType multipliedIn(at::ScalarType activations)
{
  return activations == at::kBFloat16 && hasBfloat16Units() ? at::kBFloat16 : at::kFloat;
}

/// Calls use(first row, rows in `type`) for block after block of the weights, of which those that
/// have to be converted are small enough. `rounded`: as bfloat16 would have them.
template <typename Use>
void convertInBlocks(
  const at::Tensor& weight, bool rounded, at::ScalarType type, BufferPool& pool, const Use& use)
{
  const at::ScalarType stored = weight.scalar_type();
  const bool roundsFirst = rounded && type != at::kBFloat16 && stored != at::kBFloat16;
  if (stored == type && !roundsFirst)
  {
    return use(0, weight);
  }
  const std::int64_t rowBytes =
    std::max<std::int64_t>(1, weight.size(1) * static_cast<std::int64_t>(sizeof(float)));
  const std::int64_t step = std::max<std::int64_t>(64, ConvertedBytes / rowBytes);
  for (std::int64_t row = 0; row < weight.size(0); row += step)
  {
    const at::Tensor part = weight.narrow(0, row, std::min(step, weight.size(0) - row));
    const at::Tensor converted = pool.empty(part.sizes(), type);
    converted.copy_(roundsFirst ? part.to(at::kBFloat16) : part);
    use(row, converted);
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

/// Few rows, for which converting the weights would cost more than multiplying them.
bool multipliesTerms(const at::Tensor& x, const at::Tensor& weight)
{
  return x.scalar_type() == at::kFloat && weight.scalar_type() == at::kBFloat16 &&
    x.size(0) <= MaximumTermRows && hasBfloat16Units();
}

/// The rows in `type`, and rows of zeros as the library wants them: [n or more, k].
at::Tensor filledRows(const at::Tensor& x, at::ScalarType type, BufferPool& pool)
{
  const std::int64_t n = x.size(0), rows = (n + RowsAtATime - 1) / RowsAtATime * RowsAtATime;
  if (rows == n)
  {
    return x.to(type);
  }
  at::Tensor filled = pool.empty({ rows, x.size(1) }, type);
  filled.narrow(0, 0, n).copy_(x);
  filled.narrow(0, n, rows - n).zero_();
  return filled;
}

/// x W as the sum of three products, the smallest first: bfloat16Terms(x) [3 n, k], W [k, m] -> [n,
/// m]. The weights are read once, as they lie.
at::Tensor productOfTerms(const at::Tensor& terms, const at::Tensor& w, BufferPool& pool)
{
  const at::Tensor rows = filledRows(terms, at::kBFloat16, pool);                  // [3 n, k]
  const at::Tensor products = pool.empty({ rows.size(0), w.size(1) }, at::kFloat); // [3 n, m]
  matrixProduct(rows, w, at::Tensor(), false, products);
  return products.narrow(0, 0, terms.size(0)).view({ 3, terms.size(0) / 3, w.size(1) }).sum(0);
}

/// x W^T + bias by the library: x [n, in], weight [out, in] -> [n, out].
at::Tensor libraryProduct(
  const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, BufferPool& pool)
{
  const at::ScalarType type = x.scalar_type();
  const at::Tensor left = filledRows(x, multipliedIn(type), pool);         // [n, in]
  const at::Tensor y = pool.empty({ left.size(0), weight.size(0) }, type); // [n, out]
  convertInBlocks(weight, type == at::kBFloat16, left.scalar_type(), pool,
    [&](std::int64_t row, const at::Tensor& part)
    {
      const std::int64_t columns = part.size(0);
      // Results that lie side by side are made faster than such with gaps between their rows.
      const bool inPlace = columns == weight.size(0) && left.scalar_type() == type;
      const at::Tensor block =
        inPlace ? y : pool.empty({ left.size(0), columns }, at::kFloat); // [n, columns]
      matrixProduct(
        left, part.t(), bias.defined() ? bias.narrow(0, row, columns) : bias, false, block);
      if (!inPlace)
      {
        y.narrow(1, row, columns).copy_(block);
      }
    });
  return y.narrow(0, 0, x.size(0));
}

/// g W by the library: g [n, out], weight [out, in] -> [n, in].
at::Tensor libraryTransposedProduct(const at::Tensor& g, const at::Tensor& weight, BufferPool& pool)
{
  const at::ScalarType type = g.scalar_type();
  const at::Tensor left = filledRows(g, multipliedIn(type), pool);               // [n, out]
  const at::Tensor y = pool.empty({ left.size(0), weight.size(1) }, at::kFloat); // [n, in]
  convertInBlocks(weight, type == at::kBFloat16, left.scalar_type(), pool,
    [&](std::int64_t row, const at::Tensor& part)
    { matrixProduct(left.narrow(1, row, part.size(0)), part, at::Tensor(), row > 0, y); });
  return y.narrow(0, 0, g.size(0)).to(type);
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
  if (multipliesTerms(x, weight))
  {
    const at::Tensor y = productOfTerms(activations.terms(), weight.t(), pool); // [n, out]
    return added.defined() ? y.add_(added) : y;
  }
  return libraryProduct(x, weight, added, pool);
}

std::int64_t productScratch(std::int64_t n, std::int64_t in, std::int64_t element)
{
  if (element > 4)
  {
    return 0;
  }
  if (!tilesAllowed())
  {
    const std::int64_t filled = (n + RowsAtATime) * in * static_cast<std::int64_t>(sizeof(float));
    return filled + ConvertedBytes;
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
  return multipliesTerms(g, weight) ? productOfTerms(bfloat16Terms(g), weight, pool)
                                    : libraryTransposedProduct(g, weight, pool);
}

at::Tensor batchedProduct(const at::Tensor& a, const at::Tensor& b, double factor, BufferPool& pool)
{
  if (!a.device().is_cpu() || a.scalar_type() != at::kFloat)
  {
    const at::Tensor y = at::bmm(a, b);
    return factor == 1 ? y : y.mul_(factor);
  }
  const at::Tensor y = pool.empty({ a.size(0), a.size(1), b.size(2) }, at::kFloat); // [h, n, m]
  matrixProducts(a, b, factor, y);
  return y;
}

} // namespace lvlm::llava
