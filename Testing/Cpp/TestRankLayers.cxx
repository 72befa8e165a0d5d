// SPDX-License-Identifier: Apache-2.0
// The layers of each rank: every layer on one rank, in order, evenly.
#include "Check.h"

#include "Models/Ranks/LayerShare.h"

#include <climits>

namespace
{
void testSpans()
{
  for (int ranks = 1; ranks <= 9; ++ranks)
  {
    for (std::int64_t layers = 0; layers <= 40; ++layers)
    {
      std::int64_t next = 0;
      bool good = true;
      for (int rank = 0; rank < ranks; ++rank)
      {
        const lvlm::LayerSpan span = lvlm::ranks::layersOfRank(layers, rank, ranks);
        const std::int64_t expected = layers / ranks + (rank < layers % ranks ? 1 : 0);
        good = good && span.begin == next && span.count() == expected;
        for (std::int64_t layer = span.begin; layer < span.end; ++layer)
        {
          good = good && span.contains(layer);
        }
        good = good && !span.contains(span.begin - 1) && !span.contains(span.end);
        next = span.end;
      }
      CHECK(good && next == layers);
    }
  }
}

void testBeyond()
{
  CHECK(lvlm::ranks::layersOfRank(2, 4, 5).count() == 0);
  CHECK(lvlm::ranks::layersOfRank(2, 4, 5).begin == 2);
  CHECK(lvlm::ranks::layersOfRank(INT64_MAX, 1, 2).end == INT64_MAX);
  CHECK_THROWS(lvlm::ranks::layersOfRank(-1, 0, 1), "-1 layers");
  CHECK_THROWS(lvlm::ranks::layersOfRank(4, 2, 2), "rank 2 is not one of 2");
  CHECK_THROWS(lvlm::ranks::layersOfRank(4, -1, 2), "rank -1 is not one of 2");
  CHECK_THROWS(lvlm::ranks::layersOfRank(4, 0, 0), "rank 0 is not one of 0");
}
}

int main()
{
  testSpans();
  testBeyond();
  return lvlm_test::checkResult();
}
