// SPDX-License-Identifier: Apache-2.0
#include "Decoder.h"

#include "Models/Trace/Error.h"

#include <algorithm>
#include <cmath>

namespace lvlm::llava
{

namespace
{
/// `work` on blocks of x's rows, so that an abort is noticed in a long prompt, and what is only
/// needed between two linear maps stays small: [n, D] -> [n, ...].
template <typename Work>
at::Tensor inBlocks(const at::Tensor& x, BufferPool& pool, const Work& work)
{
  const std::int64_t n = x.size(0);
  // A last block that is small would cost as much as a whole one where weights are widened.
  if (n < 2 * DecoderBlockRows)
  {
    return work(x);
  }
  at::Tensor result;
  for (std::int64_t first = 0; first < n; first += DecoderBlockRows)
  {
    const std::int64_t count = std::min(DecoderBlockRows, n - first);
    const at::Tensor part = work(x.narrow(0, first, count));
    if (!result.defined())
    {
      result = pool.empty({ n, part.size(1) }, part.scalar_type(), part.device());
    }
    result.narrow(0, first, count).copy_(part);
  }
  return result;
}
}

DecoderLayer::DecoderLayer(
  const checkpoint::TextConfig& config, const WeightStore& weights, std::int64_t index)
  : Config(config)
{
  const std::int64_t D = config.hidden;
  const std::int64_t queryWidth = config.heads * config.headSize;
  const std::int64_t keyWidth = config.keyValueHeads * config.headSize;
  const std::string layer = "decoder.layers." + std::to_string(index) + ".";
  const auto linear = [&](const std::string& name, std::int64_t out, std::int64_t in, bool bias)
  { return weights.linear(layer + name, "decoder." + name, out, in, bias); };
  const bool inner = config.queryKeyValueBias, wide = config.feedForwardBias;
  this->InputNorm = weights.small(layer + "input_layernorm.weight", { D });
  this->PostNorm = weights.small(layer + "post_attention_layernorm.weight", { D });
  this->Query = linear("self_attn.q_proj", queryWidth, D, inner);
  this->Key = linear("self_attn.k_proj", keyWidth, D, inner);
  this->Value = linear("self_attn.v_proj", keyWidth, D, inner);
  this->Out = linear("self_attn.o_proj", D, queryWidth, config.outputBias);
  this->Gate = linear("mlp.gate_proj", config.intermediate, D, wide);
  this->Up = linear("mlp.up_proj", config.intermediate, D, wide);
  this->Down = linear("mlp.down_proj", D, config.intermediate, wide);
}

at::Tensor DecoderLayer::attention(const at::Tensor& x, const Rope& rope, std::int64_t first,
  LayerCache* cache, Workspace& workspace, const AttentionTap& tap) const
{
  const checkpoint::TextConfig& config = this->Config;
  const std::int64_t n = x.size(0);
  const auto project = [&](const Linear& linear, const at::Tensor& rows)
  {
    return inBlocks(
      rows, workspace.pool, [&](const at::Tensor& part) { return apply(linear, part, workspace); });
  };
  const at::Tensor q = turnedHeads(project(this->Query, x), config.heads, rope); // [Hd, n, d]
  at::Tensor k = turnedHeads(project(this->Key, x), config.keyValueHeads, rope); // [Hkv, n, d]
  at::Tensor v = splitHeads(project(this->Value, x), config.keyValueHeads);      // [Hkv, n, d]
  if (cache)
  {
    cache->keys.narrow(1, first, n).copy_(k);
    cache->values.narrow(1, first, n).copy_(v);
    k = cache->keys.narrow(1, 0, first + n);   // [Hkv, S, d]
    v = cache->values.narrow(1, 0, first + n); // [Hkv, S, d]
  }
  AttentionMask mask;
  mask.causal = true;
  mask.firstQuery = first;
  mask.window = config.slidingWindow;
  const double scale = 1.0 / std::sqrt(static_cast<double>(config.headSize));
  return project(this->Out, attend(q, k, v, scale, mask, tap, workspace.pool)); // [n, D]
}

at::Tensor DecoderLayer::feedForward(const at::Tensor& x, Workspace& workspace) const
{
  return inBlocks(x, workspace.pool,
    [&](const at::Tensor& part)
    {
      at::Tensor gate =
        activate(this->Config.activation, apply(this->Gate, part, workspace)); // [m, I]
      gate.mul_(apply(this->Up, part, workspace));
      return apply(this->Down, gate, workspace); // [m, D]
    });
}

at::Tensor DecoderLayer::forward(const at::Tensor& hidden, const Rope& rope, std::int64_t first,
  LayerCache* cache, Workspace& workspace, const AttentionTap& tap) const
{
  const double eps = this->Config.rmsNormEps;
  at::Tensor middle = this->attention(
    rmsNorm(hidden, this->InputNorm, eps, workspace.pool), rope, first, cache, workspace, tap);
  middle.add_(hidden);
  return this->feedForward(rmsNorm(middle, this->PostNorm, eps, workspace.pool), workspace)
    .add_(middle);
}

Decoder::Decoder(
  const checkpoint::TextConfig& config, const WeightStore& weights, const LayerSpan& span)
  : Config(config), Options(at::TensorOptions(weights.type()).device(weights.device())), Span(span)
{
  for (std::int64_t i = span.begin; i < span.end; ++i)
  {
    this->Layers.emplace_back(config, weights, i);
  }
  // Hugging Face does not save a tied matrix twice; one that the file has is used all the same.
  const bool tied = config.tiedEmbedding && !weights.has("lm_head.weight");
  if (this->hasFirst() || (this->hasLast() && tied))
  {
    this->Embedding =
      weights.stored("decoder.embed_tokens.weight", { config.vocabulary, config.hidden });
  }
  if (!this->hasLast())
  {
    return;
  }
  this->FinalNorm = weights.small("decoder.norm.weight", { config.hidden });
  if (tied)
  {
    this->Head.slot = "lm_head";
    this->Head.weight = this->Embedding;
  }
  else
  {
    this->Head = weights.linear("lm_head", "lm_head", config.vocabulary, config.hidden, false);
  }
}

at::Tensor Decoder::embed(const std::vector<std::int64_t>& ids) const
{
  for (const std::int64_t id : ids)
  {
    if (id < 0 || id >= this->Config.vocabulary)
    {
      fail("token id ", id, " is outside the model's vocabulary of ", this->Config.vocabulary);
    }
  }
  const at::Tensor index = at::tensor(at::ArrayRef<std::int64_t>(ids), at::kLong); // [n]
  return at::index_select(this->Embedding, 0, index).to(this->Options);            // [n, D]
}

at::Tensor Decoder::logits(const at::Tensor& hidden, Workspace& workspace) const
{
  const at::Tensor x =
    rmsNorm(hidden, this->FinalNorm, this->Config.rmsNormEps, workspace.pool); // [n, D]
  const at::Tensor y = apply(this->Head, x, workspace);                        // [n, V]
  return y.scalar_type() == at::kDouble ? y : y.to(at::kFloat);
}

std::vector<LayerCache> Decoder::makeCache(std::int64_t capacity) const
{
  std::vector<LayerCache> cache(this->Layers.size());
  for (LayerCache& layer : cache)
  {
    const std::vector<std::int64_t> shape{ this->Config.keyValueHeads, capacity,
      this->Config.headSize };
    layer.keys = at::empty(shape, this->Options);
    layer.values = at::empty(shape, this->Options);
  }
  return cache;
}

std::size_t Decoder::cacheBytes(std::int64_t capacity) const
{
  return static_cast<std::size_t>(
           2 * this->Span.count() * this->Config.keyValueHeads * this->Config.headSize * capacity) *
    c10::elementSize(c10::typeMetaToScalarType(this->Options.dtype()));
}

Rope Decoder::rope(std::int64_t first, std::int64_t n) const
{
  return ropeAngles(this->Config, first, n, at::empty({ 0 }, this->Options));
}

} // namespace lvlm::llava
