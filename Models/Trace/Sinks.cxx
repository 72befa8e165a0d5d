// SPDX-License-Identifier: Apache-2.0
#include "Sinks.h"

#include "Lens.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

namespace lvlm
{

namespace
{
namespace tn = tensor_name;

/// The first layers' states have no sinks yet.
constexpr std::int64_t FirstLayer = 2;

/// `hidden.states` [Lh, K, D], a position at a time.
class States
{
public:
  explicit States(const Trace& trace)
    : All(trace.tensor(tn::HiddenStates)), Held(trace.hiddenLayers()),
      Row(static_cast<std::size_t>(this->All.extent(2)))
  {
  }

  std::int64_t width() const { return this->All.extent(2); }
  bool holds(std::int64_t layer) const { return this->slab(layer) < this->Held.size(); }

  /// |x_d| / rms(x) of a position after a layer that is held.
  const std::vector<float>& relative(std::int64_t layer, std::int64_t position)
  {
    const auto slab = static_cast<std::int64_t>(this->slab(layer));
    const std::int64_t D = this->width();
    this->All.toFloat((slab * this->All.extent(1) + position) * D, D, this->Row.data());
    double squares = 0;
    for (const float value : this->Row)
    {
      squares += static_cast<double>(value) * value;
    }
    if (!std::isfinite(squares))
    {
      fail("tensor '", tn::HiddenStates, "' holds something that is not finite after layer ", layer,
        " at position ", position);
    }
    const double rms = std::sqrt(squares / static_cast<double>(D));
    for (float& value : this->Row)
    {
      value = rms > 0 ? static_cast<float>(std::abs(value) / rms) : 0;
    }
    return this->Row;
  }

private:
  std::size_t slab(std::int64_t layer) const
  {
    return static_cast<std::size_t>(
      std::find(this->Held.begin(), this->Held.end(), layer) - this->Held.begin());
  }

  const Tensor& All;
  Indices Held;
  std::vector<float> Row;
};

LayerParts partsOf(const Indices& layers, std::int64_t width)
{
  LayerParts parts;
  parts.chosen = layers;
  parts.width = width;
  parts.samples.assign(layers.size(), 1);
  return parts;
}

void reportLayer(const Progress& progress, std::size_t done, std::size_t layers, std::int64_t layer)
{
  report(progress, static_cast<double>(done) / static_cast<double>(layers),
    "layer " + std::to_string(layer));
}

bool holdsAttention(const Trace& trace, std::int64_t layer)
{
  const Tensor& attention = trace.tensor(tn::AttentionAnswer);
  return layer >= trace.layerBegin && layer < trace.layerBegin + attention.extent(0);
}
}

Indices sinkLayers(const Trace& trace, const Indices& wanted)
{
  Indices layers;
  if (trace.has(tn::HiddenStates))
  {
    layers = lensLayers(trace, wanted);
  }
  else
  {
    trace.tensor(tn::AttentionAnswer); // says what is missing
    layers = resolveIndices(wanted, trace.layerTotal, "Layers");
    std::sort(layers.begin(), layers.end());
  }
  if (wanted.empty())
  {
    layers.erase(std::remove_if(layers.begin(), layers.end(),
                   [](std::int64_t layer) { return layer < FirstLayer; }),
      layers.end());
  }
  if (layers.empty())
  {
    fail("Layers: the trace has none from ", FirstLayer,
      " on, where sinks are looked for; name the layers to look at all the same");
  }
  return layers;
}

Indices largeDimensions(const Trace& trace, const Indices& layers, double threshold)
{
  States states(trace);
  Indices large;
  for (const std::int64_t layer : layers)
  {
    if (!states.holds(layer))
    {
      continue;
    }
    const std::vector<float>& first = states.relative(layer, 0);
    for (std::size_t d = 0; d < first.size(); ++d)
    {
      if (first[d] > threshold)
      {
        large.insert(large.end(), { layer, static_cast<std::int64_t>(d) });
      }
    }
  }
  return large;
}

Indices commonDimensions(const Indices& large, std::size_t layers)
{
  std::map<std::int64_t, std::set<std::int64_t>> where; // layers by dimension
  for (std::size_t i = 0; i + 1 < large.size(); i += 2)
  {
    where[large[i + 1]].insert(large[i]);
  }
  Indices common;
  for (const auto& [dimension, found] : where)
  {
    if (2 * found.size() > layers)
    {
      common.push_back(dimension);
    }
  }
  return common;
}

LayerParts sinkValues(
  const Trace& trace, const Indices& layers, const Indices& dimensions, const Progress& progress)
{
  States states(trace);
  for (const std::int64_t dimension : dimensions)
  {
    if (dimension < 0 || dimension >= states.width())
    {
      fail("Dimensions: ", dimension, " is out of range [0, ", states.width() - 1, "]");
    }
  }
  LayerParts parts = partsOf(layers, trace.keys());
  for (std::size_t l = 0; l < layers.size(); ++l)
  {
    if (!states.holds(layers[l]))
    {
      continue;
    }
    reportLayer(progress, l, layers.size(), layers[l]);
    parts.layers.push_back(layers[l]);
    for (std::int64_t position = 0; position < trace.keys(); ++position)
    {
      const std::vector<float>& relative = states.relative(layers[l], position);
      float largest = 0;
      for (const std::int64_t dimension : dimensions)
      {
        largest = std::max(largest, relative[static_cast<std::size_t>(dimension)]);
      }
      parts.values.push_back(largest);
    }
  }
  return parts;
}

LayerParts columnValues(const Trace& trace, const Indices& layers, const Progress& progress)
{
  const Tensor& attention = trace.tensor(tn::AttentionAnswer); // [L, Hd, T, K]
  const std::int64_t heads = attention.extent(1), T = attention.extent(2), K = attention.extent(3);
  LayerParts parts = partsOf(layers, K);
  std::vector<float> row(static_cast<std::size_t>(K));
  for (std::size_t l = 0; l < layers.size(); ++l)
  {
    if (!holdsAttention(trace, layers[l]))
    {
      continue;
    }
    parts.layers.push_back(layers[l]);
    const std::size_t first = parts.values.size();
    parts.values.resize(first + row.size());
    for (std::int64_t head = 0; head < heads; ++head)
    {
      reportLayer(progress, l, layers.size(), layers[l]);
      std::vector<double> least(row.size(), std::numeric_limits<double>::infinity());
      for (std::int64_t t = 0; t < T; ++t)
      {
        const std::int64_t slab = (layers[l] - trace.layerBegin) * heads + head;
        attention.toFloat((slab * T + t) * K, K, row.data());
        const auto seen = static_cast<double>(trace.promptLength + t); // positions of this row
        for (std::size_t k = 0; k < row.size(); ++k)
        {
          least[k] = std::min(least[k], static_cast<double>(row[k]) * seen);
        }
      }
      for (std::size_t k = 0; k < row.size(); ++k)
      {
        parts.values[first + k] += least[k] / static_cast<double>(heads);
      }
    }
  }
  return parts;
}

LayerParts headShares(const Trace& trace, const Indices& tokens, const Indices& layers,
  const std::vector<bool>& sinks, const Progress& progress)
{
  const auto cells = static_cast<std::size_t>(trace.grid.count());
  const std::int64_t heads = trace.tensor(tn::AttentionAnswer).extent(1);
  LayerParts parts = partsOf(layers, 2 * heads);
  for (std::size_t l = 0; l < layers.size(); ++l)
  {
    if (!holdsAttention(trace, layers[l]))
    {
      continue;
    }
    parts.layers.push_back(layers[l]);
    const LayerParts maps = headMaps(trace, { tokens, {}, {} }, layers[l], Reduction::Mean,
      [&](double, const std::string& text)
      { return !progress || progress(static_cast<double>(l) / layers.size(), text); });
    for (std::size_t head = 0; head < static_cast<std::size_t>(heads); ++head)
    {
      double image = 0, sink = 0;
      for (std::size_t cell = 0; cell < cells; ++cell)
      {
        const double value =
          maps.values[head * cells + cell] / static_cast<double>(maps.samples.front());
        image += value;
        sink += sinks[l * cells + cell] ? value : 0;
      }
      parts.values.insert(parts.values.end(), { image, sink });
    }
  }
  return parts;
}

} // namespace lvlm
