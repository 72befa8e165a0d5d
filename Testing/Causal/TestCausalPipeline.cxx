// SPDX-License-Identifier: Apache-2.0
/// Whole explanations equal those made with causality-lab the way LVLM-Interpret's page does it:
/// chosen tokens, edges, tests, explanation by radius, weights, head importance
/// (Testing/Data/causal/pipeline.json, and model.json with the attention of the embedded model).
#include "Generate.h"
#include "Golden.h"

#include "Models/Causal/Explanation.h"
#include "Testing/Cpp/Check.h"

#include <cmath>
#include <cstring>
#include <iterator>
#include <map>

using namespace lvlm::causal;
using nlohmann::json;

namespace
{

/// The pair code of Golden.h, from edges by position.
std::string graphCode(const HeadExplanation& head)
{
  std::map<std::pair<int, int>, char> codes;
  for (const ExplanationEdge& edge : head.edges)
  {
    codes[{ edge.source, edge.target }] = static_cast<char>(
      'a' + 3 * (static_cast<int>(edge.sourceMark) - 1) + static_cast<int>(edge.targetMark) - 1);
  }
  std::string code;
  for (std::size_t i = 0; i < head.nodes.size(); ++i)
  {
    for (std::size_t j = i + 1; j < head.nodes.size(); ++j)
    {
      const auto found = codes.find({ head.nodes[i].position, head.nodes[j].position });
      code += found == codes.end() ? '.' : found->second;
    }
  }
  return code;
}

/// p-values of edges and separations in the goldens' order of pairs.
std::vector<double> pairPValues(const HeadExplanation& head)
{
  std::map<std::pair<int, int>, double> values;
  for (const ExplanationEdge& edge : head.edges)
  {
    values[{ edge.source, edge.target }] = edge.pValue;
  }
  for (const Separation& separation : head.separations)
  {
    values[{ separation.first, separation.second }] = separation.pValue;
  }
  std::vector<double> ordered;
  for (const auto& [pair, value] : values)
  {
    ordered.push_back(value);
  }
  return ordered;
}

void checkNear(const char* what, const json& units, const std::vector<double>& values)
{
  bool near = units.size() == values.size();
  for (std::size_t i = 0; near && i < values.size(); ++i)
  {
    // 1e-9: the goldens' unit is 1e-10.
    near = std::abs(units[i].get<double>() * 1e-10 - values[i]) <= 1e-9;
  }
  lvlm_test::check(near, what, __FILE__, __LINE__);
}

void compare(const json& golden, const HeadExplanation& head)
{
  std::vector<int> positions;
  std::vector<double> weights;
  for (const ExplanationNode& node : head.nodes)
  {
    positions.push_back(node.position);
    if (node.radius > 0)
    {
      weights.push_back(node.weight);
    }
  }
  CHECK(json(positions) == golden.at("nodes"));
  CHECK(graphCode(head) == golden.at("graph").get<std::string>());
  CHECK(json(head.testsByOrder) == golden.at("tests"));
  CHECK(json(head.explanationByRadius) == golden.at("explanations").at(0));
  checkNear("p-values", golden.at("largest_p"), pairPValues(head));
  checkNear("weights", golden.at("weights"), weights);
  CHECK_NEAR(head.importance, golden.at("importance").get<double>(), 1e-12 * head.importance);
}

TokenLayout layoutOf(const json& golden)
{
  return { golden.at("image_start"), golden.at("image_count"), golden.at("prompt_length"),
    golden.at("answer_token") };
}

void compareModel()
{
  const json document = lvlm_test::readJson("model.json");
  std::ifstream file(std::string(LVLM_TEST_DATA) + "/causal/model.f32", std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  for (const json& golden : document.at("cases"))
  {
    const int n = golden.at("positions");
    const int heads = static_cast<int>(values.size()) / (n * n);
    const AttentionView view = AttentionView::dense(values.data(), heads, n);
    compare(golden, explain(view, layoutOf(golden), { golden.at("head").get<int>() }).at(0));
  }
}

} // namespace

int main()
{
  const json document = lvlm_test::readJson("pipeline.json");
  CHECK(document.at("cases").size() >= 8);
  for (const json& golden : document.at("cases"))
  {
    const int n = golden.at("positions");
    const TokenLayout layout = layoutOf(golden);
    const std::vector<float> matrix =
      lvlm_test::imageAttention(n, layout.imageStart, layout.imageCount, golden.at("seed"));
    compare(golden, explain(AttentionView::dense(matrix.data(), 1, n), layout).at(0));
  }
  if (std::ifstream(std::string(LVLM_TEST_DATA) + "/causal/model.json"))
  {
    compareModel();
  }
  return lvlm_test::checkResult();
}
