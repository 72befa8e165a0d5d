// SPDX-License-Identifier: Apache-2.0
// Orders of patches and scores of curves, against what can be said without the code: permutations,
// ties, areas of figures.
#include "Check.h"

#include "Models/Trace/Faithfulness.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace
{
using namespace lvlm;

bool isPermutation(Indices order)
{
  std::sort(order.begin(), order.end());
  for (std::size_t i = 0; i < order.size(); ++i)
  {
    if (order[i] != static_cast<std::int64_t>(i))
    {
      return false;
    }
  }
  return true;
}

void testOrders()
{
  CHECK(patchOrder({ 0.5f, -1, 3, 2 }, 0) == Indices({ 2, 3, 0, 1 }));
  CHECK(patchOrder({}, 0).empty());
  CHECK(randomOrder(0, 1).empty());
  CHECK(randomOrder(1, 1) == Indices({ 0 }));
  std::set<Indices> different;
  for (std::uint64_t seed = 0; seed < 50; ++seed)
  {
    const Indices order = randomOrder(144, seed);
    CHECK(isPermutation(order));
    CHECK(order == randomOrder(144, seed));
    different.insert(order);
    // Where a map says nothing, no place is preferred.
    CHECK(patchOrder(std::vector<float>(144), seed) == order);
  }
  CHECK(different.size() == 50);
  const Indices tied = patchOrder({ 0, 1, 0, 1, 0, 2 }, 3);
  CHECK(isPermutation(tied) && tied[0] == 5 && tied[1] + tied[2] == 4);
  CHECK_THROWS(patchOrder({ 1, std::nanf("") }, 0), "patch 1 has a value that is not finite");
}

/// Every place is as likely as any other: 4 standard deviations of a binomial distribution.
void testNoPlaceIsPreferred()
{
  constexpr std::int64_t Places = 6, Draws = 6000;
  std::vector<std::int64_t> first(Places);
  for (std::int64_t seed = 0; seed < Draws; ++seed)
  {
    ++first[static_cast<std::size_t>(randomOrder(Places, static_cast<std::uint64_t>(seed))[0])];
  }
  for (const std::int64_t count : first)
  {
    CHECK_NEAR(count, Draws / Places, 4 * std::sqrt(Draws * 5.0 / 36));
  }
}

void testSteps()
{
  CHECK(stepCounts(144, 10) == Indices({ 0, 14, 29, 43, 58, 72, 86, 101, 115, 130, 144 }));
  CHECK(stepCounts(5, 5) == Indices({ 0, 1, 2, 3, 4, 5 }));
  CHECK(stepCounts(7, 1) == Indices({ 0, 7 }));
  CHECK_THROWS(stepCounts(7, 8), "Steps: 8 is not in [1, 7]");
  CHECK_THROWS(stepCounts(7, 0), "Steps: 0");
}

void testScores()
{
  // A triangle and a rectangle with a corner cut off, on steps that are not even.
  const FaithfulnessScores scores =
    faithfulnessScores({ { 0.8, 0.4, 0 }, { 0, 0.8, 0.8 } }, { 0, 0.5, 1 });
  CHECK_NEAR(scores.deletion, 0.4, 1e-15);
  CHECK_NEAR(scores.insertion, 0.6, 1e-15);
  CHECK_NEAR(scores.comprehensiveness, 0.4, 1e-15); // falls of 0, 0.4, 0.8
  CHECK_NEAR(scores.sufficiency, 0.8 / 3, 1e-15);   // 0.8, 0, 0
  const FaithfulnessScores uneven =
    faithfulnessScores({ { 1, 0, 0 }, { 0, 1, 1 } }, { 0, 0.25, 1 });
  CHECK_NEAR(uneven.deletion, 0.125, 1e-15);
  CHECK_NEAR(uneven.insertion, 0.875, 1e-15);
}

void testMeans()
{
  const std::vector<double> logprobs{ std::log(0.5), -100, std::log(0.25) };
  CHECK_NEAR(meanProbability(logprobs, { 0, 2 }), 0.375, 1e-12);
  CHECK_NEAR(meanLogprob(logprobs, { 2, 0 }), std::log(0.125) / 2, 1e-12);
  const Spread spread = spreadOf({ 1, 2, 6 });
  CHECK_NEAR(spread.mean, 3, 1e-12);
  CHECK_NEAR(spread.deviation, std::sqrt(7), 1e-12);
  CHECK(spreadOf({ 4 }).mean == 4 && spreadOf({ 4 }).deviation == 0);
}
}

int main()
{
  testOrders();
  testNoPlaceIsPreferred();
  testSteps();
  testScores();
  testMeans();
  return lvlm_test::checkResult();
}
