// SPDX-License-Identifier: Apache-2.0
/// @file PossibleDSep.h
/// Possible-d-separating tree of a node and the conditioning sets that it allows.
/// R. Y. Rohekar, S. Nisimov, Y. Gurwicz, G. Novik, "Iterative causal discovery in the possible
/// presence of latent confounders and selection bias" (ICD), NeurIPS 2021, ICD-Sep conditions.
#ifndef LVLM_CAUSAL_POSSIBLE_DSEP_H
#define LVLM_CAUSAL_POSSIBLE_DSEP_H

#include "PartialAncestralGraph.h"

#include <atomic>
#include <vector>

namespace lvlm::causal
{

/// Breadth-first tree of paths that start at `root` and on which every inner node is a collider or
/// forms a triangle with its two neighbours: what may be needed to separate the root from
/// something. Every edge is walked at most once, so the tree is no larger than the graph; a node
/// may appear in it several times.
class PossibleDSepTree
{
public:
  struct Branch
  {
    int node;
    int parent; ///< index into branches(), -1 for the root
    int depth;  ///< 0 for the root
  };

  /// Paths of at most `maximumDepth` edges through nodes of `within`, which must hold the root.
  PossibleDSepTree(
    const PartialAncestralGraph& graph, int root, const NodeSet& within, int maximumDepth);

  /// Breadth first; [0] is the root.
  const std::vector<Branch>& branches() const { return this->Branches; }
  /// All nodes of the tree but the root.
  const NodeSet& members() const { return this->Members; }
  /// Shortest distance from the root on the tree; 0 for the root, -1 for nodes outside.
  int distance(int node) const { return this->Distances[static_cast<std::size_t>(node)]; }
  /// Nodes within this distance, without the root.
  NodeSet membersWithin(int radius) const;

private:
  std::vector<Branch> Branches;
  NodeSet Members;
  std::vector<int> Distances; // [graph.size()]
};

/// Conditioning sets Z of one size, by ICD-Sep's condition 2: each node of Z is reached from the
/// root by a path of the tree whose inner nodes are in Z, too. They come by ascending sum of their
/// distances, and then in lexicographic order, one at a time: there can be very many. For one tree,
/// set `allowed` and size:
///
///     for (int sum = sets.smallestSum(); sum <= sets.largestSum(); ++sum)
///       for (sets.start(sum); sets.next(); )
///         use(sets.current());
class ConditioningSets
{
public:
  /// Only nodes of `allowed` are used. `tree` is not kept. `stop` (may be null) makes next() throw
  /// Aborted.
  ConditioningSets(const PossibleDSepTree& tree, const NodeSet& allowed, int size,
    const std::atomic<bool>* stop = nullptr);

  int smallestSum() const { return this->SmallestSum; }
  /// Less than smallestSum() when there is no set.
  int largestSum() const { return this->LargestSum; }
  void start(int sum);
  /// Goes to the next set with the sum given to start(); false at the end.
  bool next();
  /// Ascending.
  const std::vector<int>& current() const { return this->Set; }

private:
  void collectCandidates(const PossibleDSepTree& tree, const NodeSet& allowed);
  void tabulateSums();
  bool canComplete(std::size_t candidate, int chosen, int sum) const;
  bool advance();
  bool legal() const;
  int distanceOf(std::size_t candidate) const { return this->Distance[candidate]; }

  int Size;
  const std::atomic<bool>* Stop;
  int SmallestSum = 1;
  int LargestSum = 0;
  int Sum = 0;
  std::vector<int> Candidates; // ascending nodes
  std::vector<int> Distance;   // [candidate]
  std::vector<std::vector<NodeSet>>
    Inner; // [candidate]: inner nodes of its paths; empty for neighbours of the root
  std::vector<int> Least, Most;    // [candidate, count]: sums of `count` candidates from here on
  std::vector<std::size_t> Chosen; // indices of the current set
  int ChosenSum = 0;
  bool Fresh = false;
  std::vector<int> Set;
};

} // namespace lvlm::causal

#endif
