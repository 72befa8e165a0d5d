// SPDX-License-Identifier: Apache-2.0
/// Orientation rules on the smallest graphs of their definitions (Zhang 2008), uncovered paths
/// against plain recursion, possible-d-separating trees and the order of conditioning sets.
#include "Generate.h"

#include "Models/Causal/Orientation.h"
#include "Models/Causal/PossibleDSep.h"
#include "Models/Causal/UncoveredPath.h"
#include "Testing/Cpp/Check.h"

#include <algorithm>
#include <string>
#include <vector>

using namespace lvlm::causal;

namespace
{

Mark markOf(char character)
{
  return character == 'o' ? Mark::Circle : character == '-' ? Mark::Tail : Mark::Arrow;
}

/// Nodes a, b, c, ... and edges such as "a o-> b".
PartialAncestralGraph graphOf(int size, const std::vector<std::string>& edges)
{
  PartialAncestralGraph graph(size);
  for (const std::string& edge : edges)
  {
    graph.connect(edge[0] - 'a', markOf(edge[2]), edge[6] - 'a', markOf(edge[4]));
  }
  return graph;
}

std::string edge(const PartialAncestralGraph& graph, char from, char to)
{
  const int a = from - 'a';
  const int b = to - 'a';
  return edgeText(graph.markAt(a, b), graph.markAt(b, a));
}

NodeSet setOf(const std::vector<int>& nodes)
{
  NodeSet set;
  for (const int node : nodes)
  {
    set.insert(node);
  }
  return set;
}

void testColliders()
{
  for (const bool separated : { false, true })
  {
    PartialAncestralGraph graph = graphOf(3, { "a o-o c", "b o-o c" });
    SeparatingSets separation(3);
    separation.set(1, 0, separated ? setOf({ 2 }) : NodeSet());
    orientColliders(graph, separation);
    CHECK(edge(graph, 'a', 'c') == (separated ? "o-o" : "o->"));
    CHECK(edge(graph, 'c', 'b') == (separated ? "o-o" : "<-o"));
  }
}

void testArrowheads()
{
  const SeparatingSets none(4);
  PartialAncestralGraph rule1 = graphOf(3, { "a o-> b", "b o-o c" });
  orientArrowheads(rule1, none);
  CHECK(edge(rule1, 'b', 'c') == "-->");
  PartialAncestralGraph shielded = graphOf(3, { "a o-> b", "b o-o c", "a o-o c" });
  orientArrowheads(shielded, none);
  CHECK(edge(shielded, 'b', 'c') == "o-o");

  PartialAncestralGraph rule2 = graphOf(3, { "a --> b", "b o-> c", "a o-o c" });
  orientArrowheads(rule2, none);
  CHECK(edge(rule2, 'a', 'c') == "o->");
  PartialAncestralGraph rule2b = graphOf(3, { "a o-> b", "b --> c", "a o-o c" });
  orientArrowheads(rule2b, none);
  CHECK(edge(rule2b, 'a', 'c') == "o->");

  PartialAncestralGraph rule3 =
    graphOf(4, { "a o-> b", "c o-> b", "a o-o d", "c o-o d", "d o-o b" });
  orientArrowheads(rule3, none);
  CHECK(edge(rule3, 'd', 'b') == "o->");
}

/// Discriminating path <d, a, b, c> for b.
void testRule4()
{
  for (const bool separates : { false, true })
  {
    PartialAncestralGraph graph = graphOf(4, { "d o-> a", "a <-> b", "a --> c", "b o-o c" });
    SeparatingSets separation(4);
    separation.set(3, 2, separates ? setOf({ 0, 1 }) : setOf({ 0 }));
    orientArrowheads(graph, separation);
    CHECK(edge(graph, 'b', 'c') == (separates ? "-->" : "<->"));
    CHECK(edge(graph, 'a', 'b') == "<->");
  }
}

void testTails()
{
  PartialAncestralGraph rule8 = graphOf(3, { "a --> b", "b --> c", "a o-> c" });
  orientTails(rule8);
  CHECK(edge(rule8, 'a', 'c') == "-->");

  PartialAncestralGraph rule9 = graphOf(4, { "a o-> b", "b o-> d", "d o-> c", "a o-> c" });
  orientTails(rule9);
  CHECK(edge(rule9, 'a', 'c') == "-->");
  CHECK(edge(rule9, 'd', 'c') == "o->");

  PartialAncestralGraph rule10 =
    graphOf(4, { "a o-> c", "b --> c", "d --> c", "a o-> b", "a o-> d" });
  orientTails(rule10);
  CHECK(edge(rule10, 'a', 'c') == "-->");

  // <a, e, b> is uncovered, but e <-> b cannot be directed: Zhang's R10 does not apply,
  // causality-lab's does.
  PartialAncestralGraph undirected =
    graphOf(5, { "a o-> c", "b --> c", "d --> c", "a o-> e", "e <-> b", "a o-> d" });
  orientTails(undirected);
  CHECK(edge(undirected, 'a', 'c') == "-->");
}

/// The definition, by recursion over all simple paths in ascending order.
bool extendPath(const PartialAncestralGraph& graph, int y, int last, PathEdge kind,
  std::vector<int>& path /* x, first, ... */)
{
  const int current = path.back();
  const int previous = path[path.size() - 2];
  const auto usable = [&](int from, int to)
  {
    const Mark atFrom = graph.markAt(from, to);
    const Mark atTo = graph.markAt(to, from);
    return kind == PathEdge::PossiblyDirected
      ? atFrom != Mark::None && atFrom != Mark::Arrow && atTo != Mark::Tail
      : atFrom != Mark::None;
  };
  if (usable(current, last) && !graph.adjacent(current, y) && !graph.adjacent(previous, last))
  {
    path.push_back(last);
    return true;
  }
  for (int next = 0; next < graph.size(); ++next)
  {
    const bool visited = std::find(path.begin(), path.end(), next) != path.end();
    if (visited || next == y || next == last || !usable(current, next) ||
      graph.adjacent(previous, next))
    {
      continue;
    }
    path.push_back(next);
    if (extendPath(graph, y, last, kind, path))
    {
      return true;
    }
    path.pop_back();
  }
  return false;
}

void testUncoveredPaths()
{
  int found = 0;
  int missing = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed)
  {
    lvlm_test::Lcg lcg(seed);
    constexpr int size = 8;
    PartialAncestralGraph graph(size);
    for (int a = 0; a < size; ++a)
    {
      for (int b = a + 1; b < size; ++b)
      {
        if (lcg.next(100) < 45)
        {
          const auto mark = [&] { return static_cast<Mark>(1 + lcg.next(5) % 3); };
          const Mark atA = seed % 3 == 0 ? Mark::Circle : mark();
          graph.connect(a, atA, b, seed % 3 == 0 ? Mark::Circle : mark());
        }
      }
    }
    const PathEdge kind = seed % 3 == 1 ? PathEdge::PossiblyDirected : PathEdge::Any;
    std::vector<int> expected{ 0, 2 };
    const bool exists = extendPath(graph, 1, 3, kind, expected);
    expected.erase(expected.begin());
    const std::vector<int> path = findUncoveredPath(graph, 0, 1, 2, 3, kind);
    CHECK(exists ? path == expected : path.empty());
    ++(exists ? found : missing);
  }
  CHECK(found > 30 && missing > 30);
}

void testPossibleDSep()
{
  // a - b is a collider path to c, and d hangs on c without one: d is not reached.
  const PartialAncestralGraph graph = graphOf(5, { "a o-> b", "c o-> b", "c --> d", "a o-> e" });
  const PossibleDSepTree tree(graph, 0, NodeSet::firstNodes(5), 4);
  CHECK(tree.members() == setOf({ 1, 2, 4 }));
  CHECK(tree.distance(1) == 1 && tree.distance(2) == 2 && tree.distance(3) == -1);
  CHECK(PossibleDSepTree(graph, 0, NodeSet::firstNodes(5), 1).members() == setOf({ 1, 4 }));
  CHECK(tree.membersWithin(1) == setOf({ 1, 4 }));

  // c needs b on its way; {b, e} (sum 2) comes before {b, c} (sum 3); {c, e} is not allowed.
  ConditioningSets sets(tree, setOf({ 1, 2, 4 }), 2);
  std::vector<std::vector<int>> all;
  for (int sum = sets.smallestSum(); sum <= sets.largestSum(); ++sum)
  {
    for (sets.start(sum); sets.next();)
    {
      all.push_back(sets.current());
    }
  }
  CHECK(all == (std::vector<std::vector<int>>{ { 1, 4 }, { 1, 2 } }));
  const ConditioningSets tooLarge(tree, setOf({ 1, 2, 4 }), 4);
  CHECK(tooLarge.largestSum() < tooLarge.smallestSum());
}

void testGraph()
{
  const PartialAncestralGraph graph = graphOf(4, { "a --> b", "b o-> c", "c <-> d" });
  CHECK(graph.parents(1) == setOf({ 0 }) && graph.parents(2).empty());
  CHECK(graph.possibleParents(2) == setOf({ 1 }) && graph.possibleChildren(0) == setOf({ 1 }));
  CHECK(graph.possibleAncestors(2, NodeSet::firstNodes(4)) == setOf({ 0, 1 }));
  CHECK(graph.possibleAncestors(2, setOf({ 2, 3 })) == setOf({ 1 }));
  CHECK(edge(graph, 'b', 'a') == "<--" && edge(graph, 'a', 'c').empty());
  CHECK_THROWS(PartialAncestralGraph(NodeSet::Capacity + 1), "at most");
}

} // namespace

int main()
{
  testColliders();
  testArrowheads();
  testRule4();
  testTails();
  testUncoveredPaths();
  testPossibleDSep();
  testGraph();
  return lvlm_test::checkResult();
}
