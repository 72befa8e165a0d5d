// SPDX-License-Identifier: Apache-2.0
#include "Rollout.h"

#include "Regions.h"

#include <algorithm>
#include <cmath>

namespace lvlm
{

namespace
{
namespace tn = tensor_name;

/// What to do comes first: message windows cut long lines.
constexpr const char* NeedsAll = "rollout needs every layer: set CaptureFullLayers of LLaVA "
                                 "Inference to all. attention.full has ";

/// Slabs of `attention.full` from the first layer up, -1 where another process has it. Throws Error
/// unless all layers of the model are recorded.
std::vector<std::int64_t> slabsInOrder(const Trace& trace)
{
  const Tensor& layers = trace.tensor(tn::AttentionFullLayers);
  const std::int64_t* numbers = layers.as<std::int64_t>();
  std::vector<std::int64_t> slabs(static_cast<std::size_t>(layers.count()), -1);
  for (std::int64_t i = 0; i < layers.count(); ++i)
  {
    if (numbers[i] < 0 || numbers[i] >= layers.count())
    {
      fail(NeedsAll, layers.count(), " layer(s), among these layer ", numbers[i]);
    }
    slabs[static_cast<std::size_t>(numbers[i])] = i;
  }
  if (slabs.empty() || std::find(slabs.begin(), slabs.end(), -1) != slabs.end() ||
    (trace.layerTotal > 0 && trace.layerTotal != layers.count()))
  {
    fail(NeedsAll, layers.count(), " layer(s), not all ",
      std::max(trace.layerTotal, layers.count()), " layers, each once");
  }
  std::fill(slabs.begin(), slabs.end(), -1);
  const std::vector<std::int64_t> held = trace.fullLayers();
  for (std::size_t slab = 0; slab < held.size(); ++slab)
  {
    slabs[static_cast<std::size_t>(held[slab])] = static_cast<std::int64_t>(slab);
  }
  return slabs;
}

/// Row `query` of one layer: heads reduced, identity added, divided by its sum. [query + 1]
class MixedRow
{
public:
  MixedRow(const Tensor& full, std::int64_t slab, Reduction reduction)
    : Full(full), Slab(slab), Heads(full.extent(1)), Keys(full.extent(2)), Kind(reduction)
  {
  }

  const std::vector<double>& read(std::int64_t query)
  {
    const std::int64_t wanted = std::min(query + 2, this->Keys);
    this->One.resize(static_cast<std::size_t>(wanted));
    this->Row.assign(static_cast<std::size_t>(query) + 1, 0.0);
    for (std::int64_t head = 0; head < this->Heads; ++head)
    {
      const std::int64_t first =
        ((this->Slab * this->Heads + head) * this->Keys + query) * this->Keys;
      this->Full.toFloat(first, wanted, this->One.data());
      if (wanted > query + 1 && this->One.back() > 0)
      {
        fail("attention.full: position ", query,
          " attends to the one after it. Rollout is for "
          "models whose prompt is causal");
      }
      for (std::size_t key = 0; key < this->Row.size(); ++key)
      {
        const double value = this->One[key];
        this->Row[key] = this->Kind == Reduction::Mean
          ? this->Row[key] + value / static_cast<double>(this->Heads)
          : std::max(this->Row[key], value);
      }
    }
    this->Row.back() += 1;
    double sum = 0;
    for (const double value : this->Row)
    {
      sum += value;
    }
    if (!std::isfinite(sum))
    {
      fail("attention.full has a value that is not finite in row ", query);
    }
    for (double& value : this->Row)
    {
      value /= sum;
    }
    return this->Row;
  }

private:
  const Tensor& Full;
  std::int64_t Slab, Heads, Keys;
  Reduction Kind;
  std::vector<float> One;
  std::vector<double> Row;
};
}

Rollout::Rollout(const Trace& trace, const Indices& answerTokens, Reduction reduction)
  : Full(trace.tensor(tn::AttentionFull)), Kind(reduction),
    Keys(static_cast<std::size_t>(trace.keys()))
{
  const Indices tokens = resolveIndices(answerTokens, trace.answerLength(), "AnswerTokens");
  this->Slabs = slabsInOrder(trace);
  this->rows.assign(tokens.size() * this->Keys, 0.0);
  for (std::size_t i = 0; i < tokens.size(); ++i)
  {
    const auto own = static_cast<std::size_t>(trace.promptLength - 1 + tokens[i]);
    this->rows[i * this->Keys + own] = 1;
    this->LastQuery = std::max(this->LastQuery, own);
  }
}

void Rollout::descend(std::int64_t layer)
{
  if (!this->holds(layer))
  {
    fail("the complete attention of layer ", layer, " is in another process");
  }
  MixedRow mixed(this->Full, this->Slabs[static_cast<std::size_t>(layer)], this->Kind);
  std::vector<double> next(this->rows.size(), 0.0);
  for (std::size_t query = 0; query <= this->LastQuery; ++query)
  {
    const std::vector<double>& weights = mixed.read(static_cast<std::int64_t>(query));
    for (std::size_t row = 0; row < this->rows.size(); row += this->Keys)
    {
      const double share = this->rows[row + query];
      for (std::size_t key = 0; share != 0 && key <= query; ++key)
      {
        next[row + key] += share * weights[key];
      }
    }
  }
  this->rows.swap(next);
}

std::vector<float> imageSpan(const Trace& trace, const std::vector<float>& rows)
{
  const auto K = static_cast<std::size_t>(trace.keys());
  const ImageMap image(trace);
  const auto start = static_cast<std::size_t>(image.first());
  const auto count = static_cast<std::size_t>(image.count());
  if (K == 0 || rows.size() % K != 0 || start + count > K)
  {
    fail(rows.size(), " values are not rows over ", K, " positions with the image at ", start);
  }
  std::vector<float> span, row(count), scratch;
  for (std::size_t at = 0; at < rows.size(); at += K)
  {
    const auto begin = rows.begin() + static_cast<std::ptrdiff_t>(at + start);
    std::copy_n(begin, count, row.begin());
    const std::vector<float>& map = image.of(row, scratch);
    span.insert(span.end(), map.begin(), map.end());
  }
  return span;
}

} // namespace lvlm
