// SPDX-License-Identifier: Apache-2.0
#include "HeadMeasures.h"

#include "ColumnScore.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace lvlm
{

namespace
{
double term(double part)
{
  return part > 0 ? -part * std::log(part) : 0;
}

/// The sum of the component that patch `start` belongs to; its patches are 0 afterwards.
double takeComponent(std::vector<double>& map, const PatchGrid& grid, std::size_t start)
{
  const auto rows = grid.rows, cols = grid.cols;
  std::vector<std::int64_t> open{ static_cast<std::int64_t>(start) };
  double sum = std::exchange(map[start], 0);
  while (!open.empty())
  {
    const std::int64_t row = open.back() / cols, col = open.back() % cols;
    open.pop_back();
    for (std::int64_t r = std::max<std::int64_t>(row - 1, 0); r <= std::min(row + 1, rows - 1); ++r)
    {
      for (std::int64_t c = std::max<std::int64_t>(col - 1, 0); c <= std::min(col + 1, cols - 1);
           ++c)
      {
        double& value = map[static_cast<std::size_t>(r * cols + c)];
        if (value > 0)
        {
          sum += std::exchange(value, 0);
          open.push_back(r * cols + c);
        }
      }
    }
  }
  return sum;
}
}

double mapEntropy(const std::vector<double>& map)
{
  const double sum = std::accumulate(map.begin(), map.end(), 0.0);
  double entropy = 0;
  for (const double value : map)
  {
    entropy += sum > 0 ? term(value / sum) : 0;
  }
  return entropy;
}

double spatialEntropy(const std::vector<double>& map, const PatchGrid& grid)
{
  const auto cells = static_cast<double>(map.size());
  const double mean = std::accumulate(map.begin(), map.end(), 0.0) / cells;
  std::vector<double> above;
  above.reserve(map.size());
  for (const double value : map)
  {
    above.push_back(std::max(0.0, value - mean));
  }
  const double sum = std::accumulate(above.begin(), above.end(), 0.0);
  if (!(sum > 0))
  {
    return std::log(cells);
  }
  double entropy = 0;
  std::size_t components = 0;
  for (std::size_t patch = 0; patch < above.size(); ++patch)
  {
    if (above[patch] > 0)
    {
      ++components;
      entropy += term(takeComponent(above, grid, patch) / sum);
    }
  }
  return components > 1 ? entropy : 0; // without rounding, so that such heads are equal
}

LayerParts headMeasures(const Trace& trace, const Selection& selection, const Progress& progress)
{
  const Tensor& attention = trace.tensor(tensor_name::AttentionAnswer);
  const auto heads = static_cast<std::size_t>(attention.extent(1));
  const auto cells = static_cast<std::size_t>(trace.grid.count());
  LayerParts parts;
  parts.chosen = resolveIndices(selection.layers, trace.layerTotal, "Layers");
  parts.width = static_cast<std::int64_t>(HeadMeasures * heads);
  parts.samples.assign(parts.chosen.size(), 1);
  const Indices tokens =
    resolveIndices(selection.answerTokens, attention.extent(2), "AnswerTokens");
  const std::int64_t last = tokens.empty() ? 0 : *std::max_element(tokens.begin(), tokens.end());
  for (std::size_t l = 0; l < parts.chosen.size(); ++l)
  {
    const std::int64_t layer = parts.chosen[l];
    const double done = static_cast<double>(l) / static_cast<double>(parts.chosen.size());
    report(progress, done, "layer " + std::to_string(layer));
    const LayerParts maps =
      headMaps(trace, { selection.answerTokens, {}, {} }, layer, Reduction::Mean,
        [&](double, const std::string& text) { return !progress || progress(done, text); });
    if (maps.layers.empty())
    {
      continue; // another process has it
    }
    parts.layers.push_back(layer);
    const std::vector<ColumnScore> columns = columnScores(trace, layer, last);
    for (std::size_t head = 0; head < heads; ++head)
    {
      const auto first = maps.values.begin() + static_cast<std::ptrdiff_t>(head * cells);
      std::vector<double> map(first, first + static_cast<std::ptrdiff_t>(cells));
      for (double& value : map)
      {
        value /= static_cast<double>(maps.samples.front());
      }
      parts.values.insert(parts.values.end(),
        { std::accumulate(map.begin(), map.end(), 0.0), mapEntropy(map),
          spatialEntropy(map, trace.grid), columns[head].score,
          static_cast<double>(columns[head].token) });
    }
  }
  return parts;
}

std::vector<double> measureOf(const LayerParts& all, HeadMeasure measure)
{
  std::vector<double> values;
  for (auto i = static_cast<std::size_t>(measure); i < all.values.size(); i += HeadMeasures)
  {
    values.push_back(all.values[i]);
  }
  return values;
}

void requireColumnScores(const LayerParts& all, const std::string& what)
{
  const std::vector<double> tokens = measureOf(all, HeadMeasure::ColumnToken);
  if (std::any_of(tokens.begin(), tokens.end(), [](double token) { return token < 0; }))
  {
    fail(what, ": ColumnScore needs answer tokens before the last chosen one, which is the first");
  }
}

double elbowOf(std::vector<double> values)
{
  std::sort(values.begin(), values.end());
  const double low = values.front(), range = values.back() - low;
  std::size_t elbow = 0;
  double furthest = 0;
  for (std::size_t i = 0; range > 0 && i < values.size(); ++i)
  {
    const double along = static_cast<double>(i) / static_cast<double>(values.size() - 1);
    const double below = along - (values[i] - low) / range;
    if (below > furthest)
    {
      furthest = below;
      elbow = i;
    }
  }
  return values[elbow];
}

std::vector<std::size_t> localizationOrder(
  const std::vector<double>& shares, const std::vector<double>& spatialEntropies)
{
  const double elbow = elbowOf(shares);
  std::vector<std::size_t> order(shares.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
    [&](std::size_t a, std::size_t b)
    {
      const bool first = shares[a] >= elbow, second = shares[b] >= elbow;
      return first != second ? first
        : first              ? spatialEntropies[a] < spatialEntropies[b]
                             : shares[a] > shares[b];
    });
  return order;
}

namespace
{
/// Heads as places in `all` [layers, Hd], the best first.
std::vector<std::size_t> rankedHeads(const LayerParts& all, HeadRanking ranking)
{
  if (ranking == HeadRanking::Localization)
  {
    return localizationOrder(
      measureOf(all, HeadMeasure::ImageShare), measureOf(all, HeadMeasure::SpatialEntropy));
  }
  const std::vector<double> values = measureOf(all,
    ranking == HeadRanking::ImageShare  ? HeadMeasure::ImageShare
      : ranking == HeadRanking::Entropy ? HeadMeasure::Entropy
                                        : HeadMeasure::ColumnScore);
  const double sign = ranking == HeadRanking::Entropy ? 1 : -1;
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
    [&](std::size_t a, std::size_t b) { return sign * values[a] < sign * values[b]; });
  return order;
}
}

std::vector<HeadPlace> bestHeads(const LayerParts& all, HeadRanking ranking, const Indices& wanted,
  std::int64_t count, bool ofEachLayer)
{
  if (ranking == HeadRanking::ColumnScore)
  {
    requireColumnScores(all, "BestBy");
  }
  const auto heads = static_cast<std::size_t>(all.width) / HeadMeasures;
  std::vector<bool> candidate(heads);
  for (const std::int64_t head : resolveIndices(wanted, static_cast<std::int64_t>(heads), "Heads"))
  {
    candidate[static_cast<std::size_t>(head)] = true;
  }
  std::vector<std::int64_t> taken(ofEachLayer ? all.chosen.size() : 1);
  std::vector<HeadPlace> best;
  for (const std::size_t place : rankedHeads(all, ranking))
  {
    const std::size_t layer = place / heads, head = place % heads;
    std::int64_t& found = taken[ofEachLayer ? layer : 0];
    if (candidate[head] && found < count)
    {
      ++found;
      best.push_back({ all.chosen[layer], static_cast<std::int64_t>(head) });
    }
  }
  return best;
}

} // namespace lvlm
