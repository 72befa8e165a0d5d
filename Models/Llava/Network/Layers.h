// SPDX-License-Identifier: Apache-2.0
/// @file Layers.h
/// The small parts of a transformer, each with the order of operations of Hugging Face's eager
/// implementation. Differentiable: nothing here works in place on an input. Internal to
/// Models/Llava.
#ifndef LVLM_LLAVA_LAYERS_H
#define LVLM_LLAVA_LAYERS_H

#include "Models/Checkpoint/ModelConfig.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h> // newer ATen.h do not bring it

#include <functional>

namespace lvlm::llava
{

/// Sees attention probabilities as they are made, block by block: [heads of this call, queries of
/// this call, keys], and the indices of the first head and the first query. A block of some queries
/// of a causal mask ends at the last key that they see. May return a replacement (same shape) that
/// is used from there on; an undefined tensor keeps them.
using AttentionTap = std::function<at::Tensor(
  std::int64_t firstHead, std::int64_t firstQuery, const at::Tensor& probabilities)>;

at::Tensor activate(checkpoint::Activation activation, const at::Tensor& x);

/// LLaMA's RMSNorm: normalizes in float32 (or wider), casts back, then scales.
at::Tensor rmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps);

/// CLIP's LayerNorm over the last axis: computed in float32 (or wider), rounded once.
at::Tensor layerNorm(
  const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double eps);

/// Cosines and sines of rotary position embedding for some positions, each [n, headSize].
struct Rope
{
  at::Tensor cos;
  at::Tensor sin;
};

/// Angles of positions [first, first + n), computed in float32 (float64 where `like` is).
Rope ropeAngles(
  const checkpoint::TextConfig& config, std::int64_t first, std::int64_t n, const at::Tensor& like);

/// Rotate-half RoPE on x [heads, n, headSize].
at::Tensor applyRope(const at::Tensor& x, const Rope& rope);

/// What a query may see.
struct AttentionMask
{
  bool causal = false;
  std::int64_t firstQuery = 0; ///< position of the first query; keys start at position 0
  std::int64_t window = 0;     ///< keys a query may see, itself included; 0: all before it
};

/// Bytes of scores that attend() has at a time, unless those of one query are more: as scores and
/// as probabilities.
inline constexpr std::int64_t AttentionBlockBytes = 64 << 20;

/// softmax(q k^T scale) v in blocks of heads and, where one head's scores are too many, of queries:
/// memory grows with the length of a sequence, not with its square.
///   q [Hd, n, d], k and v [Hkv, S, d], Hd a multiple of Hkv -> [n, Hd * d]
at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, double scale,
  const AttentionMask& mask, const AttentionTap& tap);

/// [n, heads * d] -> [heads, n, d]
at::Tensor splitHeads(const at::Tensor& x, std::int64_t heads);

} // namespace lvlm::llava

#endif
