// SPDX-License-Identifier: Apache-2.0
#include "OutputVTK.h"

#include "Models/Trace/Error.h"
#include "Models/Trace/Regions.h"
#include "Readers/TensorVTK.h"
#include "Readers/TraceShape.h"
#include "Readers/vtkLVLMTrace.h"

#include "vtkCellData.h"
#include "vtkFieldData.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkIntArray.h"
#include "vtkNew.h"
#include "vtkPointData.h"
#include "vtkStreamingDemandDrivenPipeline.h"
#include "vtkStringArray.h"
#include "vtkTable.h"

#include <algorithm>

namespace lvlm
{

namespace
{
/// As in Trace::validate.
constexpr std::int64_t MaximumEdge = 1 << 16;

template <typename T>
void addNumbers(vtkTable* table, const std::string& name, const std::vector<T>& values)
{
  table->AddColumn(
    arrayFromTensor(Tensor::of(values, { static_cast<std::int64_t>(values.size()) }), name));
}
}

void addColumn(vtkTable* table, const std::string& name, const std::vector<std::int64_t>& values)
{
  addNumbers(table, name, values);
}

void addColumn(vtkTable* table, const std::string& name, const std::vector<float>& values)
{
  addNumbers(table, name, values);
}

void addColumn(vtkTable* table, const std::string& name, const std::vector<std::string>& values)
{
  vtkNew<vtkStringArray> column;
  column->SetName(name.c_str());
  column->SetNumberOfValues(static_cast<vtkIdType>(values.size()));
  for (std::size_t i = 0; i < values.size(); ++i)
  {
    column->SetValue(static_cast<vtkIdType>(i), values[i]);
  }
  table->AddColumn(column);
}

ImageGeometry gridCells(const TraceShape& shape)
{
  if (shape.grid.rows < 1 || shape.grid.cols < 1 || shape.grid.rows > MaximumEdge ||
    shape.grid.cols > MaximumEdge)
  {
    fail("impossible grid ", shape.grid.rows, ",", shape.grid.cols);
  }
  ImageGeometry geometry;
  geometry.extent[1] = static_cast<int>(shape.grid.cols);
  geometry.extent[3] = static_cast<int>(shape.grid.rows);
  if (!shape.regions.empty())
  {
    const auto& [left, top, right, bottom] = mapGrid(shape.regions).box;
    geometry.spacing[0] = (right - left) / static_cast<double>(shape.grid.cols);
    geometry.spacing[1] = (bottom - top) / static_cast<double>(shape.grid.rows);
    geometry.origin[0] = left;
    geometry.origin[1] = std::max(0.0, static_cast<double>(shape.height) - bottom); // y is up
  }
  else if (shape.width > 0 && shape.height > 0)
  {
    geometry.spacing[0] = static_cast<double>(shape.width) / static_cast<double>(shape.grid.cols);
    geometry.spacing[1] = static_cast<double>(shape.height) / static_cast<double>(shape.grid.rows);
  }
  return geometry;
}

ImageGeometry gridPoints(const TraceShape& shape, std::int64_t planes)
{
  if (planes < 1 || planes > MaximumEdge)
  {
    fail("impossible number of planes ", planes);
  }
  ImageGeometry geometry = gridCells(shape);
  const double width = geometry.spacing[0] * geometry.extent[1];
  const double height = geometry.spacing[1] * geometry.extent[3];
  geometry.extent[1] -= 1;
  geometry.extent[3] -= 1;
  geometry.extent[5] = static_cast<int>(planes - 1);
  geometry.spacing[2] = std::max(width, height) / static_cast<double>(planes);
  for (int axis = 0; axis < 3; ++axis)
  {
    geometry.origin[axis] += 0.5 * geometry.spacing[axis];
  }
  return geometry;
}

ImageGeometry pixelCentres(std::int64_t width, std::int64_t height)
{
  ImageGeometry geometry;
  geometry.extent[1] = static_cast<int>(width - 1);
  geometry.extent[3] = static_cast<int>(height - 1);
  geometry.origin[0] = geometry.origin[1] = 0.5;
  return geometry;
}

void announceImage(vtkInformation* outInfo, const ImageGeometry& geometry)
{
  outInfo->Set(vtkStreamingDemandDrivenPipeline::WHOLE_EXTENT(), geometry.extent, 6);
  outInfo->Set(vtkDataObject::SPACING(), geometry.spacing, 3);
  outInfo->Set(vtkDataObject::ORIGIN(), geometry.origin, 3);
}

void shapeImage(vtkImageData* image, const ImageGeometry& geometry)
{
  image->SetExtent(const_cast<int*>(geometry.extent)); // VTK's signature lacks the const
  image->SetSpacing(geometry.spacing);
  image->SetOrigin(geometry.origin);
}

void addPatchIndices(vtkImageData* output, const PatchGrid& grid)
{
  vtkNew<vtkIntArray> patch, row, col;
  patch->SetName("patch");
  row->SetName("patch_row");
  col->SetName("patch_col");
  for (std::int64_t r = grid.rows - 1; r >= 0; --r) // VTK's first row is the picture's last
  {
    for (std::int64_t c = 0; c < grid.cols; ++c)
    {
      patch->InsertNextValue(static_cast<int>(r * grid.cols + c));
      row->InsertNextValue(static_cast<int>(r));
      col->InsertNextValue(static_cast<int>(c));
    }
  }
  for (vtkIntArray* array : { patch.Get(), row.Get(), col.Get() })
  {
    output->GetCellData()->AddArray(array);
  }
}

vtkSmartPointer<vtkDataArray> pixelsOf(vtkImageData* picture, const char* name)
{
  // Renaming the trace's own array would rename its block.
  vtkDataArray* pixels = picture->GetPointData()->GetScalars();
  vtkSmartPointer<vtkDataArray> shared;
  shared.TakeReference(pixels->NewInstance());
  shared->ShallowCopy(pixels);
  shared->SetName(name);
  return shared;
}

void addPicture(vtkDataObject* output, vtkDataObject* trace, std::int64_t image)
{
  vtkImageData* picture = vtkLVLMTrace::PictureOf(trace, image);
  if (!picture)
  {
    return;
  }
  vtkNew<vtkIntArray> size;
  size->SetName("picture_size");
  size->InsertNextValue(picture->GetDimensions()[0]);
  size->InsertNextValue(picture->GetDimensions()[1]);
  output->GetFieldData()->AddArray(pixelsOf(picture, "picture"));
  output->GetFieldData()->AddArray(size);
}

void addText(vtkDataObject* output, const char* name, const std::string& text)
{
  addTexts(output, name, { text });
}

void addTexts(vtkDataObject* output, const char* name, const std::vector<std::string>& lines)
{
  vtkNew<vtkStringArray> texts;
  texts->SetName(name);
  for (const std::string& line : lines)
  {
    texts->InsertNextValue(line);
  }
  output->GetFieldData()->AddArray(texts);
}

void addLegend(vtkDataObject* output, const std::string& legend, const std::string& array)
{
  addTexts(output, "legend", { legend, array });
}

void addLegend(
  vtkDataObject* output, const Trace& trace, const std::string& legend, const std::string& array)
{
  const std::int64_t pictures = pictureCount(trace);
  const std::string which = pictures > 1
    ? " in picture " + std::to_string(mapGrid(trace).image + 1) + " of " + std::to_string(pictures)
    : std::string();
  addLegend(output, legend + which, array);
}

} // namespace lvlm
