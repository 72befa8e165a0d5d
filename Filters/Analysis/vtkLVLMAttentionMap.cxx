// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMAttentionMap.h"

#include "SinkSearch.h"
#include "WeightingRequest.h"

#include "Filters/Common/OutputVTK.h"
#include "Models/Trace/Lens.h"
#include "Models/Trace/Regions.h"
#include "Readers/TensorVTK.h"
#include "Readers/TraceShape.h"
#include "Readers/vtkLVLMGuard.h"
#include "Readers/vtkLVLMTrace.h"

#include "vtkCellData.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkObjectFactory.h"

#include <algorithm>

vtkStandardNewMacro(vtkLVLMAttentionMap);

namespace
{
/// In words: "layer 3, head 2". `candidates`: of how many heads it is the strongest.
std::string headsText(
  const lvlm::Selection& shown, const lvlm::Trace& trace, int reduction, std::size_t candidates)
{
  const std::int64_t layers = trace.layerTotal;
  const std::int64_t heads = trace.tensor(lvlm::tensor_name::AttentionAnswer).extent(1);
  const lvlm::Indices chosenLayers = lvlm::resolveIndices(shown.layers, layers, "Layers");
  const lvlm::Indices chosenHeads = lvlm::resolveIndices(shown.heads, heads, "Heads");
  if (chosenLayers.size() == 1 && chosenHeads.size() == 1)
  {
    const bool strongest = reduction == vtkLVLMAttentionMap::STRONGEST_HEAD && candidates > 1;
    const bool every = candidates == static_cast<std::size_t>(layers * heads);
    return "layer " + std::to_string(chosenLayers[0]) + ", head " + std::to_string(chosenHeads[0]) +
      (!strongest ? ""
          : every ? ", which looks most"
                  : ", which looks most of " + std::to_string(candidates) + " heads");
  }
  return (reduction == vtkLVLMAttentionMap::MEAN ? "the mean of " : "the maximum of ") +
    std::to_string(chosenLayers.size()) + " layers x " + std::to_string(chosenHeads.size()) +
    " heads";
}

/// How many heads the properties choose.
std::size_t headCount(const lvlm::Selection& chosen, const lvlm::Trace& trace)
{
  const std::int64_t heads = trace.tensor(lvlm::tensor_name::AttentionAnswer).extent(1);
  return lvlm::resolveIndices(chosen.layers, trace.layerTotal, "Layers").size() *
    lvlm::resolveIndices(chosen.heads, heads, "Heads").size();
}

/// For a colour legend.
const char* legendText(int weighting)
{
  return weighting == vtkLVLMAttentionMap::RELATIVE ? "Attention to each patch, relative"
    : weighting == vtkLVLMAttentionMap::GRADIENT    ? "Attention to each patch x gradient"
                                                    : "Attention to each patch";
}

/// For a caption.
std::string weightingText(int weighting, const std::string& question)
{
  return weighting == vtkLVLMAttentionMap::RELATIVE ? "relative to \"" + question + "\""
                                                    : "weighted by its gradient";
}
}

vtkLVLMAttentionMap::vtkLVLMAttentionMap()
  : GenericQuestion("Write a general description of the image."),
    Known(std::make_unique<lvlm::WeightingCache>())
{
}

vtkLVLMAttentionMap::~vtkLVLMAttentionMap() = default;

void vtkLVLMAttentionMap::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  os << indent << "Reduction: " << this->Reduction << endl;
  os << indent << "ExcludeSinks: " << this->ExcludeSinks << endl;
  os << indent << "Weighting: " << this->Weighting << endl;
  os << indent << "GenericQuestion: " << this->GenericQuestion << endl;
  os << indent << "ModelDirectory: " << this->ModelDirectory << endl;
  os << indent << "Device: " << this->Device << endl;
}

int vtkLVLMAttentionMap::FillOutputPortInformation(int, vtkInformation* info)
{
  info->Set(vtkDataObject::DATA_TYPE_NAME(), "vtkImageData");
  return 1;
}

void vtkLVLMAttentionMap::Announce(const lvlm::TraceShape& shape, vtkInformationVector* outputs)
{
  const lvlm::ImageGeometry geometry = lvlm::gridCells(shape);
  lvlm::announceImage(outputs->GetInformationObject(0), geometry);
}

void vtkLVLMAttentionMap::Compute(const lvlm::Trace& trace, vtkDataObject* data,
  vtkInformationVector**, vtkInformationVector* outputs)
{
  const auto reduction =
    this->Reduction == MAXIMUM ? lvlm::Reduction::Maximum : lvlm::Reduction::Mean;
  lvlm::Selection shown{ this->GetTokensToUse(trace, outputs), this->Layers, this->Heads };
  const std::size_t candidates = headCount(shown, trace);
  if (this->Reduction == STRONGEST_HEAD)
  {
    this->KeepStrongestHead(trace, shown);
  }
  const lvlm::LayerParts maps = this->GetMaps(trace, data, shown, reduction);
  std::vector<float> map = lvlm::acrossLayers(this->JoinLayers(maps), reduction);
  if (this->ExcludeSinks)
  {
    this->DropSinks(trace, map);
  }
  const lvlm::TraceShape shape = lvlm::shapeOf(trace);
  auto* output = vtkImageData::GetData(outputs);
  lvlm::shapeImage(output, lvlm::gridCells(shape));
  output->GetCellData()->SetScalars(lvlm::arrayFromTensor(
    lvlm::Tensor::of(lvlm::rowsUp(map, trace.grid), { trace.grid.count() }), "attention"));
  lvlm::addPatchIndices(output, trace.grid);
  lvlm::addPicture(output, data, lvlm::mapGrid(trace).image);
  this->TellTokens(trace, shown.answerTokens, outputs);
  lvlm::addText(output, "heads", headsText(shown, trace, this->Reduction, candidates));
  lvlm::addLegend(output, legendText(this->Weighting), "attention");
  if (this->Weighting != NONE)
  {
    lvlm::addText(output, "weighting", weightingText(this->Weighting, this->GenericQuestion));
  }
}

lvlm::LayerParts vtkLVLMAttentionMap::GetMaps(const lvlm::Trace& trace, vtkDataObject* data,
  const lvlm::Selection& shown, lvlm::Reduction reduction)
{
  const lvlm::Progress own = this->GetRankProgress();
  if (this->Weighting == NONE)
  {
    return lvlm::layerMaps(trace, shown, reduction, own);
  }
  const lvlm::WeightingRequest request{ lvlm::resolveIndices(
                                          shown.answerTokens, trace.answerLength(), "AnswerTokens"),
    this->GenericQuestion, this->ModelDirectory, this->Device };
  const auto shared = vtkLVLMTrace::TraceOf(data);
  const lvlm::Progress progress = lvlm::progressOf(this);
  const lvlm::Selection all{ {}, shown.layers, shown.heads };
  if (this->Weighting == GRADIENT)
  {
    const lvlm::TokenGradients gradients =
      this->Known->gradients(request, shared, this->GetRanks(), progress);
    const lvlm::Trace weighted = lvlm::gradientAttention(*shared, gradients);
    return lvlm::layerMaps(lvlm::withRegion(weighted, this->Region), all, reduction, own);
  }
  const lvlm::Trace& other = this->Known->other(request, shared, this->GetRanks(), progress);
  return lvlm::relativeMaps(lvlm::layerMaps(trace, shown, reduction, own),
    lvlm::layerMaps(lvlm::withRegion(other, this->Region), all, reduction, own), reduction);
}

void vtkLVLMAttentionMap::DropSinks(const lvlm::Trace& trace, std::vector<float>& map)
{
  const lvlm::SinkSearch search;
  const lvlm::FoundSinks found = lvlm::findSinks(
    search, trace, this->GetRanks(),
    [this](const lvlm::LayerParts& own) { return this->JoinLayers(own); }, this->GetRankProgress());
  const std::vector<double> values = lvlm::patchesOf(found.values.values, trace); // [layers, cells]
  for (std::size_t i = 0; i < values.size(); ++i)
  {
    float& patch = map[i % map.size()];
    patch = values[i] > search.threshold ? 0 : patch;
  }
}

void vtkLVLMAttentionMap::KeepStrongestHead(const lvlm::Trace& trace, lvlm::Selection& shown)
{
  const lvlm::LayerParts sums =
    this->JoinLayers(lvlm::headSums(trace, shown, lvlm::Source::Image, this->GetRankProgress()));
  const lvlm::Indices heads = lvlm::resolveIndices(shown.heads, sums.width, "Heads");
  double most = -1; // attention is not negative
  for (std::size_t layer = 0; layer < sums.layers.size(); ++layer)
  {
    for (const std::int64_t head : heads)
    {
      const double sum =
        sums.values[layer * static_cast<std::size_t>(sums.width) + static_cast<std::size_t>(head)];
      if (sum > most)
      {
        most = sum;
        shown.layers = { sums.layers[layer] };
        shown.heads = { head };
      }
    }
  }
}
