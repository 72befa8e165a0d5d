// SPDX-License-Identifier: Apache-2.0
#include "PartialAncestralGraph.h"

#include "Models/Trace/Error.h"

namespace lvlm::causal
{

namespace
{
constexpr Mark Marks[] = { Mark::Circle, Mark::Arrow, Mark::Tail };
}

std::string edgeText(Mark atFirst, Mark atSecond)
{
  if (atFirst == Mark::None || atSecond == Mark::None)
  {
    return {};
  }
  // indexed by Mark
  constexpr const char* left = " o<-";
  constexpr const char* right = " o>-";
  return { left[static_cast<int>(atFirst)], '-', right[static_cast<int>(atSecond)] };
}

PartialAncestralGraph::PartialAncestralGraph(int size)
{
  if (size < 0 || size > NodeSet::Capacity)
  {
    fail("a causal graph of ", size, " nodes: at most ", NodeSet::Capacity, " are supported");
  }
  this->Adjacent.resize(index(size));
  this->Near.resize(index(size) * 3);
  this->Far.resize(index(size) * 3);
}

PartialAncestralGraph PartialAncestralGraph::complete(int size)
{
  PartialAncestralGraph graph(size);
  for (int a = 0; a < size; ++a)
  {
    for (int b = a + 1; b < size; ++b)
    {
      graph.connect(a, Mark::Circle, b, Mark::Circle);
    }
  }
  return graph;
}

Mark PartialAncestralGraph::markAt(int node, int other) const
{
  for (const Mark mark : Marks)
  {
    if (this->near(node, mark).contains(other))
    {
      return mark;
    }
  }
  return Mark::None;
}

void PartialAncestralGraph::connect(int a, Mark atA, int b, Mark atB)
{
  this->Adjacent[index(a)].insert(b);
  this->Adjacent[index(b)].insert(a);
  this->setMark(a, b, atA);
  this->setMark(b, a, atB);
}

void PartialAncestralGraph::disconnect(int a, int b)
{
  this->Adjacent[index(a)].erase(b);
  this->Adjacent[index(b)].erase(a);
  for (const Mark mark : Marks)
  {
    this->Near[slot(a, mark)].erase(b);
    this->Near[slot(b, mark)].erase(a);
    this->Far[slot(a, mark)].erase(b);
    this->Far[slot(b, mark)].erase(a);
  }
}

void PartialAncestralGraph::setMark(int node, int other, Mark mark)
{
  for (const Mark old : Marks)
  {
    this->Near[slot(node, old)].erase(other);
    this->Far[slot(other, old)].erase(node);
  }
  this->Near[slot(node, mark)].insert(other);
  this->Far[slot(other, mark)].insert(node);
}

NodeSet PartialAncestralGraph::possibleAncestors(int node, const NodeSet& within) const
{
  NodeSet ancestors;
  NodeSet expanded;
  std::vector<int> pending{ node };
  expanded.insert(node);
  while (!pending.empty())
  {
    const int current = pending.back();
    pending.pop_back();
    const NodeSet found = this->possibleParents(current);
    ancestors |= found;
    for (const int next : (found & within) - expanded)
    {
      expanded.insert(next);
      pending.push_back(next);
    }
  }
  ancestors.erase(node);
  return ancestors;
}

} // namespace lvlm::causal
