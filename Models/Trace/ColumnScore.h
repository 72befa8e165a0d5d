// SPDX-License-Identifier: Apache-2.0
/// @file ColumnScore.h
/// How much a head hangs on one token of the answer: the over-trust score of Huang et al., "OPERA:
/// Alleviating Hallucination in Multi-Modal Large Language Models via Over-Trust Penalty and
/// Retrospection-Allocation", CVPR 2024 (arXiv 2311.17911).
#ifndef LVLM_TRACE_COLUMNSCORE_H
#define LVLM_TRACE_COLUMNSCORE_H

#include "Trace.h"

#include <cstdint>
#include <vector>

namespace lvlm
{

/// Their scale factor.
inline constexpr double ColumnScale = 50;
/// How many tokens their window has at most.
inline constexpr std::int64_t ColumnWindow = 512;

struct ColumnScore
{
  double score; ///< NaN where the window is empty
  /// The answer token whose column it is; -1 where the window is empty.
  std::int64_t token;
};

/// Of each head of a layer that this process has. The window are the rows that predict the answer
/// tokens up to `last`, ColumnWindow of them at most, and as columns the answer tokens that these
/// rows are of: each row is of the token before the one that it predicts, so that there is a
/// window from answer token 1 on. Of a column it is the sum of ln(ColumnScale * attention) from the
/// diagonal to the last row, the logarithm of OPERA's product; of all columns the largest.
/// Attention of 0 counts as the smallest normal float32, so that scores are finite.
/// Throws Error for what is not finite.
std::vector<ColumnScore> columnScores(const Trace& trace, std::int64_t layer, std::int64_t last);

} // namespace lvlm

#endif
