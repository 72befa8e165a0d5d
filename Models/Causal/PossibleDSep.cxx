// SPDX-License-Identifier: Apache-2.0
#include "PossibleDSep.h"

#include "Models/Trace/Error.h"

#include <algorithm>
#include <limits>

namespace lvlm::causal
{

namespace
{

/// May <first, middle, last> be part of a possible-d-separating path: triangle or collider.
bool isPossibleCollider(const PartialAncestralGraph& graph, int first, int middle, int last)
{
  const NodeSet& into = graph.near(middle, Mark::Arrow);
  return graph.adjacent(first, last) || (into.contains(first) && into.contains(last));
}

constexpr int Unreachable = std::numeric_limits<int>::max() / 4;

} // namespace

PossibleDSepTree::PossibleDSepTree(
  const PartialAncestralGraph& graph, int root, const NodeSet& within, int maximumDepth)
  : Distances(static_cast<std::size_t>(graph.size()), -1)
{
  std::vector<NodeSet> unwalked(
    static_cast<std::size_t>(graph.size())); // [node]: edges not walked yet
  for (const int node : within)
  {
    unwalked[static_cast<std::size_t>(node)] = graph.neighbours(node) & within;
    unwalked[static_cast<std::size_t>(node)].erase(root); // no path comes back
  }
  this->Distances[static_cast<std::size_t>(root)] = 0;
  this->Branches.push_back({ root, -1, 0 });
  for (const int node : graph.neighbours(root) & within)
  {
    this->Branches.push_back({ node, 0, 1 });
  }
  for (std::size_t i = 1; i < this->Branches.size(); ++i)
  {
    const Branch branch = this->Branches[i];
    this->Members.insert(branch.node);
    int& distance = this->Distances[static_cast<std::size_t>(branch.node)];
    distance = distance < 0 ? branch.depth : distance;
    if (branch.depth >= maximumDepth)
    {
      continue;
    }
    const int before = this->Branches[static_cast<std::size_t>(branch.parent)].node;
    for (const int next : unwalked[static_cast<std::size_t>(branch.node)])
    {
      if (next != before && isPossibleCollider(graph, before, branch.node, next))
      {
        unwalked[static_cast<std::size_t>(branch.node)].erase(next);
        unwalked[static_cast<std::size_t>(next)].erase(branch.node);
        this->Branches.push_back({ next, static_cast<int>(i), branch.depth + 1 });
      }
    }
  }
}

NodeSet PossibleDSepTree::membersWithin(int radius) const
{
  NodeSet result;
  for (const int node : this->Members)
  {
    if (this->distance(node) <= radius)
    {
      result.insert(node);
    }
  }
  return result;
}

ConditioningSets::ConditioningSets(
  const PossibleDSepTree& tree, const NodeSet& allowed, int size, const std::atomic<bool>* stop)
  : Size(size), Stop(stop)
{
  this->collectCandidates(tree, allowed);
  this->tabulateSums();
}

void ConditioningSets::collectCandidates(const PossibleDSepTree& tree, const NodeSet& allowed)
{
  const auto& branches = tree.branches();
  // A branch is alive when all of its path is allowed: the others never make a set legal.
  std::vector<char> alive(branches.size(), 0);
  alive[0] = 1;
  NodeSet candidates;
  for (std::size_t i = 1; i < branches.size(); ++i)
  {
    alive[i] = allowed.contains(branches[i].node) &&
      alive[static_cast<std::size_t>(branches[i].parent)] != 0;
    if (alive[i] != 0)
    {
      candidates.insert(branches[i].node);
    }
  }
  std::vector<std::size_t> slot(static_cast<std::size_t>(NodeSet::Capacity), 0);
  for (const int node : candidates)
  {
    slot[static_cast<std::size_t>(node)] = this->Candidates.size();
    this->Candidates.push_back(node);
    this->Distance.push_back(tree.distance(node));
  }
  this->Inner.resize(this->Candidates.size());
  for (std::size_t i = 1; i < branches.size(); ++i)
  {
    const int node = branches[i].node;
    if (alive[i] == 0 || tree.distance(node) == 1)
    {
      continue;
    }
    NodeSet inner;
    for (int up = branches[i].parent; up > 0; up = branches[static_cast<std::size_t>(up)].parent)
    {
      inner.insert(branches[static_cast<std::size_t>(up)].node);
    }
    this->Inner[slot[static_cast<std::size_t>(node)]].push_back(inner);
  }
}

void ConditioningSets::tabulateSums()
{
  const std::size_t n = this->Candidates.size();
  const std::size_t width = static_cast<std::size_t>(this->Size) + 1;
  this->Least.assign((n + 1) * width, Unreachable);
  this->Most.assign((n + 1) * width, -Unreachable);
  this->Least[n * width] = 0;
  this->Most[n * width] = 0;
  for (std::size_t i = n; i-- > 0;)
  {
    this->Least[i * width] = 0;
    this->Most[i * width] = 0;
    for (std::size_t k = 1; k < width; ++k)
    {
      const std::size_t without = (i + 1) * width + k;
      this->Least[i * width + k] =
        std::min(this->Least[without], this->Least[without - 1] + this->Distance[i]);
      this->Most[i * width + k] =
        std::max(this->Most[without], this->Most[without - 1] + this->Distance[i]);
    }
  }
  if (static_cast<std::size_t>(this->Size) <= n)
  {
    this->SmallestSum = this->Least[width - 1];
    this->LargestSum = this->Most[width - 1];
  }
}

void ConditioningSets::start(int sum)
{
  this->Sum = sum;
  this->Chosen.clear();
  this->ChosenSum = 0;
  this->Fresh = true;
}

bool ConditioningSets::canComplete(std::size_t candidate, int chosen, int sum) const
{
  const std::size_t width = static_cast<std::size_t>(this->Size) + 1;
  const std::size_t cell = candidate * width + static_cast<std::size_t>(this->Size - chosen);
  return sum + this->Least[cell] <= this->Sum && sum + this->Most[cell] >= this->Sum;
}

/// Next combination in lexicographic order whose distances add up to Sum.
bool ConditioningSets::advance()
{
  const auto size = static_cast<std::size_t>(this->Size);
  std::size_t candidate = 0;
  if (!this->Fresh)
  {
    if (this->Chosen.empty())
    {
      return false;
    }
    candidate = this->Chosen.back() + 1;
    this->ChosenSum -= this->distanceOf(this->Chosen.back());
    this->Chosen.pop_back();
  }
  this->Fresh = false;
  while (true)
  {
    if (this->Chosen.size() == size)
    {
      return true; // canComplete() saw to the sum
    }
    const int chosen = static_cast<int>(this->Chosen.size());
    while (
      candidate < this->Candidates.size() && this->canComplete(candidate, chosen, this->ChosenSum))
    {
      const int sum = this->ChosenSum + this->distanceOf(candidate);
      ++candidate;
      if (this->canComplete(candidate, chosen + 1, sum))
      {
        this->Chosen.push_back(candidate - 1);
        this->ChosenSum = sum;
        break;
      }
    }
    if (static_cast<int>(this->Chosen.size()) > chosen)
    {
      continue;
    }
    if (this->Chosen.empty())
    {
      return false;
    }
    candidate = this->Chosen.back() + 1;
    this->ChosenSum -= this->distanceOf(this->Chosen.back());
    this->Chosen.pop_back();
  }
}

bool ConditioningSets::legal() const
{
  NodeSet set;
  for (const int node : this->Set)
  {
    set.insert(node);
  }
  return std::all_of(this->Chosen.begin(), this->Chosen.end(),
    [&](std::size_t candidate)
    {
      const std::vector<NodeSet>& paths = this->Inner[candidate];
      return this->Distance[candidate] == 1 ||
        std::any_of(
          paths.begin(), paths.end(), [&](const NodeSet& p) { return p.isSubsetOf(set); });
    });
}

bool ConditioningSets::next()
{
  while (this->advance())
  {
    if (this->Stop && this->Stop->load(std::memory_order_relaxed))
    {
      throw Aborted();
    }
    this->Set.clear();
    for (const std::size_t candidate : this->Chosen)
    {
      this->Set.push_back(this->Candidates[candidate]);
    }
    if (this->legal())
    {
      return true;
    }
  }
  return false;
}

} // namespace lvlm::causal
