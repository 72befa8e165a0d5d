// SPDX-License-Identifier: Apache-2.0
/// @file PartialAncestralGraph.h
/// Partial ancestral graphs: which tokens depend on each other, and what is known about the
/// direction when hidden common causes are possible. See J. Zhang, "On the completeness of
/// orientation rules for causal discovery in the presence of latent confounders and selection
/// bias", Artif. Intell. 172 (2008).
#ifndef LVLM_CAUSAL_PARTIAL_ANCESTRAL_GRAPH_H
#define LVLM_CAUSAL_PARTIAL_ANCESTRAL_GRAPH_H

#include "NodeSet.h"

#include <string>
#include <vector>

namespace lvlm::causal
{

/// The end of an edge at one of its nodes.
enum class Mark : unsigned char
{
  None,   ///< the nodes are not adjacent
  Circle, ///< `o`: either of the next two
  Arrow,  ///< `>`: this node is no ancestor of the other
  Tail    ///< `-`: this node is an ancestor of the other (or of a selection variable)
};

/// Edge as text, first node on the left: "o->", "-->", "<->", "o-o", "---", "<-o", ...; empty for
/// None.
std::string edgeText(Mark atFirst, Mark atSecond);

/// Nodes 0 .. size()-1; at most one edge between two nodes, with a mark at each of its ends.
class PartialAncestralGraph
{
public:
  /// `size` nodes without edges. Throws Error unless 0 <= size <= NodeSet::Capacity.
  explicit PartialAncestralGraph(int size = 0);
  /// Every pair of nodes joined by o-o.
  static PartialAncestralGraph complete(int size);

  int size() const { return static_cast<int>(this->Adjacent.size()); }
  bool adjacent(int a, int b) const { return this->Adjacent[index(a)].contains(b); }
  const NodeSet& neighbours(int node) const { return this->Adjacent[index(node)]; }

  /// The mark that the edge between the two nodes has at `node`.
  Mark markAt(int node, int other) const;
  /// All x whose edge with `node` has this mark at `node`.
  const NodeSet& near(int node, Mark mark) const { return this->Near[slot(node, mark)]; }
  /// All x whose edge with `node` has this mark at x.
  const NodeSet& far(int node, Mark mark) const { return this->Far[slot(node, mark)]; }

  /// Adds or replaces the edge between a and b.
  void connect(int a, Mark atA, int b, Mark atB);
  void disconnect(int a, int b);
  /// Replaces the mark at `node` of the existing edge with `other`.
  void setMark(int node, int other, Mark mark);

  /// x with x --> child
  NodeSet parents(int child) const
  {
    return this->near(child, Mark::Arrow) & this->far(child, Mark::Tail);
  }
  /// x adjacent to `child` with neither an arrow at x nor a tail at `child`: x may be a cause of
  /// `child`.
  NodeSet possibleParents(int child) const
  {
    return this->neighbours(child) - this->near(child, Mark::Tail) - this->far(child, Mark::Arrow);
  }
  /// Nodes that `parent` may be a cause of: the reverse of possibleParents.
  NodeSet possibleChildren(int parent) const
  {
    return this->neighbours(parent) - this->near(parent, Mark::Arrow) -
      this->far(parent, Mark::Tail);
  }
  /// Nodes with a path of possible parents to `node` whose later nodes all lie in `within`.
  NodeSet possibleAncestors(int node, const NodeSet& within) const;

  friend bool operator==(const PartialAncestralGraph& a, const PartialAncestralGraph& b)
  {
    return a.Near == b.Near;
  }

private:
  static std::size_t index(int node) { return static_cast<std::size_t>(node); }
  static std::size_t slot(int node, Mark mark)
  {
    return index(node) * 3 + static_cast<std::size_t>(mark) - 1;
  }

  std::vector<NodeSet> Adjacent; // [size]
  std::vector<NodeSet> Near;     // [size, mark]
  std::vector<NodeSet> Far;      // [size, mark]: Near, seen from the other end
};

} // namespace lvlm::causal

#endif
