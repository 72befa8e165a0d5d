// SPDX-License-Identifier: Apache-2.0
#include "TextShape.h"

#include "vtkCellArray.h"
#include "vtkContourTriangulator.h"
#include "vtkIdList.h"
#include "vtkIntArray.h"
#include "vtkNew.h"
#include "vtkPath.h"
#include "vtkPoints.h"
#include "vtkPolyData.h"
#include "vtkTextProperty.h"
#include "vtkTextRenderer.h"

#include <algorithm>

namespace lvlm
{

namespace
{
constexpr int FontSize = 64;
constexpr double CapitalHeight = 0.716 * FontSize; // of Arial
constexpr int CurveSteps = 4;

/// Collects a path's outlines as closed polylines.
class Outlines
{
public:
  explicit Outlines(vtkPath* path)
  {
    vtkIntArray* codes = path->GetCodes();
    for (vtkIdType i = 0; i < path->GetNumberOfPoints(); ++i)
    {
      double p[3];
      path->GetPoint(i, p);
      this->take(codes->GetValue(i), { p[0], p[1] });
    }
    this->close();
  }

  vtkNew<vtkPolyData> Lines;

private:
  using Point = std::array<double, 2>;

  void take(int code, const Point& p)
  {
    const std::size_t order = code == vtkPath::CONIC_CURVE ? 2
      : code == vtkPath::CUBIC_CURVE                       ? 3
                                                           : 1;
    if (code == vtkPath::MOVE_TO)
    {
      this->close();
    }
    this->Controls.push_back(p);
    if (this->Controls.size() < order)
    {
      return;
    }
    if (order > 1 && !this->Outline.empty())
    {
      const Point start = this->Outline.back();
      for (int step = 1; step < CurveSteps; ++step)
      {
        this->Outline.push_back(this->onCurve(start, static_cast<double>(step) / CurveSteps));
      }
    }
    this->Outline.push_back(p);
    this->Controls.clear();
  }

  /// De Casteljau's algorithm.
  Point onCurve(const Point& start, double t) const
  {
    std::vector<Point> points{ start };
    points.insert(points.end(), this->Controls.begin(), this->Controls.end());
    for (; points.size() > 1; points.pop_back())
    {
      for (std::size_t i = 0; i + 1 < points.size(); ++i)
      {
        points[i] = { (1 - t) * points[i][0] + t * points[i + 1][0],
          (1 - t) * points[i][1] + t * points[i + 1][1] };
      }
    }
    return points.front();
  }

  void close()
  {
    if (this->Outline.size() > 1 && this->Outline.front() == this->Outline.back())
    {
      this->Outline.pop_back();
    }
    if (this->Outline.size() > 2)
    {
      vtkNew<vtkIdList> cell;
      for (const Point& p : this->Outline)
      {
        cell->InsertNextId(this->Points->InsertNextPoint(p[0], p[1], 0.0));
      }
      cell->InsertNextId(cell->GetId(0));
      this->Cells->InsertNextCell(cell);
      this->Lines->SetPoints(this->Points);
      this->Lines->SetLines(this->Cells);
    }
    this->Outline.clear();
    this->Controls.clear();
  }

  vtkNew<vtkPoints> Points;
  vtkNew<vtkCellArray> Cells;
  std::vector<Point> Outline;
  std::vector<Point> Controls;
};
}

TextShape shapeOfText(const std::string& text)
{
  TextShape shape;
  vtkTextRenderer* renderer = vtkTextRenderer::GetInstance();
  vtkNew<vtkTextProperty> property;
  property->SetFontFamilyToArial();
  property->SetFontSize(FontSize);
  vtkNew<vtkPath> path;
  // Not the automatic choice: a $ would be taken for a formula.
  if (!renderer || !renderer->StringToPath(property, text, path, 72, vtkTextRenderer::FreeType))
  {
    return shape;
  }
  Outlines outlines(path);
  vtkNew<vtkContourTriangulator> triangulator;
  triangulator->TriangulationErrorDisplayOff();
  triangulator->SetInputData(outlines.Lines);
  triangulator->Update();
  vtkPolyData* filled = triangulator->GetOutput();
  double left = filled->GetNumberOfPoints() > 0 ? filled->GetPoint(0)[0] : 0.0;
  double right = left;
  for (vtkIdType i = 0; i < filled->GetNumberOfPoints(); ++i)
  {
    left = std::min(left, filled->GetPoint(i)[0]);
    right = std::max(right, filled->GetPoint(i)[0]);
  }
  for (vtkIdType i = 0; i < filled->GetNumberOfPoints(); ++i)
  {
    const double* p = filled->GetPoint(i);
    shape.points.push_back({ (p[0] - left) / CapitalHeight, p[1] / CapitalHeight - 0.5 });
  }
  vtkNew<vtkIdList> ids;
  vtkCellArray* polys = filled->GetPolys();
  for (vtkIdType c = 0; c < polys->GetNumberOfCells(); ++c)
  {
    polys->GetCellAtId(c, ids);
    if (ids->GetNumberOfIds() == 3)
    {
      shape.triangles.push_back({ static_cast<int>(ids->GetId(0)), static_cast<int>(ids->GetId(1)),
        static_cast<int>(ids->GetId(2)) });
    }
  }
  shape.width = (right - left) / CapitalHeight;
  return shape;
}

} // namespace lvlm
