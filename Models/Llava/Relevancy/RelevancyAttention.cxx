// SPDX-License-Identifier: Apache-2.0
#include "RelevancyAttention.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <limits>

namespace lvlm::llava
{

namespace
{
/// Of one block of probabilities: stays in the cache next to its gradient.
constexpr std::int64_t BlockBytes = 4 << 20;
/// Of a layer's probabilities that are kept for all tokens; beyond that each token makes them
/// again.
constexpr std::int64_t KeptBytes = 64 << 20;

/// Numbers that are worth a thread.
constexpr std::int64_t ThreadWork = 1 << 15;

/// One pass over A and dA, [Hd, n, keys]: dA becomes the gradient of the scores, A (dA - sum(A
/// dA)), and `relevance` [n, keys] the mean over heads of max(0, A dA).
template <typename Real>
void softmaxGradient(const at::Tensor& probabilities, at::Tensor& gradient, at::Tensor& relevance)
{
  const std::int64_t heads = gradient.size(0), n = gradient.size(1), keys = gradient.size(2);
  const Real* A = probabilities.data_ptr<Real>();
  Real* dA = gradient.data_ptr<Real>();
  Real* C = relevance.defined() ? relevance.data_ptr<Real>() : nullptr;
  const Real share = Real(1) / static_cast<Real>(heads);
  const std::int64_t grain = std::max<std::int64_t>(1, ThreadWork / (heads * keys));
  at::parallel_for(0, n, grain,
    [&](std::int64_t begin, std::int64_t end)
    {
      for (std::int64_t row = begin; row < end; ++row)
      {
        for (std::int64_t head = 0; head < heads; ++head)
        {
          const Real* a = A + (head * n + row) * keys;
          Real* d = dA + (head * n + row) * keys;
          Real sum = 0;
#pragma omp simd reduction(+ : sum)
          for (std::int64_t key = 0; key < keys; ++key)
          {
            d[key] *= a[key];
            sum += d[key];
          }
          if (C)
          {
            Real* c = C + row * keys;
#pragma omp simd
            for (std::int64_t key = 0; key < keys; ++key)
            {
              // Not std::max: a NaN must come through.
              c[key] += d[key] < 0 ? Real(0) : d[key] * share;
            }
          }
#pragma omp simd
          for (std::int64_t key = 0; key < keys; ++key)
          {
            d[key] -= a[key] * sum;
          }
        }
      }
    });
}

void softmaxGradientAnywhere(
  const at::Tensor& probabilities, at::Tensor& gradient, at::Tensor& relevance)
{
  if (gradient.device().is_cpu())
  {
    gradient.scalar_type() == at::kDouble
      ? softmaxGradient<double>(probabilities, gradient, relevance)
      : softmaxGradient<float>(probabilities, gradient, relevance);
    return;
  }
  const at::Tensor product = probabilities * gradient; // [Hd, n, keys]
  if (relevance.defined())
  {
    relevance = product.clamp_min(0).mean(0);
  }
  gradient = product - probabilities * product.sum(-1, /*keepdim=*/true);
}
}

BlockedAttention::BlockedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
  double scale, const AttentionMask& mask)
  : Q(q.contiguous()), K(k.contiguous()), V(v.contiguous()), Scale(scale), Mask(mask)
{
  const std::int64_t S = this->K.size(1);
  const std::int64_t rowBytes =
    std::max<std::int64_t>(1, this->Q.size(0) * S * this->Q.element_size());
  this->BlockRows = std::clamp<std::int64_t>(BlockBytes / rowBytes, 16, 256);
  if (rowBytes * S <= KeptBytes)
  {
    this->Kept.resize(static_cast<std::size_t>((S + this->BlockRows - 1) / this->BlockRows));
  }
}

at::Tensor BlockedAttention::grouped(const at::Tensor& x) const
{
  const std::int64_t groups = this->K.size(0); // [Hd, n, *] -> [Hkv, Hd / Hkv * n, *]
  return x.reshape({ groups, x.size(0) / groups * x.size(1), x.size(2) });
}

at::Tensor BlockedAttention::probabilities(std::int64_t begin, std::int64_t end) const
{
  const auto block = static_cast<std::size_t>(begin / this->BlockRows);
  if (block < this->Kept.size() && this->Kept[block].defined())
  {
    return this->Kept[block];
  }
  const std::int64_t keys = this->keysOf(end), n = end - begin;
  at::Tensor scores =
    at::bmm(this->grouped(this->Q.narrow(1, begin, n)), this->K.narrow(1, 0, keys).transpose(1, 2))
      .mul_(this->Scale)
      .view({ this->Q.size(0), n, keys }); // [Hd, n, keys]
  if (this->Mask.causal)
  {
    const auto options = at::TensorOptions(at::kLong).device(scores.device());
    const at::Tensor query = at::arange(begin, end, options).unsqueeze(1); // [n, 1]
    const at::Tensor key = at::arange(keys, options).unsqueeze(0);         // [1, keys]
    at::Tensor hidden = key > query;                                       // [n, keys]
    if (this->Mask.window > 0)
    {
      hidden = hidden.logical_or(key <= query - this->Mask.window);
    }
    scores.masked_fill_(hidden, -std::numeric_limits<float>::infinity());
  }
  return at::softmax(scores, -1);
}

at::Tensor BlockedAttention::output()
{
  const std::int64_t heads = this->Q.size(0), S = this->Q.size(1), d = this->Q.size(2);
  at::Tensor out = at::empty({ S, heads, d }, this->Q.options());
  for (std::int64_t begin = 0; begin < S; begin += this->BlockRows)
  {
    const std::int64_t end = std::min(S, begin + this->BlockRows);
    const at::Tensor A = this->probabilities(begin, end); // [Hd, n, keys]
    const at::Tensor mixed =
      at::bmm(this->grouped(A), this->V.narrow(1, 0, A.size(2))).view({ heads, end - begin, d });
    out.narrow(0, begin, end - begin).copy_(mixed.transpose(0, 1));
    if (!this->Kept.empty())
    {
      this->Kept[static_cast<std::size_t>(begin / this->BlockRows)] = A;
    }
  }
  return out.view({ S, heads * d });
}

BlockedAttention::Gradient BlockedAttention::back(
  const at::Tensor& output, const GradientRows& rows, const GradientTaps& taps) const
{
  const std::int64_t heads = this->Q.size(0), d = this->Q.size(2), groups = this->K.size(0);
  const std::int64_t last = rows.first + output.size(0);
  const std::int64_t resultRows = (this->Mask.causal ? last : this->K.size(1)) - rows.result;
  const auto options = this->Q.options();
  Gradient gradient;
  gradient.q = at::empty({ heads, output.size(0), d }, options);
  gradient.k = at::zeros({ groups, resultRows, d }, options);
  gradient.v = at::zeros({ groups, resultRows, d }, options);
  const at::Tensor out = splitHeads(output, heads); // [Hd, n, d]
  const std::int64_t firstBlock = rows.first / this->BlockRows * this->BlockRows;
  for (std::int64_t block = firstBlock; block < last; block += this->BlockRows)
  {
    const std::int64_t begin = std::max(block, rows.first);
    const std::int64_t end = std::min(last, block + this->BlockRows), n = end - begin;
    const std::int64_t blockEnd = std::min(this->Q.size(1), block + this->BlockRows);
    at::Tensor A = this->probabilities(block, blockEnd); // [Hd, rows of the block, keys]
    const std::int64_t keys = A.size(2);
    A = A.narrow(1, begin - block, n).contiguous();               // [Hd, n, keys]
    const at::Tensor dOut = out.narrow(1, begin - rows.first, n); // [Hd, n, d]
    at::Tensor dA = at::bmm(this->grouped(dOut), this->V.narrow(1, 0, keys).transpose(1, 2))
                      .view({ heads, n, keys });
    if (taps.gradient)
    {
      taps.gradient(begin, dA);
    }
    at::Tensor relevance = taps.relevance ? at::zeros({ n, keys }, options) : at::Tensor();
    softmaxGradientAnywhere(A, dA, relevance); // dA is the scores' gradient from here on
    if (taps.relevance)
    {
      taps.relevance(begin, relevance);
    }
    const at::Tensor q = this->Q.narrow(1, begin, n); // [Hd, n, d]
    gradient.q.narrow(1, begin - rows.first, n)
      .copy_(at::bmm(this->grouped(dA), this->K.narrow(1, 0, keys))
               .mul_(this->Scale)
               .view({ heads, n, d }));
    if (rows.ownOnly)
    {
      const auto own = [&](const at::Tensor& weights, const at::Tensor& values) // -> [Hkv, n, d]
      {
        const at::Tensor diagonal =
          weights.narrow(2, begin, n).diagonal(0, 1, 2).unsqueeze(2); // [Hd, n, 1]
        return (diagonal * values).view({ groups, heads / groups, n, d }).sum(1);
      };
      gradient.k.narrow(1, begin - rows.result, n).copy_(own(dA, q).mul_(this->Scale));
      gradient.v.narrow(1, begin - rows.result, n).copy_(own(A, dOut));
      continue;
    }
    const std::int64_t seen = std::min(keys, last) - rows.result; // keys whose gradient is wanted
    const auto spread = [&](const at::Tensor& weights, const at::Tensor& values, at::Tensor& into)
    {
      const at::Tensor wanted =
        this->grouped(weights).narrow(2, rows.result, seen).transpose(1, 2); // [Hkv, seen, per * n]
      into.narrow(1, 0, seen).add_(at::bmm(wanted, this->grouped(values)));
    };
    if (seen > 0)
    {
      spread(dA, q, gradient.k);
      spread(A, dOut, gradient.v);
    }
  }
  gradient.k.mul_(rows.ownOnly ? 1.0 : this->Scale);
  return gradient;
}

} // namespace lvlm::llava
