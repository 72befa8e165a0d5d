// SPDX-License-Identifier: Apache-2.0
#include "Layers.h"

#include "MatVec.h"
#include "Products.h"
#include "RowKernels.h"
#include "TorchTensors.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

namespace lvlm::llava
{

namespace
{
/// Of one block of probabilities: stays in the cache from the scores to the values.
constexpr std::int64_t BlockBytes = 4 << 20;
/// On another device, where each block is a dozen calls that wait for nothing.
constexpr std::int64_t DeviceBlockBytes = 256 << 20;

/// What Hugging Face computes in float32 even where activations are bfloat16.
at::ScalarType atLeastFloat32(at::ScalarType type)
{
  return type == at::kDouble ? at::kDouble : at::kFloat;
}

/// LibTorch's own RMSNorm, one call on a device instead of six: since 2.4, undefined before.
template <typename Rows, typename = void>
struct FusedNorm
{
  static at::Tensor of(const Rows&, const Rows&, double) { return {}; }
};

template <typename Rows>
struct FusedNorm<Rows,
  std::void_t<decltype(rms_norm(
    std::declval<Rows>(), std::declval<Rows>().sizes(), std::declval<Rows>(), 1e-5))>>
{
  static at::Tensor of(const Rows& x, const Rows& weight, double eps)
  {
    return rms_norm(x, weight.sizes(), weight, eps); // found where the arguments are
  }
};

/// True where queries from position `first` on must not look: [n, keys].
at::Tensor forbidden(const AttentionMask& mask, std::int64_t first, std::int64_t n,
  std::int64_t keys, at::Device device)
{
  const auto options = at::TensorOptions(at::kLong).device(device);
  const at::Tensor query = at::arange(first, first + n, options).unsqueeze(1); // [n, 1]
  const at::Tensor key = at::arange(keys, options).unsqueeze(0);               // [1, keys]
  at::Tensor hidden = key > query;                                             // [n, keys]
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
  const auto rowsTogether = [&](const at::Tensor& x)
  {
    return x.device().is_cpu() && x.scalar_type() == q.scalar_type() && x.stride(2) == 1 &&
      x.stride(1) == x.size(2);
  };
  return q.size(1) == 1 && (q.scalar_type() == at::kFloat || q.scalar_type() == at::kBFloat16) &&
    rowsTogether(k) && rowsTogether(v);
}

/// Scores [Hd, n, keys], in float32 or wider, to probabilities, rounded to `type` where Hugging
/// Face rounds.
at::Tensor softmaxOf(at::Tensor scores, at::ScalarType type, double scale)
{
  const bool roundsHere = type == at::kBFloat16 && scores.scalar_type() == at::kFloat;
  if (roundsHere)
  {
    roundToBfloat16(scores, scale);
  }
  else if (type == at::kBFloat16)
  {
    scores.mul_(scale);
  }
  at::Tensor probabilities = at::softmax(scores, -1, atLeastFloat32(type));
  if (roundsHere)
  {
    roundToBfloat16(probabilities, 1);
  }
  return probabilities.to(scores.scalar_type());
}

/// attend() for q [Hd, 1, d]: each head on one thread.
at::Tensor attendRows(const at::Tensor& query, const at::Tensor& k, const at::Tensor& v,
  double scale, const AttentionMask& mask, const AttentionTap& tap)
{
  const at::ScalarType type = query.scalar_type();
  const at::Tensor q = query.to(at::kFloat).contiguous();
  const std::int64_t heads = q.size(0), d = q.size(2), S = k.size(1);
  const std::int64_t perGroup = heads / k.size(0);
  const DType stored = coreType(type);
  const auto rowsOf = [&](const at::Tensor& x, std::int64_t head)
  {
    return static_cast<const char*>(x.data_ptr()) +
      head / perGroup * x.stride(0) * static_cast<std::int64_t>(x.element_size());
  };
  at::Tensor scores = at::empty({ heads, 1, S }, q.options()); // [Hd, 1, S]
  auto* score = scores.data_ptr<float>();
  const auto factor = static_cast<float>(type == at::kBFloat16 ? 1 : scale);
#pragma omp parallel for schedule(static)
  for (std::int64_t head = 0; head < heads; ++head)
  {
    dotRows(
      stored, rowsOf(k, head), S, d, q.data_ptr<float>() + head * d, factor, score + head * S);
  }
  if (mask.causal && mask.window > 0)
  {
    scores.masked_fill_(
      forbidden(mask, mask.firstQuery, 1, S, k.device()), -std::numeric_limits<float>::infinity());
  }
  if (mask.blocked.defined())
  {
    scores.masked_fill_(mask.blocked, -std::numeric_limits<float>::infinity());
  }
  at::Tensor probabilities = softmaxOf(scores, type, scale); // [Hd, 1, S]
  if (tap)
  {
    const at::Tensor replaced = tap(0, probabilities);
    probabilities = replaced.defined() ? replaced.contiguous() : probabilities;
  }
  at::Tensor out = at::empty({ 1, heads * d }, q.options());
  const auto* weights = probabilities.data_ptr<float>();
  auto* result = out.data_ptr<float>();
#pragma omp parallel for schedule(static)
  for (std::int64_t head = 0; head < heads; ++head)
  {
    weightedSum(stored, rowsOf(v, head), S, d, weights + head * S, result + head * d);
  }
  return out.to(type);
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

at::Tensor activate(checkpoint::Activation activation, at::Tensor x)
{
  switch (activation)
  {
    case checkpoint::Activation::Gelu:
      return at::gelu_(x);
    case checkpoint::Activation::GeluTanh:
      return at::gelu_(x, "tanh");
    case checkpoint::Activation::QuickGelu:
      return x.mul_(at::sigmoid(1.702 * x));
    case checkpoint::Activation::Silu:
      return at::silu_(x);
    case checkpoint::Activation::Relu:
      return at::relu_(x);
  }
  return x;
}

at::Tensor scaled(const at::Tensor& x, double factor)
{
  return factor == 1 ? x : x * factor;
}

at::Tensor rmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps, BufferPool& pool)
{
  const bool roundsFirst = weight.scalar_type() == x.scalar_type();
  if (takesRows(x) && roundsFirst)
  {
    return normalizedRows(x, weight, eps, pool);
  }
  if (!x.device().is_cpu() && roundsFirst && x.scalar_type() == at::kFloat)
  {
    if (const at::Tensor y = FusedNorm<at::Tensor>::of(x, weight, eps); y.defined())
    {
      return y;
    }
  }
  const at::Tensor h = x.to(atLeastFloat32(x.scalar_type()));        // [n, D]
  const at::Tensor variance = h.square().mean(-1, /*keepdim=*/true); // [n, 1]
  const at::Tensor normalized = h * at::rsqrt(variance + eps);       // [n, D]
  return roundsFirst ? weight * normalized.to(x.scalar_type())
                     : (normalized * weight).to(x.scalar_type());
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

at::Tensor turnedHeads(at::Tensor x, std::int64_t heads, const Rope& rope)
{
  if (takesRows(x))
  {
    turnRows(x, rope.cos, rope.sin);
    return splitHeads(x, heads);
  }
  return applyRope(splitHeads(x, heads), rope);
}

at::Tensor headRows(const at::Tensor& x, std::int64_t headSize)
{
  return x.reshape({ -1, headSize });
}

at::Tensor joinedHeads(const at::Tensor& rows, std::int64_t heads)
{
  return rows.view({ rows.size(0) / heads, heads * rows.size(1) });
}

at::Tensor splitHeads(const at::Tensor& x, std::int64_t heads)
{
  return x.view({ x.size(0), heads, x.size(1) / heads }).transpose(0, 1);
}

at::Tensor groupedHeads(const at::Tensor& x, std::int64_t groups)
{
  return x.reshape({ groups, x.size(0) / groups * x.size(1), x.size(2) });
}

std::int64_t attentionBlockRows(std::int64_t heads, std::int64_t keys, at::Device device)
{
  const std::int64_t rowBytes = std::max<std::int64_t>(1, heads * keys * sizeof(float));
  return device.is_cpu() ? std::clamp<std::int64_t>(BlockBytes / rowBytes, 16, 256)
                         : std::clamp<std::int64_t>(DeviceBlockBytes / rowBytes, 16, 4096);
}

at::Tensor attentionRows(const at::Tensor& q, const at::Tensor& k, double scale,
  const AttentionMask& mask, std::int64_t begin, std::int64_t end, at::ScalarType type,
  BufferPool& pool)
{
  const std::int64_t groups = k.size(0), n = end - begin, first = mask.firstQuery + begin;
  const std::int64_t keys = mask.causal ? std::min(k.size(1), first + n) : k.size(1);
  const bool scalesLater = type == at::kBFloat16; // rounded before
  at::Tensor scores = batchedProduct(groupedHeads(q.narrow(1, begin, n), groups),
    k.narrow(1, 0, keys).transpose(1, 2), scalesLater ? 1 : scale, pool)
                        .view({ q.size(0), n, keys }); // [Hd, n, keys]
  if (mask.causal && (n > 1 || mask.window > 0))
  {
    const std::int64_t open = mask.window > 0 ? 0 : keys - n; // keys that all these rows may see
    scores.narrow(2, open, keys - open)
      .masked_fill_(forbidden(mask, first, n, keys, scores.device()).narrow(1, open, keys - open),
        -std::numeric_limits<float>::infinity());
  }
  if (mask.blocked.defined())
  {
    scores.masked_fill_(
      mask.blocked.narrow(0, begin, n).narrow(1, 0, keys), -std::numeric_limits<float>::infinity());
  }
  return softmaxOf(scores, type, scale);
}

at::Tensor attentionOutput(const at::Tensor& probabilities, const at::Tensor& v, BufferPool& pool)
{
  const std::int64_t heads = probabilities.size(0), n = probabilities.size(1);
  return batchedProduct(
    groupedHeads(probabilities, v.size(0)), v.narrow(1, 0, probabilities.size(2)), 1, pool)
    .view({ heads, n, v.size(2) })
    .transpose(0, 1)
    .reshape({ n, heads * v.size(2) });
}

at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, double scale,
  const AttentionMask& mask, const AttentionTap& tap, BufferPool& pool)
{
  if (readsRows(q, k, v))
  {
    return attendRows(q, k, v, scale, mask, tap);
  }
  // On a CPU products of bfloat16 are made, and kept, in float32 and rounded after.
  const at::ScalarType type = q.scalar_type();
  const at::ScalarType wide = q.device().is_cpu() ? atLeastFloat32(type) : type;
  const at::Tensor queries = q.to(wide), keys = k.to(wide), values = v.to(wide);
  const std::int64_t rows = q.size(1), step = attentionBlockRows(q.size(0), k.size(1), q.device());
  at::Tensor out = pool.empty({ rows, q.size(0) * v.size(2) }, type, q.device()); // [n, Hd * d]
  for (std::int64_t begin = 0; begin < rows; begin += step)
  {
    at::Tensor probabilities = attentionRows(
      queries, keys, scale, mask, begin, std::min(rows, begin + step), type, pool); // [Hd, n, keys]
    if (tap)
    {
      const at::Tensor replaced = tap(begin, probabilities);
      probabilities = replaced.defined() ? replaced : probabilities;
    }
    out.narrow(0, begin, probabilities.size(1)).copy_(attentionOutput(probabilities, values, pool));
  }
  return out;
}

} // namespace lvlm::llava
