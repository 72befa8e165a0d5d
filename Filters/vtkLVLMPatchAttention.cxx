// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMPatchAttention.h"

#include "OutputVTK.h"
#include "vtkLVLMGuard.h"

#include "Models/Core/Analysis.h"
#include "Readers/TraceVTK.h"

#include "vtkCellData.h"
#include "vtkDataArray.h"
#include "vtkExtractSelection.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkNew.h"
#include "vtkObjectFactory.h"
#include "vtkSelection.h"
#include "vtkSelectionNode.h"
#include "vtkTable.h"

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

/// The selected patches. VTK itself decides, on a map like the one that was selected on, so that
/// every kind of selection works: indices, inverted ones, frustums, combined ones.
lvlm::Indices selectedPatches(
  vtkSelection* selection, const lvlm::TraceShape& shape, const lvlm::PatchGrid& grid)
{
  checkSelection(selection);
  vtkNew<vtkImageData> map;
  lvlm::shapeImage(map, lvlm::gridCells(shape));
  vtkNew<vtkExtractSelection> extract;
  extract->SetInputData(0, map);
  extract->SetInputData(1, selection);
  extract->PreserveTopologyOn();
  extract->Update();
  auto* output = vtkDataSet::SafeDownCast(extract->GetOutputDataObject(0));
  vtkDataArray* inside = output ? output->GetCellData()->GetArray("vtkInsidedness") : nullptr;
  lvlm::Indices patches;
  for (vtkIdType cell = 0; inside && cell < inside->GetNumberOfTuples(); ++cell)
  {
    if (inside->GetComponent(cell, 0) > 0.0)
    {
      patches.push_back(patchOfCell(cell, grid));
    }
  }
  return patches;
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

void vtkLVLMPatchAttention::Compute(const lvlm::Trace& trace, vtkDataObject* data,
  vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  lvlm::Indices patches = this->Patches;
  auto* selection = vtkSelection::GetData(inputs[1]);
  if (selection && selection->GetNumberOfNodes() > 0)
  {
    lvlm::TraceShape shape;
    lvlm::shapeOf(data, shape);
    const lvlm::Indices selected = selectedPatches(selection, shape, trace.grid);
    patches.insert(patches.end(), selected.begin(), selected.end());
    if (patches.empty())
    {
      lvlm::fail(
        "Selection: no cell of the ", trace.grid.rows, " x ", trace.grid.cols, " patches is in it");
    }
  }
  const lvlm::PatchAttention result =
    lvlm::patchAttention(trace, patches, { {}, this->Layers, this->Heads }, lvlm::progressOf(this));
  const auto T = static_cast<std::size_t>(trace.answerLength());
  auto* table = vtkTable::GetData(outputs);
  lvlm::addColumn(table, "answer_index", lvlm::resolveIndices({}, trace.answerLength(), ""));
  lvlm::addColumn(table, "token",
    std::vector<std::string>(trace.tokens.begin() + trace.promptLength, trace.tokens.end()));
  lvlm::addColumn(table, "attention", result.mean);
  for (std::size_t h = 0; h < result.heads.size(); ++h)
  {
    const float* values = result.perHead.data() + h * T;
    lvlm::addColumn(
      table, "head_" + std::to_string(result.heads[h]), std::vector<float>(values, values + T));
  }
}
