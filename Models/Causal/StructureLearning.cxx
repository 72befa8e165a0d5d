// SPDX-License-Identifier: Apache-2.0
#include "StructureLearning.h"

#include "PossibleDSep.h"

#include "Models/Trace/Error.h"

#include <algorithm>
#include <set>
#include <utility>

namespace lvlm::causal
{

namespace
{

class OrderedLearner
{
public:
  OrderedLearner(
    const std::vector<int>& order, IndependenceTest& test, const LearningOptions& options)
    : Test(test), Options(options), Size(test.size()),
      Graph(PartialAncestralGraph::complete(test.size())), Separation(test.size()), Order(order),
      Rank(order.size()), Before(order.size()), Open(order.size())
  {
    NodeSet before;
    for (std::size_t i = 0; i < order.size(); ++i)
    {
      this->Rank[static_cast<std::size_t>(order[i])] = i;
      this->Before[i] = before;
      this->Open[static_cast<std::size_t>(order[i])] = before;
      before.insert(order[i]);
    }
  }

  void run()
  {
    this->pruneUnconditionally();
    this->orient();
    if (this->largestOrder() >= 1)
    {
      this->pruneGivenOne();
      this->orient();
    }
    bool open = true;
    for (int size = 2; size <= this->largestOrder() && open; ++size)
    {
      this->Test.forget();
      open = false;
      for (std::size_t i = static_cast<std::size_t>(size) + 1; i < this->Order.size(); ++i)
      {
        this->pruneGiven(size, this->Order[i]);
        open |= !this->open(this->Order[i]).empty();
      }
      this->orient();
    }
    orientTails(this->Graph, this->Options.stop);
  }

  LearnedStructure result() { return { std::move(this->Graph), std::move(this->Separation) }; }

private:
  /// Tests x, y given Z; when independent, removes their edge and keeps Z.
  bool separate(int x, int y, const std::vector<int>& given)
  {
    if (this->Options.stop && this->Options.stop->load(std::memory_order_relaxed))
    {
      throw Aborted();
    }
    if (!this->Test.independent(x, y, given))
    {
      return false;
    }
    NodeSet separator;
    for (const int z : given)
    {
      separator.insert(z);
    }
    this->Graph.disconnect(x, y);
    this->Separation.set(x, y, separator);
    return true;
  }

  int largestOrder() const
  {
    const int limit = this->Options.maximumConditioningSize;
    return limit < 0 ? this->Size - 2 : std::min(limit, this->Size - 2);
  }

  NodeSet& open(int node) { return this->Open[static_cast<std::size_t>(node)]; }
  const NodeSet& before(int node) const
  {
    return this->Before[this->Rank[static_cast<std::size_t>(node)]];
  }
  void pruneUnconditionally()
  {
    for (std::size_t i = 1; i < this->Order.size(); ++i)
    {
      const int node = this->Order[i];
      for (std::size_t j = 0; j < i; ++j)
      {
        if (this->separate(this->Order[j], node, {}))
        {
          this->open(node).erase(this->Order[j]);
        }
      }
    }
  }

  void pruneGivenOne()
  {
    for (std::size_t i = 2; i < this->Order.size(); ++i)
    {
      const int node = this->Order[i];
      for (const int earlier : this->Before[i] & this->Graph.neighbours(node))
      {
        NodeSet given = this->Graph.neighbours(node) & this->Before[i];
        given.erase(earlier);
        for (const int z : given)
        {
          if (this->separate(earlier, node, { z }))
          {
            this->open(node).erase(earlier);
            break;
          }
        }
      }
    }
  }

  /// All edges from earlier nodes into `node`, with conditioning sets of this size.
  void pruneGiven(int size, int node)
  {
    if (this->open(node).empty())
    {
      return;
    }
    const NodeSet ancestors = this->Graph.possibleAncestors(node, this->before(node));
    NodeSet within = this->before(node);
    within.insert(node);
    const PossibleDSepTree tree(this->Graph, node, within, size);
    NodeSet possible = ancestors;
    for (std::size_t j = 0; this->Order[j] != node; ++j)
    {
      const int earlier = this->Order[j];
      if (!this->open(node).contains(earlier))
      {
        continue;
      }
      // An edge without any conditioning set of this size has none of a larger size: it is done.
      this->open(node).erase(earlier);
      if (!this->Graph.adjacent(earlier, node))
      {
        continue;
      }
      if (this->pruneEdge(tree, size, earlier, node, possible))
      {
        possible = this->Graph.possibleAncestors(node, this->before(node)); // an edge has gone
      }
    }
  }

  /// True when the edge was removed.
  bool pruneEdge(
    const PossibleDSepTree& tree, int size, int earlier, int node, const NodeSet& ancestorsOfNode)
  {
    NodeSet allowed =
      ancestorsOfNode | this->Graph.possibleAncestors(earlier, this->before(earlier));
    allowed.erase(earlier);
    ConditioningSets sets(tree, allowed, size, this->Options.stop);
    for (int sum = sets.smallestSum(); sum <= sets.largestSum(); ++sum)
    {
      for (sets.start(sum); sets.next();)
      {
        if (this->separate(earlier, node, sets.current()))
        {
          this->open(node).erase(earlier);
          return true;
        }
        this->open(node).insert(earlier);
      }
    }
    return false;
  }

  /// From marks `earlier o-> later` on: R0-R4.
  void orient()
  {
    for (std::size_t i = 1; i < this->Order.size(); ++i)
    {
      const int node = this->Order[i];
      for (const int earlier : this->Graph.neighbours(node) & this->Before[i])
      {
        this->Graph.connect(earlier, Mark::Circle, node, Mark::Arrow);
      }
    }
    orientColliders(this->Graph, this->Separation);
    orientArrowheads(this->Graph, this->Separation);
  }

  IndependenceTest& Test;
  const LearningOptions& Options;
  int Size;
  PartialAncestralGraph Graph;
  SeparatingSets Separation;
  const std::vector<int>& Order;
  std::vector<std::size_t> Rank; // [node]
  std::vector<NodeSet> Before;   // [rank]: nodes earlier in the order
  std::vector<NodeSet> Open;     // [node]: earlier nodes whose edge into it may still be removed
};

} // namespace

LearnedStructure learnOrdered(
  const std::vector<int>& order, IndependenceTest& test, const LearningOptions& options)
{
  const auto size = static_cast<std::size_t>(test.size());
  const std::set<int> distinct(order.begin(), order.end());
  if (order.size() != size || distinct.size() != size ||
    (size > 0 && (*distinct.begin() != 0 || *distinct.rbegin() != test.size() - 1)))
  {
    fail("the causal order of ", order.size(), " entries is no permutation of ", size, " nodes");
  }
  OrderedLearner learner(order, test, options);
  learner.run();
  return learner.result();
}

} // namespace lvlm::causal
