// SPDX-License-Identifier: Apache-2.0
// OPERA's column score, and the best heads of a ranking, against plain loops in double precision
// that are written independently here, on made-up traces of several seeds.
#include "Check.h"

#include "Models/Trace/ColumnScore.h"
#include "Models/Trace/HeadMeasures.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace
{
using namespace lvlm;
namespace tn = tensor_name;

constexpr std::int64_t L = 4, Hd = 3, Rows = 3, Cols = 4, Cells = Rows * Cols, P = Cells + 5;

struct Made
{
  Trace trace;
  std::vector<float> attention; ///< [L, Hd, T, K]
  std::int64_t T, K;

  double at(std::int64_t l, std::int64_t h, std::int64_t t, std::int64_t k) const
  {
    return this->attention[static_cast<std::size_t>(((l * Hd + h) * this->T + t) * this->K + k)];
  }
};

/// Layers [first, first + count) of what the seed makes.
Made make(unsigned seed, std::int64_t T, std::int64_t first = 0, std::int64_t count = L)
{
  Made made;
  made.T = T;
  made.K = P + T - 1;
  std::mt19937 generator(seed);
  std::exponential_distribution<float> skewed(1.0f);
  for (std::int64_t row = 0; row < L * Hd * T; ++row)
  {
    for (std::int64_t key = 0; key < made.K; ++key)
    {
      const float value = skewed(generator) / 20;
      made.attention.push_back(key < P + row % T ? value * value : 0);
    }
  }
  Trace& trace = made.trace;
  trace.promptLength = P;
  trace.imageStart = 1;
  trace.grid = { Rows, Cols };
  std::vector<std::int64_t> ids;
  for (std::int64_t p = 0; p < P + T; ++p)
  {
    const bool image = p >= 1 && p <= Cells;
    trace.roles.push_back(image ? Role::Image : p < P ? Role::Question : Role::Answer);
    trace.tokens.push_back("t");
    ids.push_back(p);
  }
  trace.tensors[tn::TokenId] = Tensor::of(ids, { P + T });
  const std::int64_t slab = Hd * T * made.K;
  trace.tensors[tn::AttentionAnswer] =
    Tensor::of(std::vector<float>(made.attention.begin() + first * slab,
                 made.attention.begin() + (first + count) * slab),
      { count, Hd, T, made.K });
  trace.layerBegin = first;
  trace.layerTotal = L;
  trace.validate();
  return made;
}

/// The paper's product over the rows of the answer tokens that were read when `last` was predicted.
double operaScore(
  const Made& made, std::int64_t l, std::int64_t h, std::int64_t last, std::int64_t& column)
{
  double largest = -1;
  for (std::int64_t c = 0; c < last; ++c)
  {
    double product = 1;
    for (std::int64_t i = c; i < last; ++i) // the row of answer token i predicts i + 1
    {
      product *= 50 * made.at(l, h, i + 1, P + c);
    }
    if (product > largest)
    {
      largest = product;
      column = c;
    }
  }
  return largest;
}

void testColumnScores()
{
  for (const unsigned seed : { 1u, 2u, 3u, 4u })
  {
    const Made made = make(seed, 9);
    for (const std::int64_t last : { 1, 4, 8 })
    {
      for (std::int64_t l = 0; l < L; ++l)
      {
        const std::vector<ColumnScore> scores = columnScores(made.trace, l, last);
        CHECK(scores.size() == Hd);
        for (std::int64_t h = 0; h < Hd; ++h)
        {
          std::int64_t column = -1;
          const double expected = std::log(operaScore(made, l, h, last, column));
          CHECK_NEAR(scores[static_cast<std::size_t>(h)].score, expected, 1e-9);
          CHECK(scores[static_cast<std::size_t>(h)].token == column);
        }
      }
    }
  }
}

/// No column before the first token; attention that is 0 leaves a finite score.
void testColumnScoresOfNothing()
{
  const Made made = make(1, 3);
  CHECK(std::isnan(columnScores(made.trace, 0, 0)[0].score));
  CHECK(columnScores(made.trace, 0, 0)[0].token == -1);
  const LayerParts first = headMeasures(made.trace, { { 0 }, {}, {} });
  CHECK_THROWS(requireColumnScores(first, "Measure"), "Measure: ColumnScore needs answer tokens");
  CHECK_THROWS(bestHeads(first, HeadRanking::ColumnScore, {}, 2, false), "BestBy: ColumnScore");
  Made empty = make(1, 3);
  empty.trace.tensors[tn::AttentionAnswer] =
    Tensor::of(std::vector<float>(empty.attention.size()), { L, Hd, 3, empty.K });
  const double least = std::log(50.0 * static_cast<double>(std::numeric_limits<float>::min()));
  CHECK_NEAR(columnScores(empty.trace, 1, 2)[1].score, least, 1e-9);
}

/// The last 512 rows count.
void testWindow()
{
  Made made = make(5, 530);
  const std::int64_t last = 529, first = last - 512;
  double largest = -1e9;
  for (std::int64_t c = first; c < last; ++c)
  {
    double sum = 0;
    for (std::int64_t i = c; i < last; ++i)
    {
      const double least = std::numeric_limits<float>::min();
      sum += std::log(50 * std::max(made.at(2, 1, i + 1, P + c), least));
    }
    largest = std::max(largest, sum);
  }
  CHECK_NEAR(columnScores(made.trace, 2, last)[1].score, largest, 1e-6);
}

/// Image share of a head, mean over the tokens.
double shareOf(const Made& made, std::int64_t l, std::int64_t h, const Indices& tokens)
{
  double sum = 0;
  for (const std::int64_t t : tokens)
  {
    for (std::int64_t k = 1; k <= Cells; ++k)
    {
      sum += made.at(l, h, t, k) / static_cast<double>(tokens.size());
    }
  }
  return sum;
}

bool same(const std::vector<HeadPlace>& a, const std::vector<HeadPlace>& b)
{
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
    [](const HeadPlace& x, const HeadPlace& y) { return x.layer == y.layer && x.head == y.head; });
}

void testBestHeads()
{
  for (const unsigned seed : { 11u, 12u, 13u })
  {
    const Made made = make(seed, 5);
    const Indices tokens{ 1, 3 }, layers{ 3, 0, 2 };
    const LayerParts all = headMeasures(made.trace, { tokens, layers, {} });
    std::vector<HeadPlace> order;
    for (const std::int64_t l : layers)
    {
      for (std::int64_t h = 0; h < Hd; ++h)
      {
        order.push_back({ l, h });
      }
    }
    std::stable_sort(order.begin(), order.end(),
      [&](const HeadPlace& a, const HeadPlace& b)
      { return shareOf(made, a.layer, a.head, tokens) > shareOf(made, b.layer, b.head, tokens); });
    const auto best = [&](const Indices& wanted, std::int64_t count, bool each)
    { return bestHeads(all, HeadRanking::ImageShare, wanted, count, each); };
    CHECK(same(best({}, 4, false), { order.begin(), order.begin() + 4 }));
    CHECK(same(best({}, 99, false), order));
    std::vector<HeadPlace> chosen, each;
    for (const HeadPlace& place : order)
    {
      if (place.head != 1)
      {
        chosen.push_back(place);
      }
      const auto taken = std::count_if(
        each.begin(), each.end(), [&](const HeadPlace& one) { return one.layer == place.layer; });
      if (taken < 2)
      {
        each.push_back(place);
      }
    }
    CHECK(same(best({ 0, -1 }, 99, false), chosen));
    CHECK(same(best({}, 2, true), each));
    CHECK_THROWS(best({ 3 }, 2, false), "Heads: 3 is out of range [-3, 2]");
    // By localization in the order of the ranking table, by the other measures by their numbers.
    const auto ranked = bestHeads(all, HeadRanking::Localization, {}, 9, false);
    const auto table = localizationOrder(
      measureOf(all, HeadMeasure::ImageShare), measureOf(all, HeadMeasure::SpatialEntropy));
    for (std::size_t i = 0; i < table.size(); ++i)
    {
      CHECK(ranked[i].layer == layers[table[i] / Hd]);
      CHECK(ranked[i].head == static_cast<std::int64_t>(table[i] % Hd));
    }
    const auto columns = bestHeads(all, HeadRanking::ColumnScore, {}, 9, false);
    for (std::size_t i = 1; i < columns.size(); ++i)
    {
      std::int64_t ignored = 0;
      CHECK(operaScore(made, columns[i - 1].layer, columns[i - 1].head, 3, ignored) >=
        operaScore(made, columns[i].layer, columns[i].head, 3, ignored));
    }
  }
}

/// Of layers in several processes: joined, what one process finds, bit by bit.
void testJoined()
{
  const Selection selection{ { 2, 4 }, {}, {} };
  const LayerParts whole = headMeasures(make(7, 5).trace, selection);
  const LayerParts joined = joinLayers({ headMeasures(make(7, 5, 0, 1).trace, selection),
    headMeasures(make(7, 5, 1, 3).trace, selection) });
  CHECK(joined.values == whole.values && joined.samples == whole.samples);
}
}

int main()
{
  testColumnScores();
  testColumnScoresOfNothing();
  testWindow();
  testBestHeads();
  testJoined();
  return lvlm_test::checkResult();
}
