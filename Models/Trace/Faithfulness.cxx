// SPDX-License-Identifier: Apache-2.0
#include "Faithfulness.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace lvlm
{

namespace
{
double areaUnder(const std::vector<double>& curve, const std::vector<double>& fractions)
{
  double area = 0;
  for (std::size_t i = 1; i < curve.size(); ++i)
  {
    area += (fractions[i] - fractions[i - 1]) * (curve[i] + curve[i - 1]) / 2;
  }
  return area;
}

double meanFall(const std::vector<double>& curve, double from)
{
  return from -
    std::accumulate(curve.begin(), curve.end(), 0.0) / static_cast<double>(curve.size());
}
}

Indices randomOrder(std::int64_t count, std::uint64_t seed)
{
  // Not std::shuffle, whose order each standard library may choose.
  Indices order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), std::int64_t{ 0 });
  std::mt19937_64 draw(seed);
  for (std::size_t i = order.size(); i > 1; --i)
  {
    std::swap(order[i - 1], order[draw() % i]);
  }
  return order;
}

Indices patchOrder(const std::vector<float>& map, std::uint64_t seed)
{
  for (std::size_t i = 0; i < map.size(); ++i)
  {
    if (!std::isfinite(map[i]))
    {
      fail("patch ", i, " has a value that is not finite");
    }
  }
  Indices order = randomOrder(static_cast<std::int64_t>(map.size()), seed);
  std::stable_sort(order.begin(), order.end(),
    [&map](std::int64_t a, std::int64_t b)
    { return map[static_cast<std::size_t>(a)] > map[static_cast<std::size_t>(b)]; });
  return order;
}

Indices stepCounts(std::int64_t patches, std::int64_t steps)
{
  if (steps < 1 || steps > patches)
  {
    fail("Steps: ", steps, " is not in [1, ", patches, "], the patches of the picture");
  }
  Indices counts;
  for (std::int64_t i = 0; i <= steps; ++i)
  {
    counts.push_back((2 * i * patches + steps) / (2 * steps)); // rounded
  }
  return counts;
}

double meanProbability(const std::vector<double>& logprobs, const Indices& tokens)
{
  double sum = 0;
  for (const std::int64_t token : tokens)
  {
    sum += std::exp(logprobs[static_cast<std::size_t>(token)]);
  }
  return sum / static_cast<double>(tokens.size());
}

double meanLogprob(const std::vector<double>& logprobs, const Indices& tokens)
{
  double sum = 0;
  for (const std::int64_t token : tokens)
  {
    sum += logprobs.at(static_cast<std::size_t>(token));
  }
  return sum / static_cast<double>(tokens.size());
}

Spread spreadOf(const std::vector<double>& values)
{
  Spread spread;
  const auto n = static_cast<double>(values.size());
  spread.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  for (const double value : values)
  {
    spread.deviation += (value - spread.mean) * (value - spread.mean);
  }
  spread.deviation = n > 1 ? std::sqrt(spread.deviation / (n - 1)) : 0;
  return spread;
}

FaithfulnessScores faithfulnessScores(
  const FaithfulnessCurves& curves, const std::vector<double>& fractions)
{
  FaithfulnessScores scores;
  const double whole = curves.deletion.front();
  scores.deletion = areaUnder(curves.deletion, fractions);
  scores.insertion = areaUnder(curves.insertion, fractions);
  scores.comprehensiveness = meanFall(curves.deletion, whole);
  scores.sufficiency = meanFall(curves.insertion, whole);
  return scores;
}

} // namespace lvlm
