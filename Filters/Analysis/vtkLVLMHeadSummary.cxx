// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMHeadSummary.h"

#include "Filters/Common/OutputVTK.h"
#include "Models/Trace/Analysis.h"
#include "Readers/TensorVTK.h"
#include "Readers/TraceShape.h"

#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkObjectFactory.h"
#include "vtkPointData.h"
#include "vtkTable.h"

vtkStandardNewMacro(vtkLVLMHeadSummary);

namespace
{
/// A point for each layer (x) and head (y).
lvlm::ImageGeometry headGrid(std::size_t layers, std::int64_t heads)
{
  lvlm::ImageGeometry geometry;
  geometry.extent[1] = static_cast<int>(layers) - 1;
  geometry.extent[3] = static_cast<int>(heads - 1);
  return geometry;
}

/// [layers, heads] as an image wants it, with x = layer running fastest.
std::vector<float> layersFastest(
  const std::vector<float>& summary, std::size_t layers, std::size_t heads)
{
  std::vector<float> values(summary.size());
  for (std::size_t layer = 0; layer < layers; ++layer)
  {
    for (std::size_t head = 0; head < heads; ++head)
    {
      values[head * layers + layer] = summary[layer * heads + head];
    }
  }
  return values;
}

void fillTable(vtkTable* table, const lvlm::Indices& layers, const std::vector<float>& summary)
{
  const std::size_t heads = summary.size() / layers.size();
  lvlm::Indices layerColumn(summary.size());
  lvlm::Indices headColumn(summary.size());
  for (std::size_t i = 0; i < summary.size(); ++i)
  {
    layerColumn[i] = layers[i / heads];
    headColumn[i] = static_cast<std::int64_t>(i % heads);
  }
  lvlm::addColumn(table, "layer", layerColumn);
  lvlm::addColumn(table, "head", headColumn);
  lvlm::addColumn(table, "attention", summary);
}
}

vtkLVLMHeadSummary::vtkLVLMHeadSummary()
{
  this->SetNumberOfOutputPorts(2);
}

int vtkLVLMHeadSummary::FillOutputPortInformation(int port, vtkInformation* info)
{
  info->Set(vtkDataObject::DATA_TYPE_NAME(), port == 0 ? "vtkImageData" : "vtkTable");
  return 1;
}

void vtkLVLMHeadSummary::Announce(const lvlm::TraceShape& shape, vtkInformationVector* outputs)
{
  const lvlm::Indices layers = lvlm::resolveIndices(this->Layers, shape.layers, "Layers");
  lvlm::announceImage(outputs->GetInformationObject(0), headGrid(layers.size(), shape.heads));
}

void vtkLVLMHeadSummary::Compute(
  const lvlm::Trace& trace, vtkDataObject*, vtkInformationVector**, vtkInformationVector* outputs)
{
  const auto source = this->Source == IMAGE ? lvlm::Source::Image : lvlm::Source::Question;
  const lvlm::LayerParts sums = this->JoinLayers(lvlm::headSums(trace,
    { this->GetTokensToUse(trace, outputs), this->Layers, {} }, source, this->GetRankProgress()));
  const std::vector<float> summary = lvlm::eachLayer(sums, lvlm::Reduction::Mean);
  const std::int64_t heads = trace.tensor(lvlm::tensor_name::AttentionAnswer).extent(1);
  const std::size_t layers = sums.layers.size();
  auto* image = vtkImageData::GetData(outputs, 0);
  lvlm::shapeImage(image, headGrid(layers, heads));
  image->GetPointData()->SetScalars(lvlm::arrayFromTensor(
    lvlm::Tensor::of(layersFastest(summary, layers, static_cast<std::size_t>(heads)),
      { static_cast<std::int64_t>(summary.size()) }),
    "attention"));
  fillTable(vtkTable::GetData(outputs, 1), sums.layers, summary);
}
