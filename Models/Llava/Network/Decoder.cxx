// SPDX-License-Identifier: Apache-2.0
#include "Decoder.h"

#include "Models/Trace/Error.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace lvlm::llava
{

namespace
{
/// A last block that is small would cost as much as a whole one where weights are widened.
bool goesInBlocks(const at::Tensor& x)
{
  return x.size(0) >= 2 * DecoderBlockRows;
}

/// `work` on blocks of x's rows, so that an abort is noticed in a long prompt, and what is only
/// needed between two linear maps stays small: [n, D] -> [n, ...].
template <typename Work>
at::Tensor inBlocks(const at::Tensor& x, BufferPool& pool, const Work& work)
{
  const std::int64_t n = x.size(0);
  if (!goesInBlocks(x))
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

at::Tensor applyInBlocks(const Linear& linear, const Activations& x, Workspace& workspace)
{
  if (!goesInBlocks(x.rows()))
  {
    return apply(linear, x, workspace);
  }
  return inBlocks(x.rows(), workspace.pool,
    [&](const at::Tensor& part) { return apply(linear, part, workspace); });
}

at::Tensor rowsOf(const at::Tensor& x, const at::Tensor& wanted)
{
  return wanted.defined() ? x.index_select(0, wanted) : x;
}

/// Of an RMSNorm [size]; in float32 or wider where 1 is added to it, as rmsNorm() wants it.
at::Tensor normWeight(const checkpoint::TextConfig& config, const WeightStore& weights,
  const std::string& name, std::int64_t size)
{
  const at::Tensor weight = weights.small(name, { size });
  return config.normOffset ? weight.to(at::promote_types(weight.scalar_type(), at::kFloat)).add(1)
                           : weight;
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
  const auto norm = [&](const std::string& name, std::int64_t size)
  { return normWeight(config, weights, layer + name + ".weight", size); };
  this->InputNorm = norm("input_layernorm", D);
  this->PostNorm = norm("post_attention_layernorm", D);
  if (config.headNorms)
  {
    this->QueryNorm = norm("self_attn.q_norm", config.headSize);
    this->KeyNorm = norm("self_attn.k_norm", config.headSize);
  }
  if (config.joinedWeights)
  {
    this->takeParts(weights, layer);
  }
  else
  {
    this->Query = linear("self_attn.q_proj", queryWidth, D, inner);
    this->Key = linear("self_attn.k_proj", keyWidth, D, inner);
    this->Value = linear("self_attn.v_proj", keyWidth, D, inner);
    this->Gate = linear("mlp.gate_proj", config.intermediate, D, wide);
    this->Up = linear("mlp.up_proj", config.intermediate, D, wide);
  }
  this->Out = linear("self_attn.o_proj", D, queryWidth, config.outputBias);
  this->Down = linear("mlp.down_proj", D, config.intermediate, wide);
}

/// The maps that the file has joined, as parts of its matrices.
void DecoderLayer::takeParts(const WeightStore& weights, const std::string& layer)
{
  const checkpoint::TextConfig& config = this->Config;
  const std::int64_t queryWidth = config.heads * config.headSize;
  const std::int64_t keyWidth = config.keyValueHeads * config.headSize;
  const std::int64_t all = queryWidth + 2 * keyWidth, I = config.intermediate;
  const auto part = [&](const char* joined, const char* name, std::int64_t begin, std::int64_t out,
                      std::int64_t total)
  {
    return weights.part(
      layer + joined, std::string("decoder.") + name, begin, out, total, config.hidden);
  };
  const char *three = "self_attn.qkv_proj", *two = "mlp.gate_up_proj";
  this->Query = part(three, "self_attn.q_proj", 0, queryWidth, all);
  this->Key = part(three, "self_attn.k_proj", queryWidth, keyWidth, all);
  this->Value = part(three, "self_attn.v_proj", queryWidth + keyWidth, keyWidth, all);
  this->Gate = part(two, "mlp.gate_proj", 0, I, 2 * I);
  this->Up = part(two, "mlp.up_proj", I, I, 2 * I);
}

at::Tensor DecoderLayer::heads(const Linear& map, const at::Tensor& norm, std::int64_t count,
  const Activations& x, const Rope& rope, Workspace& workspace) const
{
  at::Tensor all = applyInBlocks(map, x, workspace); // [n, count * d]
  if (norm.defined())
  {
    const at::Tensor rows = headRows(all, this->Config.headSize);
    all = joinedHeads(rmsNorm(rows, norm, this->Config.rmsNormEps, workspace.pool), count);
  }
  return turnedHeads(all, count, rope);
}

at::Tensor DecoderLayer::attention(const Activations& x, const Rope& rope, Workspace& workspace,
  const Mixer& mixer, const at::Tensor& wanted) const
{
  const checkpoint::TextConfig& config = this->Config;
  const Rope asking{ rowsOf(rope.cos, wanted), rowsOf(rope.sin, wanted) };
  const std::optional<Activations> some =
    wanted.defined() ? std::optional<Activations>(rowsOf(x.rows(), wanted)) : std::nullopt;
  const at::Tensor q = this->heads(
    this->Query, this->QueryNorm, config.heads, some ? *some : x, asking, workspace); // [Hd, m, d]
  at::Tensor k =
    this->heads(this->Key, this->KeyNorm, config.keyValueHeads, x, rope, workspace); // [Hkv, n, d]
  at::Tensor v = splitHeads(applyInBlocks(this->Value, x, workspace), config.keyValueHeads);
  // Given away: what a cache has a copy of need not be kept beside it.
  return applyInBlocks(this->Out, mixer(q, std::move(k), std::move(v)), workspace); // [n, D]
}

at::Tensor DecoderLayer::feedForward(const at::Tensor& x, Workspace& workspace) const
{
  return inBlocks(x, workspace.pool,
    [&](const Activations& part)
    {
      at::Tensor gate =
        activate(this->Config.activation, apply(this->Gate, part, workspace)); // [m, I]
      gate.mul_(apply(this->Up, part, workspace));
      return apply(this->Down, gate, workspace); // [m, D]
    });
}

at::Tensor DecoderLayer::attended(const at::Tensor& hidden, const Rope& rope, Workspace& workspace,
  const Mixer& mixer, const at::Tensor& wanted) const
{
  const at::Tensor x = rmsNorm(hidden, this->InputNorm, this->Config.rmsNormEps, workspace.pool);
  return scaled(this->attention(x, rope, workspace, mixer, wanted), this->Config.residualScale);
}

at::Tensor DecoderLayer::fed(const at::Tensor& middle, Workspace& workspace) const
{
  const at::Tensor x = rmsNorm(middle, this->PostNorm, this->Config.rmsNormEps, workspace.pool);
  return scaled(this->feedForward(x, workspace), this->Config.residualScale);
}

at::Tensor DecoderLayer::forward(const at::Tensor& hidden, const Rope& rope, Workspace& workspace,
  const Mixer& mixer, const at::Tensor& wanted) const
{
  const at::Tensor middle =
    this->attended(hidden, rope, workspace, mixer, wanted).add_(rowsOf(hidden, wanted));
  return this->fed(middle, workspace).add_(middle);
}

at::Tensor DecoderLayer::forward(const at::Tensor& hidden, const Rope& rope, std::int64_t first,
  LayerCache* cache, Workspace& workspace, const AttentionTap& tap, const at::Tensor& blocked) const
{
  return this->forward(hidden, rope, workspace,
    [&](const at::Tensor& q, at::Tensor k, at::Tensor v)
    {
      if (cache)
      {
        const std::int64_t n = q.size(1);
        cache->keys.narrow(1, first, n).copy_(k);
        cache->values.narrow(1, first, n).copy_(v);
        k = cache->keys.narrow(1, 0, first + n);   // [Hkv, S, d]
        v = cache->values.narrow(1, 0, first + n); // [Hkv, S, d]
      }
      AttentionMask mask;
      mask.causal = true;
      mask.firstQuery = first;
      mask.window = this->Config.slidingWindow;
      mask.blocked = blocked;
      return attend(q, k, v, this->Config.attentionScale, mask, tap, workspace.pool);
    });
}

Decoder::Decoder(
  const checkpoint::TextConfig& config, const WeightStore& weights, const LayerSpan& span)
  : Config(config), Options(at::TensorOptions(weights.type()).device(weights.device())), Span(span),
    EmbeddingScale(config.embeddingScale)
{
  if (config.roundsEmbeddingScale)
  {
    this->EmbeddingScale = at::scalar_tensor(config.embeddingScale, this->Options).item<double>();
  }
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
  this->FinalNorm = normWeight(config, weights, "decoder.norm.weight", config.hidden);
  if (tied)
  {
    this->Head = weights.linearOf("lm_head", this->Embedding);
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
  const at::Tensor index = at::tensor(at::ArrayRef<std::int64_t>(ids), at::kLong);       // [n]
  const at::Tensor rows = at::index_select(this->Embedding, 0, index).to(this->Options); // [n, D]
  return scaled(rows, this->EmbeddingScale);
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
