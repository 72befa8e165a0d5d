// SPDX-License-Identifier: Apache-2.0
#include "Orientation.h"

namespace lvlm::causal
{

namespace
{

/// R1: a *-> b o-* c, a and c not adjacent: b --> c.
bool rule1(PartialAncestralGraph& graph)
{
  bool changed = false;
  for (int b = 0; b < graph.size(); ++b)
  {
    const NodeSet intoB = graph.near(b, Mark::Arrow);
    for (const int c : graph.near(b, Mark::Circle))
    {
      if (!intoB.isSubsetOf(graph.neighbours(c)))
      {
        graph.setMark(b, c, Mark::Tail);
        graph.setMark(c, b, Mark::Arrow);
        changed = true;
      }
    }
  }
  return changed;
}

/// Sets the arrow at c of every edge from `sources` that has a circle there.
bool pointAt(PartialAncestralGraph& graph, int c, const NodeSet& sources)
{
  bool changed = false;
  for (const int a : sources& graph.near(c, Mark::Circle))
  {
    graph.setMark(c, a, Mark::Arrow);
    changed = true;
  }
  return changed;
}

/// R2: a *-> b --> c or a --> b *-> c, and a *-o c: a *-> c.
bool rule2(PartialAncestralGraph& graph)
{
  bool changed = false;
  for (int b = 0; b < graph.size(); ++b)
  {
    for (const int c : graph.near(b, Mark::Tail) & graph.far(b, Mark::Arrow))
    {
      changed |= pointAt(graph, c, graph.near(b, Mark::Arrow));
    }
  }
  for (int c = 0; c < graph.size(); ++c)
  {
    for (const int b : graph.near(c, Mark::Arrow))
    {
      changed |= pointAt(graph, c, graph.parents(b));
    }
  }
  return changed;
}

bool hasNonadjacentPair(const PartialAncestralGraph& graph, const NodeSet& nodes)
{
  for (const int a : nodes)
  {
    NodeSet others = nodes - graph.neighbours(a);
    others.erase(a);
    if (!others.empty())
    {
      return true;
    }
  }
  return false;
}

/// R3: a *-> b <-* c, a *-o d o-* c, a and c not adjacent, d *-o b: d *-> b.
bool rule3(PartialAncestralGraph& graph)
{
  bool changed = false;
  for (int b = 0; b < graph.size(); ++b)
  {
    for (const int d : graph.near(b, Mark::Circle))
    {
      if (hasNonadjacentPair(graph, graph.near(b, Mark::Arrow) & graph.near(d, Mark::Circle)))
      {
        graph.setMark(b, d, Mark::Arrow);
        changed = true;
      }
    }
  }
  return changed;
}

/// The far end d of a discriminating path <d, ..., a, b, c> for b: every node between d and b is a
/// collider on the path and a parent of c, and d is not adjacent to c. Breadth first; -1 when there
/// is none.
int discriminatingPathStart(const PartialAncestralGraph& graph, int a, int b, int c)
{
  NodeSet excluded; // as ends
  excluded.insert(a);
  excluded.insert(b);
  excluded.insert(c);
  NodeSet visited = excluded;
  const NodeSet parentsOfC = graph.parents(c);
  NodeSet frontier;
  frontier.insert(a);
  while (!frontier.empty())
  {
    NodeSet next;
    for (const int current : frontier)
    {
      const NodeSet into = graph.near(current, Mark::Arrow) - excluded;
      for (const int d : into - graph.neighbours(c))
      {
        return d;
      }
      next |= (into & parentsOfC & graph.far(current, Mark::Arrow)) - visited;
    }
    visited |= next;
    frontier = next;
  }
  return -1;
}

/// One application of R4 to the triple a, b, c. True when a discriminating path was found.
bool orientDiscriminated(
  PartialAncestralGraph& graph, const SeparatingSets& separation, int a, int b, int c)
{
  const int d = discriminatingPathStart(graph, a, b, c);
  if (d < 0)
  {
    return false;
  }
  graph.setMark(c, b, Mark::Arrow);
  if (separation.get(d, c).contains(b))
  {
    graph.setMark(b, c, Mark::Tail);
  }
  else
  {
    graph.setMark(b, c, Mark::Arrow);
    graph.setMark(a, b, Mark::Arrow);
    graph.setMark(b, a, Mark::Arrow);
  }
  return true;
}

/// R4: a discriminating path <d, ..., a, b, c> for b, and b o-* c: b --> c when b separated d from
/// c, else a <-> b <-> c.
bool rule4(PartialAncestralGraph& graph, const SeparatingSets& separation)
{
  bool changed = false;
  for (int b = 0; b < graph.size(); ++b)
  {
    for (const int c : graph.near(b, Mark::Circle))
    {
      for (const int a : graph.parents(c))
      {
        if (graph.near(a, Mark::Arrow).contains(b))
        {
          changed |= orientDiscriminated(graph, separation, a, b, c);
        }
      }
    }
  }
  return changed;
}

} // namespace

void orientColliders(PartialAncestralGraph& graph, const SeparatingSets& separation)
{
  for (int z = 0; z < graph.size(); ++z)
  {
    const NodeSet around = graph.neighbours(z);
    for (const int x : around)
    {
      for (const int y : around - graph.neighbours(x))
      {
        if (x < y && !separation.get(x, y).contains(z))
        {
          graph.setMark(z, x, Mark::Arrow);
          graph.setMark(z, y, Mark::Arrow);
        }
      }
    }
  }
}

void orientArrowheads(PartialAncestralGraph& graph, const SeparatingSets& separation)
{
  // Each rule removes circles and none adds one: this ends.
  bool changed = true;
  while (changed)
  {
    changed = rule1(graph);
    changed |= rule2(graph);
    changed |= rule3(graph);
    changed |= rule4(graph, separation);
  }
}

} // namespace lvlm::causal
