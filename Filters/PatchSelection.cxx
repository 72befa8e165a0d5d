// SPDX-License-Identifier: Apache-2.0
#include "PatchSelection.h"

#include "OutputVTK.h"

#include "Models/Core/Error.h"
#include "Readers/RankExchange.h"
#include "Readers/TraceVTK.h"

#include "vtkCellData.h"
#include "vtkDataArray.h"
#include "vtkExtentTranslator.h"
#include "vtkExtractSelection.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkNew.h"
#include "vtkSelection.h"
#include "vtkSelectionNode.h"

#include <set>

namespace lvlm
{

namespace
{
using Indices = std::vector<std::int64_t>;

/// Only cells of a map stand for patches, and only what tells them by number or place can be
/// evaluated without the map's values. VTK 9.2 aborts on kinds that it cannot evaluate.
void checkSelection(vtkSelection* selection)
{
  const std::set<int> supported{ vtkSelectionNode::INDICES, vtkSelectionNode::FRUSTUM,
    vtkSelectionNode::LOCATIONS, vtkSelectionNode::BLOCKS };
  for (unsigned int n = 0; n < selection->GetNumberOfNodes(); ++n)
  {
    const int content = selection->GetNode(n)->GetContentType();
    if (supported.count(content) == 0)
    {
      fail("Selection: is made of ", vtkSelectionNode::GetContentTypeAsString(content),
        "; select cells in a view, or convert the selection to one by ids");
    }
    const int field = selection->GetNode(n)->GetFieldType();
    if (field != vtkSelectionNode::CELL)
    {
      fail("Selection: holds ", vtkSelectionNode::GetFieldTypeAsString(field),
        " elements; select cells of an LVLM Attention Map");
    }
  }
}

/// Cell ids of a map have row 0 at the bottom, patches have it at the top.
std::int64_t patchOfCell(std::int64_t cell, const PatchGrid& grid)
{
  return (grid.rows - 1 - cell / grid.cols) * grid.cols + cell % grid.cols;
}

/// The map that can be selected on, or the piece of it that this rank shows: what the cells of a
/// selection made in a parallel run count within.
void shapeMap(const ImageGeometry& whole, const RankExchange* ranks, vtkImageData* map)
{
  shapeImage(map, whole);
  if (!ranks)
  {
    return;
  }
  int wholeExtent[6], piece[6] = { 0, -1, 0, -1, 0, -1 };
  map->GetExtent(wholeExtent);
  vtkNew<vtkExtentTranslator> translator;
  translator->PieceToExtentThreadSafe(
    ranks->rank(), ranks->ranks(), 0, wholeExtent, piece, vtkExtentTranslator::BLOCK_MODE, 0);
  map->SetExtent(piece);
}

/// Whether the selection says on which rank each cell is.
bool isByRank(vtkSelection* selection)
{
  for (unsigned int n = 0; n < selection->GetNumberOfNodes(); ++n)
  {
    vtkInformation* properties = selection->GetNode(n)->GetProperties();
    if (properties->Has(vtkSelectionNode::PROCESS_ID()) &&
      properties->Get(vtkSelectionNode::PROCESS_ID()) >= 0)
    {
      return true;
    }
  }
  return false;
}

/// The selected cells of the whole map, as far as this rank sees them. VTK itself decides, on a map
/// like the one that was selected on, so that every kind of selection works: indices, inverted
/// ones, frustums, combined ones.
Indices selectedCells(vtkSelection* selection, const TraceShape& shape, const RankExchange& ranks)
{
  checkSelection(selection);
  const bool pieces = ranks.ranks() > 1 && isByRank(selection);
  vtkNew<vtkImageData> map;
  shapeMap(gridCells(shape), pieces ? &ranks : nullptr, map);
  if (map->GetNumberOfCells() == 0)
  {
    return {};
  }
  vtkNew<vtkExtractSelection> extract;
  extract->SetInputData(0, map);
  extract->SetInputData(1, selection);
  extract->PreserveTopologyOn();
  extract->Update();
  auto* output = vtkDataSet::SafeDownCast(extract->GetOutputDataObject(0));
  vtkDataArray* inside = output ? output->GetCellData()->GetArray("vtkInsidedness") : nullptr;
  const int* extent = map->GetExtent();
  const std::int64_t width = extent[1] - extent[0];
  Indices cells;
  for (vtkIdType cell = 0; inside && cell < inside->GetNumberOfTuples(); ++cell)
  {
    if (inside->GetComponent(cell, 0) > 0.0)
    {
      cells.push_back((extent[2] + cell / width) * shape.grid.cols + extent[0] + cell % width);
    }
  }
  return cells;
}
}

std::vector<std::int64_t> selectedPatches(
  vtkSelection* selection, const TraceShape& shape, RankExchange& ranks, bool mayBeEmpty)
{
  const bool any = selection && selection->GetNumberOfNodes() > 0;
  Indices own{ any ? 1 : 0 };
  if (any)
  {
    const Indices cells = selectedCells(selection, shape, ranks);
    own.insert(own.end(), cells.begin(), cells.end());
  }
  bool anywhere = false;
  std::set<std::int64_t> cells;
  for (const Indices& one : ranks.gather(own))
  {
    anywhere = anywhere || one.front() != 0;
    cells.insert(one.begin() + 1, one.end());
  }
  if (anywhere && cells.empty() && !mayBeEmpty)
  {
    fail(
      "Selection: no cell of the ", shape.grid.rows, " x ", shape.grid.cols, " patches is in it");
  }
  Indices patches;
  for (const std::int64_t cell : cells)
  {
    patches.push_back(patchOfCell(cell, shape.grid));
  }
  return patches;
}

} // namespace lvlm
