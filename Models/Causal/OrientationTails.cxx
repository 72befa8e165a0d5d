// SPDX-License-Identifier: Apache-2.0
/// R8-R10 (tail completeness).
#include "Orientation.h"
#include "UncoveredPath.h"

#include <vector>

namespace lvlm::causal
{

namespace
{

using Stop = std::atomic<bool>;

/// R8: a --> b --> c or a --o b --> c, and a o-> c: a --> c.
bool rule8(PartialAncestralGraph& graph)
{
  bool changed = false;
  for (int b = 0; b < graph.size(); ++b)
  {
    const NodeSet causes =
      (graph.near(b, Mark::Arrow) | graph.near(b, Mark::Circle)) & graph.far(b, Mark::Tail);
    for (const int c : graph.near(b, Mark::Tail) & graph.far(b, Mark::Arrow))
    {
      for (const int a : causes& graph.near(c, Mark::Arrow) & graph.far(c, Mark::Circle))
      {
        graph.setMark(a, c, Mark::Tail);
        changed = true;
      }
    }
  }
  return changed;
}

bool rule9Applies(const PartialAncestralGraph& graph, int a, int c, const Stop* stop)
{
  NodeSet starts = graph.possibleChildren(a) - graph.neighbours(c);
  starts.erase(c);
  for (const int b : starts)
  {
    NodeSet ends = graph.possibleParents(c);
    ends.erase(a);
    ends.erase(b);
    for (const int d : ends)
    {
      if (!findUncoveredPath(graph, a, c, b, d, PathEdge::PossiblyDirected, stop).empty())
      {
        return true;
      }
    }
  }
  return false;
}

/// R9: a o-> c and a possibly directed uncovered path <a, b, ..., d, c>, b and c not adjacent: a
/// --> c. One edge a call, as in causality-lab: the cheaper R8 runs again before the next.
bool rule9(PartialAncestralGraph& graph, const Stop* stop)
{
  for (int a = 0; a < graph.size(); ++a)
  {
    for (const int c : graph.near(a, Mark::Circle) & graph.far(a, Mark::Arrow))
    {
      if (rule9Applies(graph, a, c, stop))
      {
        graph.setMark(a, c, Mark::Tail);
        return true;
      }
    }
  }
  return false;
}

/// The path searches of R10 for one edge a o-> c, each done once.
class Rule10Paths
{
public:
  Rule10Paths(const PartialAncestralGraph& graph, int a, int c, const Stop* stop)
    : Graph(graph), A(a), C(c), StopFlag(stop), Searched(static_cast<std::size_t>(graph.size())),
      Found(static_cast<std::size_t>(graph.size()))
  {
  }

  /// Is there an uncovered path <a, first, ..., last, c>?
  bool exists(int first, int last)
  {
    const auto row = static_cast<std::size_t>(first);
    if (!this->Searched[row].contains(last))
    {
      this->Searched[row].insert(last);
      if (!findUncoveredPath(
            this->Graph, this->A, this->C, first, last, PathEdge::Any, this->StopFlag)
             .empty())
      {
        this->Found[row].insert(last);
      }
    }
    return this->Found[row].contains(last);
  }

private:
  const PartialAncestralGraph& Graph;
  int A, C;
  const Stop* StopFlag;
  std::vector<NodeSet> Searched; // [first]: last
  std::vector<NodeSet> Found;    // [first]: last
};

bool rule10Applies(const PartialAncestralGraph& graph, int a, int c, const Stop* stop)
{
  const NodeSet parents = graph.parents(c);
  NodeSet starts = graph.possibleChildren(a);
  starts.erase(c);
  Rule10Paths paths(graph, a, c, stop);
  for (const int e : starts)
  {
    NodeSet others = starts - graph.neighbours(e);
    others.erase(e);
    for (const int f : others)
    {
      for (const int b : parents)
      {
        for (const int d : parents)
        {
          if (b < d && paths.exists(e, b) && paths.exists(f, d))
          {
            return true;
          }
        }
      }
    }
  }
  return false;
}

/// R10: a o-> c, b --> c <-- d, and uncovered paths <a, e, ..., b>, <a, f, ..., d> with e, f
/// different and not adjacent: a --> c.
bool rule10(PartialAncestralGraph& graph, const Stop* stop)
{
  for (int c = 0; c < graph.size(); ++c)
  {
    if (graph.parents(c).count() < 2)
    {
      continue;
    }
    for (const int a : graph.near(c, Mark::Arrow) & graph.far(c, Mark::Circle))
    {
      if (rule10Applies(graph, a, c, stop))
      {
        graph.setMark(a, c, Mark::Tail);
        return true;
      }
    }
  }
  return false;
}

} // namespace

void orientTails(PartialAncestralGraph& graph, const Stop* stop)
{
  bool changed = true;
  while (changed)
  {
    changed = rule8(graph);
    changed |= rule9(graph, stop);
    changed |= rule10(graph, stop);
  }
}

} // namespace lvlm::causal
