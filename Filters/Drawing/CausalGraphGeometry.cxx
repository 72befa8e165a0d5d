// SPDX-License-Identifier: Apache-2.0
#include "CausalGraphGeometry.h"

#include "TextShape.h"

#include "vtkCellArray.h"
#include "vtkCellData.h"
#include "vtkDoubleArray.h"
#include "vtkIntArray.h"
#include "vtkNew.h"
#include "vtkPointData.h"
#include "vtkPoints.h"
#include "vtkPolyData.h"
#include "vtkStringArray.h"
#include "vtkUnsignedCharArray.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lvlm
{

namespace
{
using causal::Mark;
using Ids = std::vector<vtkIdType>;

constexpr Colour WordColour{ 15, 15, 20 }; // on a disc
constexpr Colour TargetColour{ 255, 140, 26 };
constexpr Colour OutsideColour{ 226, 226, 226 };

/// Sizes in units (see GraphDrawing::unit).
constexpr double MarkLength = 0.24;
constexpr double MarkWidth = 0.2;
constexpr double TailWidth = 0.07;
constexpr double PatchWord = 0.27; // height of a capital letter
constexpr double ColumnWord = 0.46;
constexpr double WordGap = 0.25;
constexpr double Layer = 0.1;

/// Between background and text.
constexpr double EdgePart = 0.85;
constexpr double OutsideEdgePart = 0.45;
constexpr double Pi = 3.14159265358979323846;

/// The nearer to the target, the stronger.
Colour nodeColour(const GraphNode& node)
{
  constexpr Colour byRadius[] = { { 92, 170, 250 }, { 150, 203, 255 }, { 196, 226, 255 } };
  if (node.target)
  {
    return TargetColour;
  }
  return node.radius < 1 ? OutsideColour : byRadius[std::min(node.radius, 3) - 1];
}

vtkSmartPointer<vtkIntArray> integers(const char* name)
{
  auto array = vtkSmartPointer<vtkIntArray>::New();
  array->SetName(name);
  return array;
}

vtkSmartPointer<vtkDoubleArray> reals(const char* name)
{
  auto array = vtkSmartPointer<vtkDoubleArray>::New();
  array->SetName(name);
  return array;
}

struct PointArrays
{
  vtkSmartPointer<vtkIntArray> kind = integers("kind");
  vtkSmartPointer<vtkIntArray> position = integers("position");
  vtkSmartPointer<vtkIntArray> head = integers("head");
  vtkSmartPointer<vtkIntArray> heads = integers("heads");
  vtkSmartPointer<vtkIntArray> radius = integers("radius");
  vtkSmartPointer<vtkIntArray> target = integers("is_target");
  vtkSmartPointer<vtkDoubleArray> weight = reals("weight");
  vtkNew<vtkStringArray> label;

  void add(GraphKind what, const GraphNode& node)
  {
    const bool vertex = what == GraphKind::ImageNode || what == GraphKind::TextNode;
    this->kind->InsertNextValue(static_cast<int>(what));
    this->position->InsertNextValue(node.position);
    this->head->InsertNextValue(node.head);
    this->heads->InsertNextValue(node.heads);
    this->radius->InsertNextValue(node.radius);
    this->target->InsertNextValue(node.target ? 1 : 0);
    this->weight->InsertNextValue(node.weight);
    this->label->InsertNextValue(vertex ? node.label : "");
  }

  void give(vtkPointData* data)
  {
    this->label->SetName("label");
    for (vtkAbstractArray* array :
      std::initializer_list<vtkAbstractArray*>{ this->kind, this->position, this->head, this->heads,
        this->radius, this->target, this->weight, this->label })
    {
      data->AddArray(array);
    }
  }
};

struct Cell
{
  Ids ids;
  GraphKind kind;
  Colour colour;
  const GraphEdge* edge; ///< null for what belongs to a node
};

class Drawer
{
public:
  Drawer(const GraphDrawing& graph, const Ink& ink) : Graph(graph), Style(ink) {}

  void run(vtkPolyData* output)
  {
    // Vertices first: point i is node i.
    for (const GraphNode& node : this->Graph.nodes)
    {
      const GraphKind kind = node.image ? GraphKind::ImageNode : GraphKind::TextNode;
      this->Vertices.push_back(
        { { this->point(kind, node, node.at, 3) }, kind, nodeColour(node), nullptr });
    }
    for (const GraphEdge& edge : this->Graph.edges)
    {
      this->drawEdge(edge);
    }
    for (const GraphNode& node : this->Graph.nodes)
    {
      this->disc(GraphKind::Disc, node, node.at, node.size, 3, nodeColour(node), nullptr);
      this->drawWord(node);
    }
    this->give(output);
  }

private:
  vtkIdType point(GraphKind kind, const GraphNode& node, const Point2& at, int layer)
  {
    this->Values.add(kind, node);
    return this->Points->InsertNextPoint(at[0], at[1], layer * Layer * this->Graph.unit);
  }

  /// A filled disc and its rim.
  void disc(GraphKind kind, const GraphNode& node, const Point2& centre, double radius, int layer,
    const Colour& fill, const GraphEdge* edge)
  {
    constexpr int Corners = 24;
    Ids ids;
    for (int i = 0; i < Corners; ++i)
    {
      const double angle = 2 * Pi * i / Corners;
      ids.push_back(this->point(kind, node,
        { centre[0] + radius * std::cos(angle), centre[1] + radius * std::sin(angle) }, layer));
    }
    this->Polygons.push_back({ ids, kind, fill, edge });
    ids.push_back(ids.front());
    this->Lines.push_back(
      { ids, kind, this->Style.between(node.target && !edge ? 1 : EdgePart), edge });
  }

  void polygon(const GraphNode& node, const std::vector<Point2>& corners, const GraphEdge& edge)
  {
    Ids ids;
    for (const Point2& corner : corners)
    {
      ids.push_back(this->point(GraphKind::EndMark, node, corner, 2));
    }
    this->Polygons.push_back({ ids, GraphKind::EndMark, this->edgeColour(edge), &edge });
  }

  Colour edgeColour(const GraphEdge& edge) const
  {
    const bool inside =
      this->Graph.nodes[edge.source].radius >= 0 && this->Graph.nodes[edge.target].radius >= 0;
    return this->Style.between(inside ? EdgePart : OutsideEdgePart);
  }

  void drawEdge(const GraphEdge& edge)
  {
    const GraphNode& source = this->Graph.nodes[edge.source];
    const GraphNode& target = this->Graph.nodes[edge.target];
    std::vector<Point2> route = edge.route;
    double length = 0.0;
    for (std::size_t i = 0; i + 1 < route.size(); ++i)
    {
      length += std::hypot(route[i + 1][0] - route[i][0], route[i + 1][1] - route[i][1]);
    }
    // On the shortest edges both marks still leave some line between them.
    const double mark = std::min(MarkLength * this->Graph.unit, 0.42 * length);
    this->drawMark(edge, source, edge.atSource, route, mark);
    std::reverse(route.begin(), route.end());
    this->drawMark(edge, target, edge.atTarget, route, mark);
    Ids ids;
    for (auto at = route.rbegin(); at != route.rend(); ++at)
    {
      const bool near = ids.size() * 2 < route.size();
      ids.push_back(this->point(GraphKind::Edge, near ? source : target, *at, 1));
    }
    this->Lines.push_back({ ids, GraphKind::Edge, this->edgeColour(edge), &edge });
  }

  /// The mark at the start of the route, which is shortened by it.
  void drawMark(const GraphEdge& edge, const GraphNode& node, Mark mark, std::vector<Point2>& route,
    double length)
  {
    const Point2 tip = route.front();
    std::size_t after = 1;
    while (after + 1 < route.size() &&
      std::hypot(route[after][0] - tip[0], route[after][1] - tip[1]) < length)
    {
      ++after;
    }
    const double dx = route[after][0] - tip[0];
    const double dy = route[after][1] - tip[1];
    const double distance = std::max(std::hypot(dx, dy), 1e-9);
    const Point2 along{ dx / distance, dy / distance };
    const Point2 back{ tip[0] + length * along[0], tip[1] + length * along[1] };
    const auto beside = [&](const Point2& p, double offset) -> Point2 {
      return { p[0] - offset * along[1], p[1] + offset * along[0] };
    };
    if (mark == Mark::Arrow)
    {
      const double half = 0.5 * length * MarkWidth / MarkLength;
      this->polygon(node, { tip, beside(back, -half), beside(back, half) }, edge);
    }
    else if (mark == Mark::Circle)
    {
      const Point2 centre{ tip[0] + 0.5 * length * along[0], tip[1] + 0.5 * length * along[1] };
      this->disc(GraphKind::EndMark, node, centre, 0.42 * length, 2, this->Style.background, &edge);
    }
    else
    {
      const double half = 0.5 * length * TailWidth / MarkLength;
      this->polygon(node,
        { beside(tip, -half), beside(back, -half), beside(back, half), beside(tip, half) }, edge);
    }
    route.erase(route.begin() + 1, route.begin() + static_cast<std::ptrdiff_t>(after));
    route.front() = back;
  }

  /// A patch's number on its disc, a word right of its disc.
  void drawWord(const GraphNode& node)
  {
    const TextShape shape = shapeOfText(node.label);
    const double unit = this->Graph.unit;
    double scale = unit * (node.image ? PatchWord : ColumnWord);
    Point2 left{ node.at[0] + node.size + WordGap * unit, node.at[1] };
    if (node.image && !node.target && shape.width > 0.0)
    {
      scale = std::min(scale, 1.75 * node.size / shape.width);
      left[0] = node.at[0] - 0.5 * scale * shape.width;
    }
    Ids ids;
    for (const Point2& p : shape.points)
    {
      ids.push_back(
        this->point(GraphKind::Word, node, { left[0] + scale * p[0], left[1] + scale * p[1] }, 4));
    }
    for (const std::array<int, 3>& corners : shape.triangles)
    {
      Ids triangle;
      for (const int corner : corners)
      {
        triangle.push_back(ids[static_cast<std::size_t>(corner)]);
      }
      const bool onDisc = node.image && !node.target;
      this->Polygons.push_back(
        { triangle, GraphKind::Word, onDisc ? WordColour : this->Style.text, nullptr });
    }
  }

  void give(vtkPolyData* output)
  {
    output->SetPoints(this->Points);
    this->Values.give(output->GetPointData());
    auto kind = integers("kind");
    auto heads = integers("heads");
    auto source = integers("source");
    auto target = integers("target");
    auto pValue = reals("p_value");
    vtkNew<vtkStringArray> mark;
    mark->SetName("mark");
    vtkNew<vtkUnsignedCharArray> colour;
    colour->SetName("color");
    colour->SetNumberOfComponents(3);
    // Cell data run over vertices, lines and polygons in this order.
    for (const std::vector<Cell>* cells : { &this->Vertices, &this->Lines, &this->Polygons })
    {
      vtkNew<vtkCellArray> array;
      for (const Cell& cell : *cells)
      {
        array->InsertNextCell(static_cast<vtkIdType>(cell.ids.size()), cell.ids.data());
        kind->InsertNextValue(static_cast<int>(cell.kind));
        heads->InsertNextValue(cell.edge ? cell.edge->heads : 0);
        source->InsertNextValue(cell.edge ? this->Graph.nodes[cell.edge->source].position : -1);
        target->InsertNextValue(cell.edge ? this->Graph.nodes[cell.edge->target].position : -1);
        pValue->InsertNextValue(
          cell.edge ? cell.edge->pValue : std::numeric_limits<double>::quiet_NaN());
        mark->InsertNextValue(
          cell.edge ? causal::edgeText(cell.edge->atSource, cell.edge->atTarget) : "");
        colour->InsertNextTypedTuple(cell.colour.data());
      }
      cells == &this->Vertices  ? output->SetVerts(array)
        : cells == &this->Lines ? output->SetLines(array)
                                : output->SetPolys(array);
    }
    vtkCellData* data = output->GetCellData();
    for (vtkAbstractArray* array :
      std::initializer_list<vtkAbstractArray*>{ kind, heads, source, target, pValue, mark })
    {
      data->AddArray(array);
    }
    data->SetScalars(colour);
  }

  const GraphDrawing& Graph;
  const Ink Style;
  vtkNew<vtkPoints> Points;
  PointArrays Values;
  std::vector<Cell> Vertices, Lines, Polygons;
};
}

void drawGraph(const GraphDrawing& graph, const Ink& ink, vtkPolyData* output)
{
  Drawer(graph, ink).run(output);
}

} // namespace lvlm
