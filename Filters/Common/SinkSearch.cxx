// SPDX-License-Identifier: Apache-2.0
#include "SinkSearch.h"

#include "Models/Ranks/Team.h"
#include "Models/Trace/Lens.h"

namespace lvlm
{

FoundSinks findSinks(const SinkSearch& search, const Trace& trace, ranks::Team& team,
  const std::function<LayerParts(const LayerParts&)>& join, const Progress& progress)
{
  const Indices layers = sinkLayers(trace, search.layers);
  FoundSinks found;
  found.byStates = trace.has(tensor_name::HiddenStates);
  if (!found.byStates)
  {
    found.values = join(columnValues(trace, layers, progress));
    return found;
  }
  found.dimensions = search.dimensions;
  if (search.dimensions.empty())
  {
    Indices large;
    for (const Indices& own : team.gather(largeDimensions(trace, layers, search.threshold)))
    {
      large.insert(large.end(), own.begin(), own.end());
    }
    found.dimensions = commonDimensions(large, layers.size());
  }
  found.values = join(sinkValues(trace, layers, found.dimensions, progress));
  return found;
}

std::vector<bool> sinkPatches(const Trace& trace, ranks::Team& team,
  const std::function<LayerParts(const LayerParts&)>& join, const Progress& progress)
{
  const SinkSearch search;
  const FoundSinks found = findSinks(search, trace, team, join, progress);
  const std::vector<double> values = patchesOf(found.values.values, trace); // [layers, cells]
  std::vector<bool> sinks(static_cast<std::size_t>(trace.grid.count()));
  for (std::size_t i = 0; i < values.size(); ++i)
  {
    sinks[i % sinks.size()] = sinks[i % sinks.size()] || values[i] > search.threshold;
  }
  return sinks;
}

} // namespace lvlm
