// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMLayerVolume.h"

#include "Filters/Common/OutputVTK.h"
#include "Filters/Drawing/LabelShapes.h"
#include "Models/Trace/Analysis.h"
#include "Models/Trace/Regions.h"
#include "Readers/TensorVTK.h"
#include "Readers/TraceShape.h"

#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkObjectFactory.h"
#include "vtkPointData.h"
#include "vtkPolyData.h"

#include <algorithm>
#include <string>

vtkStandardNewMacro(vtkLVLMLayerVolume);

namespace
{
/// For a caption: what the planes are, from the picture on.
std::string planesText(const lvlm::Indices& planes, bool layers)
{
  const std::string what = layers ? "layer" : "head";
  const std::string first = what + " " + std::to_string(planes.front());
  return planes.size() == 1 ? first + " alone"
                            : what + " by " + what + ": " + first + " next to the picture, " +
      what + " " + std::to_string(planes.back()) + " in front";
}

/// For a caption: what a plane is made of. `best`: what the best heads are, where these are shown.
std::string reducedText(
  bool layers, bool mean, std::int64_t layer, std::size_t heads, const std::string& best)
{
  if (!layers)
  {
    return "layer " + std::to_string(layer) + (best.empty() ? "" : ", heads " + best);
  }
  const std::string what = mean ? "mean of " : "maximum of ";
  const std::string which = best.empty() ? "" : " of each layer " + best;
  return heads == 1 ? (best.empty() ? "one head" : "the head" + which)
                    : what + std::to_string(heads) + " heads" + which;
}

/// The planes' names, right of the stack at their heights; some alone where there are many.
std::vector<lvlm::Label> planeLabels(
  const lvlm::ImageGeometry& geometry, const lvlm::Indices& planes, bool layers)
{
  constexpr std::size_t Most = 12; // side by side in a view
  const double edge = geometry.spacing[0] * (geometry.extent[1] + 1);
  const std::size_t step = (planes.size() + Most - 1) / Most;
  std::vector<lvlm::Label> labels;
  for (std::size_t i = 0; i < planes.size(); i += step)
  {
    labels.push_back({ (layers ? "layer " : "head ") + std::to_string(planes[i]), 1.02 * edge, 0,
      0.045 * edge, edge, geometry.origin[2] + geometry.spacing[2] * static_cast<double>(i) });
  }
  return labels;
}
}

vtkLVLMLayerVolume::vtkLVLMLayerVolume()
{
  this->SetNumberOfOutputPorts(2);
}

int vtkLVLMLayerVolume::FillOutputPortInformation(int port, vtkInformation* info)
{
  info->Set(vtkDataObject::DATA_TYPE_NAME(), port == 0 ? "vtkImageData" : "vtkPolyData");
  return 1;
}

void vtkLVLMLayerVolume::Announce(const lvlm::TraceShape& shape, vtkInformationVector* outputs)
{
  const auto planes = static_cast<std::int64_t>(this->Axis == LAYERS
      ? lvlm::resolveIndices(this->Layers, shape.layers, "Layers").size()
      : lvlm::resolveIndices(this->Heads, shape.heads, "Heads").size());
  const bool best = this->Axis == HEADS && this->BestHeads > 0;
  lvlm::announceImage(outputs->GetInformationObject(0),
    lvlm::gridPoints(shape, best ? std::min<std::int64_t>(planes, this->BestHeads) : planes));
}

void vtkLVLMLayerVolume::Compute(const lvlm::Trace& trace, vtkDataObject* data,
  vtkInformationVector**, vtkInformationVector* outputs)
{
  const bool layers = this->Axis == LAYERS;
  const auto reduction = this->Reduction == MEAN ? lvlm::Reduction::Mean : lvlm::Reduction::Maximum;
  trace.tensor(lvlm::tensor_name::AttentionAnswer); // without one no layer is in range
  const lvlm::TraceShape shape = lvlm::shapeOf(trace);
  lvlm::Selection selection = this->Select(trace, this->GetTokensToUse(trace, outputs),
    layers ? this->Layers : lvlm::Indices(), BEST_OF_EACH_LAYER);
  const std::int64_t layer =
    layers ? -1 : lvlm::resolveIndices({ this->Layer }, shape.layers, "Layer").front();
  if (!layers)
  {
    selection.layers = { layer };
    selection.places = lvlm::placesOf(selection, shape.layers, shape.heads);
  }
  const lvlm::Progress progress = this->GetRankProgress();
  const lvlm::LayerParts parts = layers
    ? lvlm::layerMaps(trace, selection, reduction, progress)
    : lvlm::headMaps(trace, selection, layer, reduction, progress);
  const std::vector<float> maps = lvlm::eachLayer(this->JoinLayers(parts), reduction);
  const auto count = static_cast<std::int64_t>(maps.size());
  auto* output = vtkImageData::GetData(outputs);
  const lvlm::ImageGeometry stack = lvlm::gridPoints(shape, count / trace.grid.count());
  lvlm::shapeImage(output, stack);
  output->GetPointData()->SetScalars(lvlm::arrayFromTensor(
    lvlm::Tensor::of(lvlm::rowsUp(maps, trace.grid), { count }), "attention"));
  lvlm::addPicture(output, data, lvlm::mapGrid(trace).image);
  this->TellTokens(trace, selection.answerTokens, outputs);
  this->TellHeads(selection, outputs);
  const std::vector<lvlm::HeadPlace> places = lvlm::placesOf(selection, shape.layers, shape.heads);
  const lvlm::Indices planes = layers ? parts.chosen : lvlm::headsOf(places);
  lvlm::addText(output, "planes", planesText(planes, layers));
  lvlm::fillLabels(vtkPolyData::GetData(outputs, 1), planeLabels(stack, planes, layers),
    lvlm::inkOf(this->TextColor, this->BackgroundColor));
  const std::size_t heads = layers ? places.size() / planes.size() : planes.size();
  const std::string reduced = reducedText(
    layers, this->Reduction == MEAN, layer, heads, this->GetBestText(layers ? heads : 2));
  lvlm::addText(output, "heads", reduced + GetSinksText(selection));
  lvlm::addLegend(output, trace, "Attention to each patch (" + reduced + ")", "attention");
}
