// SPDX-License-Identifier: Apache-2.0
#include "vtkOutsideImageShare.h"

#include "Filters/Common/OutputVTK.h"
#include "Models/Trace/Analysis.h"

#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkObjectFactory.h"
#include "vtkTable.h"

#include <numeric>

vtkStandardNewMacro(vtkOutsideImageShare);

int vtkOutsideImageShare::FillOutputPortInformation(int, vtkInformation* info)
{
  info->Set(vtkDataObject::DATA_TYPE_NAME(), "vtkTable");
  return 1;
}

void vtkOutsideImageShare::Compute(
  const lvlm::Trace& trace, vtkDataObject*, vtkInformationVector**, vtkInformationVector* outputs)
{
  const std::int64_t patches = trace.grid.count();
  lvlm::Indices all(static_cast<std::size_t>(patches));
  std::iota(all.begin(), all.end(), 0);
  const lvlm::LayerParts sums =
    this->JoinLayers(lvlm::patchSums(trace, all, { {}, this->Layers, {} }));
  std::vector<float> share = lvlm::patchAttention(sums, trace.answerLength()).mean;
  for (float& value : share)
  {
    value *= static_cast<float>(patches);
  }
  lvlm::Indices index(share.size());
  std::iota(index.begin(), index.end(), 0);
  auto* table = vtkTable::GetData(outputs);
  lvlm::addColumn(table, "answer_index", index);
  lvlm::addColumn(table, "image_share", share);
}
