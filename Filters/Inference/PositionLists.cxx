// SPDX-License-Identifier: Apache-2.0
#include "PositionLists.h"

#include <algorithm>
#include <iterator>
#include <numeric>

namespace lvlm
{

Indices span(std::int64_t begin, std::int64_t end)
{
  Indices positions(static_cast<std::size_t>(std::max<std::int64_t>(0, end - begin)));
  std::iota(positions.begin(), positions.end(), begin);
  return positions;
}

std::vector<llava::AttentionCut> cutsOf(
  const Indices& keys, const Indices& queries, const Indices& layers)
{
  std::vector<llava::AttentionCut> cuts{ { {}, keys, layers } };
  for (const std::int64_t query : queries)
  {
    if (std::find(keys.begin(), keys.end(), query) == keys.end())
    {
      cuts.front().queries.push_back(query);
      continue;
    }
    Indices others;
    std::remove_copy(keys.begin(), keys.end(), std::back_inserter(others), query);
    cuts.push_back({ { query }, others, layers });
  }
  return cuts;
}

} // namespace lvlm
