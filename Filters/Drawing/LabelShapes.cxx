// SPDX-License-Identifier: Apache-2.0
#include "LabelShapes.h"

#include "TextShape.h"

#include "vtkCellArray.h"
#include "vtkCellData.h"
#include "vtkIntArray.h"
#include "vtkNew.h"
#include "vtkPoints.h"
#include "vtkPolyData.h"
#include "vtkUnsignedCharArray.h"

#include <algorithm>
#include <array>

namespace lvlm
{

void fillLabels(vtkPolyData* output, const std::vector<Label>& labels, const Ink& ink)
{
  vtkNew<vtkPoints> points;
  vtkNew<vtkCellArray> cells;
  vtkNew<vtkIntArray> place;
  vtkNew<vtkUnsignedCharArray> color;
  place->SetName("label");
  color->SetName("color");
  color->SetNumberOfComponents(3);
  for (std::size_t i = 0; i < labels.size(); ++i)
  {
    const Label& label = labels[i];
    const TextShape shape = shapeOfText(label.text);
    const double size =
      shape.width > 0 ? std::min(label.capital, label.room / shape.width) : label.capital;
    points->InsertNextPoint(label.left, label.middle + label.capital, label.height);
    const vtkIdType first = points->GetNumberOfPoints();
    for (const auto& p : shape.points)
    {
      points->InsertNextPoint(label.left + size * p[0], label.middle + size * p[1], label.height);
    }
    for (const auto& t : shape.triangles)
    {
      const std::array<vtkIdType, 3> ids{ first + t[0], first + t[1], first + t[2] };
      cells->InsertNextCell(3, ids.data());
      place->InsertNextValue(static_cast<int>(i));
      color->InsertNextTypedTuple(ink.text.data());
    }
  }
  output->SetPoints(points);
  output->SetPolys(cells);
  output->GetCellData()->SetScalars(color);
  output->GetCellData()->AddArray(place);
}

} // namespace lvlm
