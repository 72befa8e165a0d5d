// SPDX-License-Identifier: Apache-2.0
#include "PatchSelection.h"

#include "OutputVTK.h"

#include "Models/Ranks/Team.h"
#include "Models/Trace/Error.h"
#include "Readers/TraceShape.h"

#include "vtkCellData.h"
#include "vtkDataArray.h"
#include "vtkExtentTranslator.h"
#include "vtkExtractSelection.h"
#include "vtkIdTypeArray.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkNew.h"
#include "vtkSelection.h"
#include "vtkSelectionNode.h"
#include "vtkSmartPointer.h"

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
  const std::set<int> supported{ vtkSelectionNode::INDICES, vtkSelectionNode::GLOBALIDS,
    vtkSelectionNode::FRUSTUM, vtkSelectionNode::LOCATIONS, vtkSelectionNode::BLOCKS };
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

/// The selection as far as it is about this rank: a node of another one selects nothing here, not
/// even by being inverted.
vtkSmartPointer<vtkSelection> ownSelection(vtkSelection* selection, int rank)
{
  auto own = vtkSmartPointer<vtkSelection>::New();
  own->DeepCopy(selection);
  for (unsigned int n = 0; n < own->GetNumberOfNodes(); ++n)
  {
    vtkSelectionNode* node = own->GetNode(n);
    vtkInformation* properties = node->GetProperties();
    const int process = properties->Has(vtkSelectionNode::PROCESS_ID())
      ? properties->Get(vtkSelectionNode::PROCESS_ID())
      : -1;
    properties->Remove(
      vtkSelectionNode::PROCESS_ID()); // VTK would compare it with a piece's number
    if (process >= 0 && process != rank)
    {
      vtkNew<vtkIdTypeArray> nothing;
      node->SetContentType(vtkSelectionNode::INDICES);
      node->SetSelectionList(nothing);
      properties->Set(vtkSelectionNode::INVERSE(), 0);
    }
  }
  return own;
}

/// The map that can be selected on, or the piece of it that this rank shows: ParaView numbers the
/// cells of each rank's piece from 0. The patches are its global ids.
void shapeMap(const TraceShape& shape, const ranks::Team& team, vtkImageData* map)
{
  shapeImage(map, gridCells(shape));
  addPatchIndices(map, shape.grid);
  if (team.size() > 1)
  {
    int whole[6], piece[6] = { 0, -1, 0, -1, 0, -1 };
    map->GetExtent(whole);
    vtkNew<vtkExtentTranslator> translator; // as the executive that asks a map for its pieces
    translator->PieceToExtentThreadSafe(
      team.rank(), team.size(), 0, whole, piece, vtkExtentTranslator::BLOCK_MODE, 0);
    map->Crop(piece);
  }
  vtkDataArray* patches = map->GetCellData()->GetArray("patch");
  vtkNew<vtkIdTypeArray> ids;
  ids->SetName("vtkGlobalCellIds");
  ids->DeepCopy(patches);
  map->GetCellData()->SetGlobalIds(ids);
}

/// The selected patches that this rank shows. VTK itself decides, on a map like the one that was
/// selected on, so that every kind of selection works: indices, inverted ones, frustums, combined
/// ones.
Indices ownPatches(vtkSelection* selection, const TraceShape& shape, const ranks::Team& team)
{
  checkSelection(selection);
  vtkNew<vtkImageData> map;
  shapeMap(shape, team, map);
  if (map->GetNumberOfCells() == 0)
  {
    return {};
  }
  vtkNew<vtkExtractSelection> extract;
  extract->SetInputData(0, map);
  extract->SetInputData(1, ownSelection(selection, team.rank()));
  extract->PreserveTopologyOn();
  extract->Update();
  auto* output = vtkDataSet::SafeDownCast(extract->GetOutputDataObject(0));
  vtkDataArray* inside = output ? output->GetCellData()->GetArray("vtkInsidedness") : nullptr;
  vtkDataArray* ids = map->GetCellData()->GetGlobalIds();
  Indices patches;
  for (vtkIdType cell = 0; inside && cell < inside->GetNumberOfTuples(); ++cell)
  {
    if (inside->GetComponent(cell, 0) > 0.0)
    {
      patches.push_back(static_cast<std::int64_t>(ids->GetComponent(cell, 0)));
    }
  }
  return patches;
}

/// Those of all ranks. No selection, or one without nodes: no patches.
Indices selectedPatches(
  vtkSelection* selection, const TraceShape& shape, ranks::Team& team, bool mayBeEmpty)
{
  const bool any = selection && selection->GetNumberOfNodes() > 0;
  Indices own{ any ? 1 : 0 };
  if (any)
  {
    const Indices patches = ownPatches(selection, shape, team);
    own.insert(own.end(), patches.begin(), patches.end());
  }
  bool anywhere = false;
  std::set<std::int64_t> patches;
  for (const Indices& one : team.gather(own))
  {
    anywhere = anywhere || one.front() != 0;
    patches.insert(one.begin() + 1, one.end());
  }
  if (anywhere && patches.empty() && !mayBeEmpty)
  {
    fail(
      "Selection: no cell of the ", shape.grid.rows, " x ", shape.grid.cols, " patches is in it");
  }
  return Indices(patches.begin(), patches.end());
}
}

std::vector<std::int64_t> chosenPatches(
  const Indices& listed, vtkInformationVector* selections, const Trace& trace, ranks::Team& team)
{
  Indices patches = listed;
  if (selections->GetNumberOfInformationObjects() > 0)
  {
    const Indices selected =
      selectedPatches(vtkSelection::GetData(selections), shapeOf(trace), team, !listed.empty());
    patches.insert(patches.end(), selected.begin(), selected.end());
  }
  return patches;
}

} // namespace lvlm
