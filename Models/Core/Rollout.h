// SPDX-License-Identifier: Apache-2.0
/// @file Rollout.h
/// Attention rollout (Abnar, Zuidema: "Quantifying Attention Flow in Transformers", ACL 2020): the
/// gradient-free way from a token through all layers, on any trace with the full matrices.
#ifndef LVLM_CORE_ROLLOUT_H
#define LVLM_CORE_ROLLOUT_H

#include "Analysis.h"

namespace lvlm
{

/// For each answer token the row of A_L ... A_1 at the query that predicts it, [n, K] row-major,
/// where A_l is layer l's attention reduced over heads, plus the identity for the residual
/// connection, each row divided by its sum. Rows sum to 1, and keys after the row's own position
/// are 0. Only one row a token is ever formed: O(n K) memory.
///
/// Tokens are 0-based, negative ones count from the end; none at all means all. Throws Error for a
/// token out of range, and when `attention.full` does not hold all layers of the model; Aborted
/// when `progress` says so.
std::vector<float> attentionRollout(const Trace& trace, const Indices& answerTokens,
  Reduction reduction, const Progress& progress = {});

/// The image span of such rows: [n, K] -> [n, rows*cols].
std::vector<float> imageSpan(const Trace& trace, const std::vector<float>& rows);

} // namespace lvlm

#endif
