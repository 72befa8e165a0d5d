// SPDX-License-Identifier: Apache-2.0
#include "UncoveredPath.h"

#include "Models/Trace/Error.h"

#include <utility>

namespace lvlm::causal
{

namespace
{

/// The search for simple paths is exponential at worst. What makes it fast in practice: `Alive`
/// holds the steps p -> n from which `last` can be reached when nodes may repeat, found by one
/// backward sweep; the depth-first search follows only those, which removes no path and does not
/// change which one comes first.
class Search
{
public:
  Search(const PartialAncestralGraph& graph, int x, int y, int first, int last, PathEdge edge,
    const std::atomic<bool>* stop)
    : Graph(graph), X(x), Y(y), First(first), Last(last), Edge(edge), Stop(stop),
      Alive(static_cast<std::size_t>(graph.size()))
  {
    this->sweepBackward();
  }

  std::vector<int> run() const;

private:
  NodeSet stepsFrom(int node) const
  {
    return this->Edge == PathEdge::PossiblyDirected ? this->Graph.possibleChildren(node)
                                                    : this->Graph.neighbours(node);
  }
  NodeSet stepsInto(int node) const
  {
    return this->Edge == PathEdge::PossiblyDirected ? this->Graph.possibleParents(node)
                                                    : this->stepsFrom(node);
  }
  const NodeSet& aliveInto(int node) const { return this->Alive[static_cast<std::size_t>(node)]; }
  void sweepBackward();
  /// Nodes n that may follow <..., previous, node> on a path.
  NodeSet successors(int previous, int node) const;

  const PartialAncestralGraph& Graph;
  int X, Y, First, Last;
  PathEdge Edge;
  const std::atomic<bool>* Stop;
  std::vector<NodeSet> Alive; // [node]: predecessors p such that p -> node leads on to Last
};

void Search::sweepBackward()
{
  NodeSet inner = NodeSet::firstNodes(this->Graph.size()); // may be a predecessor on the path
  inner.erase(this->X);
  inner.erase(this->Y);
  inner.erase(this->Last);

  std::vector<std::pair<int, int>> pending; // steps p -> n
  const auto add = [&](const NodeSet& predecessors, int node)
  {
    NodeSet& alive = this->Alive[static_cast<std::size_t>(node)];
    for (const int p : predecessors - alive)
    {
      alive.insert(p);
      pending.emplace_back(p, node);
    }
  };
  add((this->stepsInto(this->Last) & inner) - this->Graph.neighbours(this->Y), this->Last);
  while (!pending.empty())
  {
    const auto [node, next] = pending.back();
    pending.pop_back();
    if (node == this->First)
    {
      continue; // only X comes before First
    }
    NodeSet before = (this->stepsInto(node) & inner) - this->Graph.neighbours(next);
    before.erase(next);
    add(before, node);
  }
}

NodeSet Search::successors(int previous, int node) const
{
  NodeSet result;
  for (const int next : this->stepsFrom(node) - this->Graph.neighbours(previous))
  {
    if (next != previous && this->aliveInto(next).contains(node))
    {
      result.insert(next);
    }
  }
  return result;
}

std::vector<int> Search::run() const
{
  std::vector<int> path{ this->First };
  std::vector<NodeSet> open{ this->successors(this->X, this->First) };
  NodeSet onPath;
  onPath.insert(this->First);
  while (!path.empty())
  {
    if (this->Stop && this->Stop->load(std::memory_order_relaxed))
    {
      throw Aborted();
    }
    if (open.back().contains(this->Last))
    {
      path.push_back(this->Last);
      return path;
    }
    const NodeSet candidates = open.back() - onPath;
    if (candidates.empty())
    {
      onPath.erase(path.back());
      path.pop_back();
      open.pop_back();
      continue;
    }
    const int next = *candidates.begin();
    open.back().erase(next);
    open.push_back(this->successors(path.back(), next));
    path.push_back(next);
    onPath.insert(next);
  }
  return {};
}

} // namespace

std::vector<int> findUncoveredPath(const PartialAncestralGraph& graph, int x, int y, int first,
  int last, PathEdge edge, const std::atomic<bool>* stop)
{
  if (first == last)
  {
    return { first };
  }
  return Search(graph, x, y, first, last, edge, stop).run();
}

} // namespace lvlm::causal
