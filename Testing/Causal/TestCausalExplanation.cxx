// SPDX-License-Identifier: Apache-2.0
/// The entry point: choice of tokens, strides, threads, progress and abort, limits, degenerate
/// attention, errors.
#include "Generate.h"

#include "Models/Causal/Explanation.h"
#include "Models/Causal/ParallelFor.h"
#include "Models/Causal/StructureLearning.h"
#include "Testing/Cpp/Check.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>
#include <thread>

using namespace lvlm::causal;

namespace
{

constexpr int K = 60;
const TokenLayout Layout{ 10, 36, 50, 5 };

/// [heads, K, K]
std::vector<float> layer(int heads)
{
  std::vector<float> values;
  for (int head = 0; head < heads; ++head)
  {
    const std::vector<float> one =
      lvlm_test::imageAttention(K, Layout.imageStart, Layout.imageCount, 100 + head);
    values.insert(values.end(), one.begin(), one.end());
  }
  return values;
}

bool same(const HeadExplanation& a, const HeadExplanation& b)
{
  bool equal = a.nodes.size() == b.nodes.size() && a.edges.size() == b.edges.size() &&
    a.separations.size() == b.separations.size() && a.testsByOrder == b.testsByOrder &&
    a.explanationByRadius == b.explanationByRadius && a.importance == b.importance;
  for (std::size_t i = 0; equal && i < a.nodes.size(); ++i)
  {
    equal = a.nodes[i].position == b.nodes[i].position && a.nodes[i].radius == b.nodes[i].radius &&
      a.nodes[i].weight == b.nodes[i].weight;
  }
  for (std::size_t i = 0; equal && i < a.edges.size(); ++i)
  {
    equal = a.edges[i].sourceMark == b.edges[i].sourceMark &&
      a.edges[i].targetMark == b.edges[i].targetMark && a.edges[i].pValue == b.edges[i].pValue;
  }
  return equal;
}

void testSelection()
{
  // Positions 0-1 text, 2-7 image, 8-11 text; target 10.
  std::vector<float> values(12 * 12, 0.0F);
  const float row[12] = { .5F, 0, .03F, .1F, .03F, 0, .2F, .03F, .004F, .1F, .01F, 0 };
  std::copy(row, row + 12, values.begin() + 10 * 12);
  const AttentionView view = AttentionView::dense(values.data(), 1, 12);
  const TokenLayout layout{ 2, 6, 10, 1 };
  ExplanationOptions options;
  // 8 positions exceed .005, the image has 6; text token 9 does, 8 does not.
  CHECK(selectPositions(view, 0, layout, options) == (std::vector<int>{ 2, 3, 4, 5, 6, 7, 9, 10 }));
  options.maximumNodes = 4; // of the equal ones 2, 4, 7 the later two
  CHECK(selectPositions(view, 0, layout, options) == (std::vector<int>{ 3, 4, 6, 7, 9, 10 }));
  options.attentionThreshold = .9; // at least two image tokens
  CHECK(selectPositions(view, 0, layout, options) == (std::vector<int>{ 3, 6, 10 }));
  options.maximumNodes = 0;
  CHECK(selectPositions(view, 0, layout, options) == (std::vector<int>{ 10 }));
  // The target inside the image: only image tokens before it.
  CHECK(selectPositions(view, 0, { 2, 9, 11, 0 }, {}).back() == 10);
  // No image at all: text alone.
  CHECK(
    selectPositions(view, 0, { 0, 0, 10, 1 }, {}) == (std::vector<int>{ 0, 2, 3, 4, 6, 7, 9, 10 }));
}

void testViewsAndThreads()
{
  constexpr int heads = 5;
  const std::vector<float> values = layer(heads);
  const AttentionView view = AttentionView::dense(values.data(), heads, K);
  const std::vector<HeadExplanation> one = explain(view, Layout);
  ExplanationOptions many;
  many.threads = 4;
  double last = -1.0;
  const std::thread::id caller = std::this_thread::get_id();
  bool ordered = true;
  const std::vector<HeadExplanation> four = explain(view, Layout, {}, many,
    [&](double fraction, const std::string&)
    {
      ordered = ordered && fraction >= last && std::this_thread::get_id() == caller;
      last = fraction;
      return true;
    });
  CHECK(ordered && last == 1.0);
  CHECK(one.size() == heads && four.size() == heads);
  for (int head = 0; head < heads; ++head)
  {
    CHECK(one[head].head == head && same(one[head], four[head]));
  }
  const std::vector<HeadExplanation> chosen = explain(view, Layout, { 3, 1 });
  CHECK(chosen.size() == 2 && same(chosen[0], one[3]) && same(chosen[1], one[1]));

  // [K, heads, K] in memory
  std::vector<float> turned(values.size());
  for (int h = 0; h < heads; ++h)
  {
    for (int i = 0; i < K; ++i)
    {
      std::copy_n(&values[(h * K + i) * K], K, &turned[(i * heads + h) * K]);
    }
  }
  const AttentionView strided{ turned.data(), heads, K, K, heads * K, 1 };
  CHECK(same(explain(strided, Layout, { 2 })[0], one[2]));
}

void testResult()
{
  const std::vector<float> values = layer(1);
  const AttentionView view = AttentionView::dense(values.data(), 1, K);
  ExplanationOptions options;
  options.alpha = 1e-3;
  const HeadExplanation head = explain(view, Layout, {}, options)[0];
  const std::size_t n = head.nodes.size();
  CHECK(n > 5 && head.edges.size() + head.separations.size() == n * (n - 1) / 2);
  CHECK(!head.edges.empty() && !head.separations.empty());
  CHECK(head.nodes.back().position == Layout.target() && head.nodes.back().radius == 0);
  CHECK(head.nodes.back().weight == 0.0);
  bool sound = true;
  std::vector<int> within[3];
  for (const ExplanationNode& node : head.nodes)
  {
    sound =
      sound && node.weight >= 0.0 && node.weight <= 1.0 && (node.radius > 0 || node.weight == 0.0);
    for (int r = 1; r <= 3; ++r)
    {
      if (node.radius >= 1 && node.radius <= r)
      {
        within[r - 1].push_back(node.position);
      }
    }
  }
  CHECK(head.explanationByRadius.size() == 3);
  for (int r = 0; r < 3; ++r)
  {
    CHECK(head.explanationByRadius[r] == within[r]);
  }
  for (const ExplanationEdge& edge : head.edges)
  {
    sound = sound && edge.source < edge.target && edge.pValue <= options.alpha;
    // A later token never causes an earlier one.
    sound = sound && edge.targetMark == Mark::Arrow;
  }
  for (const Separation& separation : head.separations)
  {
    sound = sound && separation.first < separation.second && separation.pValue > options.alpha;
  }
  CHECK(sound);
  options.range = 0;
  const HeadExplanation unlimited = explain(view, Layout, {}, options)[0];
  CHECK(!unlimited.explanationByRadius.empty());
  options.maximumConditioningSize = 0;
  CHECK(explain(view, Layout, {}, options)[0].testsByOrder.size() == 1);
}

void testDegenerate()
{
  for (const char* kind : { "constant", "identity", "first", "duplicate", "rank2", "zero" })
  {
    const std::vector<float> values = lvlm_test::attention(kind, 24, 5, 500);
    const HeadExplanation head =
      explain(AttentionView::dense(values.data(), 1, 24), { 2, 16, 22, 1 })[0];
    bool finite = head.importance >= 0.0;
    for (const ExplanationNode& node : head.nodes)
    {
      finite = finite && node.weight >= 0.0 && node.weight <= 1.0;
    }
    for (const ExplanationEdge& edge : head.edges)
    {
      finite = finite && edge.pValue >= 0.0 && edge.pValue <= ExplanationOptions().alpha;
    }
    CHECK(finite);
  }
  const std::vector<float> zero(24 * 24, 0.0F);
  const HeadExplanation empty =
    explain(AttentionView::dense(zero.data(), 1, 24), { 2, 16, 22, 1 })[0];
  CHECK(empty.edges.empty() && empty.nodes.size() == 3 && empty.importance == 0.0);
  const float single = 1.0F;
  const HeadExplanation lone = explain(AttentionView::dense(&single, 1, 1), { 0, 0, 1, 0 })[0];
  CHECK(lone.nodes.size() == 1 && lone.edges.empty());
  CHECK(std::isinf(explain(AttentionView::dense(&single, 1, 1), { 0, 1, 1, 0 })[0].importance));
}

void testErrors()
{
  std::vector<float> values = layer(1);
  const AttentionView view = AttentionView::dense(values.data(), 1, K);
  CHECK_THROWS(explain({}, Layout, { 0 }), "empty");
  CHECK_THROWS(explain(view, Layout, { 1 }), "head 1 of 1");
  CHECK_THROWS(explain(view, Layout, { -1 }), "head -1");
  CHECK_THROWS(explain(view, { 30, 31, 50, 0 }), "30 + 31");
  CHECK_THROWS(explain(view, { 30, std::numeric_limits<int>::max(), 50, 0 }), "image span");
  CHECK_THROWS(explain(view, { -1, 5, 50, 0 }), "image span");
  CHECK_THROWS(explain(view, { 10, 36, 50, 11 }), "answer token 11");
  CHECK_THROWS(explain(view, { 10, 36, std::numeric_limits<int>::max(), 5 }), "answer token 5");
  CHECK_THROWS(explain(view, { 10, 36, 0, 5 }), "0 prompt positions");
  ExplanationOptions options;
  options.alpha = -1;
  CHECK_THROWS(explain(view, Layout, {}, options), "alpha = -1");
  options = {};
  options.samples = -3;
  CHECK_THROWS(explain(view, Layout, {}, options), "samples = -3");
  options = {};
  options.maximumNodes = -1;
  CHECK_THROWS(explain(view, Layout, {}, options), "nodes = -1");
  values[static_cast<std::size_t>(Layout.target() * K + 3)] =
    std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS(explain(view, Layout), "at (54, 3)");
  const std::vector<float> wide(700 * 700, 1.0F);
  CHECK_THROWS(explain(AttentionView::dense(wide.data(), 1, 700), { 0, 0, 700, 0 }), "raise it");
  PartialCorrelationTest test({ 2, { 1, 0, 0, 1 } }, 10, .1);
  CHECK_THROWS(learnOrdered({ 0, 0 }, test), "no permutation");
  CHECK_THROWS(learnOrdered({ 0, 2 }, test), "no permutation");
}

/// Independence never holds: the search over all conditioning sets of 40 nodes would take ages.
class AlwaysDependent : public IndependenceTest
{
public:
  AlwaysDependent() : IndependenceTest(40, .05) {}

protected:
  double compute(int, int, const std::vector<int>&) override { return 0.0; }
};

void testAbort()
{
  const std::vector<float> values = layer(3);
  const AttentionView view = AttentionView::dense(values.data(), 3, K);
  const auto no = [](double, const std::string&) { return false; };
  CHECK_THROWS(explain(view, Layout, {}, {}, no), "aborted");

  const auto start = std::chrono::steady_clock::now();
  int calls = 0;
  CHECK_THROWS(parallelFor(
                 3, 2, [&](double, const std::string&) { return ++calls < 4; }, "test",
                 [](int, const std::atomic<bool>& stop)
                 {
                   AlwaysDependent test;
                   LearningOptions options;
                   options.stop = &stop;
                   std::vector<int> order(static_cast<std::size_t>(test.size()));
                   std::iota(order.begin(), order.end(), 0);
                   learnOrdered(order, test, options);
                 }),
    "aborted");
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  CHECK(seconds.count() < 10.0);

  // The first failure of a piece is what the caller sees.
  CHECK_THROWS(parallelFor(8, 3, {}, "test",
                 [](int i, const std::atomic<bool>&)
                 {
                   if (i == 5)
                   {
                     lvlm::fail("piece ", i);
                   }
                 }),
    "piece 5");
}

} // namespace

int main()
{
  testSelection();
  testViewsAndThreads();
  testResult();
  testDegenerate();
  testErrors();
  testAbort();
  return lvlm_test::checkResult();
}
