// SPDX-License-Identifier: Apache-2.0
/// @file Rollout.h
/// Attention rollout (Abnar, Zuidema: "Quantifying Attention Flow in Transformers", ACL 2020): the
/// gradient-free way from a token through all layers, on any trace with the full matrices.
#ifndef LVLM_TRACE_ROLLOUT_H
#define LVLM_TRACE_ROLLOUT_H

#include "Analysis.h"

namespace lvlm
{

/// For each answer token the row of A_L ... A_1 at the query that predicts it, [n, K] row-major,
/// where A_l is layer l's attention reduced over heads, plus the identity for the residual
/// connection, each row divided by its sum. Rows sum to 1, and keys after the row's own position
/// are 0. Only one row a token is ever formed: O(n K) memory.
///
/// The rows go down through the layers, the last one first; where these are spread over processes,
/// each takes the rows on through the layers that it holds.
class Rollout
{
public:
  /// Tokens are 0-based, negative ones count from the end; none at all means all. Throws Error for
  /// a token out of range, and when `attention.full` does not cover all layers of the model.
  /// `trace` must stay.
  Rollout(const Trace& trace, const Indices& answerTokens, Reduction reduction);

  /// L of the model.
  std::int64_t layers() const { return static_cast<std::int64_t>(this->Slabs.size()); }
  /// Whether this process can take the rows through a layer.
  bool holds(std::int64_t layer) const { return this->Slabs[static_cast<std::size_t>(layer)] >= 0; }
  /// Through a layer. Throws Error for one that is not held, and for attention that is not finite.
  void descend(std::int64_t layer);
  /// [n, K], as far as they have come.
  std::vector<double> rows;

private:
  const Tensor& Full;
  Reduction Kind;
  std::size_t Keys;
  std::size_t LastQuery = 0;
  Indices Slabs; ///< of `attention.full` by layer, -1 where it is in another process
};

/// Such rows as maps of the picture: [n, K] -> [n, rows*cols].
std::vector<float> imageSpan(const Trace& trace, const std::vector<float>& rows);

} // namespace lvlm

#endif
