// SPDX-License-Identifier: Apache-2.0
#include "CausalTables.h"

#include "Models/Trace/Regions.h"
#include "Models/Trace/Words.h"

#include "Filters/Common/OutputVTK.h"
#include "Filters/Drawing/CausalGraph.h"
#include "Readers/TensorVTK.h"

#include "vtkDataArray.h"
#include "vtkTable.h"

#include <algorithm>
#include <numeric>

namespace lvlm
{

namespace
{
using Integers = std::vector<std::int64_t>;

/// Not float: p-values go far below what that can hold.
void addReals(vtkTable* table, const char* name, const std::vector<double>& values)
{
  table->AddColumn(
    arrayFromTensor(Tensor::of(values, { static_cast<std::int64_t>(values.size()) }), name));
}

/// As in the drawing, but that patches are called so.
std::string labelIn(const causal::HeadExplanation& head, const Trace& trace, int position)
{
  const bool target = std::any_of(head.nodes.begin(), head.nodes.end(),
    [position](const causal::ExplanationNode& node)
    { return node.position == position && node.radius == 0; });
  return (patchAtPosition(trace, position) >= 0 ? "patch " : "") +
    nodeLabel(trace, position, target);
}
}

void fillNodeTable(const HeadExplanations& heads, const Trace& trace, vtkTable* table)
{
  Integers head, position, radius, patch;
  std::vector<std::string> token, text, role;
  std::vector<double> weight, attention;
  for (const causal::HeadExplanation& one : heads)
  {
    for (const causal::ExplanationNode& node : one.nodes)
    {
      const auto at = static_cast<std::size_t>(node.position);
      head.push_back(one.head);
      position.push_back(node.position);
      token.push_back(trace.tokens[at]);
      text.push_back(textAt(trace, at));
      role.emplace_back(nameOf(trace.roles[at]));
      patch.push_back(patchAtPosition(trace, node.position));
      radius.push_back(node.radius);
      weight.push_back(node.weight);
      attention.push_back(node.attention);
    }
  }
  addColumn(table, "head", head);
  addColumn(table, "position", position);
  addColumn(table, "token", token);
  addColumn(table, "text", text);
  addColumn(table, "role", role);
  addColumn(table, "patch", patch);
  addColumn(table, "radius", radius);
  addReals(table, "weight", weight);
  addReals(table, "attention", attention);
}

void fillEdgeTable(const HeadExplanations& heads, const Trace& trace, vtkTable* table)
{
  Integers head, source, target;
  std::vector<std::string> mark, sourceLabel, targetLabel;
  std::vector<double> pValue;
  for (const causal::HeadExplanation& one : heads)
  {
    for (const causal::ExplanationEdge& edge : one.edges)
    {
      head.push_back(one.head);
      source.push_back(edge.source);
      target.push_back(edge.target);
      sourceLabel.push_back(labelIn(one, trace, edge.source));
      targetLabel.push_back(labelIn(one, trace, edge.target));
      mark.push_back(causal::edgeText(edge.sourceMark, edge.targetMark));
      pValue.push_back(edge.pValue);
    }
  }
  addColumn(table, "head", head);
  addColumn(table, "source_label", sourceLabel);
  addColumn(table, "mark", mark);
  addColumn(table, "target_label", targetLabel);
  addColumn(table, "source", source);
  addColumn(table, "target", target);
  addReals(table, "p_value", pValue);
}

void fillHeadTable(const HeadExplanations& heads, const Trace& trace, vtkTable* table)
{
  Integers head, nodes, edges, image, text, tests;
  std::vector<double> importance;
  for (const causal::HeadExplanation& one : heads)
  {
    std::int64_t patches = 0;
    std::int64_t words = 0;
    for (const causal::ExplanationNode& node : one.nodes)
    {
      (isPatch(trace, node.position) ? patches : words) += node.radius > 0 ? 1 : 0;
    }
    head.push_back(one.head);
    importance.push_back(one.importance);
    nodes.push_back(static_cast<std::int64_t>(one.nodes.size()));
    edges.push_back(static_cast<std::int64_t>(one.edges.size()));
    image.push_back(patches);
    text.push_back(words);
    tests.push_back(
      std::accumulate(one.testsByOrder.begin(), one.testsByOrder.end(), std::int64_t{ 0 }));
  }
  addColumn(table, "head", head);
  addReals(table, "importance", importance);
  addColumn(table, "nodes", nodes);
  addColumn(table, "edges", edges);
  addColumn(table, "explaining_patches", image);
  addColumn(table, "explaining_words", text);
  addColumn(table, "tests", tests);
}

std::vector<float> weightMap(const HeadExplanations& heads, const Trace& trace)
{
  const ImageMap image(trace);
  std::vector<double> sums(static_cast<std::size_t>(image.count()), 0.0), scratch; // by position
  for (const causal::HeadExplanation& one : heads)
  {
    for (const causal::ExplanationNode& node : one.nodes)
    {
      if (isPatch(trace, node.position) && node.radius > 0)
      {
        sums[static_cast<std::size_t>(node.position - image.first())] += node.weight;
      }
    }
  }
  const std::vector<double>& map = image.of(sums, scratch);
  return { map.begin(), map.end() };
}

} // namespace lvlm
