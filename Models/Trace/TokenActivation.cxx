// SPDX-License-Identifier: Apache-2.0
#include "TokenActivation.h"

#include "Error.h"
#include "Regions.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace lvlm
{

namespace
{
namespace tn = tensor_name;
using Values = std::vector<double>;

/// A word before the token.
struct Before
{
  std::int64_t id;       ///< what it is
  std::int64_t mapped;   ///< whose logits are its map
  std::int64_t position; ///< where the token's score for it is read
  std::int64_t shown;    ///< its own position
};

Indices questionPositions(const Trace& trace)
{
  Indices positions;
  for (std::int64_t p = 0; p < trace.promptLength; ++p)
  {
    if (trace.roles[static_cast<std::size_t>(p)] == Role::Question)
    {
      positions.push_back(p);
    }
  }
  return positions;
}

/// Positive parts of the logits of a lens.
class Scores
{
public:
  explicit Scores(const Lens& last) : Last(last)
  {
    const auto K = static_cast<std::size_t>(last.positions);
    if (last.layers.size() != 1 || last.totals.size() != K || last.ids.size() != K)
    {
      fail("a token activation map needs the lens of the last layer alone, this one has ",
        last.layers.size(), " layers and ", last.totals.size(), " sums");
    }
  }

  std::int64_t said(std::int64_t position) const
  {
    return this->Last.ids.at(static_cast<std::size_t>(position));
  }

  double at(std::int64_t word, std::int64_t position) const
  {
    const auto K = static_cast<std::size_t>(this->Last.positions);
    const auto p = static_cast<std::size_t>(position);
    const double logit = static_cast<double>(this->Last.wordLogprobs[this->rank(word) * K + p]) +
      static_cast<double>(this->Last.totals[p]);
    return std::max(0.0, logit);
  }

  /// At the picture's patches.
  Values map(std::int64_t word, const Trace& trace) const
  {
    Values values;
    for (const std::int64_t position : patchPositions(trace))
    {
      values.push_back(this->at(word, position));
    }
    return values;
  }

private:
  std::size_t rank(std::int64_t word) const
  {
    const Indices& words = this->Last.words;
    const auto found = std::find(words.begin(), words.end(), word);
    if (found == words.end())
    {
      fail("the lens lacks the word with token id ", word);
    }
    return static_cast<std::size_t>(found - words.begin());
  }

  const Lens& Last;
};

std::vector<Before> wordsBefore(const Trace& trace, const Scores& scores, std::int64_t token)
{
  const auto* ids = trace.tensor(tn::TokenId).as<std::int64_t>();
  const std::int64_t P = trace.promptLength;
  std::vector<Before> words;
  for (const std::int64_t p : questionPositions(trace))
  {
    words.push_back({ ids[p], words.empty() ? scores.said(p) : ids[p], p, p });
  }
  for (std::int64_t t = 0; t < token; ++t)
  {
    words.push_back({ ids[P + t], t == 0 ? ids[P - 1] : ids[P + t], P - 1 + t, P + t });
  }
  return words;
}

/// Mean of the words' maps by what the token has at their positions; words that are the token
/// itself are left out.
Values interference(
  const Trace& trace, const Scores& scores, const std::vector<Before>& words, std::int64_t token)
{
  constexpr double Small = 1e-8; // as the authors' weights have it
  Values mean(static_cast<std::size_t>(trace.grid.count()), 0.0);
  double total = Small;
  for (const Before& word : words)
  {
    const double weight = word.id == token ? 0 : scores.at(token, word.position);
    total += weight;
    const Values map = weight > 0 ? scores.map(word.mapped, trace) : Values(mean.size(), 0.0);
    for (std::size_t i = 0; i < mean.size(); ++i)
    {
      mean[i] += weight * map[i];
    }
  }
  for (double& value : mean)
  {
    value /= total;
  }
  return mean;
}

/// `map` less the multiple of `other` that is nearest to it; its positive part.
Values without(Values map, const Values& other)
{
  const double size = std::inner_product(other.begin(), other.end(), other.begin(), 0.0);
  const double common = std::inner_product(map.begin(), map.end(), other.begin(), 0.0);
  for (std::size_t i = 0; i < map.size() && size > 0; ++i)
  {
    map[i] = std::max(0.0, map[i] - other[i] * (common / size));
  }
  return map;
}

/// The index of a row or column beyond the edge, reflected at it: -1 is 1.
std::int64_t reflected(std::int64_t index, std::int64_t count)
{
  const std::int64_t inside = index < 0 ? -index : index >= count ? 2 * count - 2 - index : index;
  return std::clamp<std::int64_t>(inside, 0, count - 1); // of a grid of one row
}

double rankGaussianMean(std::array<double, 9> values)
{
  std::sort(values.begin(), values.end());
  const auto n = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (const double value : values)
  {
    squares += (value - mean) * (value - mean);
  }
  if (!(mean > 0) || squares == 0)
  {
    return std::max(mean, 0.0);
  }
  const double width = std::sqrt(squares / n) / mean;
  double sum = 0, weights = 0, rank = -4;
  for (const double value : values)
  {
    const double weight = std::exp(-rank * rank / (2 * width * width));
    sum += weight * value;
    weights += weight;
    ++rank;
  }
  return sum / weights;
}
}

Indices activationWords(const Trace& trace)
{
  const auto* ids = trace.tensor(tn::TokenId).as<std::int64_t>();
  Indices words{ ids[trace.promptLength - 1] };
  for (const std::int64_t p : questionPositions(trace))
  {
    words.push_back(ids[p]);
  }
  words.insert(words.end(), ids + trace.promptLength, ids + trace.positions());
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  return words;
}

std::int64_t activationStart(const Trace& trace)
{
  const Indices question = questionPositions(trace);
  return question.empty() ? -1 : question.front();
}

std::vector<double> tokenActivation(const Trace& trace, const Lens& last, std::int64_t token)
{
  const Scores scores(last);
  const std::int64_t id = trace.tensor(tn::TokenId).as<std::int64_t>()[trace.promptLength + token];
  const std::vector<Before> words = wordsBefore(trace, scores, token);
  Values all = without(scores.map(id, trace), interference(trace, scores, words, id));
  for (const Before& word : words)
  {
    all.push_back(scores.at(id, word.position));
  }
  const auto [least, most] = std::minmax_element(all.begin(), all.end());
  const double low = *least, range = *most - *least;
  for (double& value : all)
  {
    value = range > 0 ? (value - low) / range : 0;
  }
  const auto cells = static_cast<std::ptrdiff_t>(trace.grid.count());
  const Values map = rankGaussian(Values(all.begin(), all.begin() + cells), trace.grid);
  std::vector<double> row(static_cast<std::size_t>(trace.keys()), 0.0);
  const Indices positions = patchPositions(trace);
  for (std::size_t patch = 0; patch < map.size(); ++patch)
  {
    row[static_cast<std::size_t>(positions[patch])] = map[patch];
  }
  for (std::size_t i = 0; i < words.size(); ++i)
  {
    row[static_cast<std::size_t>(words[i].shown)] = all[static_cast<std::size_t>(cells) + i];
  }
  return row;
}

std::vector<double> rankGaussian(const std::vector<double>& map, const PatchGrid& grid)
{
  std::vector<double> filtered;
  filtered.reserve(map.size());
  for (std::int64_t row = 0; row < grid.rows; ++row)
  {
    for (std::int64_t col = 0; col < grid.cols; ++col)
    {
      std::array<double, 9> around{};
      for (std::int64_t i = 0; i < 9; ++i)
      {
        const std::int64_t r = reflected(row + i / 3 - 1, grid.rows);
        const std::int64_t c = reflected(col + i % 3 - 1, grid.cols);
        around[static_cast<std::size_t>(i)] = map[static_cast<std::size_t>(r * grid.cols + c)];
      }
      filtered.push_back(rankGaussianMean(around));
    }
  }
  return filtered;
}

} // namespace lvlm
