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

/// What both learners share: the graph, and the step "test, and remove the edge when independent".
class Learner
{
public:
  Learner(IndependenceTest& test, const LearningOptions& options)
    : Test(test), Options(options), Size(test.size()),
      Graph(PartialAncestralGraph::complete(test.size())), Separation(test.size())
  {
  }

  LearnedStructure result() { return { std::move(this->Graph), std::move(this->Separation) }; }

protected:
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

  void orientFromSkeleton()
  {
    orientColliders(this->Graph, this->Separation);
    orientArrowheads(this->Graph, this->Separation);
  }

  IndependenceTest& Test;
  const LearningOptions& Options;
  int Size;
  PartialAncestralGraph Graph;
  SeparatingSets Separation;
};

// ------------------------------------------------------------------------------------------------------------------
class OrderedLearner : public Learner
{
public:
  OrderedLearner(
    const std::vector<int>& order, IndependenceTest& test, const LearningOptions& options)
    : Learner(test, options), Order(order), Rank(order.size()), Before(order.size()),
      Open(order.size())
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
    orientTails(this->Graph, this->Options.orientation, this->Options.stop);
  }

private:
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
    this->orientFromSkeleton();
  }

  const std::vector<int>& Order;
  std::vector<std::size_t> Rank; // [node]
  std::vector<NodeSet> Before;   // [rank]: nodes earlier in the order
  std::vector<NodeSet> Open;     // [node]: earlier nodes whose edge into it may still be removed
};

// ------------------------------------------------------------------------------------------------------------------
class UnorderedLearner : public Learner
{
public:
  UnorderedLearner(IndependenceTest& test, const LearningOptions& options) : Learner(test, options)
  {
  }

  void run()
  {
    this->forEachEdge([&](int x, int y) { return this->separate(x, y, {}); });
    this->orientFromSkeleton();
    bool tested = true;
    for (int size = 1; tested && size <= this->largestOrder(); ++size)
    {
      tested = false;
      this->forEachEdge(
        [&](int x, int y)
        {
          this->Test.forget(); // a test returns only from the trees of one edge's two nodes
          return size == 1 ? this->separateByNeighbour(x, y, tested)
                           : this->separateByTrees(x, y, size, tested);
        });
      if (tested)
      {
        this->orient();
      }
      if (size == 1)
      {
        // As causality-lab does: its trees of size 2 see the tails, those of larger sizes do not.
        orientTails(this->Graph, this->Options.orientation, this->Options.stop);
      }
    }
    orientTails(this->Graph, this->Options.orientation, this->Options.stop);
  }

private:
  template <typename Work>
  void forEachEdge(Work&& work)
  {
    for (int x = 0; x < this->Size; ++x)
    {
      for (int y = x + 1; y < this->Size; ++y)
      {
        if (this->Graph.adjacent(x, y))
        {
          work(x, y);
        }
      }
    }
  }

  bool separateByNeighbour(int x, int y, bool& tested)
  {
    NodeSet seen;
    seen.insert(x);
    seen.insert(y);
    for (const NodeSet& side : { this->Graph.neighbours(x), this->Graph.neighbours(y) })
    {
      for (const int z : side - seen)
      {
        tested = true;
        seen.insert(z);
        if (this->separate(x, y, { z }))
        {
          return true;
        }
      }
    }
    return false;
  }

  bool separateByTrees(int x, int y, int size, bool& tested)
  {
    const NodeSet all = NodeSet::firstNodes(this->Size);
    NodeSet allowed = this->Graph.possibleAncestors(x, all) | this->Graph.possibleAncestors(y, all);
    allowed.erase(x);
    allowed.erase(y);
    const std::atomic<bool>* stop = this->Options.stop;
    ConditioningSets ofX(PossibleDSepTree(this->Graph, x, all, size), allowed, size, stop);
    ConditioningSets ofY(PossibleDSepTree(this->Graph, y, all, size), allowed, size, stop);
    const int first = std::min(ofX.smallestSum(), ofY.smallestSum());
    const int last = std::max(ofX.largestSum(), ofY.largestSum());
    for (int sum = first; sum <= last; ++sum)
    {
      for (ConditioningSets* sets : { &ofX, &ofY })
      {
        for (sets->start(sum); sets->next();)
        {
          tested = true;
          if (this->separate(x, y, sets->current()))
          {
            return true;
          }
        }
      }
    }
    return false;
  }

  /// From o-o on: R0-R4.
  void orient()
  {
    this->forEachEdge([&](int x, int y) { this->Graph.connect(x, Mark::Circle, y, Mark::Circle); });
    this->orientFromSkeleton();
  }
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

LearnedStructure learnUnordered(IndependenceTest& test, const LearningOptions& options)
{
  UnorderedLearner learner(test, options);
  learner.run();
  return learner.result();
}

} // namespace lvlm::causal
