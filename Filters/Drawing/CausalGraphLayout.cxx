// SPDX-License-Identifier: Apache-2.0
#include "CausalGraphLayout.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

namespace lvlm
{

namespace
{
using causal::HeadExplanation;
using causal::Mark;

/// Sizes in units (see GraphDrawing::unit).
constexpr double DiscRadius = 0.36;
constexpr double TargetRadius = 0.46;
/// Patches larger than a part of this of the picture would make huge discs.
constexpr double UnitsPerPicture = 20.0;
constexpr double ColumnGap = 7.0; // picture to text, wide enough for the arcs between words
constexpr double SmallestPitch = 1.1;
constexpr double LargestPitch = 2.2;

void replaceAll(std::string& text, const std::string& from, const std::string& to)
{
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
  {
    text.replace(at, from.size(), to);
  }
}

Mark agreed(Mark a, Mark b)
{
  return a == b ? a : Mark::Circle;
}

void addHead(GraphDrawing& graph, const HeadExplanation& head, std::map<int, std::size_t>& known)
{
  for (const causal::ExplanationNode& found : head.nodes)
  {
    const auto [slot, fresh] = known.emplace(found.position, graph.nodes.size());
    if (fresh)
    {
      GraphNode node;
      node.position = found.position;
      node.head = head.head;
      node.radius = found.radius;
      node.weight = found.weight;
      graph.nodes.push_back(node);
      continue;
    }
    GraphNode& node = graph.nodes[slot->second];
    node.head = -1;
    ++node.heads;
    node.weight += found.weight;
    if (found.radius >= 0 && (node.radius < 0 || found.radius < node.radius))
    {
      node.radius = found.radius;
    }
  }
}

void addEdges(const HeadExplanation& head, const std::map<int, std::size_t>& known,
  std::map<std::pair<int, int>, GraphEdge>& edges)
{
  for (const causal::ExplanationEdge& found : head.edges)
  {
    const auto [slot, fresh] =
      edges.emplace(std::make_pair(found.source, found.target), GraphEdge{});
    GraphEdge& edge = slot->second;
    if (fresh)
    {
      edge.source = known.at(found.source);
      edge.target = known.at(found.target);
      edge.atSource = found.sourceMark;
      edge.atTarget = found.targetMark;
      edge.pValue = found.pValue;
      continue;
    }
    ++edge.heads;
    edge.atSource = agreed(edge.atSource, found.sourceMark);
    edge.atTarget = agreed(edge.atTarget, found.targetMark);
    edge.pValue = std::max(edge.pValue, found.pValue);
  }
}

/// Keeps the nodes for which `keep` holds, and the edges between them.
template <typename Keep>
void filterNodes(GraphDrawing& graph, Keep keep)
{
  std::vector<std::ptrdiff_t> moved(graph.nodes.size(), -1);
  std::vector<GraphNode> nodes;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i)
  {
    if (keep(graph.nodes[i]))
    {
      moved[i] = static_cast<std::ptrdiff_t>(nodes.size());
      nodes.push_back(graph.nodes[i]);
    }
  }
  std::vector<GraphEdge> edges;
  for (GraphEdge& edge : graph.edges)
  {
    if (moved[edge.source] >= 0 && moved[edge.target] >= 0)
    {
      edge.source = static_cast<std::size_t>(moved[edge.source]);
      edge.target = static_cast<std::size_t>(moved[edge.target]);
      edges.push_back(edge);
    }
  }
  graph.nodes = std::move(nodes);
  graph.edges = std::move(edges);
}

GraphDrawing drawingOf(const std::vector<const HeadExplanation*>& heads, int minimumHeads)
{
  GraphDrawing graph;
  std::map<int, std::size_t> known;
  std::map<std::pair<int, int>, GraphEdge> edges;
  for (const HeadExplanation* head : heads)
  {
    addHead(graph, *head, known);
  }
  std::sort(graph.nodes.begin(), graph.nodes.end(),
    [](const GraphNode& a, const GraphNode& b) { return a.position < b.position; });
  for (std::size_t i = 0; i < graph.nodes.size(); ++i)
  {
    known[graph.nodes[i].position] = i;
    graph.nodes[i].target = i + 1 == graph.nodes.size(); // no node is later than the target
  }
  for (const HeadExplanation* head : heads)
  {
    addEdges(*head, known, edges);
  }
  for (const auto& [pair, edge] : edges)
  {
    if (edge.heads >= minimumHeads)
    {
      graph.edges.push_back(edge);
    }
  }
  return graph;
}

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
    node.image = patchAt(trace, node.position) >= 0;
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

std::size_t mostImportantHead(const std::vector<HeadExplanation>& heads)
{
  const auto key = [](const HeadExplanation& head)
  {
    const bool explained = std::any_of(head.nodes.begin(), head.nodes.end(),
      [](const causal::ExplanationNode& node) { return node.radius > 0; });
    return std::make_pair(explained, head.importance);
  };
  std::size_t best = 0;
  for (std::size_t i = 1; i < heads.size(); ++i)
  {
    best = key(heads[i]) > key(heads[best]) ? i : best;
  }
  return best;
}

GraphDrawing graphOfHead(const HeadExplanation& head)
{
  return drawingOf({ &head }, 1);
}

GraphDrawing unionOfHeads(const std::vector<HeadExplanation>& heads, int minimumHeads)
{
  std::vector<const HeadExplanation*> all;
  all.reserve(heads.size());
  for (const HeadExplanation& head : heads)
  {
    all.push_back(&head);
  }
  return drawingOf(all, minimumHeads);
}

void keepExplanation(GraphDrawing& graph)
{
  filterNodes(graph, [](const GraphNode& node) { return node.radius >= 0; });
}

void placeGraph(GraphDrawing& graph, const Trace& trace, const ImageGeometry& grid)
{
  const double dx = grid.spacing[0];
  const double dy = grid.spacing[1];
  const double width = dx * static_cast<double>(trace.grid.cols);
  const double height = dy * static_cast<double>(trace.grid.rows);
  graph.unit = std::min({ dx, dy, std::max(width, height) / UnitsPerPicture });
  labelNodes(graph, trace);
  for (GraphNode& node : graph.nodes)
  {
    node.size = graph.unit * (node.target ? TargetRadius : DiscRadius);
    if (node.image)
    {
      const std::int64_t patch = node.position - trace.imageStart;
      const std::int64_t row = patch / trace.grid.cols;
      const std::int64_t col = patch % trace.grid.cols;
      node.at = { dx * (static_cast<double>(col) + 0.5),
        height - dy * (static_cast<double>(row) + 0.5) };
    }
  }
  placeColumn(graph, width + ColumnGap * graph.unit, height);
  Router(graph).run();
}

std::int64_t patchAt(const Trace& trace, std::int64_t position)
{
  const std::int64_t patch = position - trace.imageStart;
  return patch >= 0 && patch < trace.grid.count() ? patch : -1;
}

std::string nodeLabel(const Trace& trace, std::int64_t position, bool target)
{
  const auto at = static_cast<std::size_t>(position);
  const std::int64_t patch = patchAt(trace, position);
  const std::string label = patch >= 0 ? std::to_string(patch) : readableToken(trace.tokens[at]);
  // The row at the target's position predicts the next token: the one that is explained.
  return target ? label + " -> " + readableToken(trace.tokens[at + 1]) : label;
}

std::string readableToken(const std::string& token)
{
  constexpr std::size_t Longest = 24;
  std::string text = token;
  for (const char* space : { "\xE2\x96\x81" /* U+2581 of SentencePiece */, "\xC4\xA0" /* Ġ */ })
  {
    replaceAll(text, space, " ");
  }
  for (const char* line : { "<0x0A>", "\xC4\x8A" /* Ċ */, "\n" })
  {
    replaceAll(text, line, "\\n");
  }
  const std::size_t first = text.find_first_not_of(' ');
  if (first == std::string::npos)
  {
    return "(space)";
  }
  text = text.substr(first, text.find_last_not_of(' ') + 1 - first);
  std::size_t characters = 0;
  for (std::size_t i = 0; i < text.size(); ++i)
  {
    const bool starts = (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80;
    characters += starts ? 1 : 0;
    if (characters > Longest)
    {
      return text.substr(0, i) + "\xE2\x80\xA6"; // an ellipsis
    }
  }
  return text;
}

} // namespace lvlm
