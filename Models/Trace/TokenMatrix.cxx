// SPDX-License-Identifier: Apache-2.0
#include "TokenMatrix.h"

#include "Words.h"

#include <algorithm>
#include <limits>

namespace lvlm
{

namespace
{
/// Lines of positions [begin, end) that are no image: tokens, or words.
std::vector<MatrixLine> textLines(
  const Trace& trace, std::int64_t begin, std::int64_t end, bool words)
{
  std::vector<MatrixLine> lines;
  if (words)
  {
    for (const Word& word : wordsOf(trace, begin, end))
    {
      lines.push_back({ word.text, word.role, {} });
      for (std::int64_t p = word.begin; p < word.end; ++p)
      {
        lines.back().positions.push_back(p);
      }
    }
    return lines;
  }
  for (std::int64_t p = begin; p < end; ++p)
  {
    const auto at = static_cast<std::size_t>(p);
    if (trace.roles[at] != Role::Image)
    {
      lines.push_back({ textAt(trace, at), trace.roles[at], { p } });
    }
  }
  return lines;
}
}

MatrixLines matrixLines(const Trace& trace, const Indices& tokens, bool words)
{
  const Indices chosen = resolveIndices(tokens, trace.answerLength(), "AnswerTokens");
  MatrixLines lines;
  const auto end = static_cast<std::int64_t>(trace.tokens.size());
  for (MatrixLine& line : textLines(trace, trace.promptLength, end, words))
  {
    // A word counts if one of its tokens was chosen, and is made of those.
    Indices kept;
    std::copy_if(line.positions.begin(), line.positions.end(), std::back_inserter(kept),
      [&](std::int64_t p)
      { return std::find(chosen.begin(), chosen.end(), p - trace.promptLength) != chosen.end(); });
    if (!kept.empty())
    {
      lines.rows.push_back({ line.text, line.role, kept });
    }
  }
  lines.columns = textLines(trace, 0, trace.keys(), words);
  const Indices image = positionsOf(trace, Role::Image);
  if (!image.empty())
  {
    const auto behind = std::find_if(lines.columns.begin(), lines.columns.end(),
      [&](const MatrixLine& line) { return line.positions.front() > image.front(); });
    lines.columns.insert(behind, { "picture", Role::Image, image });
  }
  return lines;
}

std::vector<Indices> columnGroups(const MatrixLines& lines)
{
  std::vector<Indices> groups;
  for (const MatrixLine& column : lines.columns)
  {
    groups.push_back(column.positions);
  }
  return groups;
}

std::vector<float> matrixOf(const Trace& trace, const MatrixLines& lines, const LayerParts& all)
{
  const std::vector<float> mean = acrossLayers(all, Reduction::Mean); // [T, columns]
  const std::size_t columns = lines.columns.size();
  std::vector<float> matrix;
  for (const MatrixLine& row : lines.rows)
  {
    for (std::size_t c = 0; c < columns; ++c)
    {
      double sum = 0;
      for (const std::int64_t position : row.positions)
      {
        sum += mean[static_cast<std::size_t>(position - trace.promptLength) * columns + c];
      }
      // The token at a position was predicted by the one before it.
      const bool seen = lines.columns[c].positions.front() < row.positions.back();
      matrix.push_back(seen ? static_cast<float>(sum / static_cast<double>(row.positions.size()))
                            : std::numeric_limits<float>::quiet_NaN());
    }
  }
  return matrix;
}

} // namespace lvlm
