// SPDX-License-Identifier: Apache-2.0
/// @file TestProducts.cxx
/// Products of activations and stored weights against float64, for shapes that fill no tile, every
/// stored type and both directions. With LVLM_NO_TILES in the environment the way through oneDNN is
/// taken, else tiles where the CPU has them; the tiles themselves are tried where there are any.
#include "Models/Llava/Network/CpuFeatures.h"
#include "Models/Llava/Network/DeviceWeights.h"
#include "Models/Llava/Network/MatVec.h"
#include "Models/Llava/Network/Products.h"
#include "Models/Llava/Network/TermProduct.h"
#include "Models/Llava/Network/TileProduct.h"
#include "Models/Llava/Network/TorchTensors.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <limits>
#include <string>
#include <vector>

#undef CHECK // Torch's own count nothing
#undef CHECK_NEAR
#include "Check.h"
#include "TestDevice.h"

using namespace lvlm;
using namespace lvlm::llava;

namespace
{
struct Shape
{
  std::int64_t n, in, out;
};
const std::vector<Shape> Shapes = { { 1, 7, 5 }, { 2, 64, 33 }, { 3, 1, 1 }, { 3, 31, 17 },
  { 16, 32, 32 }, { 33, 33, 65 }, { 47, 100, 300 }, { 150, 1100, 257 }, { 1030, 96, 40 } };

BufferPool pool;

/// Numbers of very different sizes, both signs, always the same.
at::Tensor numbers(std::int64_t rows, std::int64_t cols, double step)
{
  const at::Tensor i = at::arange(rows * cols, at::kDouble);
  return (at::sin(i * step) * at::exp(4 * at::sin(i * step * 0.37)))
    .to(at::kFloat)
    .view({ rows, cols });
}

/// Rounding of a float32 sum of k terms wanders like a walk of k steps, each half a unit of the
/// terms' size; bfloat16 is rounded once more.
void checkClose(const std::string& what, const at::Tensor& y, const at::Tensor& a,
  const at::Tensor& b, const at::Tensor& bias)
{
  const at::Tensor left = a.to(at::kDouble), right = b.to(at::kDouble);
  at::Tensor exact = at::matmul(left, right), sizes = at::matmul(left.abs(), right.abs());
  if (bias.defined())
  {
    exact = exact + bias.to(at::kDouble);
    sizes = sizes + bias.to(at::kDouble).abs();
  }
  at::Tensor allowed = sizes * ((8 + 2 * std::sqrt(static_cast<double>(a.size(1)))) * 0x1p-24);
  if (y.scalar_type() == at::kBFloat16)
  {
    allowed = allowed + exact.abs() * 0x1p-8;
  }
  const at::Tensor error = (y.to(at::kDouble) - exact).abs();
  if (!CHECK(y.sizes() == exact.sizes()) || !CHECK((error <= allowed).all().item<bool>()))
  {
    std::cout << "  " << what << ": " << (error / allowed).max().item<double>()
              << " of what is allowed" << std::endl;
  }
}

void checkProduct(const Shape& s, at::ScalarType activations, at::ScalarType stored)
{
  const std::string what = std::to_string(s.n) + " x " + std::to_string(s.in) + " x " +
    std::to_string(s.out) + ", " + c10::toString(activations) + " times " + c10::toString(stored);
  const at::Tensor weight = numbers(s.out, s.in, 0.7).to(stored);
  const at::Tensor x = numbers(s.n, s.in, 1.1).to(activations);
  const at::Tensor g = numbers(s.n, s.out, 1.3).to(activations);
  const at::Tensor bias = numbers(1, s.out, 0.3)[0].to(activations);
  // bfloat16 is Hugging Face's: weights are rounded, too.
  const at::Tensor used = activations == at::kBFloat16 ? weight.to(at::kBFloat16) : weight;
  CHECK(takesProduct(x, weight));
  const at::Tensor y = product(x, weight, at::Tensor(), pool);
  CHECK(y.scalar_type() == activations);
  checkClose(what, y, x, used.t(), at::Tensor());
  checkClose(what + ", bias", product(x, weight, bias, pool), x, used.t(), bias);
  checkClose(what + ", back", transposedProduct(g, weight, pool), g, used, at::Tensor());
  // Activations that are a part of something else.
  const at::Tensor wider = numbers(s.n, s.in + 3, 1.1).to(activations).narrow(1, 2, s.in);
  checkClose(
    what + ", part", product(wider, weight, at::Tensor(), pool), wider, used.t(), at::Tensor());
}

void checkTiles(const Shape& s, at::ScalarType activations, at::ScalarType stored)
{
  const auto matrix = [](const at::Tensor& m) {
    return StoredMatrix{ coreType(m.scalar_type()), m.data_ptr(), m.size(0), m.size(1) };
  };
  const at::Tensor weight = numbers(s.out, s.in, 0.7).to(stored);
  const at::Tensor x = numbers(s.n, s.in, 1.1).to(activations);
  const at::Tensor g = numbers(s.n, s.out, 1.3).to(activations);
  const at::Tensor used = activations == at::kBFloat16 ? weight.to(at::kBFloat16) : weight;
  const at::Tensor scratch =
    pool.empty({ std::max(tileScratch(matrix(x)), tileScratch(matrix(g))) }, at::kByte);
  at::Tensor y = at::full({ s.n, s.out }, std::nan(""), x.options());
  tileProduct(matrix(x), matrix(weight), nullptr, y.data_ptr(), scratch.data_ptr());
  checkClose("tiles", y, x, used.t(), at::Tensor());
  at::Tensor back = at::full({ s.n, s.in }, std::nan(""), x.options());
  tileTransposedProduct(matrix(g), matrix(weight), back.data_ptr(), scratch.data_ptr());
  checkClose("tiles, back", back, g, used, at::Tensor());
}

/// One term after the other in float32: what is rounded is the same on every CPU, unlike a BLAS's.
at::Tensor plainProduct(const at::Tensor& x, const at::Tensor& weight)
{
  const at::Tensor left = x.t().contiguous(), right = weight.to(at::kFloat).t().contiguous();
  at::Tensor y = at::zeros({ x.size(0), weight.size(0) }); // [n, out]
  for (std::int64_t k = 0; k < x.size(1); ++k)
  {
    y.add_(left[k].unsqueeze(1) * right[k]);
  }
  return y;
}

/// A float32 number as three of bfloat16: nothing is lost, small and large, of either sign.
void checkTerms()
{
  const at::Tensor plain = numbers(37, 61, 1.1);
  const at::Tensor x = at::cat({ plain, plain * 0x1p-90, plain * 0x1p100,
    at::nextafter(at::ones({ 1, 61 }), at::zeros({ 1, 61 })), at::zeros({ 1, 61 }) });
  const at::Tensor terms = bfloat16Terms(x);
  CHECK(terms.scalar_type() == at::kBFloat16);
  const at::Tensor sum = terms.to(at::kDouble).view({ 3, x.size(0), x.size(1) }).sum(0);
  CHECK(at::equal(sum, x.to(at::kDouble)));
}

/// A weight is copied once; a part of it that is used by itself is another one.
void checkKept()
{
  DeviceWeights copies(at::kCPU);
  const at::Tensor weight = numbers(12, 9, 0.7).to(at::kBFloat16), part = weight.narrow(0, 0, 4);
  const at::Tensor kept = copies.of(weight);
  CHECK(at::equal(kept, weight) && kept.data_ptr() != weight.data_ptr());
  CHECK(copies.of(weight).data_ptr() == kept.data_ptr());
  CHECK(at::equal(copies.of(part), part));
  CHECK(copies.residentBytes() == 2 * (12 + 4) * 9);
}

/// The same products on another device.
void checkOn(const at::Device& device)
{
  for (const Shape& s : Shapes)
  {
    const at::Tensor x = numbers(s.n, s.in, 1.1), g = numbers(s.n, s.out, 1.3);
    const at::Tensor weight = numbers(s.out, s.in, 0.7).to(at::kBFloat16);
    const at::Tensor bias = numbers(1, s.out, 0.3)[0], there = weight.to(device);
    if (!CHECK(takesProduct(x.to(device), there)))
    {
      return;
    }
    const at::Tensor y = product(x.to(device), there, bias.to(device), pool);
    checkClose("on the device", y.to(at::kCPU), x, weight.t(), bias);
    const at::Tensor back = transposedProduct(g.to(device), there, pool);
    checkClose("on the device, back", back.to(at::kCPU), g, weight, at::Tensor());
  }
}

/// On the size of a real layer the error is not larger than that of a plain float32 product.
void checkLayer(const at::Device& device, std::int64_t rows)
{
  const at::Tensor x = numbers(rows, 4096, 1.1), weight = numbers(512, 4096, 0.7).to(at::kBFloat16);
  const at::Tensor exact = at::matmul(x.to(at::kDouble), weight.to(at::kDouble).t());
  const auto errorOf = [&](const at::Tensor& y)
  { return (y.to(at::kDouble) - exact).square().mean().sqrt().item<double>(); };
  const double ours =
    errorOf(product(x.to(device), weight.to(device), at::Tensor(), pool).to(at::kCPU));
  const double theirs = errorOf(plainProduct(x, weight));
  const double libraries =
    errorOf(at::matmul(x.to(device), weight.to(device, at::kFloat).t()).to(at::kCPU));
  std::cout << "layer: root mean square error " << ours << ", of a plain float32 product " << theirs
            << ", of LibTorch's " << libraries << std::endl;
  CHECK(ours <= theirs);
}

/// Three matrices in all ways that they may lie: by rows and by columns, with and without gaps,
/// side by side in rows.
std::vector<at::Tensor> layouts(std::int64_t rows, std::int64_t cols)
{
  const auto batch = [](std::int64_t r, std::int64_t c) {
    return numbers(3 * r, c, 1.1).view({ 3, r, c });
  };
  return { batch(rows, cols), batch(cols, rows).transpose(1, 2),
    batch(rows, cols + 3).narrow(2, 1, cols),
    batch(cols, rows + 3).narrow(2, 1, rows).transpose(1, 2),
    numbers(rows, 3 * cols, 0.9).view({ rows, 3, cols }).transpose(0, 1),
    numbers(cols, 3 * rows, 0.9).view({ cols, 3, rows }).permute({ 1, 2, 0 }) };
}

void checkBatched()
{
  const at::Tensor a = numbers(6 * 21, 13, 1.1).view({ 6, 21, 13 });
  const at::Tensor b = numbers(6 * 13, 34, 0.7).view({ 6, 13, 34 });
  const auto check = [](const at::Tensor& left, const at::Tensor& right)
  {
    const at::Tensor y = batchedProduct(left, right, 1, pool);
    const at::Tensor exact = at::bmm(left.to(at::kDouble), right.to(at::kDouble));
    const at::Tensor sizes = at::bmm(left.to(at::kDouble).abs(), right.to(at::kDouble).abs());
    CHECK(((y.to(at::kDouble) - exact).abs() <= sizes * 0x1p-21).all().item<bool>());
  };
  check(a, b);
  check(a.transpose(1, 2), numbers(6 * 21, 4, 0.9).view({ 6, 21, 4 }));
  check(a, b.transpose(1, 2).contiguous().transpose(1, 2));
  check(a.narrow(1, 3, 9), b.narrow(2, 5, 20));
  check(a.narrow(0, 2, 3), b.narrow(0, 1, 3));
  check(a.narrow(1, 0, 1), b);
  // Heads that lie side by side in rows, as a linear map gives them.
  const at::Tensor heads = numbers(21, 6 * 13, 1.1).view({ 21, 6, 13 }).transpose(0, 1);
  check(heads, heads.transpose(1, 2));
  check(heads.transpose(1, 2), heads);
  for (const std::int64_t n : { 1, 2, 5, 33 })
  {
    for (const std::int64_t k : { 1, 3, 40 })
    {
      for (const std::int64_t m : { 1, 2, 37 })
      {
        for (const at::Tensor& left : layouts(n, k))
        {
          for (const at::Tensor& right : layouts(k, m))
          {
            check(left, right);
          }
        }
      }
    }
  }
}

/// What is not a number stays visible.
void checkNotFinite()
{
  at::Tensor x = at::ones({ 40, 64 });
  x[3][5] = std::numeric_limits<float>::infinity();
  x[7][1] = std::nan("");
  const at::Tensor y = product(x, at::ones({ 48, 64 }, at::kBFloat16), at::Tensor(), pool);
  CHECK(!y[3].isfinite().any().item<bool>());
  CHECK(y[7].isnan().all().item<bool>());
  CHECK(y[4].eq(64).all().item<bool>());
}
}

int main()
{
  const at::NoGradGuard guard;
  for (const Shape& shape : Shapes)
  {
    for (const at::ScalarType stored : { at::kFloat, at::kBFloat16, at::kHalf })
    {
      for (const at::ScalarType activations : { at::kFloat, at::kBFloat16 })
      {
        checkProduct(shape, activations, stored);
        if (hasTiles() && !(activations == at::kFloat && stored == at::kFloat))
        {
          checkTiles(shape, activations, stored);
        }
      }
    }
  }
  checkTerms();
  checkKept();
  const at::Device device(lvlm_test::testDevice());
  checkLayer(device, 5); // while decoding
  checkLayer(device, 200);
  if (!device.is_cpu())
  {
    checkOn(device);
  }
  checkBatched();
  checkNotFinite();
  CHECK(!takesProduct(at::ones({ 2, 2 }, at::kDouble), at::ones({ 2, 2 })));
  std::cout << (hasTiles() ? "with" : "without") << " tiles" << std::endl;
  return lvlm_test::checkResult();
}
