// SPDX-License-Identifier: Apache-2.0
/// @file Orientation.h
/// Orientation rules R0-R4 and R8-R10 of partial ancestral graphs (J. Zhang, Artif. Intell. 172,
/// 2008; R5-R7 are about selection bias, which is ruled out here), with the choices of
/// causality-lab where data contradict each other, so that results agree with it.
///
/// Nodes are visited in ascending order. With a perfect independence test the order is irrelevant;
/// on contradictory data the later of two conflicting orientations wins, and then order matters
/// (README.md).
#ifndef LVLM_CAUSAL_ORIENTATION_H
#define LVLM_CAUSAL_ORIENTATION_H

#include "PartialAncestralGraph.h"

#include <atomic>
#include <vector>

namespace lvlm::causal
{

/// For each pair of nodes the set that made them independent.
class SeparatingSets
{
public:
  explicit SeparatingSets(int size = 0)
    : Size(size), Sets(static_cast<std::size_t>(size) * static_cast<std::size_t>(size))
  {
  }
  /// Empty for pairs that were never separated, too.
  const NodeSet& get(int a, int b) const { return this->Sets[this->slot(a, b)]; }
  void set(int a, int b, const NodeSet& separator) { this->Sets[this->slot(a, b)] = separator; }

private:
  std::size_t slot(int a, int b) const
  {
    return static_cast<std::size_t>(a < b ? a : b) * static_cast<std::size_t>(this->Size) +
      static_cast<std::size_t>(a < b ? b : a);
  }
  int Size;
  std::vector<NodeSet> Sets; // [size, size], upper triangle
};

/// R0: x *-> z <-* y for every z between nonadjacent x, y that is not in their separating set.
void orientColliders(PartialAncestralGraph& graph, const SeparatingSets& separation);
/// R1-R4 until nothing changes: arrowheads, and the tails that follow at once.
void orientArrowheads(PartialAncestralGraph& graph, const SeparatingSets& separation);
/// R8-R10 until nothing changes: all tails that can be found. R10 asks for possibly directed
/// uncovered paths; as causality-lab does, any uncovered path is accepted there. `stop` (may be
/// null) is looked at between path searches; throws Aborted when it is set.
void orientTails(PartialAncestralGraph& graph, const std::atomic<bool>* stop = nullptr);

} // namespace lvlm::causal

#endif
