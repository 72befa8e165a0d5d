// SPDX-License-Identifier: Apache-2.0
/// @file Decoder.h
/// The LLaMA-family decoder: layers, key/value cache, embeddings and logits. Internal to
/// Models/Llava.
#ifndef LVLM_LLAVA_DECODER_H
#define LVLM_LLAVA_DECODER_H

#include "Layers.h"
#include "WeightStore.h"

#include "Models/Ranks/LayerShare.h"

#include <functional>
#include <vector>

namespace lvlm::llava
{

/// Rows of a prompt that go through a linear map at a time, and through the whole of the
/// feed-forward part; a prompt of less than twice as many does at once.
inline constexpr std::int64_t DecoderBlockRows = 1024;

/// Keys and values of one layer for all positions fed so far.
struct LayerCache
{
  at::Tensor keys;   ///< [Hkv, capacity, d], after RoPE
  at::Tensor values; ///< [Hkv, capacity, d]
};

class DecoderLayer
{
public:
  DecoderLayer(
    const checkpoint::TextConfig& config, const WeightStore& weights, std::int64_t index);

  /// Hidden states [n, D] of positions [first, first + n) -> [n, D]. With a cache, keys and values
  /// are appended at `first` and everything before is seen, but what is `blocked` (see
  /// AttentionMask); without one, the n positions must start at 0.
  at::Tensor forward(const at::Tensor& hidden, const Rope& rope, std::int64_t first,
    LayerCache* cache, Workspace& workspace, const AttentionTap& tap,
    const at::Tensor& blocked = at::Tensor()) const;

  /// Queries [Hd, n, d], keys and values [Hkv, n, d] of rows -> what the rows see, [n, Hd * d].
  using Mixer =
    std::function<at::Tensor(const at::Tensor& queries, at::Tensor keys, at::Tensor values)>;
  /// Rows of any positions, as `rope` has them, and of any sequences: [n, D] -> [n, D]. Who sees
  /// whom is the mixer's matter. With `wanted` rows [m], nothing but keys and values is computed of
  /// the others: the mixer gets m queries, the result is [m, D].
  at::Tensor forward(const at::Tensor& hidden, const Rope& rope, Workspace& workspace,
    const Mixer& mixer, const at::Tensor& wanted = at::Tensor()) const;
  /// What forward() adds to the hidden states first: attention's part of it.
  at::Tensor attended(const at::Tensor& hidden, const Rope& rope, Workspace& workspace,
    const Mixer& mixer, const at::Tensor& wanted = at::Tensor()) const;
  /// What it adds to that sum: the feed-forward part's.
  at::Tensor fed(const at::Tensor& middle, Workspace& workspace) const;

private:
  friend class DecoderLayerGradient; // the same computation, back-propagated

  at::Tensor attention(const Activations& x, const Rope& rope, Workspace& workspace,
    const Mixer& mixer, const at::Tensor& wanted) const;
  at::Tensor feedForward(const at::Tensor& x, Workspace& workspace) const;
  void takeParts(const WeightStore& weights, const std::string& layer);
  /// Queries or keys of x [n, D]: [heads, n, d], turned, and normalized where `norm` is defined.
  at::Tensor heads(const Linear& map, const at::Tensor& norm, std::int64_t count,
    const Activations& x, const Rope& rope, Workspace& workspace) const;

  checkpoint::TextConfig Config;
  at::Tensor InputNorm, PostNorm;
  at::Tensor QueryNorm, KeyNorm; ///< [d], undefined where heads are not normalized
  Linear Query, Key, Value, Out, Gate, Up, Down;
};

/// The decoder, or the part of it that one rank runs: some layers, before the first of them the
/// embeddings, after the last of them norm and output projection. Weights of other parts are not
/// looked at.
class Decoder
{
public:
  Decoder(const checkpoint::TextConfig& config, const WeightStore& weights, const LayerSpan& span);

  const checkpoint::TextConfig& config() const { return this->Config; }
  std::int64_t layers() const { return this->Config.layers; } ///< of the whole decoder
  const LayerSpan& span() const { return this->Span; }        ///< the layers that are here
  bool hasFirst() const { return this->Span.begin == 0; }
  bool hasLast() const { return this->Span.count() > 0 && this->Span.end == this->Config.layers; }
  /// `index` counts from the model's first layer and must be in span().
  const DecoderLayer& layer(std::int64_t index) const
  {
    return this->Layers.at(static_cast<std::size_t>(index - this->Span.begin));
  }

  /// Rows of the embedding matrix: ids [n] -> [n, D]. Throws Error for an id outside the
  /// vocabulary.
  at::Tensor embed(const std::vector<std::int64_t>& ids) const;
  /// Final norm and output projection: hidden [n, D] -> logits [n, V] in float32 (float64 when
  /// computing in it).
  at::Tensor logits(const at::Tensor& hidden, Workspace& workspace) const;
  /// Empty caches for `capacity` positions, one for each layer of span().
  std::vector<LayerCache> makeCache(std::int64_t capacity) const;
  /// Bytes of such caches.
  std::size_t cacheBytes(std::int64_t capacity) const;
  Rope rope(std::int64_t first, std::int64_t n) const;

private:
  friend class LogitGradient;

  checkpoint::TextConfig Config;
  at::TensorOptions Options;
  LayerSpan Span;
  std::vector<DecoderLayer> Layers;
  at::Tensor Embedding; ///< [V, D], stored type
  double EmbeddingScale = 1;
  at::Tensor FinalNorm;
  Linear Head;
};

} // namespace lvlm::llava

#endif
