// SPDX-License-Identifier: Apache-2.0
#include "SinkSearch.h"

#include "Models/Ranks/Team.h"

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

} // namespace lvlm
