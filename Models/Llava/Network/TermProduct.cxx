// SPDX-License-Identifier: Apache-2.0
#include "TermProduct.h"

#include "Models/Trace/Error.h"

#include <algorithm>
#include <type_traits>

namespace lvlm::llava
{

namespace
{
constexpr std::int64_t Terms = 3;

/// Of rows: as many as these are decoding, bound by reading the weights.
constexpr std::int64_t FewRows = 8;

/// Products of bfloat16 with results in float32, since LibTorch 2.8.
template <typename Matrix, typename = void>
struct WideProducts
{
  static constexpr bool exists = false;
  static Matrix product(const Matrix&, const Matrix&) { fail("LibTorch is too old for this"); }
  static Matrix batched(const Matrix& a, const Matrix& b) { return product(a, b); }
  static void add(const Matrix& a, const Matrix& b, Matrix&) { product(a, b); }
};

template <typename Matrix>
struct WideProducts<Matrix,
  std::void_t<decltype(at::mm(
    std::declval<Matrix>(), std::declval<Matrix>(), at::ScalarType::Float))>>
{
  static constexpr bool exists = true;
  static Matrix product(const Matrix& a, const Matrix& b) { return at::mm(a, b, at::kFloat); }
  static Matrix batched(const Matrix& a, const Matrix& b) { return at::bmm(a, b, at::kFloat); }
  static void add(const Matrix& a, const Matrix& b, Matrix& sum)
  {
    at::addmm_out(sum, sum, a, b, at::kFloat, 1, 1);
  }
};

using Wide = WideProducts<at::Tensor>;

/// Products that are summed up in a row. Matrix units cut their sums off where float32 rounds, so
/// that the error grows with the number of products and the size of the sum: measured on an H100
/// with 4096 of them it is up to 3.8 times that of a float32 sum, in parts of 512 0.4 to 0.7 times.
constexpr std::int64_t PartLength = 512;

/// How many parts of at most that length, all of one that matrix units like; 1 when there is no
/// such number.
std::int64_t equalParts(std::int64_t k)
{
  const std::int64_t wanted = (k + PartLength - 1) / PartLength;
  for (std::int64_t parts = wanted; parts <= 4 * wanted; ++parts)
  {
    if (k % (8 * parts) == 0)
    {
      return parts;
    }
  }
  return 1;
}

/// All terms and all parts at once: the weights are read once.
at::Tensor productOfFew(const at::Tensor& terms, const at::Tensor& w)
{
  const std::int64_t k = w.size(0), m = w.size(1), parts = equalParts(k);
  const at::Tensor rows = terms.view({ -1, parts, k / parts }).transpose(0, 1); // [parts, 3n, k/p]
  return Wide::batched(rows, w.view({ parts, k / parts, m }))
    .view({ parts * Terms, terms.size(0) / Terms, m })
    .sum(0);
}

/// One after the other, added up where the result lies, the small ones first and whole: their
/// errors are too small to matter.
at::Tensor productOfMany(const at::Tensor& terms, const at::Tensor& w)
{
  const std::int64_t n = terms.size(0) / Terms, k = w.size(0);
  at::Tensor y = Wide::product(terms.narrow(0, 0, n), w); // [n, m]
  Wide::add(terms.narrow(0, n, n), w, y);
  const at::Tensor large = terms.narrow(0, 2 * n, n);
  for (std::int64_t first = 0; first < k; first += PartLength)
  {
    const std::int64_t length = std::min(PartLength, k - first);
    Wide::add(large.narrow(1, first, length), w.narrow(0, first, length), y);
  }
  return y;
}
}

at::Tensor bfloat16Terms(const at::Tensor& x)
{
  at::Tensor terms =
    at::empty({ Terms, x.size(0), x.size(1) }, x.options().dtype(at::kBFloat16)); // [3, n, in]
  terms[2].copy_(x);
  const at::Tensor rest = x - terms[2];
  terms[1].copy_(rest);
  at::Tensor small = terms[0];
  at::sub_out(small, rest, terms[1]); // rounded once, when it is written
  return terms.view({ Terms * x.size(0), x.size(1) });
}

bool takesTerms(const at::Tensor& x, const at::Tensor& weight)
{
  return Wide::exists && x.device().is_cuda() && weight.device() == x.device() &&
    x.scalar_type() == at::kFloat && weight.scalar_type() == at::kBFloat16;
}

at::Tensor termProduct(const at::Tensor& terms, const at::Tensor& w)
{
  return terms.size(0) <= Terms * FewRows ? productOfFew(terms, w) : productOfMany(terms, w);
}

} // namespace lvlm::llava
