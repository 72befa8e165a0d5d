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

/// For a caption: what a plane is made of.
std::string reducedText(bool layers, bool mean, std::int64_t layer, std::size_t heads)
{
  if (!layers)
  {
    return "layer " + std::to_string(layer);
  }
  return heads == 1 ? "one head"
                    : (mean ? "mean of " : "maximum of ") + std::to_string(heads) + " heads";
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
  const lvlm::Indices planes = this->Axis == LAYERS
    ? lvlm::resolveIndices(this->Layers, shape.layers, "Layers")
    : lvlm::resolveIndices(this->Heads, shape.heads, "Heads");
  lvlm::announceImage(outputs->GetInformationObject(0),
    lvlm::gridPoints(shape, static_cast<std::int64_t>(planes.size())));
}

void vtkLVLMLayerVolume::Compute(const lvlm::Trace& trace, vtkDataObject* data,
  vtkInformationVector**, vtkInformationVector* outputs)
{
  const auto reduction = this->Reduction == MEAN ? lvlm::Reduction::Mean : lvlm::Reduction::Maximum;
  const lvlm::Selection selection{ this->GetTokensToUse(trace, outputs), this->Layers,
    this->Heads };
  const lvlm::Progress progress = this->GetRankProgress();
  const lvlm::LayerParts parts = this->Axis == LAYERS
    ? lvlm::layerMaps(trace, selection, reduction, progress)
    : lvlm::headMaps(trace, selection, this->Layer, reduction, progress);
  const std::vector<float> maps = lvlm::eachLayer(this->JoinLayers(parts), reduction);
  const auto count = static_cast<std::int64_t>(maps.size());
  const lvlm::TraceShape shape = lvlm::shapeOf(trace);
  auto* output = vtkImageData::GetData(outputs);
  lvlm::shapeImage(output, lvlm::gridPoints(shape, count / trace.grid.count()));
  output->GetPointData()->SetScalars(lvlm::arrayFromTensor(
    lvlm::Tensor::of(lvlm::rowsUp(maps, trace.grid), { count }), "attention"));
  lvlm::addPicture(output, data, lvlm::mapGrid(trace).image);
  const bool layers = this->Axis == LAYERS;
  const auto chosen = [&](const lvlm::Indices& list, std::int64_t all, const char* what)
  { return lvlm::resolveIndices(list, all, what); };
  const lvlm::Indices heads = chosen(this->Heads, shape.heads, "Heads");
  const lvlm::Indices planes = layers ? chosen(this->Layers, shape.layers, "Layers") : heads;
  const std::int64_t layer = layers ? -1 : chosen({ this->Layer }, shape.layers, "Layer").front();
  const std::string reduced = reducedText(layers, this->Reduction == MEAN, layer, heads.size());
  this->TellTokens(trace, selection.answerTokens, outputs);
  lvlm::addText(output, "planes", planesText(planes, layers));
  lvlm::fillLabels(vtkPolyData::GetData(outputs, 1),
    planeLabels(lvlm::gridPoints(shape, count / trace.grid.count()), planes, layers),
    lvlm::inkOf(this->TextColor, this->BackgroundColor));
  lvlm::addText(output, "heads", reduced);
  lvlm::addLegend(output, "Attention to each patch (" + reduced + ")", "attention");
}
