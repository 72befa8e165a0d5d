// SPDX-License-Identifier: Apache-2.0
/// Known linear-Gaussian graphs with hidden common causes (Testing/Data/causal/truth.json): from
/// data the structural error is no larger than causality-lab's; from the population's own
/// correlation the true graph comes out, as told by a d-separation oracle on the graph itself.
#include "Golden.h"

#include "Testing/Cpp/Check.h"

#include <cmath>
#include <iostream>
#include <limits>

using namespace lvlm::causal;
using nlohmann::json;

namespace
{

Correlation fromUpper(const json& values)
{
  const int n = static_cast<int>(std::lround((1.0 + std::sqrt(1.0 + 8.0 * values.size())) / 2.0));
  Correlation result{ n, std::vector<double>(static_cast<std::size_t>(n * n), 1.0) };
  std::size_t next = 0;
  for (int i = 0; i < n; ++i)
  {
    for (int j = i + 1; j < n; ++j)
    {
      const double value = values.at(next++);
      result.values[static_cast<std::size_t>(i * n + j)] = value;
      result.values[static_cast<std::size_t>(j * n + i)] = value;
    }
  }
  return result;
}

/// Number of edge ends that differ; a missing edge differs at both.
int endsThatDiffer(const std::string& code, const std::string& truth)
{
  int errors = 0;
  for (std::size_t i = 0; i < truth.size(); ++i)
  {
    const auto end = [](char c, int side) {
      return c == '.' ? -1 : side == 0 ? (c - 'a') / 3 : (c - 'a') % 3;
    };
    for (int side = 0; side < 2; ++side)
    {
      errors += end(code[i], side) != end(truth[i], side) ? 1 : 0;
    }
  }
  return errors;
}

} // namespace

int main()
{
  const json document = lvlm_test::readJson("truth.json");
  int ours = 0;
  int theirs = 0;
  for (const json& item : document.at("cases"))
  {
    const std::string truth = item.at("truth");
    PartialCorrelationTest data(
      fromUpper(item.at("correlation")), item.at("samples"), item.at("alpha"));
    const int errors = endsThatDiffer(lvlm_test::graphCode(lvlm_test::learn(data).graph), truth);
    const int reference = item.at("reference_errors");
    CHECK(errors <= reference);
    ours += errors;
    theirs += reference;

    // Of the population, independence is r = 0 up to rounding (1e-14), and the weakest dependence
    // is far from that. With 2^31 samples (z = 46341 r) and alpha = .999 (z = .00125) the line is
    // drawn at |r| = 2.7e-8.
    PartialCorrelationTest oracle(
      fromUpper(item.at("population")), std::numeric_limits<int>::max(), .999);
    CHECK(lvlm_test::graphCode(lvlm_test::learn(oracle).graph) == truth);
  }
  std::cout << "edge ends that differ from the truth: " << ours << ", causality-lab " << theirs
            << std::endl;
  CHECK(document.at("cases").size() >= 30);
  return lvlm_test::checkResult();
}
