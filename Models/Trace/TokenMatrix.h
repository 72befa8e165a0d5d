// SPDX-License-Identifier: Apache-2.0
/// @file TokenMatrix.h
/// How much each token of the answer looks at each token before it: a matrix of numbers, or of
/// words, with the picture as one column.
#ifndef LVLM_TRACE_TOKENMATRIX_H
#define LVLM_TRACE_TOKENMATRIX_H

#include "Analysis.h"

#include <string>
#include <vector>

namespace lvlm
{

/// A row or a column.
struct MatrixLine
{
  std::string text;
  Role role = Role::Special;
  Indices positions; ///< in the sequence, ascending
};

struct MatrixLines
{
  std::vector<MatrixLine> rows;    ///< of the answer
  std::vector<MatrixLine> columns; ///< all of the sequence that is ever looked at, the picture once
};

/// `words`: a line is a word (wordsOf()) instead of a token; `tokens`: the answer's tokens that
/// rows are made of. Throws Error for a token that is out of range.
MatrixLines matrixLines(const Trace& trace, const Indices& tokens, bool words);

/// The columns' positions, for groupSums().
std::vector<Indices> columnGroups(const MatrixLines& lines);

/// From the sums of all layers the matrix [rows, columns]: the mean over layers, heads and a row's
/// tokens of the sum over a column's positions; NaN where a column lies behind all that the row's
/// tokens could see.
std::vector<float> matrixOf(const Trace& trace, const MatrixLines& lines, const LayerParts& all);

} // namespace lvlm

#endif
