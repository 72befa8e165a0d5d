// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMAttentionMap.h"

#include "OutputVTK.h"

#include "Models/Core/Analysis.h"
#include "Readers/TensorVTK.h"
#include "Readers/TraceVTK.h"

#include "vtkCellData.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkObjectFactory.h"

vtkStandardNewMacro(vtkLVLMAttentionMap);

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
  const auto reduction = this->Reduction == MEAN ? lvlm::Reduction::Mean : lvlm::Reduction::Maximum;
  const lvlm::LayerParts maps =
    lvlm::layerMaps(trace, { this->GetTokensToUse(trace, outputs), this->Layers, this->Heads },
      reduction, this->GetRankProgress());
  const std::vector<float> map = lvlm::acrossLayers(this->JoinLayers(maps), reduction);
  lvlm::TraceShape shape;
  lvlm::shapeOf(data, shape);
  auto* output = vtkImageData::GetData(outputs);
  lvlm::shapeImage(output, lvlm::gridCells(shape));
  output->GetCellData()->SetScalars(lvlm::arrayFromTensor(
    lvlm::Tensor::of(lvlm::rowsUp(map, trace.grid), { trace.grid.count() }), "attention"));
  lvlm::addPatchIndices(output, trace.grid);
  lvlm::addPicture(output, data);
}
