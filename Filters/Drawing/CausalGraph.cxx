// SPDX-License-Identifier: Apache-2.0
#include "CausalGraph.h"

#include "Models/Trace/Regions.h"
#include "Models/Trace/Words.h"

#include "ShortText.h"

#include <algorithm>
#include <map>
#include <utility>

namespace lvlm
{

namespace
{
using causal::HeadExplanation;
using causal::Mark;

constexpr std::size_t LongestLabel = 25; // characters, the ellipsis of a longer one included

Mark agreed(Mark a, Mark b)
{
  return a == b ? a : Mark::Circle;
}

void addHead(GraphDrawing& graph, const HeadExplanation& head, std::map<int, std::size_t>& known)
{
  for (const causal::ExplanationNode& found : head.nodes)
  {
    const auto [slot, fresh] = known.emplace(found.position, graph.nodes.size());
    if (fresh)
    {
      GraphNode node;
      node.position = found.position;
      node.head = head.head;
      node.radius = found.radius;
      node.weight = found.weight;
      graph.nodes.push_back(node);
      continue;
    }
    GraphNode& node = graph.nodes[slot->second];
    node.head = -1;
    ++node.heads;
    node.weight += found.weight;
    if (found.radius >= 0 && (node.radius < 0 || found.radius < node.radius))
    {
      node.radius = found.radius;
    }
  }
}

void addEdges(const HeadExplanation& head, const std::map<int, std::size_t>& known,
  std::map<std::pair<int, int>, GraphEdge>& edges)
{
  for (const causal::ExplanationEdge& found : head.edges)
  {
    const auto [slot, fresh] =
      edges.emplace(std::make_pair(found.source, found.target), GraphEdge{});
    GraphEdge& edge = slot->second;
    if (fresh)
    {
      edge.source = known.at(found.source);
      edge.target = known.at(found.target);
      edge.atSource = found.sourceMark;
      edge.atTarget = found.targetMark;
      edge.pValue = found.pValue;
      continue;
    }
    ++edge.heads;
    edge.atSource = agreed(edge.atSource, found.sourceMark);
    edge.atTarget = agreed(edge.atTarget, found.targetMark);
    edge.pValue = std::max(edge.pValue, found.pValue);
  }
}

/// What a token says, in one line and short.
std::string readableToken(const Trace& trace, std::size_t position)
{
  std::string text = textAt(trace, position);
  text = text.empty() ? trace.tokens[position] : text; // a further part of a character
  replaceAll(text, "\n", "\\n");
  const std::size_t first = text.find_first_not_of(' ');
  if (first == std::string::npos)
  {
    return "(space)";
  }
  return shortened(text.substr(first, text.find_last_not_of(' ') + 1 - first), LongestLabel);
}
}

std::size_t mostImportantHead(const std::vector<HeadExplanation>& heads)
{
  const auto key = [](const HeadExplanation& head)
  {
    const bool explained = std::any_of(head.nodes.begin(), head.nodes.end(),
      [](const causal::ExplanationNode& node) { return node.radius > 0; });
    return std::make_pair(explained, head.importance);
  };
  const auto best = std::max_element(heads.begin(), heads.end(),
    [&](const HeadExplanation& one, const HeadExplanation& other)
    { return key(one) < key(other); });
  return static_cast<std::size_t>(best - heads.begin());
}

GraphDrawing graphOfHead(const HeadExplanation& head)
{
  return unionOfHeads({ head }, 1);
}

GraphDrawing unionOfHeads(const std::vector<HeadExplanation>& heads, int minimumHeads)
{
  GraphDrawing graph;
  std::map<int, std::size_t> known;
  std::map<std::pair<int, int>, GraphEdge> edges;
  for (const HeadExplanation& head : heads)
  {
    addHead(graph, head, known);
  }
  std::sort(graph.nodes.begin(), graph.nodes.end(),
    [](const GraphNode& a, const GraphNode& b) { return a.position < b.position; });
  for (std::size_t i = 0; i < graph.nodes.size(); ++i)
  {
    known[graph.nodes[i].position] = i;
    graph.nodes[i].target = i + 1 == graph.nodes.size(); // no node is later than the target
  }
  for (const HeadExplanation& head : heads)
  {
    addEdges(head, known, edges);
  }
  for (const auto& [pair, edge] : edges)
  {
    if (edge.heads >= minimumHeads)
    {
      graph.edges.push_back(edge);
    }
  }
  return graph;
}

void keepExplanation(GraphDrawing& graph)
{
  std::vector<std::ptrdiff_t> moved(graph.nodes.size(), -1);
  std::vector<GraphNode> nodes;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i)
  {
    if (graph.nodes[i].radius >= 0)
    {
      moved[i] = static_cast<std::ptrdiff_t>(nodes.size());
      nodes.push_back(graph.nodes[i]);
    }
  }
  std::vector<GraphEdge> edges;
  for (GraphEdge& edge : graph.edges)
  {
    if (moved[edge.source] >= 0 && moved[edge.target] >= 0)
    {
      edge.source = static_cast<std::size_t>(moved[edge.source]);
      edge.target = static_cast<std::size_t>(moved[edge.target]);
      edges.push_back(edge);
    }
  }
  graph.nodes = std::move(nodes);
  graph.edges = std::move(edges);
}

std::string nodeLabel(const Trace& trace, std::int64_t position, bool target)
{
  const auto at = static_cast<std::size_t>(position);
  const std::int64_t patch = patchAtPosition(trace, position);
  const std::string label = patch >= 0 ? std::to_string(patch) : readableToken(trace, at);
  // The row at the target's position predicts the next token: the one that is explained.
  return target ? label + " -> " + readableToken(trace, at + 1) : label;
}

} // namespace lvlm
