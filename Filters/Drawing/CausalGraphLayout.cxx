// SPDX-License-Identifier: Apache-2.0
#include "CausalGraphLayout.h"

#include "Models/Trace/Regions.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace lvlm
{

namespace
{
/// Sizes in units (see GraphDrawing::unit).
constexpr double DiscRadius = 0.36;
constexpr double TargetRadius = 0.46;
/// Patches larger than a part of this of the picture would make huge discs.
constexpr double UnitsPerPicture = 20.0;
constexpr double ColumnGap = 7.0; // picture to text, wide enough for the arcs between words
constexpr double SmallestPitch = 1.1;
constexpr double LargestPitch = 2.2;

Point2 bezier(const Point2& a, const Point2& c, const Point2& b, double t)
{
  const double s = 1.0 - t;
  return { s * s * a[0] + 2 * s * t * c[0] + t * t * b[0],
    s * s * a[1] + 2 * s * t * c[1] + t * t * b[1] };
}

/// Finds the edges' routes: curves that leave other nodes' discs free as far as possible.
class Router
{
public:
  explicit Router(GraphDrawing& graph) : Graph(graph) {}

  void run()
  {
    for (GraphEdge& edge : this->Graph.edges)
    {
      const GraphNode& a = this->Graph.nodes[edge.source];
      const GraphNode& b = this->Graph.nodes[edge.target];
      edge.route = this->outside(this->best(edge, a, b), a, b);
    }
  }

private:
  static constexpr int Steps = 32;

  std::vector<Point2> curve(const GraphNode& a, const GraphNode& b, double bow) const
  {
    const double dx = b.at[0] - a.at[0];
    const double dy = b.at[1] - a.at[1];
    const Point2 control = { 0.5 * (a.at[0] + b.at[0]) - 2 * bow * dy,
      0.5 * (a.at[1] + b.at[1]) + 2 * bow * dx };
    std::vector<Point2> points;
    for (int i = 0; i <= Steps; ++i)
    {
      points.push_back(bezier(a.at, control, b.at, static_cast<double>(i) / Steps));
    }
    return points;
  }

  /// How many points lie on the discs of other nodes.
  int hits(const std::vector<Point2>& points, const GraphEdge& edge) const
  {
    int count = 0;
    for (std::size_t n = 0; n < this->Graph.nodes.size(); ++n)
    {
      if (n == edge.source || n == edge.target)
      {
        continue;
      }
      const GraphNode& node = this->Graph.nodes[n];
      for (const Point2& p : points)
      {
        count += std::hypot(p[0] - node.at[0], p[1] - node.at[1]) < 1.1 * node.size ? 1 : 0;
      }
    }
    return count;
  }

  std::vector<Point2> best(const GraphEdge& edge, const GraphNode& a, const GraphNode& b) const
  {
    const double length = std::hypot(b.at[0] - a.at[0], b.at[1] - a.at[1]);
    if (!a.image && !b.image && length > 0.0)
    {
      // Words stand in a column: arcs on the picture's side, the longer the wider.
      const double room = 0.8 * ColumnGap * this->Graph.unit;
      return this->curve(a, b, -std::min(0.4 * length, room) / length);
    }
    std::vector<Point2> best;
    int fewest = 0;
    for (const double bow : { 0.0, 0.06, -0.06, 0.12, -0.12, 0.2, -0.2, 0.3, -0.3, 0.4, -0.4 })
    {
      std::vector<Point2> candidate = this->curve(a, b, bow);
      const int found = this->hits(candidate, edge);
      if (best.empty() || found < fewest)
      {
        best = std::move(candidate);
        fewest = found;
      }
      if (fewest == 0)
      {
        break;
      }
    }
    return best;
  }

  /// The part of the curve between the two discs.
  std::vector<Point2> outside(
    std::vector<Point2> points, const GraphNode& a, const GraphNode& b) const
  {
    const double gap = 0.04 * this->Graph.unit;
    trimStart(points, a.at, a.size + gap);
    std::reverse(points.begin(), points.end());
    trimStart(points, b.at, b.size + gap);
    std::reverse(points.begin(), points.end());
    return points;
  }

  static void trimStart(std::vector<Point2>& points, const Point2& centre, double radius)
  {
    const auto distance = [&](const Point2& p)
    { return std::hypot(p[0] - centre[0], p[1] - centre[1]); };
    std::size_t first = 0;
    while (first + 2 < points.size() && distance(points[first + 1]) < radius)
    {
      ++first;
    }
    const double inner = distance(points[first]);
    const double outer = distance(points[first + 1]);
    const double t = outer > inner ? std::clamp((radius - inner) / (outer - inner), 0.0, 1.0) : 0.0;
    for (int axis = 0; axis < 2; ++axis)
    {
      points[first][axis] += t * (points[first + 1][axis] - points[first][axis]);
    }
    points.erase(points.begin(), points.begin() + static_cast<std::ptrdiff_t>(first));
  }

  GraphDrawing& Graph;
};

void labelNodes(GraphDrawing& graph, const Trace& trace)
{
  for (GraphNode& node : graph.nodes)
  {
    node.image = isPatch(trace, node.position);
    node.label = nodeLabel(trace, node.position, node.target);
  }
}

/// Words from top to bottom, as they are read, at the height of the picture's middle.
void placeColumn(GraphDrawing& graph, double x, double height)
{
  const auto words = std::count_if(
    graph.nodes.begin(), graph.nodes.end(), [](const GraphNode& node) { return !node.image; });
  const double pitch = graph.unit *
    std::clamp(height / graph.unit / static_cast<double>(words), SmallestPitch, LargestPitch);
  double y = 0.5 * (height + pitch * static_cast<double>(words - 1));
  for (GraphNode& node : graph.nodes)
  {
    if (!node.image)
    {
      node.at = { x, y };
      y -= pitch;
    }
  }
}
}

void placeGraph(GraphDrawing& graph, const Trace& trace, const ImageGeometry& grid)
{
  const double dx = grid.spacing[0];
  const double dy = grid.spacing[1];
  const Box picture = pictureBox(trace);
  const double width = picture[2];
  const double height = picture[3];
  graph.unit = std::min({ dx, dy, std::max(width, height) / UnitsPerPicture });
  labelNodes(graph, trace);
  for (GraphNode& node : graph.nodes)
  {
    node.size = graph.unit * (node.target ? TargetRadius : DiscRadius);
    if (node.image)
    {
      const auto [x, down] = centreAtPosition(trace, node.position);
      node.at = { x, height - down };
    }
  }
  placeColumn(graph, width + ColumnGap * graph.unit, height);
  Router(graph).run();
}

} // namespace lvlm
