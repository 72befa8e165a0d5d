// SPDX-License-Identifier: Apache-2.0
#include "Explanation.h"

#include "ParallelFor.h"
#include "PossibleDSep.h"
#include "StructureLearning.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace lvlm::causal
{

namespace
{

void checkLayout(const AttentionView& attention, int head, const TokenLayout& layout)
{
  if (!attention.data || attention.positions <= 0)
  {
    fail("causal graph: the attention matrix is empty");
  }
  if (head < 0 || head >= attention.heads)
  {
    fail("causal graph: head ", head, " of ", attention.heads);
  }
  if (layout.imageStart < 0 || layout.imageCount < 0 ||
    layout.imageCount > attention.positions - layout.imageStart)
  {
    fail("causal graph: the image span ", layout.imageStart, " + ", layout.imageCount,
      " leaves the ", attention.positions, " positions");
  }
  const std::int64_t target = std::int64_t{ layout.promptLength } - 1 + layout.answerToken;
  if (layout.promptLength < 1 || layout.answerToken < 0 || target >= attention.positions)
  {
    fail("causal graph: answer token ", layout.answerToken, " after ", layout.promptLength,
      " prompt positions leaves the ", attention.positions, " positions");
  }
}

/// Attention of the target's row, [positions].
std::vector<float> targetRow(const AttentionView& attention, int head, int target)
{
  std::vector<float> row(static_cast<std::size_t>(attention.positions));
  for (int j = 0; j < attention.positions; ++j)
  {
    const float value = attention.at(head, target, j);
    if (!std::isfinite(value))
    {
      fail("causal graph: attention of head ", head, " at (", target, ", ", j, ") is ", value);
    }
    row[static_cast<std::size_t>(j)] = value;
  }
  return row;
}

Correlation correlationOfPositions(
  const AttentionView& attention, int head, const std::vector<int>& positions)
{
  std::vector<double> rows; // [nodes, positions]
  rows.reserve(positions.size() * static_cast<std::size_t>(attention.positions));
  for (const int position : positions)
  {
    for (int j = 0; j < attention.positions; ++j)
    {
      const float value = attention.at(head, position, j);
      if (!std::isfinite(value))
      {
        fail("causal graph: attention of head ", head, " at (", position, ", ", j, ") is ", value);
      }
      rows.push_back(value);
    }
  }
  return correlationOfRows(rows, static_cast<int>(positions.size()), attention.positions);
}

double headImportance(const std::vector<float>& row, const TokenLayout& layout)
{
  const auto imageEnd = row.begin() + layout.imageStart + layout.imageCount;
  const auto largest = [](auto begin, auto end) {
    return begin == end ? 0.0 : std::max(0.0, static_cast<double>(*std::max_element(begin, end)));
  };
  double image = 0;
  for (int p = layout.imageStart; p < layout.imageStart + layout.imageCount; ++p)
  {
    image = layout.isImage(p) ? std::max(image, double{ row[static_cast<std::size_t>(p)] }) : image;
  }
  const double later = largest(imageEnd, row.end());
  if (image == 0.0)
  {
    return 0.0;
  }
  return later > 0.0 ? image / later : std::numeric_limits<double>::infinity();
}

/// One head's work: nodes are indices into `Positions`, the target is the last.
class HeadExplainer
{
public:
  HeadExplainer(const AttentionView& attention, int head, const TokenLayout& layout,
    const ExplanationOptions& options)
    : Layout(layout), Options(options), Row(targetRow(attention, head, layout.target())),
      Positions(selectPositions(attention, head, layout, options)),
      Values(correlationOfPositions(attention, head, this->Positions)),
      Test(this->Values, options.samples, options.alpha)
  {
    this->Result.head = head;
  }

  HeadExplanation run(const std::atomic<bool>& stop)
  {
    const int size = static_cast<int>(this->Positions.size());
    LearningOptions learning;
    learning.maximumConditioningSize = this->Options.maximumConditioningSize;
    learning.stop = &stop;
    std::vector<int> order(this->Positions.size());
    std::iota(order.begin(), order.end(), 0);
    const LearnedStructure learned = learnOrdered(order, this->Test, learning);
    const int depth = this->Options.range > 0 ? this->Options.range : size;
    const PossibleDSepTree tree(learned.graph, size - 1, NodeSet::firstNodes(size), depth);

    this->describePairs(learned);
    this->describeExplanation(tree);
    this->Result.testsByOrder = this->Test.testsByOrder();
    this->Result.importance = headImportance(this->Row, this->Layout);
    return std::move(this->Result);
  }

private:
  int position(int node) const { return this->Positions[static_cast<std::size_t>(node)]; }
  std::vector<int> positionsOf(const NodeSet& nodes) const
  {
    std::vector<int> result;
    for (const int node : nodes)
    {
      result.push_back(this->position(node));
    }
    return result;
  }
  bool isImage(int node) const { return this->Layout.isImage(this->position(node)); }

  void describePairs(const LearnedStructure& learned)
  {
    const int size = learned.graph.size();
    for (int a = 0; a < size; ++a)
    {
      for (int b = a + 1; b < size; ++b)
      {
        const double p = this->Test.largestPValue(a, b);
        if (learned.graph.adjacent(a, b))
        {
          this->Result.edges.push_back({ this->position(a), this->position(b),
            learned.graph.markAt(a, b), learned.graph.markAt(b, a), p });
        }
        else
        {
          this->Result.separations.push_back({ this->position(a), this->position(b),
            this->positionsOf(learned.separation.get(a, b)), p });
        }
      }
    }
  }

  void describeExplanation(const PossibleDSepTree& tree)
  {
    const int target = tree.branches().front().node;
    // Without a limit the tree's own depth is the last radius: branches come breadth first.
    const int radii = this->Options.range > 0 ? this->Options.range : tree.branches().back().depth;
    for (int radius = 1; radius <= radii; ++radius)
    {
      this->Result.explanationByRadius.push_back(this->positionsOf(tree.membersWithin(radius)));
    }
    for (int node = 0; node <= target; ++node)
    {
      const int radius = tree.distance(node);
      const double weight = radius > 0 ? this->weight(tree, node, target) : 0.0;
      this->Result.nodes.push_back({ this->position(node), radius, weight,
        this->Row[static_cast<std::size_t>(this->position(node))] });
    }
  }

  double weight(const PossibleDSepTree& tree, int node, int target)
  {
    std::vector<int> others;
    for (const int other : tree.members())
    {
      if (other != node && this->isImage(other) == this->isImage(node))
      {
        others.push_back(other);
      }
    }
    // An object of its own: these tests are not part of the search's counts.
    PartialCorrelationTest test(this->Values, this->Options.samples, this->Options.alpha);
    return 1.0 - std::min(1.0, test.pValue(node, target, others));
  }

  const TokenLayout& Layout;
  const ExplanationOptions& Options;
  std::vector<float> Row;     // [positions]
  std::vector<int> Positions; // [node]
  Correlation Values;         // [node, node]
  PartialCorrelationTest Test;
  HeadExplanation Result;
};

} // namespace

std::vector<int> selectPositions(const AttentionView& attention, int head,
  const TokenLayout& layout, const ExplanationOptions& options)
{
  checkLayout(attention, head, layout);
  const int target = layout.target();
  const std::vector<float> row = targetRow(attention, head, target);
  const auto value = [&](int position) { return row[static_cast<std::size_t>(position)]; };

  const int imageEnd = layout.imageStart + layout.imageCount;
  std::vector<int> image;
  for (int position = layout.imageStart; position < std::min(imageEnd, target); ++position)
  {
    if (layout.isImage(position))
    {
      image.push_back(position);
    }
  }
  const auto attended = std::count_if(row.begin(), row.end(),
    [&](float w) { return static_cast<double>(w) > options.attentionThreshold; });
  const std::size_t wanted = static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(
    std::min<std::ptrdiff_t>(std::max<std::ptrdiff_t>(attended, 2), options.maximumNodes), 0,
    static_cast<std::ptrdiff_t>(image.size())));
  std::partial_sort(image.begin(), image.begin() + static_cast<std::ptrdiff_t>(wanted), image.end(),
    [&](int a, int b) { return value(a) != value(b) ? value(a) > value(b) : a > b; });
  image.resize(wanted);

  std::vector<int> positions = image;
  for (int position = imageEnd; position < target; ++position)
  {
    if (static_cast<double>(value(position)) > options.attentionThreshold)
    {
      positions.push_back(position);
    }
  }
  positions.push_back(target);
  std::sort(positions.begin(), positions.end());
  if (positions.size() > static_cast<std::size_t>(NodeSet::Capacity))
  {
    fail("causal graph: ", positions.size(), " tokens of head ", head,
      " exceed the attention threshold ", options.attentionThreshold, ": at most ",
      NodeSet::Capacity, " nodes are supported; raise it");
  }
  return positions;
}

std::vector<HeadExplanation> explain(const AttentionView& attention, const TokenLayout& layout,
  const std::vector<int>& heads, const ExplanationOptions& options, const Progress& progress)
{
  std::vector<int> wanted = heads;
  if (wanted.empty())
  {
    wanted.resize(static_cast<std::size_t>(std::max(0, attention.heads)));
    std::iota(wanted.begin(), wanted.end(), 0);
  }
  for (const int head : wanted)
  {
    checkLayout(attention, head, layout);
  }
  if (options.maximumNodes < 0)
  {
    fail("causal graph: maximal number of nodes = ", options.maximumNodes);
  }
  if (std::isnan(options.attentionThreshold))
  {
    fail("causal graph: the attention threshold is not a number");
  }
  std::vector<HeadExplanation> results(wanted.size());
  parallelFor(static_cast<int>(wanted.size()), options.threads, progress, "Causal graphs of heads",
    [&](int i, const std::atomic<bool>& stop)
    {
      const auto slot = static_cast<std::size_t>(i);
      results[slot] = HeadExplainer(attention, wanted[slot], layout, options).run(stop);
    });
  return results;
}

} // namespace lvlm::causal
