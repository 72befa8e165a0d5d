// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMPatchAttention.h"

#include "Filters/Common/OutputVTK.h"
#include "Filters/Common/PatchSelection.h"
#include "Models/Trace/Analysis.h"
#include "Models/Trace/Words.h"
#include "Readers/TraceShape.h"

#include "vtkInformation.h"
#include "vtkObjectFactory.h"
#include "vtkTable.h"

#include <string>

vtkStandardNewMacro(vtkLVLMPatchAttention);

namespace
{
/// For a caption: which patches the numbers are of.
std::string patchesText(const lvlm::Indices& patches, const lvlm::PatchGrid& grid)
{
  if (static_cast<std::int64_t>(patches.size()) == grid.count())
  {
    return "all patches (their mean)";
  }
  if (patches.size() != 1)
  {
    return std::to_string(patches.size()) + " patches (their mean)";
  }
  const std::int64_t patch = patches.front();
  return "patch " + std::to_string(patch) + " (row " + std::to_string(patch / grid.cols) +
    ", column " + std::to_string(patch % grid.cols) + ")";
}
}

int vtkLVLMPatchAttention::FillOutputPortInformation(int, vtkInformation* info)
{
  info->Set(vtkDataObject::DATA_TYPE_NAME(), "vtkTable");
  return 1;
}

void vtkLVLMPatchAttention::Compute(const lvlm::Trace& trace, vtkDataObject*,
  vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  const lvlm::Indices patches =
    lvlm::chosenPatches(this->Patches, inputs[1], trace, this->GetRanks());
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
  std::vector<std::string> texts;
  for (auto at = static_cast<std::size_t>(trace.promptLength); at < trace.tokens.size(); ++at)
  {
    texts.push_back(lvlm::textAt(trace, at));
  }
  lvlm::addColumn(table, "text", texts);
  lvlm::addText(table, "patches",
    patchesText(lvlm::resolveIndices(patches, trace.grid.count(), "Patches"), trace.grid));
  lvlm::addColumn(table, "attention", result.mean);
  for (std::size_t h = 0; h < heads.size(); ++h)
  {
    const float* values = result.perHead.data() + h * T;
    lvlm::addColumn(
      table, "head_" + std::to_string(heads[h]), std::vector<float>(values, values + T));
  }
}
