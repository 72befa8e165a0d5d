// SPDX-License-Identifier: Apache-2.0
#include "ColumnScore.h"

#include "AnswerRows.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lvlm
{

std::vector<ColumnScore> columnScores(const Trace& trace, std::int64_t layer, std::int64_t last)
{
  const std::int64_t first = std::max<std::int64_t>(1, last - ColumnWindow + 1); // row
  const std::int64_t count = last - first + 1;
  const auto heads = static_cast<std::size_t>(trace.tensor(tensor_name::AttentionAnswer).extent(1));
  std::vector<ColumnScore> scores(heads, { std::numeric_limits<double>::quiet_NaN(), -1 });
  if (count < 1)
  {
    return scores;
  }
  // Row `first` is of the answer token before, which is the first column.
  AnswerRows rows(trace, trace.promptLength + first - 1, count);
  for (std::size_t head = 0; head < heads; ++head)
  {
    std::vector<double> sums(static_cast<std::size_t>(count), 0.0);
    for (std::int64_t row = 0; row < count; ++row)
    {
      const auto& attention = rows.read(layer, static_cast<std::int64_t>(head), first + row);
      for (std::size_t column = 0; column <= static_cast<std::size_t>(row); ++column)
      {
        const float seen = std::max(attention[column], std::numeric_limits<float>::min());
        sums[column] += std::log(ColumnScale * static_cast<double>(seen));
      }
    }
    const auto largest = std::max_element(sums.begin(), sums.end());
    scores[head] = { *largest, first - 1 + (largest - sums.begin()) };
  }
  return scores;
}

} // namespace lvlm
