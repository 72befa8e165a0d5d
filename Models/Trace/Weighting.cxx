// SPDX-License-Identifier: Apache-2.0
#include "Weighting.h"

#include "Error.h"
#include "Regions.h"

#include <algorithm>
#include <functional>

namespace lvlm
{

namespace
{
namespace tn = tensor_name;

/// A max(0, gradient) of a token, at the picture's patches, as a trace that has this row alone.
Trace weightedToken(const Trace& trace, std::int64_t token, const Tensor& gradient)
{
  const Tensor& attention = trace.tensor(tn::AttentionAnswer); // [L, Hd, T, K]
  const std::int64_t slabs = attention.extent(0) * attention.extent(1);
  const std::int64_t T = attention.extent(2), K = attention.extent(3);
  const ImageMap image(trace);
  const std::int64_t cells = image.count();
  const std::vector<std::int64_t> wanted{ attention.extent(0), attention.extent(1), cells };
  if (gradient.shape != wanted || token < 0 || token >= T)
  {
    fail("gradients of shape ", shapeText(gradient.shape), " of answer token ", token,
      " do not fit attention.answer of shape ", shapeText(attention.shape));
  }
  std::vector<float> weighted(static_cast<std::size_t>(slabs * cells));
  for (std::int64_t slab = 0; slab < slabs; ++slab)
  {
    float* row = weighted.data() + slab * cells;
    attention.toFloat((slab * T + token) * K + image.first(), cells, row);
    const float* slope = gradient.as<float>() + slab * cells;
    std::transform(row, row + cells, slope, row,
      [](float value, float change) { return value * std::max(0.0f, change); });
  }
  Trace result;
  result.grid = trace.grid;
  result.imageStart = trace.imageStart - image.first();
  result.regions = trace.regions;
  for (Region& region : result.regions)
  {
    region.start -= image.first();
  }
  result.layerBegin = trace.layerBegin;
  result.layerTotal = trace.layerTotal;
  result.tensors[tn::AttentionAnswer] =
    Tensor::of(weighted, { attention.extent(0), attention.extent(1), 1, cells });
  return result;
}

/// The same layers, reduced over more tokens.
void addTokens(LayerParts& maps, const LayerParts& more, Reduction reduction)
{
  std::transform(maps.values.begin(), maps.values.end(), more.values.begin(), maps.values.begin(),
    [reduction](double a, double b)
    { return reduction == Reduction::Mean ? a + b : std::max(a, b); });
  std::transform(maps.samples.begin(), maps.samples.end(), more.samples.begin(),
    maps.samples.begin(), std::plus<>());
}
}

LayerParts gradientMaps(const Trace& trace, const TokenGradients& gradients,
  const Selection& selection, std::int64_t region, Reduction reduction, const Progress& progress)
{
  Selection own = selection;
  own.answerTokens.clear();
  LayerParts maps;
  double done = 0;
  for (const auto& [token, gradient] : gradients)
  {
    const auto share = [&](double fraction, const std::string& text) {
      return !progress || progress((done + fraction) / static_cast<double>(gradients.size()), text);
    };
    const Trace weighted = weightedToken(trace, token, gradient);
    const LayerParts one = layerMaps(withRegion(weighted, region), own, reduction, share);
    if (done == 0)
    {
      maps = one;
    }
    else
    {
      addTokens(maps, one, reduction);
    }
    ++done;
  }
  return maps;
}

LayerParts relativeMaps(const LayerParts& maps, const LayerParts& other, Reduction reduction)
{
  if (maps.layers != other.layers || maps.chosen != other.chosen || maps.width != other.width)
  {
    fail("the other question's attention has ", other.layers.size(), " layers of ", other.width,
      " patches here, the trace's has ", maps.layers.size(), " of ", maps.width);
  }
  LayerParts relative = maps;
  relative.samples.assign(maps.chosen.size(), 1);
  double* value = relative.values.data();
  for (const std::int64_t layer : maps.layers)
  {
    const auto at = static_cast<std::size_t>(
      std::find(maps.chosen.begin(), maps.chosen.end(), layer) - maps.chosen.begin());
    const double factor = reduction == Reduction::Mean
      ? static_cast<double>(other.samples[at]) / static_cast<double>(maps.samples[at])
      : 1;
    for (std::int64_t patch = 0; patch < maps.width; ++patch, ++value)
    {
      const double divisor = other.values[static_cast<std::size_t>(value - relative.values.data())];
      *value = divisor > 0 ? factor * *value / divisor : 0;
    }
  }
  return relative;
}

} // namespace lvlm
