// SPDX-License-Identifier: Apache-2.0
#include "Layers.h"

#include "MatVec.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace lvlm::llava
{

namespace
{
/// What Hugging Face computes in float32 even where activations are bfloat16.
at::ScalarType atLeastFloat32(at::ScalarType type)
{
  return type == at::kDouble ? at::kDouble : at::kFloat;
}

/// True where a query must not look: [n, S].
at::Tensor forbidden(const AttentionMask& mask, std::int64_t n, const at::Tensor& keys)
{
  const std::int64_t S = keys.size(1);
  const auto options = at::TensorOptions(at::kLong).device(keys.device());
  const at::Tensor query =
    at::arange(mask.firstQuery, mask.firstQuery + n, options).unsqueeze(1); // [n, 1]
  const at::Tensor key = at::arange(S, options).unsqueeze(0);               // [1, S]
  at::Tensor hidden = key > query;                                          // [n, S]
  if (mask.window > 0)
  {
    hidden = hidden.logical_or(key <= query - mask.window);
  }
  return hidden;
}

/// One query on a CPU: decoding is bound by reading keys and values, which batched products read
/// several times over.
bool readsRows(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v)
{
  const auto rowsTogether = [](const at::Tensor& x)
  {
    return x.device().is_cpu() && x.scalar_type() == at::kFloat && x.stride(2) == 1 &&
      x.stride(1) == x.size(2);
  };
  return q.size(1) == 1 && rowsTogether(k) && rowsTogether(v) && q.scalar_type() == at::kFloat &&
    !(at::GradMode::is_enabled() && (q.requires_grad() || k.requires_grad() || v.requires_grad()));
}

/// attend() for q [Hd, 1, d]: each head on one thread.
at::Tensor attendRows(const at::Tensor& query, const at::Tensor& k, const at::Tensor& v,
  double scale, const AttentionMask& mask, const AttentionTap& tap)
{
  const at::Tensor q = query.contiguous();
  const std::int64_t heads = q.size(0), d = q.size(2), S = k.size(1);
  const std::int64_t perGroup = heads / k.size(0);
  at::Tensor scores = at::empty({ heads, 1, S }, q.options()); // [Hd, 1, S]
  const auto* keys = k.data_ptr<float>();
  auto* score = scores.data_ptr<float>();
#pragma omp parallel for schedule(static)
  for (std::int64_t head = 0; head < heads; ++head)
  {
    dotRows(keys + head / perGroup * k.stride(0), S, d, q.data_ptr<float>() + head * d,
      static_cast<float>(scale), score + head * S);
  }
  if (mask.causal && mask.window > 0)
  {
    scores.masked_fill_(forbidden(mask, 1, k), -std::numeric_limits<float>::infinity());
  }
  at::Tensor probabilities = at::softmax(scores, -1); // [Hd, 1, S]
  if (tap)
  {
    const at::Tensor replaced = tap(0, 0, probabilities);
    probabilities = replaced.defined() ? replaced.contiguous() : probabilities;
  }
  at::Tensor out = at::empty({ 1, heads * d }, q.options());
  const auto* values = v.data_ptr<float>();
  const auto* weights = probabilities.data_ptr<float>();
  auto* result = out.data_ptr<float>();
#pragma omp parallel for schedule(static)
  for (std::int64_t head = 0; head < heads; ++head)
  {
    weightedSum(
      values + head / perGroup * v.stride(0), S, d, weights + head * S, result + head * d);
  }
  return out;
}

/// attend() for some queries [Hd, n, d] whose scores need not be cut further than by heads: gives
/// [Hd, n, d]. `tap` is told of the first head.
template <typename Tap>
at::Tensor attendQueries(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
  double scale, const AttentionMask& mask, const Tap& tap)
{
  const std::int64_t heads = q.size(0), n = q.size(1), d = q.size(2);
  const std::int64_t groups = k.size(0), S = k.size(1);
  const std::int64_t perGroup = heads / groups;
  const bool needsMask = mask.causal && (n > 1 || mask.window > 0);
  const at::Tensor hidden = needsMask ? forbidden(mask, n, k) : at::Tensor();
  const std::int64_t groupBytes = std::max<std::int64_t>(1, perGroup * n * S * q.element_size());
  const std::int64_t step = std::clamp<std::int64_t>(AttentionBlockBytes / groupBytes, 1, groups);
  const at::ScalarType wide = atLeastFloat32(q.scalar_type());
  const at::Tensor query = q.reshape({ groups, perGroup * n, d });
  std::vector<at::Tensor> parts;
  for (std::int64_t group = 0; group < groups; group += step)
  {
    const std::int64_t count = std::min(step, groups - group);
    at::Tensor scores =
      at::bmm(query.narrow(0, group, count), k.narrow(0, group, count).transpose(1, 2))
        .mul_(scale)
        .view({ count * perGroup, n, S }); // [heads of slice, n, S]
    if (hidden.defined())
    {
      scores.masked_fill_(hidden, -std::numeric_limits<float>::infinity());
    }
    at::Tensor probabilities = at::softmax(scores, -1, wide).to(q.scalar_type());
    scores.reset();
    const at::Tensor replaced = tap(group * perGroup, probabilities);
    probabilities = replaced.defined() ? replaced : probabilities;
    parts.push_back(
      at::bmm(probabilities.view({ count, perGroup * n, S }), v.narrow(0, group, count))
        .view({ count * perGroup, n, d }));
  }
  return parts.size() == 1 ? parts[0] : at::cat(parts, 0);
}

at::Tensor llama3Frequencies(const at::Tensor& frequencies, const checkpoint::RopeScaling& scaling)
{
  const at::Tensor wavelength = 2 * M_PI / frequencies; // [d/2]
  const double longest = scaling.originalPositions / scaling.lowFrequencyFactor;
  const double shortest = scaling.originalPositions / scaling.highFrequencyFactor;
  const at::Tensor smooth = (scaling.originalPositions / wavelength - scaling.lowFrequencyFactor) /
    (scaling.highFrequencyFactor - scaling.lowFrequencyFactor);
  const at::Tensor slow = frequencies / scaling.factor;
  const at::Tensor between = (1 - smooth) * slow + smooth * frequencies;
  return at::where(
    wavelength > longest, slow, at::where(wavelength < shortest, frequencies, between));
}
}

at::Tensor activate(checkpoint::Activation activation, const at::Tensor& x)
{
  switch (activation)
  {
    case checkpoint::Activation::Gelu:
      return at::gelu(x);
    case checkpoint::Activation::GeluTanh:
      return at::gelu(x, "tanh");
    case checkpoint::Activation::QuickGelu:
      return x * at::sigmoid(1.702 * x);
    case checkpoint::Activation::Silu:
      return at::silu(x);
    case checkpoint::Activation::Relu:
      return at::relu(x);
  }
  return x;
}

at::Tensor rmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps)
{
  const at::Tensor h = x.to(atLeastFloat32(x.scalar_type()));          // [n, D]
  const at::Tensor variance = h.square().mean(-1, /*keepdim=*/true);   // [n, 1]
  return weight * (h * at::rsqrt(variance + eps)).to(x.scalar_type()); // [n, D]
}

at::Tensor layerNorm(
  const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double eps)
{
  // LibTorch 1.13 rounds within, where activations are bfloat16.
  const at::ScalarType wide = atLeastFloat32(x.scalar_type());
  return at::layer_norm(x.to(wide), weight.sizes(), weight.to(wide), bias.to(wide), eps)
    .to(x.scalar_type());
}

Rope ropeAngles(
  const checkpoint::TextConfig& config, std::int64_t first, std::int64_t n, const at::Tensor& like)
{
  // float32 as Hugging Face has it: bfloat16 cannot count positions.
  const auto options = at::TensorOptions(atLeastFloat32(like.scalar_type()));
  const std::int64_t d = config.headSize;
  const at::Tensor exponent = at::arange(0, d, 2, options) / static_cast<double>(d); // [d/2]
  at::Tensor frequency = 1.0 / at::pow(config.ropeTheta, exponent);                  // [d/2]
  if (config.ropeScaling.kind == checkpoint::RopeScaling::Kind::Linear)
  {
    frequency = frequency / config.ropeScaling.factor;
  }
  else if (config.ropeScaling.kind == checkpoint::RopeScaling::Kind::Llama3)
  {
    frequency = llama3Frequencies(frequency, config.ropeScaling);
  }
  const at::Tensor position = at::arange(first, first + n, options).unsqueeze(1); // [n, 1]
  const at::Tensor half = position * frequency.unsqueeze(0);                      // [n, d/2]
  const at::Tensor angle = at::cat({ half, half }, 1);                            // [n, d]
  return { angle.cos().to(like.device(), like.scalar_type()),
    angle.sin().to(like.device(), like.scalar_type()) };
}

at::Tensor applyRope(const at::Tensor& x, const Rope& rope)
{
  const std::int64_t half = x.size(-1) / 2;
  const at::Tensor first = x.narrow(-1, 0, half);
  const at::Tensor second = x.narrow(-1, half, half);
  const at::Tensor rotated = at::cat({ second.neg(), first }, -1); // [heads, n, d]
  return x * rope.cos + rotated * rope.sin;
}

at::Tensor splitHeads(const at::Tensor& x, std::int64_t heads)
{
  return x.view({ x.size(0), heads, x.size(1) / heads }).transpose(0, 1);
}

at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, double scale,
  const AttentionMask& mask, const AttentionTap& tap)
{
  if (readsRows(q, k, v))
  {
    return attendRows(q, k, v, scale, mask, tap);
  }
  const std::int64_t heads = q.size(0), n = q.size(1), d = q.size(2);
  const std::int64_t perGroup = heads / k.size(0); // query heads that share a key/value head
  const std::int64_t rowBytes = std::max<std::int64_t>(1, perGroup * k.size(1) * q.element_size());
  const std::int64_t block = std::clamp<std::int64_t>(AttentionBlockBytes / rowBytes, 1, n);
  std::vector<at::Tensor> parts;
  for (std::int64_t first = 0; first < n; first += block)
  {
    const std::int64_t count = std::min(block, n - first);
    AttentionMask part = mask;
    part.firstQuery += first;
    const std::int64_t seen =
      mask.causal && count < n ? part.firstQuery + count : k.size(1); // keys of these queries
    parts.push_back(attendQueries(q.narrow(1, first, count), k.narrow(1, 0, seen),
      v.narrow(1, 0, seen), scale, part,
      [&](std::int64_t head, const at::Tensor& probabilities)
      { return tap ? tap(head, first, probabilities) : at::Tensor(); }));
  }
  const at::Tensor out = parts.size() == 1 ? parts[0] : at::cat(parts, 1); // [Hd, n, d]
  return out.transpose(0, 1).reshape({ n, heads * d });
}

} // namespace lvlm::llava
