// SPDX-License-Identifier: Apache-2.0
/// @file Golden.h
/// Results of Models/Causal written the way causal_goldens.py writes those of causality-lab.
#ifndef LVLM_TESTING_CAUSAL_GOLDEN_H
#define LVLM_TESTING_CAUSAL_GOLDEN_H

#include "Models/Causal/PossibleDSep.h"
#include "Models/Causal/StructureLearning.h"

#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

namespace lvlm_test
{

inline nlohmann::json readJson(const std::string& name)
{
  const std::string path = std::string(LVLM_TEST_DATA) + "/causal/" + name;
  std::ifstream file(path);
  if (!file)
  {
    throw std::runtime_error(path + ": cannot be read");
  }
  return nlohmann::json::parse(file);
}

/// One character a pair a < b: '.' without an edge, else 'a' + 3 (mark at a - 1) + (mark at b - 1).
inline std::string graphCode(const lvlm::causal::PartialAncestralGraph& graph)
{
  std::string code;
  for (int a = 0; a < graph.size(); ++a)
  {
    for (int b = a + 1; b < graph.size(); ++b)
    {
      const int atA = static_cast<int>(graph.markAt(a, b));
      const int atB = static_cast<int>(graph.markAt(b, a));
      code += atA == 0 ? '.' : static_cast<char>('a' + 3 * (atA - 1) + atB - 1);
    }
  }
  return code;
}

/// Sizes of separating sets, '.' for pairs with an edge.
inline std::string separatorCode(const lvlm::causal::LearnedStructure& learned)
{
  std::string code;
  for (int a = 0; a < learned.graph.size(); ++a)
  {
    for (int b = a + 1; b < learned.graph.size(); ++b)
    {
      const auto size = static_cast<std::size_t>(learned.separation.get(a, b).count());
      code += learned.graph.adjacent(a, b) ? '.' : "0123456789abcdefghijklmnopqrstuvwxyz"[size];
    }
  }
  return code;
}

/// [radius - 1]: the explanation of `target`.
inline std::vector<std::vector<int>> explanationSets(
  const lvlm::causal::PartialAncestralGraph& graph, int target, int radii)
{
  using lvlm::causal::NodeSet;
  const lvlm::causal::PossibleDSepTree tree(
    graph, target, NodeSet::firstNodes(graph.size()), radii);
  std::vector<std::vector<int>> sets;
  for (int radius = 1; radius <= radii; ++radius)
  {
    sets.emplace_back();
    for (const int node : tree.membersWithin(radius))
    {
      sets.back().push_back(node);
    }
  }
  return sets;
}

/// Nodes that are all rows of a float32 matrix [n, n].
inline lvlm::causal::Correlation correlationOf(const std::vector<float>& matrix, int n)
{
  return lvlm::causal::correlationOfRows(
    std::vector<double>(matrix.begin(), matrix.end()), n, static_cast<std::int64_t>(n));
}

/// Ordered ICD of nodes in the order of their numbers.
inline lvlm::causal::LearnedStructure learn(lvlm::causal::IndependenceTest& test)
{
  std::vector<int> order(static_cast<std::size_t>(test.size()));
  std::iota(order.begin(), order.end(), 0);
  return lvlm::causal::learnOrdered(order, test);
}

} // namespace lvlm_test

#endif
