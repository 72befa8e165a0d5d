// SPDX-License-Identifier: Apache-2.0
#include "Analysis.h"

#include "AnswerRows.h"
#include "Json.h"
#include "Regions.h"
#include "Words.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <numeric>
#include <unordered_map>

namespace lvlm
{

namespace
{
namespace tn = tensor_name;

/// Rows as maps of the picture.
class ImageRows : public AnswerRows
{
public:
  /// Patches that are `dropped` are 0.
  ImageRows(const Trace& trace, const std::vector<bool>& dropped)
    : ImageRows(trace, dropped, ImageMap(trace))
  {
  }

  std::size_t cells() const { return this->Map.cells(); }
  const std::vector<float>& readMap(std::int64_t layer, std::int64_t head, std::int64_t token)
  {
    const std::vector<float>& map = this->Map.of(this->read(layer, head, token), this->Cells);
    if (this->Dropped.empty())
    {
      return map;
    }
    this->Kept = map;
    for (const std::size_t patch : this->Dropped)
    {
      this->Kept[patch] = 0;
    }
    return this->Kept;
  }

private:
  ImageRows(const Trace& trace, const std::vector<bool>& dropped, const ImageMap& map)
    : AnswerRows(trace, map.first(), map.count()), Map(map)
  {
    if (!dropped.empty() && dropped.size() != map.cells())
    {
      fail(dropped.size(), " patches are marked in a map of ", map.cells());
    }
    for (std::size_t patch = 0; patch < dropped.size(); ++patch)
    {
      if (dropped[patch])
      {
        this->Dropped.push_back(patch);
      }
    }
  }

  ImageMap Map;
  std::vector<std::size_t> Dropped;
  std::vector<float> Cells, Kept;
};

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

std::vector<HeadPlace> placesOf(const Selection& selection, std::int64_t layers, std::int64_t heads)
{
  const Indices chosenHeads = resolveIndices(selection.heads, heads, "Heads");
  std::vector<HeadPlace> places;
  for (const std::int64_t layer : resolveIndices(selection.layers, layers, "Layers"))
  {
    for (const HeadPlace& place : selection.places)
    {
      if (place.layer == layer)
      {
        places.push_back(place);
      }
    }
    for (std::size_t h = 0; selection.places.empty() && h < chosenHeads.size(); ++h)
    {
      places.push_back({ layer, chosenHeads[h] });
    }
  }
  return places;
}

Indices headsOf(const std::vector<HeadPlace>& places)
{
  Indices heads;
  std::transform(places.begin(), places.end(), std::back_inserter(heads),
    [](const HeadPlace& place) { return place.head; });
  return heads;
}

namespace
{
/// The layers of places that stand layer by layer.
Indices layersOf(const std::vector<HeadPlace>& places)
{
  Indices layers;
  for (const HeadPlace& place : places)
  {
    if (layers.empty() || layers.back() != place.layer)
    {
      layers.push_back(place.layer);
    }
  }
  return layers;
}

/// The heads of those places that lie in a layer.
Indices headsIn(const std::vector<HeadPlace>& places, std::int64_t layer)
{
  std::vector<HeadPlace> own;
  std::copy_if(places.begin(), places.end(), std::back_inserter(own),
    [layer](const HeadPlace& place) { return place.layer == layer; });
  return headsOf(own);
}

/// Parts of the chosen layers that this process holds; `width` numbers each, none filled in yet.
LayerParts emptyParts(
  const Indices& chosen, const AnswerRows& rows, std::size_t width, Reduction reduction)
{
  LayerParts parts;
  parts.chosen = chosen;
  std::copy_if(chosen.begin(), chosen.end(), std::back_inserter(parts.layers),
    [&](std::int64_t layer) { return rows.holds(layer); });
  parts.width = static_cast<std::int64_t>(width);
  parts.values.assign(parts.layers.size() * width, startOf(reduction));
  return parts;
}

void reportLayer(const LayerParts& parts, std::size_t l, const Progress& progress)
{
  report(progress, static_cast<double>(l) / static_cast<double>(parts.layers.size()),
    "layer " + std::to_string(parts.layers[l]));
}
}

LayerParts layerMaps(
  const Trace& trace, const Selection& selection, Reduction reduction, const Progress& progress)
{
  ImageRows rows(trace, selection.dropped);
  const std::vector<HeadPlace> places = placesOf(selection, trace.layerTotal, rows.heads());
  const Indices tokens = resolveIndices(selection.answerTokens, rows.tokens(), "AnswerTokens");
  const std::size_t cells = rows.cells();
  LayerParts maps = emptyParts(layersOf(places), rows, cells, reduction);
  for (const std::int64_t layer : maps.chosen)
  {
    maps.samples.push_back(
      static_cast<std::int64_t>(headsIn(places, layer).size() * tokens.size()));
  }
  for (std::size_t l = 0; l < maps.layers.size(); ++l)
  {
    for (const std::int64_t head : headsIn(places, maps.layers[l]))
    {
      reportLayer(maps, l, progress);
      rows.prepare(maps.layers[l], head, tokens.size());
      for (const std::int64_t token : tokens)
      {
        accumulate(
          rows.readMap(maps.layers[l], head, token), reduction, maps.values.data() + l * cells);
      }
    }
  }
  return maps;
}

LayerParts headMaps(const Trace& trace, const Selection& selection, std::int64_t layer,
  Reduction reduction, const Progress& progress)
{
  ImageRows rows(trace, selection.dropped);
  const Indices chosen = resolveIndices({ layer }, trace.layerTotal, "Layer");
  const Indices heads = selection.places.empty()
    ? resolveIndices(selection.heads, rows.heads(), "Heads")
    : headsIn(selection.places, chosen.front());
  const Indices tokens = resolveIndices(selection.answerTokens, rows.tokens(), "AnswerTokens");
  const std::size_t cells = rows.cells();
  LayerParts maps = emptyParts(chosen, rows, heads.size() * cells, reduction);
  maps.samples = { static_cast<std::int64_t>(tokens.size()) };
  for (std::size_t h = 0; !maps.layers.empty() && h < heads.size(); ++h)
  {
    report(progress, static_cast<double>(h) / static_cast<double>(heads.size()),
      "head " + std::to_string(heads[h]));
    rows.prepare(maps.layers[0], heads[h], tokens.size());
    for (const std::int64_t token : tokens)
    {
      accumulate(
        rows.readMap(maps.layers[0], heads[h], token), reduction, maps.values.data() + h * cells);
    }
  }
  return maps;
}

LayerParts patchSums(
  const Trace& trace, const Indices& patches, const Selection& selection, const Progress& progress)
{
  const Indices chosen = resolveIndices(patches, trace.grid.count(), "Patches");
  ImageRows rows(trace, selection.dropped);
  const Indices heads = resolveIndices(selection.heads, rows.heads(), "Heads");
  const auto T = static_cast<std::size_t>(rows.tokens());
  LayerParts sums = emptyParts(resolveIndices(selection.layers, trace.layerTotal, "Layers"), rows,
    heads.size() * T, Reduction::Mean);
  sums.samples.assign(sums.chosen.size(), static_cast<std::int64_t>(chosen.size()));
  double* sum = sums.values.data();
  for (std::size_t l = 0; l < sums.layers.size(); ++l)
  {
    for (const std::int64_t head : heads)
    {
      reportLayer(sums, l, progress);
      rows.prepare(sums.layers[l], head, T);
      for (std::size_t t = 0; t < T; ++t, ++sum)
      {
        const auto& map = rows.readMap(sums.layers[l], head, static_cast<std::int64_t>(t));
        for (const std::int64_t patch : chosen)
        {
          *sum += map[static_cast<std::size_t>(patch)];
        }
      }
    }
  }
  return sums;
}

LayerParts groupSums(const Trace& trace, const std::vector<Indices>& groups,
  const Selection& selection, const Progress& progress)
{
  AnswerRows rows(trace, 0, trace.keys());
  const std::vector<HeadPlace> places = placesOf(selection, trace.layerTotal, rows.heads());
  const auto T = static_cast<std::size_t>(rows.tokens());
  LayerParts sums = emptyParts(layersOf(places), rows, T * groups.size(), Reduction::Mean);
  for (const std::int64_t layer : sums.chosen)
  {
    sums.samples.push_back(static_cast<std::int64_t>(headsIn(places, layer).size()));
  }
  for (std::size_t l = 0; l < sums.layers.size(); ++l)
  {
    for (const std::int64_t head : headsIn(places, sums.layers[l]))
    {
      reportLayer(sums, l, progress);
      rows.prepare(sums.layers[l], head, T);
      double* sum = sums.values.data() + l * T * groups.size();
      for (std::size_t t = 0; t < T; ++t)
      {
        const auto& row = rows.read(sums.layers[l], head, static_cast<std::int64_t>(t));
        for (const Indices& group : groups)
        {
          for (const std::int64_t position : group)
          {
            *sum += row[static_cast<std::size_t>(position)];
          }
          ++sum;
        }
      }
    }
  }
  return sums;
}

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
  return positions;
}

LayerParts headSums(
  const Trace& trace, const Selection& selection, Source source, const Progress& progress)
{
  const Role role = source == Source::Image ? Role::Image : Role::Question;
  const Indices positions = positionsOf(trace, role);
  if (positions.empty())
  {
    fail("Source: the trace has no position with the role '", nameOf(role), "'");
  }
  AnswerRows rows(trace, positions.front(), positions.back() - positions.front() + 1);
  const Indices tokens = resolveIndices(selection.answerTokens, rows.tokens(), "AnswerTokens");
  LayerParts sums = emptyParts(resolveIndices(selection.layers, trace.layerTotal, "Layers"), rows,
    static_cast<std::size_t>(rows.heads()), Reduction::Mean);
  sums.samples.assign(
    sums.chosen.size(), static_cast<std::int64_t>(tokens.size() * positions.size()));
  double* sum = sums.values.data();
  for (std::size_t l = 0; l < sums.layers.size(); ++l)
  {
    reportLayer(sums, l, progress);
    for (std::int64_t head = 0; head < rows.heads(); ++head, ++sum)
    {
      rows.prepare(sums.layers[l], head, tokens.size());
      for (const std::int64_t token : tokens)
      {
        const auto& row = rows.read(sums.layers[l], head, token);
        for (const std::int64_t position : positions)
        {
          *sum += row[static_cast<std::size_t>(position - positions.front())];
        }
      }
    }
  }
  return sums;
}

LayerParts joinLayers(const std::vector<LayerParts>& parts)
{
  LayerParts all = parts.at(0);
  all.layers = all.chosen;
  all.values.clear();
  for (const std::int64_t layer : all.chosen)
  {
    bool found = false;
    for (std::size_t p = 0; p < parts.size() && !found; ++p)
    {
      const LayerParts& part = parts[p];
      if (part.chosen != all.chosen || part.width != all.width || part.samples != all.samples ||
        part.values.size() != part.layers.size() * static_cast<std::size_t>(part.width))
      {
        fail("process ", p, " looks at other layers, heads or tokens than process 0");
      }
      const auto at = std::find(part.layers.begin(), part.layers.end(), layer);
      found = at != part.layers.end();
      if (found)
      {
        const auto first = part.values.begin() + (at - part.layers.begin()) * part.width;
        all.values.insert(all.values.end(), first, first + part.width);
      }
    }
    if (!found)
    {
      fail("layer ", layer, " of the trace is in none of ", parts.size(), " processes");
    }
  }
  return all;
}

namespace
{
void checkComplete(const LayerParts& all)
{
  if (all.layers != all.chosen || all.samples.size() != all.chosen.size() ||
    all.values.size() != all.layers.size() * static_cast<std::size_t>(all.width))
  {
    fail(all.layers.size(), " of ", all.chosen.size(), " chosen layers are there");
  }
}

/// Layers in one, not yet divided by the number of samples.
std::vector<double> reducedLayers(const LayerParts& all, Reduction reduction)
{
  checkComplete(all);
  const auto width = static_cast<std::size_t>(all.width);
  std::vector<double> total(width, startOf(reduction));
  for (std::size_t at = 0; at < all.values.size(); ++at)
  {
    double& value = total[at % width];
    value = reduction == Reduction::Mean ? value + all.values[at] : std::max(value, all.values[at]);
  }
  return total;
}

double samplesOfAll(const LayerParts& all)
{
  return static_cast<double>(
    std::accumulate(all.samples.begin(), all.samples.end(), std::int64_t(0)));
}
}

std::vector<float> acrossLayers(const LayerParts& all, Reduction reduction)
{
  const std::vector<double> total = reducedLayers(all, reduction);
  return finished(total.data(), total.size(), reduction, samplesOfAll(all));
}

std::vector<float> eachLayer(const LayerParts& all, Reduction reduction)
{
  checkComplete(all);
  const auto width = static_cast<std::size_t>(all.width);
  std::vector<float> result;
  for (std::size_t l = 0; l < all.layers.size(); ++l)
  {
    const std::vector<float> layer = finished(
      all.values.data() + l * width, width, reduction, static_cast<double>(all.samples[l]));
    result.insert(result.end(), layer.begin(), layer.end());
  }
  return result;
}

PatchAttention patchAttention(const LayerParts& all, std::int64_t answerTokens)
{
  const auto T = static_cast<std::size_t>(answerTokens);
  const std::vector<double> perHead = reducedLayers(all, Reduction::Mean); // [heads, T]
  std::vector<double> mean(T, 0.0);
  for (std::size_t i = 0; i < perHead.size(); ++i)
  {
    mean[i % T] += perHead[i];
  }
  const std::size_t heads = perHead.size() / T;
  PatchAttention result;
  result.perHead = finished(perHead.data(), perHead.size(), Reduction::Mean, samplesOfAll(all));
  result.mean =
    finished(mean.data(), T, Reduction::Mean, samplesOfAll(all) * static_cast<double>(heads));
  return result;
}

namespace
{
/// The pieces that the recording program wrote down, or none when they do not fit.
std::vector<std::string> recordedAlternatives(const Trace& trace, const std::string& key)
{
  const auto T = static_cast<std::size_t>(trace.tensor(tn::TopkId).extent(0));
  const auto k = static_cast<std::size_t>(trace.tensor(tn::TopkId).extent(1));
  std::vector<std::string> pieces;
  const auto found = trace.extra.find(key);
  if (found == trace.extra.end())
  {
    return pieces;
  }
  const nlohmann::json rows = parseJson(found->second, "metadata key '" + key + "'");
  bool good = rows.is_array() && rows.size() == T;
  for (std::size_t t = 0; good && t < rows.size(); ++t)
  {
    good = rows[t].is_array() && rows[t].size() == k;
    for (std::size_t n = 0; good && n < rows[t].size(); ++n)
    {
      good = rows[t][n].is_string();
      pieces.push_back(good ? rows[t][n].get<std::string>() : std::string());
    }
  }
  if (!good)
  {
    fail("metadata key '", key, "' is not a list of ", T, " lists of ", k, " strings");
  }
  return pieces;
}
}

std::vector<std::string> alternativeTokens(const Trace& trace)
{
  const Tensor& topk = trace.tensor(tn::TopkId); // [T, k]
  std::vector<std::string> pieces = recordedAlternatives(trace, "answer.topk_token");
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

std::vector<std::string> alternativeTexts(const Trace& trace)
{
  std::vector<std::string> texts = recordedAlternatives(trace, "answer.topk_text");
  if (texts.empty())
  {
    texts = alternativeTokens(trace);
    std::transform(texts.begin(), texts.end(), texts.begin(), textOfPiece);
  }
  return texts;
}

} // namespace lvlm
