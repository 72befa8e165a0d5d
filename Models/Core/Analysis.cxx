// SPDX-License-Identifier: Apache-2.0
#include "Analysis.h"

#include "Json.h"
#include "MemoryAdvice.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <unordered_map>

namespace lvlm
{

namespace
{
namespace tn = tensor_name;

/// `attention.answer` [L, Hd, T, K], a row at a time.
class AnswerRows
{
public:
  /// Rows are cut to the keys [firstKey, firstKey + keys).
  AnswerRows(const Trace& trace, std::int64_t firstKey, std::int64_t keys)
    : Attention(trace.tensor(tn::AttentionAnswer)), LayerBegin(trace.layerBegin),
      FirstKey(firstKey), Row(static_cast<std::size_t>(keys))
  {
  }

  std::int64_t heads() const { return this->Attention.extent(1); }
  std::int64_t tokens() const { return this->Attention.extent(2); }
  std::int64_t localLayers() const { return this->Attention.extent(0); }
  bool holds(std::int64_t layer) const
  {
    return layer >= this->LayerBegin && layer < this->LayerBegin + this->localLayers();
  }

  /// Called before the rows of a head are read: starts reading them together where that pays, that
  /// is when most of what lies between the first and the last one will be looked at.
  void prepare(std::int64_t layer, std::int64_t head, std::size_t chosenTokens) const
  {
    const std::int64_t keys = this->Attention.extent(3);
    if (static_cast<std::int64_t>(chosenTokens) == this->tokens() &&
      2 * static_cast<std::int64_t>(this->Row.size()) >= keys)
    {
      const std::int64_t slab = (layer - this->LayerBegin) * this->heads() + head;
      expectReads(this->Attention, slab * this->tokens() * keys, this->tokens() * keys);
    }
  }

  /// `layer` counts through the whole model and must be held.
  const std::vector<float>& read(std::int64_t layer, std::int64_t head, std::int64_t token)
  {
    const std::int64_t row =
      ((layer - this->LayerBegin) * this->heads() + head) * this->tokens() + token;
    this->Attention.toFloat(row * this->Attention.extent(3) + this->FirstKey,
      static_cast<std::int64_t>(this->Row.size()), this->Row.data());
    return this->Row;
  }

private:
  const Tensor& Attention;
  std::int64_t LayerBegin;
  std::int64_t FirstKey;
  std::vector<float> Row;
};

AnswerRows imageRows(const Trace& trace)
{
  return { trace, trace.imageStart, trace.grid.count() };
}

std::string layerText(std::int64_t layer)
{
  return "layer " + std::to_string(layer);
}

Indices heldLayers(const AnswerRows& rows, const Indices& layers)
{
  Indices held;
  std::copy_if(layers.begin(), layers.end(), std::back_inserter(held),
    [&](std::int64_t layer) { return rows.holds(layer); });
  return held;
}

void accumulate(const std::vector<float>& row, Reduction reduction, double* values)
{
  for (std::size_t i = 0; i < row.size(); ++i)
  {
    const double value = row[i];
    values[i] = reduction == Reduction::Mean ? values[i] + value : std::max(values[i], value);
  }
}

/// What sums and maxima start from.
double startOf(Reduction reduction)
{
  return reduction == Reduction::Mean ? 0.0 : -std::numeric_limits<double>::infinity();
}

/// Divides sums by the number of their samples; maxima stay.
std::vector<float> finished(
  const double* values, std::size_t count, Reduction reduction, double samples)
{
  std::vector<float> result(count);
  for (std::size_t i = 0; i < count; ++i)
  {
    result[i] = static_cast<float>(reduction == Reduction::Mean ? values[i] / samples : values[i]);
  }
  return result;
}
}

Indices resolveIndices(const Indices& wanted, std::int64_t count, const std::string& what)
{
  std::vector<bool> seen(static_cast<std::size_t>(count), wanted.empty());
  Indices result;
  for (const std::int64_t index : wanted)
  {
    if (index < -count || index >= count)
    {
      fail(what, ": ", index, " is out of range [", -count, ", ", count - 1, "]");
    }
    const std::int64_t resolved = index < 0 ? index + count : index;
    if (!seen[static_cast<std::size_t>(resolved)])
    {
      seen[static_cast<std::size_t>(resolved)] = true;
      result.push_back(resolved);
    }
  }
  for (std::int64_t i = 0; wanted.empty() && i < count; ++i)
  {
    result.push_back(i);
  }
  return result;
}

LayerMaps layerMaps(
  const Trace& trace, const Selection& selection, Reduction reduction, const Progress& progress)
{
  AnswerRows rows = imageRows(trace);
  const Indices heads = resolveIndices(selection.heads, rows.heads(), "Heads");
  const Indices tokens = resolveIndices(selection.answerTokens, rows.tokens(), "AnswerTokens");
  LayerMaps maps;
  maps.layers = heldLayers(rows, resolveIndices(selection.layers, trace.layerTotal, "Layers"));
  maps.cells = trace.grid.count();
  maps.samples = static_cast<std::int64_t>(heads.size() * tokens.size());
  maps.values.assign(maps.layers.size() * static_cast<std::size_t>(maps.cells), startOf(reduction));
  for (std::size_t l = 0; l < maps.layers.size(); ++l)
  {
    double* values = maps.values.data() + l * static_cast<std::size_t>(maps.cells);
    for (const std::int64_t head : heads)
    {
      report(progress, static_cast<double>(l) / static_cast<double>(maps.layers.size()),
        layerText(maps.layers[l]));
      rows.prepare(maps.layers[l], head, tokens.size());
      for (const std::int64_t token : tokens)
      {
        accumulate(rows.read(maps.layers[l], head, token), reduction, values);
      }
    }
  }
  return maps;
}

std::vector<float> combineLayers(const LayerMaps& maps, Reduction reduction)
{
  const auto cells = static_cast<std::size_t>(maps.cells);
  std::vector<double> total(cells, startOf(reduction));
  for (std::size_t at = 0; at < maps.values.size(); ++at)
  {
    double& value = total[at % cells];
    value =
      reduction == Reduction::Mean ? value + maps.values[at] : std::max(value, maps.values[at]);
  }
  return finished(total.data(), cells, reduction,
    static_cast<double>(maps.samples) * static_cast<double>(maps.layers.size()));
}

std::vector<float> attentionMap(
  const Trace& trace, const Selection& selection, Reduction reduction, const Progress& progress)
{
  return combineLayers(layerMaps(trace, selection, reduction, progress), reduction);
}

std::vector<float> attentionOfLayers(
  const Trace& trace, const Selection& selection, Reduction reduction, const Progress& progress)
{
  const LayerMaps maps = layerMaps(trace, selection, reduction, progress);
  return finished(
    maps.values.data(), maps.values.size(), reduction, static_cast<double>(maps.samples));
}

std::vector<float> attentionOfHeads(const Trace& trace, const Selection& selection,
  std::int64_t layer, Reduction reduction, const Progress& progress)
{
  AnswerRows rows = imageRows(trace);
  const Indices heads = resolveIndices(selection.heads, rows.heads(), "Heads");
  const Indices tokens = resolveIndices(selection.answerTokens, rows.tokens(), "AnswerTokens");
  const std::int64_t chosen = resolveIndices({ layer }, trace.layerTotal, "Layer").front();
  if (!rows.holds(chosen))
  {
    fail("Layer: ", chosen, " is held by another process");
  }
  const auto cells = static_cast<std::size_t>(trace.grid.count());
  std::vector<double> values(heads.size() * cells, startOf(reduction));
  for (std::size_t h = 0; h < heads.size(); ++h)
  {
    report(progress, static_cast<double>(h) / static_cast<double>(heads.size()),
      "head " + std::to_string(heads[h]));
    rows.prepare(chosen, heads[h], tokens.size());
    for (const std::int64_t token : tokens)
    {
      accumulate(rows.read(chosen, heads[h], token), reduction, values.data() + h * cells);
    }
  }
  return finished(values.data(), values.size(), reduction, static_cast<double>(tokens.size()));
}

PatchAttention patchAttention(
  const Trace& trace, const Indices& patches, const Selection& selection, const Progress& progress)
{
  const Indices chosen = resolveIndices(patches, trace.grid.count(), "Patches");
  const auto [low, high] = std::minmax_element(chosen.begin(), chosen.end());
  AnswerRows rows(trace, trace.imageStart + *low, *high - *low + 1);
  PatchAttention result;
  result.heads = resolveIndices(selection.heads, rows.heads(), "Heads");
  const Indices layers =
    heldLayers(rows, resolveIndices(selection.layers, trace.layerTotal, "Layers"));
  const auto T = static_cast<std::size_t>(rows.tokens());
  std::vector<double> perHead(result.heads.size() * T, 0.0);
  for (std::size_t l = 0; l < layers.size(); ++l)
  {
    for (std::size_t h = 0; h < result.heads.size(); ++h)
    {
      report(progress, static_cast<double>(l) / static_cast<double>(layers.size()),
        layerText(layers[l]));
      rows.prepare(layers[l], result.heads[h], T);
      for (std::size_t t = 0; t < T; ++t)
      {
        const auto& row = rows.read(layers[l], result.heads[h], static_cast<std::int64_t>(t));
        double& sum = perHead[h * T + t];
        for (const std::int64_t patch : chosen)
        {
          sum += row[static_cast<std::size_t>(patch - *low)];
        }
      }
    }
  }
  const double samples = static_cast<double>(layers.size()) * static_cast<double>(chosen.size());
  result.perHead = finished(perHead.data(), perHead.size(), Reduction::Mean, samples);
  std::vector<double> mean(T, 0.0);
  for (std::size_t i = 0; i < perHead.size(); ++i)
  {
    mean[i % T] += perHead[i];
  }
  result.mean =
    finished(mean.data(), T, Reduction::Mean, samples * static_cast<double>(result.heads.size()));
  return result;
}

namespace
{
/// The positions of a role that keys can have.
Indices positionsOf(const Trace& trace, Role role)
{
  Indices positions;
  for (std::int64_t p = 0; p < trace.keys(); ++p)
  {
    if (trace.roles[static_cast<std::size_t>(p)] == role)
    {
      positions.push_back(p);
    }
  }
  if (positions.empty())
  {
    fail("Source: the trace has no position with the role '", nameOf(role), "'");
  }
  return positions;
}
}

HeadSummary headSummary(
  const Trace& trace, const Selection& selection, Source source, const Progress& progress)
{
  const Indices positions =
    positionsOf(trace, source == Source::Image ? Role::Image : Role::Question);
  AnswerRows rows(trace, positions.front(), positions.back() - positions.front() + 1);
  const Indices tokens = resolveIndices(selection.answerTokens, rows.tokens(), "AnswerTokens");
  HeadSummary summary;
  summary.layers = heldLayers(rows, resolveIndices(selection.layers, trace.layerTotal, "Layers"));
  const double samples = static_cast<double>(tokens.size()) * static_cast<double>(positions.size());
  for (const std::int64_t layer : summary.layers)
  {
    report(progress,
      static_cast<double>(summary.values.size()) /
        static_cast<double>(summary.layers.size() * static_cast<std::size_t>(rows.heads())),
      layerText(layer));
    for (std::int64_t head = 0; head < rows.heads(); ++head)
    {
      double sum = 0.0;
      rows.prepare(layer, head, tokens.size());
      for (const std::int64_t token : tokens)
      {
        const auto& row = rows.read(layer, head, token);
        for (const std::int64_t position : positions)
        {
          sum += row[static_cast<std::size_t>(position - positions.front())];
        }
      }
      summary.values.push_back(static_cast<float>(sum / samples));
    }
  }
  return summary;
}

namespace
{
/// The pieces that the recording program wrote down, or none when they do not fit.
std::vector<std::string> recordedAlternatives(const Trace& trace, std::int64_t T, std::int64_t k)
{
  std::vector<std::string> pieces;
  const auto found = trace.extra.find("answer.topk_token");
  if (found == trace.extra.end())
  {
    return pieces;
  }
  const nlohmann::json rows = parseJson(found->second, "metadata key 'answer.topk_token'");
  bool good = rows.is_array() && rows.size() == static_cast<std::size_t>(T);
  for (std::size_t t = 0; good && t < rows.size(); ++t)
  {
    good = rows[t].is_array() && rows[t].size() == static_cast<std::size_t>(k);
    for (std::size_t n = 0; good && n < rows[t].size(); ++n)
    {
      good = rows[t][n].is_string();
      pieces.push_back(good ? rows[t][n].get<std::string>() : std::string());
    }
  }
  if (!good)
  {
    fail("metadata key 'answer.topk_token' is not a list of ", T, " lists of ", k, " strings");
  }
  return pieces;
}
}

std::vector<std::string> alternativeTokens(const Trace& trace)
{
  const Tensor& topk = trace.tensor(tn::TopkId); // [T, k]
  std::vector<std::string> pieces = recordedAlternatives(trace, topk.extent(0), topk.extent(1));
  if (!pieces.empty())
  {
    return pieces;
  }
  std::unordered_map<std::int64_t, const std::string*> known;
  const auto* ids = trace.tensor(tn::TokenId).as<std::int64_t>();
  for (std::size_t p = 0; p < trace.tokens.size(); ++p)
  {
    known.emplace(ids[p], &trace.tokens[p]);
  }
  for (std::int64_t i = 0; i < topk.count(); ++i)
  {
    const std::int64_t id = topk.as<std::int64_t>()[i];
    const auto found = known.find(id);
    pieces.push_back(found == known.end() ? "<id " + std::to_string(id) + ">" : *found->second);
  }
  return pieces;
}

} // namespace lvlm
