// SPDX-License-Identifier: Apache-2.0
#include "RelevancyAttention.h"

#include "Models/Llava/Network/Products.h"

#include <ATen/Parallel.h>

#include <algorithm>

namespace lvlm::llava
{

namespace
{
/// Of a layer's probabilities that are kept for all tokens; beyond that each token makes them
/// again.
constexpr std::int64_t KeptBytes = 64 << 20;
constexpr std::int64_t KeptDeviceBytes = 512 << 20;

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
  if (relevance.defined())
  {
    relevance = (probabilities * gradient).clamp_min_(0).mean(0);
  }
  gradient = at::_softmax_backward_data(gradient, probabilities, -1, gradient.scalar_type());
}
}

BlockedAttention::BlockedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
  double scale, const AttentionMask& mask, BufferPool& pool)
  : Pool(&pool), Q(q.contiguous()), K(k.contiguous()), V(v.contiguous()), Scale(scale), Mask(mask)
{
  const std::int64_t S = this->K.size(1);
  this->BlockRows = attentionBlockRows(this->Q.size(0), S, this->Q.device());
  const std::int64_t kept = this->Q.device().is_cpu() ? KeptBytes : KeptDeviceBytes;
  if (this->Q.size(0) * S * S * this->Q.element_size() <= kept)
  {
    this->Kept.resize(static_cast<std::size_t>((S + this->BlockRows - 1) / this->BlockRows));
  }
}

at::Tensor BlockedAttention::grouped(const at::Tensor& x) const
{
  return groupedHeads(x, this->K.size(0));
}

at::Tensor BlockedAttention::probabilities(std::int64_t begin, std::int64_t end) const
{
  const auto block = static_cast<std::size_t>(begin / this->BlockRows);
  if (block < this->Kept.size() && this->Kept[block].defined())
  {
    return this->Kept[block];
  }
  return attentionRows(
    this->Q, this->K, this->Scale, this->Mask, begin, end, this->Q.scalar_type(), *this->Pool);
}

at::Tensor BlockedAttention::output()
{
  const std::int64_t S = this->Q.size(1);
  at::Tensor out = this->Pool->empty(
    { S, this->Q.size(0) * this->V.size(2) }, this->Q.scalar_type(), this->Q.device());
  for (std::int64_t begin = 0; begin < S; begin += this->BlockRows)
  {
    const at::Tensor A =
      this->probabilities(begin, std::min(S, begin + this->BlockRows)); // [Hd, n, keys]
    out.narrow(0, begin, A.size(1)).copy_(attentionOutput(A, this->V, *this->Pool));
    if (!this->Kept.empty())
    {
      this->Kept[static_cast<std::size_t>(begin / this->BlockRows)] = A;
    }
  }
  return out;
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
    const std::int64_t n = std::min(last, block + this->BlockRows) - begin;
    this->backBlock(begin, out.narrow(1, begin - rows.first, n), rows, taps, gradient);
  }
  gradient.k.mul_(this->Scale);
  return gradient;
}

/// Rows from `begin` on, all of one block: dOut [Hd, n, d].
void BlockedAttention::backBlock(std::int64_t begin, const at::Tensor& dOut,
  const GradientRows& rows, const GradientTaps& taps, Gradient& gradient) const
{
  const std::int64_t heads = dOut.size(0), n = dOut.size(1), d = dOut.size(2);
  const std::int64_t block = begin / this->BlockRows * this->BlockRows;
  const at::Tensor whole =
    this->probabilities(block, std::min(this->Q.size(1), block + this->BlockRows));
  const std::int64_t keys = whole.size(2);
  const at::Tensor A = whole.narrow(1, begin - block, n).contiguous(); // [Hd, n, keys]
  at::Tensor dA =
    batchedProduct(this->grouped(dOut), this->V.narrow(1, 0, keys).transpose(1, 2), 1, *this->Pool)
      .view({ heads, n, keys });
  if (taps.gradient)
  {
    taps.gradient(begin, dA);
  }
  at::Tensor relevance = taps.relevance ? at::zeros({ n, keys }, dA.options()) : at::Tensor();
  softmaxGradientAnywhere(A, dA, relevance); // dA is the scores' gradient from here on
  if (taps.relevance)
  {
    taps.relevance(begin, relevance);
  }
  gradient.q.narrow(1, begin - rows.first, n)
    .copy_(batchedProduct(this->grouped(dA), this->K.narrow(1, 0, keys), 1, *this->Pool)
             .mul_(this->Scale)
             .view({ heads, n, d }));
  const at::Tensor q = this->Q.narrow(1, begin, n); // [Hd, n, d]
  if (rows.ownOnly)
  {
    gradient.k.narrow(1, begin - rows.result, n).copy_(this->ownRows(begin, dA, q));
    gradient.v.narrow(1, begin - rows.result, n).copy_(this->ownRows(begin, A, dOut));
    return;
  }
  this->addSeen(dA, q, rows.result, gradient.k);
  this->addSeen(A, dOut, rows.result, gradient.v);
}

/// What each row gives to itself as a key: weights [Hd, n, keys] on their diagonal from `begin` on,
/// times values [Hd, n, d] -> [Hkv, n, d].
at::Tensor BlockedAttention::ownRows(
  std::int64_t begin, const at::Tensor& weights, const at::Tensor& values) const
{
  const std::int64_t groups = this->K.size(0), n = values.size(1);
  const at::Tensor own = weights.narrow(2, begin, n).diagonal(0, 1, 2).unsqueeze(2); // [Hd, n, 1]
  return (own * values).view({ groups, values.size(0) / groups, n, values.size(2) }).sum(1);
}

/// What the rows give to the keys from `first` on that they see: weights [Hd, n, keys], values [Hd,
/// n, d], added to `into` [Hkv, keys from `first`, d].
void BlockedAttention::addSeen(
  const at::Tensor& weights, const at::Tensor& values, std::int64_t first, at::Tensor& into) const
{
  const std::int64_t seen = std::min(weights.size(2) - first, into.size(1));
  if (seen > 0)
  {
    const at::Tensor wanted =
      this->grouped(weights).narrow(2, first, seen).transpose(1, 2); // [Hkv, seen, per * n]
    into.narrow(1, 0, seen).add_(batchedProduct(wanted, this->grouped(values), 1, *this->Pool));
  }
}

} // namespace lvlm::llava
