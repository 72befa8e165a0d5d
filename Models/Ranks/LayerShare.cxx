// SPDX-License-Identifier: Apache-2.0
#include "LayerShare.h"

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

} // namespace lvlm::ranks
