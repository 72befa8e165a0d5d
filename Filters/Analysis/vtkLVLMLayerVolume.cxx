// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMLayerVolume.h"

#include "Filters/Common/OutputVTK.h"
#include "Models/Trace/Analysis.h"
#include "Readers/TensorVTK.h"
#include "Readers/TraceShape.h"

#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkObjectFactory.h"
#include "vtkPointData.h"

vtkStandardNewMacro(vtkLVLMLayerVolume);

int vtkLVLMLayerVolume::FillOutputPortInformation(int, vtkInformation* info)
{
  info->Set(vtkDataObject::DATA_TYPE_NAME(), "vtkImageData");
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
  lvlm::addPicture(output, data);
}
