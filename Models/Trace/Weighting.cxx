// SPDX-License-Identifier: Apache-2.0
#include "Weighting.h"

#include "Error.h"
#include "Regions.h"

#include <algorithm>

namespace lvlm
{

namespace
{
namespace tn = tensor_name;
}

Trace gradientAttention(const Trace& trace, const TokenGradients& gradients)
{
  const Tensor& attention = trace.tensor(tn::AttentionAnswer); // [L, Hd, T, K]
  const std::int64_t slabs = attention.extent(0) * attention.extent(1);
  const std::int64_t T = attention.extent(2), K = attention.extent(3);
  const ImageMap image(trace);
  const std::int64_t cells = image.count();
  const auto n = static_cast<std::int64_t>(gradients.size());
  const std::vector<std::int64_t> wanted{ attention.extent(0), attention.extent(1), cells };
  std::vector<float> weighted(static_cast<std::size_t>(slabs * n * cells));
  std::vector<float> row(static_cast<std::size_t>(cells));
  std::int64_t place = 0;
  for (const auto& [token, gradient] : gradients)
  {
    if (gradient.shape != wanted || token < 0 || token >= T)
    {
      fail("gradients of shape ", shapeText(gradient.shape), " of answer token ", token,
        " do not fit attention.answer of shape ", shapeText(attention.shape));
    }
    for (std::int64_t slab = 0; slab < slabs; ++slab)
    {
      attention.toFloat((slab * T + token) * K + image.first(), cells, row.data());
      const float* slope = gradient.as<float>() + slab * cells;
      float* into = weighted.data() + (slab * n + place) * cells;
      for (std::size_t i = 0; i < row.size(); ++i)
      {
        into[i] = row[i] * std::max(0.0f, slope[i]);
      }
    }
    ++place;
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
    Tensor::of(weighted, { attention.extent(0), attention.extent(1), n, cells });
  return result;
}

LayerParts relativeMaps(const LayerParts& maps, const LayerParts& other, Reduction reduction)
{
  if (maps.layers != other.layers || maps.width != other.width)
  {
    fail("the other question's attention has ", other.layers.size(), " layers of ", other.width,
      " patches here, the trace's has ", maps.layers.size(), " of ", maps.width);
  }
  const bool sums = reduction == Reduction::Mean;
  const double factor =
    sums ? static_cast<double>(other.samples) / static_cast<double>(maps.samples) : 1;
  LayerParts relative = maps;
  relative.samples = 1;
  for (std::size_t i = 0; i < relative.values.size(); ++i)
  {
    const double divisor = other.values[i];
    relative.values[i] = divisor > 0 ? factor * maps.values[i] / divisor : 0;
  }
  return relative;
}

} // namespace lvlm
