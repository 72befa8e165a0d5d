// SPDX-License-Identifier: Apache-2.0
/// Learned graphs equal causality-lab's on generated attention matrices
/// (Testing/Data/causal/cases.json, made by Testing/Golden/causal_goldens.py): edges with both
/// marks, separating sets' sizes, number of tests by order, explanation sets by radius, and every
/// pair's largest p-value.
#include "Generate.h"
#include "Golden.h"

#include "Testing/Cpp/Check.h"

#include <algorithm>
#include <cmath>
#include <iostream>

using namespace lvlm::causal;
using nlohmann::json;

namespace
{

/// Where nothing is independent, ICD tests every subset: beyond this many tokens neither the
/// reference (which ran out of time, or raised at a singular set) nor this library is let to try.
constexpr int LargestUnlimited = 16;

/// A partial correlation that is exactly 0 (sink of 10, seed 66, pair 4-7: 3e-45 with 50 digits)
/// comes out as rounding noise of the condition number (7e7) times 1e-16, in the reference as here,
/// and p leaves 1 by about as much.
constexpr double AlmostOne = 1 - 1e-8;

/// What happened to the golden runs, printed at the end and checked as a whole.
struct Tally
{
  int equal = 0;
  int illConditioned = 0;
  int raised = 0;
  int skipped = 0;
  double largestDifference = 0.0; // of p-values
};

void checkEqual(const std::string& label, const char* field, bool equal)
{
  lvlm_test::check(equal, (label + ": " + field).c_str(), __FILE__, __LINE__);
}

/// Goldens hold p-values in units of 1e-10: they are compared within 1e-9, their rounding included.
void comparePValues(
  const std::string& label, const json& golden, const IndependenceTest& test, Tally& tally)
{
  std::size_t pair = 0;
  bool near = true;
  for (int a = 0; a < test.size(); ++a)
  {
    for (int b = a + 1; b < test.size(); ++b)
    {
      const auto units = golden.at(pair++).get<std::int64_t>();
      const double ours = test.largestPValue(a, b);
      if (units < 0 || std::isnan(ours))
      {
        near = near && units < 0 && std::isnan(ours);
        continue;
      }
      const double difference = std::abs(ours - static_cast<double>(units) * 1e-10);
      tally.largestDifference = std::max(tally.largestDifference, difference);
      near = near &&
        (difference <= 1e-9 || std::min(ours, static_cast<double>(units) * 1e-10) > AlmostOne);
    }
  }
  checkEqual(label, "p-values", near && pair == golden.size());
}

/// Without a reference result (it raised, or rounding decided) the result must still be a graph
/// with sound numbers.
void checkSound(const std::string& label, const LearnedStructure& learned, IndependenceTest& test)
{
  bool sound = true;
  for (int a = 0; a < test.size(); ++a)
  {
    for (int b = a + 1; b < test.size(); ++b)
    {
      const double p = test.largestPValue(a, b);
      sound = sound && p >= 0.0 && p <= 1.0 && (p > test.alpha()) != learned.graph.adjacent(a, b);
    }
  }
  checkEqual(label, "sound", sound);
}

void compareRun(const json& item, const json& golden, Tally& tally)
{
  const int n = item.at("tokens");
  const std::string label = item.at("kind").get<std::string>() + " of " + std::to_string(n) +
    ", seed " + item.at("seed").dump();
  if (golden.contains("raises") && n > LargestUnlimited)
  {
    ++tally.skipped;
    return;
  }
  const std::vector<float> matrix =
    lvlm_test::attention(item.at("kind"), n, item.at("seed"), item.at("sparsity"));
  PartialCorrelationTest test(
    lvlm_test::correlationOf(matrix, n), item.at("samples"), item.at("alpha"));
  const LearnedStructure learned = lvlm_test::learn(test);

  if (golden.contains("raises") || golden.at("ill_conditioned").get<bool>())
  {
    ++(golden.contains("raises") ? tally.raised : tally.illConditioned);
    checkSound(label, learned, test);
    return;
  }
  ++tally.equal;
  checkEqual(
    label, "graph", lvlm_test::graphCode(learned.graph) == golden.at("graph").get<std::string>());
  checkEqual(
    label, "separators", json(lvlm_test::separatorCode(learned)) == golden.at("separators"));
  checkEqual(label, "tests", json(test.testsByOrder()) == golden.at("tests"));
  for (std::size_t i = 0; i < item.at("targets").size(); ++i)
  {
    const json& sets = golden.at("explanations").at(i);
    const int target = item.at("targets").at(i);
    checkEqual(label, "explanations",
      json(lvlm_test::explanationSets(learned.graph, target, static_cast<int>(sets.size()))) ==
        sets);
  }
  if (golden.contains("largest_p"))
  {
    comparePValues(label, golden.at("largest_p"), test, tally);
  }
}

} // namespace

int main()
{
  const json document = lvlm_test::readJson("cases.json");
  Tally tally;
  for (const json& item : document.at("cases"))
  {
    compareRun(item, item.at("run"), tally);
  }
  std::cout << document.at("cases").size() << " matrices; runs: " << tally.equal << " compared, "
            << tally.illConditioned << " ill-conditioned, " << tally.raised
            << " where the reference raised, " << tally.skipped
            << " skipped; largest difference of a p-value " << tally.largestDifference << std::endl;
  CHECK(document.at("cases").size() >= 200);
  CHECK(tally.equal >= 250);
  return lvlm_test::checkResult();
}
