// SPDX-License-Identifier: Apache-2.0
/// Explains every head of a raw float32 attention file and prints JSON: the library's side of
/// benchmark.py.
///
///     lvlmCausalRun FILE HEADS POSITIONS IMAGE_START IMAGE_COUNT PROMPT_LENGTH ANSWER_TOKEN
///     THREADS
#include "Models/Causal/Explanation.h"

#include <chrono>
#include <ctime>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

using namespace lvlm::causal;

namespace
{

nlohmann::json describe(const HeadExplanation& head)
{
  nlohmann::json edges = nlohmann::json::array();
  for (const ExplanationEdge& edge : head.edges)
  {
    edges.push_back({ edge.source, edge.target, edgeText(edge.sourceMark, edge.targetMark) });
  }
  nlohmann::json nodes = nlohmann::json::array();
  for (const ExplanationNode& node : head.nodes)
  {
    nodes.push_back(node.position);
  }
  return { { "nodes", nodes }, { "edges", edges }, { "tests", head.testsByOrder },
    { "explanations", head.explanationByRadius } };
}

void run(char** arguments)
{
  const int heads = std::stoi(arguments[2]);
  const int positions = std::stoi(arguments[3]);
  std::vector<float> values(static_cast<std::size_t>(heads) * static_cast<std::size_t>(positions) *
    static_cast<std::size_t>(positions));
  std::ifstream file(arguments[1], std::ios::binary);
  file.read(reinterpret_cast<char*>(values.data()),
    static_cast<std::streamsize>(values.size() * sizeof(float)));
  if (!file)
  {
    lvlm::fail(arguments[1], ": fewer than ", values.size(), " float32 values");
  }
  const TokenLayout layout{ std::stoi(arguments[4]), std::stoi(arguments[5]),
    std::stoi(arguments[6]), std::stoi(arguments[7]) };
  ExplanationOptions options;
  options.threads = std::stoi(arguments[8]);

  const auto start = std::chrono::steady_clock::now();
  const std::clock_t startClock = std::clock();
  const std::vector<HeadExplanation> results =
    explain(AttentionView::dense(values.data(), heads, positions), layout, {}, options);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  const double cpuSeconds = static_cast<double>(std::clock() - startClock) / CLOCKS_PER_SEC;
  nlohmann::json document = { { "seconds", seconds.count() }, { "cpu_seconds", cpuSeconds },
    { "heads", nlohmann::json::array() } };
  for (const HeadExplanation& head : results)
  {
    document["heads"].push_back(describe(head));
  }
  std::cout << document << std::endl;
}

} // namespace

int main(int count, char** arguments)
{
  if (count != 9)
  {
    std::cerr
      << "usage: " << arguments[0]
      << " FILE HEADS POSITIONS IMAGE_START IMAGE_COUNT PROMPT_LENGTH ANSWER_TOKEN THREADS\n";
    return 2;
  }
  try
  {
    run(arguments);
  }
  catch (const std::exception& error)
  {
    std::cerr << error.what() << std::endl;
    return 1;
  }
  return 0;
}
