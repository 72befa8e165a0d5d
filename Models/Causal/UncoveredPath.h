// SPDX-License-Identifier: Apache-2.0
/// @file UncoveredPath.h
/// Uncovered paths: no node's two neighbours on the path are adjacent (Zhang 2008, needed by R9 and
/// R10).
#ifndef LVLM_CAUSAL_UNCOVERED_PATH_H
#define LVLM_CAUSAL_UNCOVERED_PATH_H

#include "PartialAncestralGraph.h"

#include <atomic>
#include <vector>

namespace lvlm::causal
{

/// Which edges a path may follow.
enum class PathEdge
{
  Any,
  PossiblyDirected ///< from a possible parent to its possible child
};

/// An uncovered path <x, first, ..., last, y>, found depth first with nodes in ascending order.
/// As in causality-lab the edges x - first and last - y are the caller's to check, and the path
/// {first} is returned at once when first == last. Returns first .. last; empty when there is no
/// path. `stop` (may be null) ends the search with Aborted.
std::vector<int> findUncoveredPath(const PartialAncestralGraph& graph, int x, int y, int first,
  int last, PathEdge edge, const std::atomic<bool>* stop = nullptr);

} // namespace lvlm::causal

#endif
