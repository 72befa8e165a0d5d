// SPDX-License-Identifier: Apache-2.0
/// @file OutputVTK.h
/// Building of the filters' outputs: table columns, patch grids, the picture that goes with a map.
#ifndef LVLM_FILTERS_COMMON_OUTPUTVTK_H
#define LVLM_FILTERS_COMMON_OUTPUTVTK_H

#include "Models/Trace/Trace.h"

#include "vtkSmartPointer.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

class vtkDataArray;
class vtkDataObject;
class vtkImageData;
class vtkInformation;
class vtkTable;

namespace lvlm
{

struct TraceShape;

///@{
/// Adds a column (copied). All columns of a table have the same length.
void addColumn(vtkTable* table, const std::string& name, const std::vector<std::int64_t>& values);
void addColumn(vtkTable* table, const std::string& name, const std::vector<float>& values);
void addColumn(vtkTable* table, const std::string& name, const std::vector<std::string>& values);
///@}

/// Extent, spacing and origin of a structured output.
struct ImageGeometry
{
  int extent[6] = { 0, 0, 0, 0, 0, 0 };
  double spacing[3] = { 1.0, 1.0, 1.0 };
  double origin[3] = { 0.0, 0.0, 0.0 };
};

/// A cell a patch, in pixel coordinates of the picture; patches of a trace without a picture are
/// one pixel large. Throws Error for an empty or absurdly large grid.
ImageGeometry gridCells(const TraceShape& shape);

/// A point a patch, at its centre, in `planes` planes that lie above one another. The stack is as
/// deep as the picture's longer edge, so that it looks like a cube whatever the number of planes.
ImageGeometry gridPoints(const TraceShape& shape, std::int64_t planes);

/// A point a pixel, at its centre.
ImageGeometry pixelCentres(std::int64_t width, std::int64_t height);

/// Announces a structured output before it is made.
void announceImage(vtkInformation* outInfo, const ImageGeometry& geometry);

/// Gives the output its geometry.
void shapeImage(vtkImageData* image, const ImageGeometry& geometry);

/// Grids have row 0 at the top, VTK has y up: [planes, rows, cols] with the rows of each plane in
/// the opposite order.
template <typename T>
std::vector<T> rowsUp(const std::vector<T>& values, const PatchGrid& grid)
{
  std::vector<T> result(values.size());
  const auto cells = static_cast<std::size_t>(grid.count());
  const auto cols = static_cast<std::size_t>(grid.cols);
  for (std::size_t at = 0; at < values.size(); at += cols)
  {
    const std::size_t plane = at / cells * cells;
    const std::size_t rowStart = plane + cells - cols - (at - plane);
    std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(at), cols,
      result.begin() + static_cast<std::ptrdiff_t>(rowStart));
  }
  return result;
}

/// Adds the cell arrays `patch` (row-major from the top left), `patch_row` and `patch_col` to a
/// grid of patches, for whoever points at a cell. After the map's own arrays: the first one is
/// shown.
void addPatchIndices(vtkImageData* output, const PatchGrid& grid);

/// The pixels of a trace's picture block under another name, memory shared.
vtkSmartPointer<vtkDataArray> pixelsOf(vtkImageData* picture, const char* name);

/// Puts a picture of the trace, by its number, into the field data of `output` (arrays `picture`,
/// shared, and `picture_size` = width, height), so that LVLMOverlay needs nothing but a map.
void addPicture(vtkDataObject* output, vtkDataObject* trace, std::int64_t image = 0);

/// Puts a line on what an output shows into its field data, for LVLM Caption.
void addText(vtkDataObject* output, const char* name, const std::string& text);
/// The same of several lines; unlike a single one these are not part of ParaView's tool tips.
void addTexts(vtkDataObject* output, const char* name, const std::vector<std::string>& lines);
/// What the array's numbers are, for its colour legend: field `legend`, this and the array's name.
void addLegend(vtkDataObject* output, const std::string& legend, const std::string& array);
/// The same of a map, which of several pictures is named: "... in picture 2 of 3".
void addLegend(
  vtkDataObject* output, const Trace& trace, const std::string& legend, const std::string& array);

} // namespace lvlm

#endif
