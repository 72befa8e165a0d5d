// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMNodeTest.h"

#include "PositionLists.h"

#include "Filters/Common/OutputVTK.h"
#include "Models/Llava/Intervention.h"
#include "Models/Ranks/Team.h"
#include "Models/Trace/Faithfulness.h"
#include "Models/Trace/Regions.h"

#include "vtkDataArray.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkObjectFactory.h"
#include "vtkTable.h"

#include <algorithm>
#include <map>

vtkStandardNewMacro(vtkLVLMNodeTest);

namespace
{
using lvlm::Indices;

/// A node of a head's graph.
struct Node
{
  std::int64_t position;
  std::int64_t radius; ///< 0: the target, -1: outside the explanation
};

using Graphs = std::map<std::int64_t, std::vector<Node>>; ///< by head

/// Of rank 0, which alone has the rows.
Indices columnOf(vtkTable* nodes, const char* name, lvlm::ranks::Team& team)
{
  Indices values;
  if (team.isFirst())
  {
    auto* column = vtkDataArray::SafeDownCast(nodes->GetColumnByName(name));
    if (!column)
    {
      lvlm::fail("Nodes: no column '", name, "': it must be the output Nodes of LVLM Causal Graph");
    }
    for (vtkIdType row = 0; row < column->GetNumberOfTuples(); ++row)
    {
      values.push_back(static_cast<std::int64_t>(column->GetComponent(row, 0)));
    }
  }
  team.broadcast(values, 0);
  return values;
}

Graphs graphsOf(vtkTable* nodes, const lvlm::Trace& trace, lvlm::ranks::Team& team)
{
  Indices head, position, radius;
  team.together(
    [&]
    {
      head = columnOf(nodes, "head", team);
      position = columnOf(nodes, "position", team);
      radius = columnOf(nodes, "radius", team);
    });
  Graphs graphs;
  for (std::size_t i = 0; i < head.size(); ++i)
  {
    if (position[i] < 0 || position[i] >= trace.keys())
    {
      lvlm::fail("Nodes: position ", position[i],
        " is none of the trace, whose positions are 0 to ", trace.keys() - 1);
    }
    graphs[head[i]].push_back({ position[i], radius[i] });
  }
  if (graphs.empty())
  {
    lvlm::fail("Nodes: the causal graph has no nodes");
  }
  return graphs;
}

/// The answer token that all graphs explain.
std::int64_t targetOf(const Graphs& graphs, const lvlm::Trace& trace)
{
  std::int64_t target = -1;
  for (const auto& [head, nodes] : graphs)
  {
    for (const Node& node : nodes)
    {
      if (node.radius == 0 && target >= 0 && node.position != target)
      {
        lvlm::fail("Nodes: heads explain different positions, ", target, " and ", node.position);
      }
      target = node.radius == 0 ? node.position : target;
    }
  }
  const std::int64_t token = target - (trace.promptLength - 1);
  if (token < 0 || token >= trace.answerLength())
  {
    lvlm::fail("Nodes: position ", target, " predicts no token of the trace's answer");
  }
  return token;
}

/// Candidates for a set: patches, and words.
struct Kinds
{
  Indices patches, words;

  void add(const lvlm::Trace& trace, std::int64_t position)
  {
    (lvlm::isPatch(trace, position) ? this->patches : this->words).push_back(position);
  }
};

/// As many of each kind as `wanted` has, at random from `all`.
Indices drawn(const Kinds& all, const Kinds& wanted, std::uint64_t seed)
{
  Indices set;
  const auto take = [&set](const Indices& from, std::size_t count, std::uint64_t own)
  {
    const Indices order = lvlm::randomOrder(static_cast<std::int64_t>(from.size()), own);
    for (std::size_t i = 0; i < count; ++i)
    {
      set.push_back(from[static_cast<std::size_t>(order[i])]);
    }
  };
  take(all.patches, wanted.patches.size(), 2 * seed);
  take(all.words, wanted.words.size(), 2 * seed + 1);
  return set;
}

/// What the row of a head and radius is about.
struct Row
{
  std::int64_t head, radius;
  Kinds explanation;
};

/// The nodes of positions, hidden from everything after them.
lvlm::llava::Variant hiding(Indices nodes, std::int64_t keys, std::int64_t layers)
{
  lvlm::llava::Variant variant;
  std::sort(nodes.begin(), nodes.end());
  variant.cuts = lvlm::cutsOf(nodes, lvlm::span(nodes.front() + 1, keys), lvlm::span(0, layers));
  return variant;
}

/// Rows of radius 1 and up, those that add nodes to the one before.
std::vector<Row> rowsOf(std::int64_t head, const std::vector<Node>& nodes, const lvlm::Trace& trace)
{
  std::int64_t range = 0;
  for (const Node& node : nodes)
  {
    range = std::max(range, node.radius);
  }
  std::vector<Row> rows;
  for (std::int64_t radius = 1; radius <= range; ++radius)
  {
    Row row{ head, radius, {} };
    for (const Node& node : nodes)
    {
      if (node.radius >= 1 && node.radius <= radius)
      {
        row.explanation.add(trace, node.position);
      }
    }
    if (!row.explanation.patches.empty() || !row.explanation.words.empty())
    {
      rows.push_back(row);
    }
  }
  return rows;
}

void fillTable(vtkTable* table, const std::vector<Row>& rows,
  const lvlm::llava::AnswerScores& scores, std::int64_t token, std::int64_t draws)
{
  Indices head, radius, nodes, patches, drawn;
  std::vector<float> drop, mean, deviation, low, high, pValue;
  const auto t = static_cast<std::size_t>(token);
  std::size_t next = 0;
  const auto fall = [&] { return scores.original[t] - scores.variants.at(next++)[t]; };
  for (const Row& row : rows)
  {
    const double own = fall();
    std::vector<double> others;
    for (std::int64_t i = 0; i < draws; ++i)
    {
      others.push_back(fall());
    }
    const lvlm::Spread spread = lvlm::spreadOf(others);
    const auto asFar =
      std::count_if(others.begin(), others.end(), [own](double other) { return other >= own; });
    head.push_back(row.head);
    radius.push_back(row.radius);
    patches.push_back(static_cast<std::int64_t>(row.explanation.patches.size()));
    nodes.push_back(patches.back() + static_cast<std::int64_t>(row.explanation.words.size()));
    drop.push_back(static_cast<float>(own));
    mean.push_back(static_cast<float>(spread.mean));
    deviation.push_back(static_cast<float>(spread.deviation));
    low.push_back(static_cast<float>(spread.mean - spread.deviation));
    high.push_back(static_cast<float>(spread.mean + spread.deviation));
    drawn.push_back(draws);
    pValue.push_back(static_cast<float>(1 + asFar) / static_cast<float>(1 + draws));
  }
  lvlm::addColumn(table, "head", head);
  lvlm::addColumn(table, "radius", radius);
  lvlm::addColumn(table, "nodes", nodes);
  lvlm::addColumn(table, "patches", patches);
  lvlm::addColumn(table, "drop", drop);
  lvlm::addColumn(table, "random_drop", mean);
  lvlm::addColumn(table, "random_deviation", deviation);
  lvlm::addColumn(table, "random_low", low);
  lvlm::addColumn(table, "random_high", high);
  lvlm::addColumn(table, "draws", drawn);
  lvlm::addColumn(table, "p_value", pValue);
}
}

vtkLVLMNodeTest::vtkLVLMNodeTest()
{
  this->SetNumberOfInputPorts(2);
}

void vtkLVLMNodeTest::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  os << indent << "Draws: " << this->Draws << endl;
  os << indent << "Seed: " << this->Seed << endl;
}

void vtkLVLMNodeTest::SetNodesConnection(vtkAlgorithmOutput* nodes)
{
  this->SetInputConnection(1, nodes);
}

int vtkLVLMNodeTest::FillInputPortInformation(int port, vtkInformation* info)
{
  if (port == 0)
  {
    return this->Superclass::FillInputPortInformation(port, info);
  }
  info->Set(vtkAlgorithm::INPUT_REQUIRED_DATA_TYPE(), "vtkTable");
  return 1;
}

int vtkLVLMNodeTest::FillOutputPortInformation(int, vtkInformation* info)
{
  info->Set(vtkDataObject::DATA_TYPE_NAME(), "vtkTable");
  return 1;
}

void vtkLVLMNodeTest::Compute(const lvlm::Trace& trace, vtkDataObject* data,
  vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  const Graphs graphs = graphsOf(vtkTable::GetData(inputs[1]), trace, this->GetRanks());
  const std::int64_t token = targetOf(graphs, trace);
  const std::int64_t layers = this->OpenModel(trace)->config().text.layers;
  const auto seed = static_cast<std::uint64_t>(static_cast<std::uint32_t>(this->Seed)) << 31;
  std::vector<Row> rows;
  std::vector<lvlm::llava::Variant> variants;
  for (const auto& [head, nodes] : graphs)
  {
    Kinds all;
    for (const Node& node : nodes)
    {
      if (node.radius != 0)
      {
        all.add(trace, node.position);
      }
    }
    for (const Row& row : rowsOf(head, nodes, trace))
    {
      Indices own = row.explanation.patches;
      own.insert(own.end(), row.explanation.words.begin(), row.explanation.words.end());
      variants.push_back(hiding(std::move(own), trace.keys(), layers));
      for (int i = 0; i < this->Draws; ++i)
      {
        const auto draw = seed + variants.size();
        variants.push_back(hiding(drawn(all, row.explanation, draw), trace.keys(), layers));
      }
      rows.push_back(row);
    }
  }
  if (rows.empty())
  {
    lvlm::fail(
      "Nodes: no head's explanation has a node beside the target, there is nothing to hide");
  }
  fillTable(
    vtkTable::GetData(outputs, 0), rows, this->GetScores(data, variants), token, this->Draws);
}
