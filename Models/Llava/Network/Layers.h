// SPDX-License-Identifier: Apache-2.0
/// @file Layers.h
/// The small parts of a transformer, each with the order of operations of Hugging Face's eager
/// implementation. Internal to Models/Llava.
#ifndef LVLM_LLAVA_LAYERS_H
#define LVLM_LLAVA_LAYERS_H

#include "BufferPool.h"

#include "Models/Checkpoint/ModelConfig.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h> // newer ATen.h do not bring it

#include <functional>

namespace lvlm::llava
{

/// Sees attention probabilities as they are made, a block of query rows after the other: the index
/// of the first row, and [Hd, n, keys], where keys beyond the last one that any of these rows may
/// see are left out. May return a replacement (same shape) that is used from there on; an undefined
/// tensor keeps them.
using AttentionTap =
  std::function<at::Tensor(std::int64_t firstRow, const at::Tensor& probabilities)>;

/// Overwrites x, and returns it.
at::Tensor activate(checkpoint::Activation activation, at::Tensor x);

/// x times a factor, which is 1 almost everywhere: then x itself.
at::Tensor scaled(const at::Tensor& x, double factor);

/// LLaMA's RMSNorm: normalizes in float32 (or wider), casts back, then scales. With a weight of a
/// wider type than x's it is Gemma's: scales, then casts back.
at::Tensor rmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps, BufferPool& pool);

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

/// The heads of x [n, heads * headSize], each turned: [heads, n, headSize]. May overwrite x.
at::Tensor turnedHeads(at::Tensor x, std::int64_t heads, const Rope& rope);

/// x [n, heads * headSize] with each head a row of its own, [n * heads, headSize]; and back.
at::Tensor headRows(const at::Tensor& x, std::int64_t headSize);
at::Tensor joinedHeads(const at::Tensor& rows, std::int64_t heads);

/// What a query may see.
struct AttentionMask
{
  bool causal = false;
  std::int64_t firstQuery = 0; ///< position of the first query; keys start at position 0
  std::int64_t window = 0;     ///< keys a query may see, itself included; 0: all before it
  at::Tensor blocked;          ///< bool [n, S], what else it may not see; undefined: nothing
};

/// Heads that share keys and values together: [Hd, n, *] -> [groups, Hd / groups * n, *]
at::Tensor groupedHeads(const at::Tensor& x, std::int64_t groups);

/// Query rows that go together, so that no [Hd, S, S] tensor of a long prompt is ever alive.
std::int64_t attentionBlockRows(std::int64_t heads, std::int64_t keys, at::Device device);

/// softmax(q k^T scale) of query rows [begin, end): q [Hd, n, d], k [Hkv, S, d] -> [Hd, end -
/// begin, keys] in q's type, rounded to `type` where Hugging Face rounds. With a causal mask the
/// keys end with the last row's own.
at::Tensor attentionRows(const at::Tensor& q, const at::Tensor& k, double scale,
  const AttentionMask& mask, std::int64_t begin, std::int64_t end, at::ScalarType type,
  BufferPool& pool);

/// Probabilities [Hd, n, keys] times v [Hkv, S >= keys, d] -> [n, Hd * d]
at::Tensor attentionOutput(const at::Tensor& probabilities, const at::Tensor& v, BufferPool& pool);

/// softmax(q k^T scale) v.
///   q [Hd, n, d], k and v [Hkv, S, d], Hd a multiple of Hkv -> [n, Hd * d]
at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, double scale,
  const AttentionMask& mask, const AttentionTap& tap, BufferPool& pool);

/// [n, heads * d] -> [heads, n, d]
at::Tensor splitHeads(const at::Tensor& x, std::int64_t heads);

} // namespace lvlm::llava

#endif
