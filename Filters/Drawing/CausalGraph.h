// SPDX-License-Identifier: Apache-2.0
/// @file CausalGraph.h
/// From the explanations of attention heads to one graph to draw: which nodes and edges, and what
/// they are called.
#ifndef LVLM_FILTERS_DRAWING_CAUSALGRAPH_H
#define LVLM_FILTERS_DRAWING_CAUSALGRAPH_H

#include "Models/Causal/Explanation.h"
#include "Models/Trace/Trace.h"

#include <array>
#include <cstddef>
#include <string>
#include <vector>

namespace lvlm
{

using Point2 = std::array<double, 2>;

struct GraphNode
{
  int position = 0;
  int head = -1;       ///< -1 in a union of heads
  int heads = 1;       ///< number of heads that have it
  int radius = 0;      ///< smallest over the heads; 0 target, -1 outside the explanation
  double weight = 0.0; ///< sum over the heads
  bool image = false;
  bool target = false;
  std::string label;
  Point2 at{};
  double size = 0.0; ///< radius of its disc, pixels
};

struct GraphEdge
{
  std::size_t source = 0, target = 0; ///< indices of nodes
  causal::Mark atSource = causal::Mark::None;
  causal::Mark atTarget = causal::Mark::None;
  double pValue = 0.0;       ///< largest over the heads
  int heads = 1;             ///< number of heads that have it
  std::vector<Point2> route; ///< from disc to disc, at least two points
};

struct GraphDrawing
{
  std::vector<GraphNode> nodes; ///< by ascending position
  std::vector<GraphEdge> edges; ///< by ascending source, then target
  double unit = 1.0; ///< room of a node, pixels: a patch, or less where patches are large
};

/// Index of the head that explains best: the largest importance among those that found an
/// explanation, or among all when none did; of equals the first. `heads` must not be empty.
std::size_t mostImportantHead(const std::vector<causal::HeadExplanation>& heads);

/// One head's nodes and edges.
GraphDrawing graphOfHead(const causal::HeadExplanation& head);

/// All heads' nodes, and the edges that at least `minimumHeads` of them have. An end at which the
/// heads disagree becomes a circle: it may be either.
GraphDrawing unionOfHeads(const std::vector<causal::HeadExplanation>& heads, int minimumHeads);

/// Leaves the target and what explains it.
void keepExplanation(GraphDrawing& graph);

/// What a node is called: a patch by its row-major number, text as it is read; the target as
/// "its token -> the token that it predicts".
std::string nodeLabel(const Trace& trace, std::int64_t position, bool target);

} // namespace lvlm

#endif
