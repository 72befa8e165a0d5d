// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMPatchAttention.h"

#include "Filters/Common/HeadTexts.h"
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

/// A column for each head: "head_2" over the chosen layers, "layer_1_head_2" of the best heads.
std::vector<std::string> columnNames(const lvlm::Selection& selection, std::int64_t all)
{
  std::vector<std::string> names;
  for (const lvlm::HeadPlace& place : selection.places)
  {
    names.push_back("layer_" + std::to_string(place.layer) + "_head_" + std::to_string(place.head));
  }
  if (names.empty())
  {
    for (const std::int64_t head : lvlm::resolveIndices(selection.heads, all, "Heads"))
    {
      names.push_back("head_" + std::to_string(head));
    }
  }
  return names;
}
}

int vtkLVLMPatchAttention::FillOutputPortInformation(int, vtkInformation* info)
{
  info->Set(vtkDataObject::DATA_TYPE_NAME(), "vtkTable");
  return 1;
}

lvlm::PatchAttention vtkLVLMPatchAttention::AttentionOf(const lvlm::Trace& trace,
  const std::vector<std::int64_t>& patches, const lvlm::Selection& selection)
{
  if (selection.places.empty())
  {
    return lvlm::patchAttention(
      this->JoinLayers(lvlm::patchSums(trace, patches, selection, this->GetRankProgress())),
      trace.answerLength());
  }
  // Of each layer other heads: each pair is as a head of one layer.
  lvlm::LayerParts all;
  for (const lvlm::HeadPlace& place : selection.places)
  {
    const lvlm::Selection one{ {}, { place.layer }, { place.head }, {}, selection.dropped };
    const lvlm::LayerParts sums =
      this->JoinLayers(lvlm::patchSums(trace, patches, one, this->GetRankProgress()));
    all.width += sums.width;
    all.samples = sums.samples;
    all.values.insert(all.values.end(), sums.values.begin(), sums.values.end());
  }
  all.chosen = all.layers = { 0 };
  return lvlm::patchAttention(all, trace.answerLength());
}

void vtkLVLMPatchAttention::Compute(const lvlm::Trace& trace, vtkDataObject*,
  vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  const lvlm::Indices patches =
    lvlm::chosenPatches(this->Patches, inputs[1], trace, this->GetRanks());
  const lvlm::Selection selection = this->Select(trace, {}, this->Layers, BEST_OF_ALL);
  const lvlm::PatchAttention result = this->AttentionOf(trace, patches, selection);
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
    patchesText(lvlm::resolveIndices(patches, trace.grid.count(), "Patches"), trace.grid) +
      GetSinksText(selection));
  if (!selection.places.empty())
  {
    lvlm::addText(table, "heads",
      std::to_string(selection.places.size()) + " heads " + this->GetBestText(2) + ": " +
        lvlm::namesOf(selection.places));
  }
  this->TellHeads(selection, outputs);
  lvlm::addColumn(table, "attention", result.mean);
  const std::vector<std::string> names =
    columnNames(selection, trace.tensor(lvlm::tensor_name::AttentionAnswer).extent(1));
  for (std::size_t h = 0; h < names.size(); ++h)
  {
    const float* values = result.perHead.data() + h * T;
    lvlm::addColumn(table, names[h], std::vector<float>(values, values + T));
  }
}
