// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMAttentionMap.h"

#include "WeightingRequest.h"

#include "Filters/Common/HeadTexts.h"
#include "Filters/Common/OutputVTK.h"
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
/// What the strongest head is, of so many of all.
std::string strongestText(std::size_t candidates, std::size_t all, const std::string& best)
{
  return candidates == all ? "which looks most"
                           : "which looks most of " + std::to_string(candidates) + " heads" +
      (best.empty() ? "" : " ") + best;
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
  lvlm::Selection shown =
    this->Select(trace, this->GetTokensToUse(trace, outputs), this->Layers, BEST_OF_ALL);
  const std::int64_t heads = trace.tensor(lvlm::tensor_name::AttentionAnswer).extent(1);
  const std::size_t candidates = lvlm::placesOf(shown, trace.layerTotal, heads).size();
  std::string best = this->GetBestText(candidates);
  if (this->Reduction == STRONGEST_HEAD && candidates > 1)
  {
    this->KeepStrongestHead(trace, shown);
    best = strongestText(candidates, static_cast<std::size_t>(trace.layerTotal * heads), best);
  }
  const lvlm::LayerParts maps = this->GetMaps(trace, data, shown, reduction);
  const std::vector<float> map = lvlm::acrossLayers(this->JoinLayers(maps), reduction);
  const lvlm::TraceShape shape = lvlm::shapeOf(trace);
  auto* output = vtkImageData::GetData(outputs);
  lvlm::shapeImage(output, lvlm::gridCells(shape));
  output->GetCellData()->SetScalars(lvlm::arrayFromTensor(
    lvlm::Tensor::of(lvlm::rowsUp(map, trace.grid), { trace.grid.count() }), "attention"));
  lvlm::addPatchIndices(output, trace.grid);
  lvlm::addPicture(output, data, lvlm::mapGrid(trace).image);
  this->TellTokens(trace, shown.answerTokens, outputs);
  this->TellHeads(shown, outputs);
  if (shown.places.empty())
  {
    shown.places = lvlm::placesOf(shown, trace.layerTotal, heads);
  }
  lvlm::addText(output, "heads",
    lvlm::headsText(shown.places, this->Reduction == MEAN ? "mean" : "maximum", best) +
      GetSinksText(shown));
  lvlm::addLegend(output, trace, legendText(this->Weighting), "attention");
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
  if (this->Weighting == GRADIENT)
  {
    const lvlm::TokenGradients gradients =
      this->Known->gradients(request, shared, this->GetRanks(), progress);
    return lvlm::gradientMaps(*shared, gradients, shown, this->Region, reduction, own);
  }
  lvlm::Selection all = shown; // the other question has one token
  all.answerTokens.clear();
  const lvlm::Trace& other = this->Known->other(request, shared, this->GetRanks(), progress);
  return lvlm::relativeMaps(lvlm::layerMaps(trace, shown, reduction, own),
    lvlm::layerMaps(lvlm::withRegion(other, this->Region), all, reduction, own), reduction);
}

void vtkLVLMAttentionMap::KeepStrongestHead(const lvlm::Trace& trace, lvlm::Selection& shown)
{
  const lvlm::LayerParts sums =
    this->JoinLayers(lvlm::headSums(trace, shown, lvlm::Source::Image, this->GetRankProgress()));
  const auto sumOf = [&sums](const lvlm::HeadPlace& place)
  {
    const auto layer = std::find(sums.layers.begin(), sums.layers.end(), place.layer);
    return sums
      .values[static_cast<std::size_t>((layer - sums.layers.begin()) * sums.width + place.head)];
  };
  const std::vector<lvlm::HeadPlace> places = lvlm::placesOf(shown, trace.layerTotal, sums.width);
  shown.places = { *std::max_element(places.begin(), places.end(),
    [&sumOf](const lvlm::HeadPlace& a, const lvlm::HeadPlace& b) { return sumOf(a) < sumOf(b); }) };
}
