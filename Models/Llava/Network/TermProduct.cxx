// SPDX-License-Identifier: Apache-2.0
#include "TermProduct.h"

#include "Models/Trace/Error.h"

#include <type_traits>

namespace lvlm::llava
{

namespace
{
constexpr std::int64_t Terms = 3;

template <typename Matrix, typename = void>
struct WideProduct
{
  static constexpr bool exists = false;
  static at::Tensor of(const Matrix&, const Matrix&)
  {
    fail("this LibTorch has no products of bfloat16 with results in float32");
  }
};

template <typename Matrix>
struct WideProduct<Matrix,
  std::void_t<decltype(at::mm(
    std::declval<Matrix>(), std::declval<Matrix>(), at::ScalarType::Float))>>
{
  static constexpr bool exists = true;
  static at::Tensor of(const Matrix& a, const Matrix& b) { return at::mm(a, b, at::kFloat); }
};
}

at::Tensor bfloat16Terms(const at::Tensor& x)
{
  at::Tensor terms =
    at::empty({ Terms, x.size(0), x.size(1) }, x.options().dtype(at::kBFloat16)); // [3, n, in]
  at::Tensor rest = x;
  for (std::int64_t i = 0; i < Terms; ++i)
  {
    const at::Tensor term = terms[i];
    term.copy_(rest);
    rest = i + 1 < Terms ? rest - term : rest;
  }
  return terms.view({ Terms * x.size(0), x.size(1) });
}

bool takesTerms(const at::Tensor& x, const at::Tensor& weight)
{
  return WideProduct<at::Tensor>::exists && x.device().is_cuda() && weight.device() == x.device() &&
    x.scalar_type() == at::kFloat && weight.scalar_type() == at::kBFloat16;
}

at::Tensor termProduct(const at::Tensor& x, const at::Tensor& w)
{
  const at::Tensor parts = WideProduct<at::Tensor>::of(bfloat16Terms(x), w)
                             .view({ Terms, x.size(0), w.size(1) }); // [3, n, m]
  return (parts[2] + parts[1]).add_(parts[0]);                       // the small ones first
}

} // namespace lvlm::llava
