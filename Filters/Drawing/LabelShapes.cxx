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
  vtkNew<vtkIntArray> row;
  vtkNew<vtkUnsignedCharArray> color;
  row->SetName("label");
  color->SetName("color");
  color->SetNumberOfComponents(3);
  for (std::size_t i = 0; i < labels.size(); ++i)
  {
    const Label& label = labels[i];
    const TextShape shape = shapeOfText(label.text);
    const double size =
      shape.width > 0 ? std::min(label.capital, label.room / shape.width) : label.capital;
    const double shift = label.endsThere ? -size * shape.width : 0;
    const auto place = [&](double along, double above)
    {
      return label.upright
        ? points->InsertNextPoint(label.left - above, label.middle + along, label.height)
        : points->InsertNextPoint(label.left + along, label.middle + above, label.height);
    };
    place(0, label.capital);
    const vtkIdType first = points->GetNumberOfPoints();
    for (const auto& p : shape.points)
    {
      place(shift + size * p[0], size * p[1]);
    }
    for (const auto& t : shape.triangles)
    {
      const std::array<vtkIdType, 3> ids{ first + t[0], first + t[1], first + t[2] };
      cells->InsertNextCell(3, ids.data());
      row->InsertNextValue(static_cast<int>(i));
      color->InsertNextTypedTuple(ink.text.data());
    }
  }
  output->SetPoints(points);
  output->SetPolys(cells);
  output->GetCellData()->SetScalars(color);
  output->GetCellData()->AddArray(row);
}

} // namespace lvlm
