// SPDX-License-Identifier: Apache-2.0
#include "RankLayers.h"

#include "Models/Trace/Error.h"

#include <algorithm>

namespace lvlm::ranks
{

LayerSpan layersOfRank(std::int64_t layers, int rank, int ranks)
{
  if (layers < 0)
  {
    fail(layers, " layers cannot be shared out");
  }
  if (rank < 0 || rank >= ranks)
  {
    fail("rank ", rank, " is not one of ", ranks);
  }
  const std::int64_t each = layers / ranks;
  const std::int64_t more = layers % ranks;
  const std::int64_t begin = rank * each + std::min<std::int64_t>(rank, more);
  return { begin, begin + each + (rank < more ? 1 : 0) };
}

int rankOfLayer(std::int64_t layer, std::int64_t layers, int ranks)
{
  if (layer < 0 || layer >= layers || ranks < 1)
  {
    fail("layer ", layer, " of ", layers, " is on none of ", ranks, " ranks");
  }
  const std::int64_t each = layers / ranks;
  const std::int64_t more = layers % ranks;
  const std::int64_t longer = more * (each + 1); // layers in the spans that hold one more
  const std::int64_t rank = layer < longer ? layer / (each + 1) : more + (layer - longer) / each;
  return static_cast<int>(rank);
}

} // namespace lvlm::ranks
