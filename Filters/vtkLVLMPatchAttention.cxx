// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMPatchAttention.h"

#include "OutputVTK.h"

#include "Models/Core/Analysis.h"
#include "Readers/RankExchange.h"
#include "Readers/TraceVTK.h"

#include "vtkCellData.h"
#include "vtkDataArray.h"
#include "vtkExtentTranslator.h"
#include "vtkExtractSelection.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkNew.h"
#include "vtkObjectFactory.h"
#include "vtkSelection.h"
#include "vtkSelectionNode.h"
#include "vtkTable.h"

#include <set>

vtkStandardNewMacro(vtkLVLMPatchAttention);

namespace
{
/// Only cells of a map stand for patches.
void checkSelection(vtkSelection* selection)
{
  for (unsigned int n = 0; n < selection->GetNumberOfNodes(); ++n)
  {
    const vtkSelectionNode* node = selection->GetNode(n);
    const int field = const_cast<vtkSelectionNode*>(node)->GetFieldType();
    if (field != vtkSelectionNode::CELL)
    {
      lvlm::fail("Selection: holds ", vtkSelectionNode::GetFieldTypeAsString(field),
        " elements; select cells of an LVLM Attention Map");
    }
  }
}

/// Cell ids of a map have row 0 at the bottom, patches have it at the top.
std::int64_t patchOfCell(std::int64_t cell, const lvlm::PatchGrid& grid)
{
  return (grid.rows - 1 - cell / grid.cols) * grid.cols + cell % grid.cols;
}

/// The map that can be selected on, or the piece of it that this rank shows: what the cells of a
/// selection made in a parallel run count within.
void shapeMap(const lvlm::ImageGeometry& whole, const lvlm::RankExchange* ranks, vtkImageData* map)
{
  lvlm::shapeImage(map, whole);
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
lvlm::Indices selectedCells(
  vtkSelection* selection, const lvlm::TraceShape& shape, const lvlm::RankExchange& ranks)
{
  checkSelection(selection);
  const bool pieces = ranks.ranks() > 1 && isByRank(selection);
  vtkNew<vtkImageData> map;
  shapeMap(lvlm::gridCells(shape), pieces ? &ranks : nullptr, map);
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
  lvlm::Indices cells;
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

vtkLVLMPatchAttention::vtkLVLMPatchAttention()
{
  this->SetNumberOfInputPorts(2);
}

void vtkLVLMPatchAttention::AddPatch(int patch)
{
  this->Patches.push_back(patch);
  this->Modified();
}

void vtkLVLMPatchAttention::RemoveAllPatches()
{
  this->Patches.clear();
  this->Modified();
}

void vtkLVLMPatchAttention::SetSelectionConnection(vtkAlgorithmOutput* selection)
{
  this->SetInputConnection(1, selection);
}

int vtkLVLMPatchAttention::FillInputPortInformation(int port, vtkInformation* info)
{
  if (port == 0)
  {
    return this->Superclass::FillInputPortInformation(port, info);
  }
  info->Set(vtkAlgorithm::INPUT_REQUIRED_DATA_TYPE(), "vtkSelection");
  info->Set(vtkAlgorithm::INPUT_IS_OPTIONAL(), 1);
  return 1;
}

int vtkLVLMPatchAttention::FillOutputPortInformation(int, vtkInformation* info)
{
  info->Set(vtkDataObject::DATA_TYPE_NAME(), "vtkTable");
  return 1;
}

std::vector<std::int64_t> vtkLVLMPatchAttention::GetSelectedPatches(
  vtkDataObject* trace, vtkInformationVector** inputs)
{
  auto* selection = vtkSelection::GetData(inputs[1]);
  const bool any = selection && selection->GetNumberOfNodes() > 0;
  lvlm::TraceShape shape;
  lvlm::shapeOf(trace, shape);
  lvlm::Indices own{ any ? 1 : 0 };
  if (any)
  {
    const lvlm::Indices cells = selectedCells(selection, shape, this->GetRanks());
    own.insert(own.end(), cells.begin(), cells.end());
  }
  bool anywhere = false;
  std::set<std::int64_t> cells;
  for (const lvlm::Indices& one : this->GetRanks().gather(own))
  {
    anywhere = anywhere || one.front() != 0;
    cells.insert(one.begin() + 1, one.end());
  }
  if (anywhere && cells.empty() && this->Patches.empty())
  {
    lvlm::fail(
      "Selection: no cell of the ", shape.grid.rows, " x ", shape.grid.cols, " patches is in it");
  }
  lvlm::Indices patches;
  for (const std::int64_t cell : cells)
  {
    patches.push_back(patchOfCell(cell, shape.grid));
  }
  return patches;
}

void vtkLVLMPatchAttention::Compute(const lvlm::Trace& trace, vtkDataObject* data,
  vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  lvlm::Indices patches = this->Patches;
  if (this->GetNumberOfInputConnections(1) > 0)
  {
    const lvlm::Indices selected = this->GetSelectedPatches(data, inputs);
    patches.insert(patches.end(), selected.begin(), selected.end());
  }
  const lvlm::Indices heads = lvlm::resolveIndices(
    this->Heads, trace.tensor(lvlm::tensor_name::AttentionAnswer).extent(1), "Heads");
  const lvlm::LayerParts sums =
    lvlm::patchSums(trace, patches, { {}, this->Layers, heads }, this->GetRankProgress());
  const lvlm::PatchAttention result =
    lvlm::patchAttention(this->JoinLayers(sums), trace.answerLength());
  const auto T = static_cast<std::size_t>(trace.answerLength());
  auto* table = vtkTable::GetData(outputs);
  lvlm::addColumn(table, "answer_index", lvlm::resolveIndices({}, trace.answerLength(), ""));
  lvlm::addColumn(table, "token",
    std::vector<std::string>(trace.tokens.begin() + trace.promptLength, trace.tokens.end()));
  lvlm::addColumn(table, "attention", result.mean);
  for (std::size_t h = 0; h < heads.size(); ++h)
  {
    const float* values = result.perHead.data() + h * T;
    lvlm::addColumn(
      table, "head_" + std::to_string(heads[h]), std::vector<float>(values, values + T));
  }
}
