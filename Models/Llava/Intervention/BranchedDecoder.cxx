// SPDX-License-Identifier: Apache-2.0
#include "BranchedDecoder.h"

#include "Models/Llava/Network/AttentionCuts.h"

#include <algorithm>
#include <utility>

namespace lvlm::llava
{

BranchedDecoder::BranchedDecoder(
  const LlavaModel::Impl& model, std::int64_t positions, std::int64_t answer, Workspace& buffers)
  : Model(model), Positions(positions), Answer(answer), Buffers(buffers),
    Cache(model.decoder.makeCache(positions))
{
}

AttentionTap BranchedDecoder::beating()
{
  return [this](std::int64_t, const at::Tensor&)
  {
    this->Buffers.pulse.beat();
    return at::Tensor();
  };
}

void BranchedDecoder::reportLayer(
  std::int64_t layer, const Progress& progress, const std::string& what) const
{
  const std::int64_t layers = this->Model.decoder.layers();
  report(progress, static_cast<double>(layer) / static_cast<double>(layers),
    what + ", layer " + std::to_string(layer + 1) + " of " + std::to_string(layers));
}

at::Tensor BranchedDecoder::forward(std::int64_t layer, const at::Tensor& hidden, const Rope& rope,
  const std::vector<Branch>& branches, const DecoderLayer::Mixer& mixer)
{
  const at::Tensor wanted = this->isLast(layer) ? this->answerRows(branches) : at::Tensor();
  return this->Model.decoder.layer(layer).forward(hidden, rope, this->Buffers, mixer, wanted);
}

at::Tensor BranchedDecoder::answerRows(const std::vector<Branch>& branches) const
{
  std::vector<std::int64_t> rows;
  std::int64_t end = 0;
  for (const Branch& branch : branches)
  {
    end += this->Positions - branch.first;
    for (std::int64_t row = end - this->Answer; row < end; ++row)
    {
      rows.push_back(row);
    }
  }
  return at::tensor(rows, at::kLong).to(this->Model.weights.device());
}

AttentionMask BranchedDecoder::maskOf(std::int64_t queries) const
{
  AttentionMask mask;
  mask.causal = true;
  mask.firstQuery = this->Positions - queries;
  mask.window = this->Model.config.text.slidingWindow;
  return mask;
}

at::Tensor BranchedDecoder::seen(
  std::int64_t layer, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v)
{
  LayerCache& cache = this->cache(layer);
  cache.keys.copy_(k);
  cache.values.copy_(v);
  return attend(q, cache.keys, cache.values, this->Model.config.text.attentionScale,
    this->maskOf(q.size(1)), this->beating(), this->Buffers.pool);
}

at::Tensor BranchedDecoder::trunk(
  at::Tensor hidden, const Progress& progress, const std::string& what)
{
  const Decoder& decoder = this->Model.decoder;
  const Rope rope = decoder.rope(0, this->Positions);
  for (std::int64_t i = decoder.span().begin; i < decoder.span().end; ++i)
  {
    this->reportLayer(i, progress, what);
    hidden = this->forward(i, hidden, rope, { Branch() },
      [&](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v)
      { return this->seen(i, q, k, v); });
  }
  return hidden;
}

at::Tensor BranchedDecoder::pair(
  at::Tensor hidden, const PairTap& tap, const Progress& progress, const std::string& what)
{
  const Decoder& decoder = this->Model.decoder;
  const std::vector<Branch> both(2);
  const std::int64_t S = this->Positions;
  const Rope rope = this->angles(both);
  for (std::int64_t i = decoder.span().begin; i < decoder.span().end; ++i)
  {
    this->reportLayer(i, progress, what);
    const auto mixer = [&](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v)
    {
      const auto half = [S](const at::Tensor& x, std::int64_t which)
      { return x.narrow(1, which * S, S); };
      return at::cat(
        { this->seen(i, half(q, 0), half(k, 0), half(v, 0)),
          attend(half(q, 1), half(k, 1), half(v, 1), this->Model.config.text.attentionScale,
            this->maskOf(S), this->beating(), this->Buffers.pool) },
        0); // [2 S, Hd * d]
    };
    Pair now;
    now.before = hidden;
    now.attended = decoder.layer(i).attended(hidden, rope, this->Buffers, mixer);
    this->Buffers.pulse.beat(); // twice as many rows take twice as long
    now.middle = now.attended + hidden;
    now.fed = decoder.layer(i).fed(now.middle, this->Buffers);
    now.after = now.fed + now.middle;
    tap(i, now);
    hidden = this->isLast(i) ? now.after.index_select(0, this->answerRows(both)) : now.after;
  }
  return hidden;
}

std::int64_t BranchedDecoder::rows(const std::vector<Branch>& branches) const
{
  std::int64_t rows = 0;
  for (const Branch& branch : branches)
  {
    rows += this->Positions - branch.first;
  }
  return rows;
}

Rope BranchedDecoder::angles(const std::vector<Branch>& branches) const
{
  const Rope whole = this->Model.decoder.rope(0, this->Positions);
  std::vector<at::Tensor> cos, sin;
  for (const Branch& branch : branches)
  {
    cos.push_back(whole.cos.narrow(0, branch.first, this->Positions - branch.first));
    sin.push_back(whole.sin.narrow(0, branch.first, this->Positions - branch.first));
  }
  return { at::cat(cos, 0), at::cat(sin, 0) };
}

at::Tensor BranchedDecoder::mixed(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
  const std::vector<Branch>& branches, std::int64_t layer, std::int64_t queries)
{
  const checkpoint::TextConfig& config = this->Model.config.text;
  const LayerCache& cache = this->cache(layer);
  at::Tensor out = this->Buffers.pool.empty(
    { q.size(1), config.heads * config.headSize }, q.scalar_type(), q.device()); // [m, Hd * d]
  std::int64_t row = 0, query = 0;
  for (const Branch& branch : branches)
  {
    const std::int64_t n = this->Positions - branch.first, m = queries > 0 ? queries : n;
    const auto whole = [&](const at::Tensor& before, const at::Tensor& own) {
      return at::cat({ before.narrow(1, 0, branch.first), own.narrow(1, row, n) }, 1);
    };
    AttentionMask mask = this->maskOf(m);
    mask.blocked = blockedBy(
      *branch.cuts, layer, mask.firstQuery, m, this->Positions, this->Model.weights.device());
    out.narrow(0, query, m)
      .copy_(attend(q.narrow(1, query, m), whole(cache.keys, k), whole(cache.values, v),
        config.attentionScale, mask, this->beating(), this->Buffers.pool));
    row += n;
    query += m;
  }
  return out;
}

at::Tensor BranchedDecoder::branches(at::Tensor hidden, const std::vector<Branch>& branches,
  const Progress& progress, const std::string& what, std::int64_t begin)
{
  const Decoder& decoder = this->Model.decoder;
  const Rope rope = this->angles(branches);
  for (std::int64_t i = std::max(begin, decoder.span().begin); i < decoder.span().end; ++i)
  {
    this->reportLayer(i, progress, what);
    hidden = this->forward(i, hidden, rope, branches,
      [&](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v)
      { return this->mixed(q, k, v, branches, i, this->isLast(i) ? this->Answer : 0); });
  }
  return hidden;
}

} // namespace lvlm::llava
