// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMHeadSummary.h"

#include "OutputVTK.h"
#include "vtkLVLMGuard.h"

#include "Models/Core/Analysis.h"
#include "Readers/TensorVTK.h"
#include "Readers/TraceVTK.h"

#include "vtkImageData.h"
#include "vtkInformation.h"
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

void fillTable(vtkTable* table, const lvlm::HeadSummary& summary, std::size_t heads)
{
  lvlm::Indices layerColumn(summary.values.size());
  lvlm::Indices headColumn(summary.values.size());
  for (std::size_t i = 0; i < summary.values.size(); ++i)
  {
    layerColumn[i] = summary.layers[i / heads];
    headColumn[i] = static_cast<std::int64_t>(i % heads);
  }
  lvlm::addColumn(table, "layer", layerColumn);
  lvlm::addColumn(table, "head", headColumn);
  lvlm::addColumn(table, "attention", summary.values);
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
  const lvlm::HeadSummary summary = lvlm::headSummary(trace,
    { this->GetTokensToUse(trace, outputs), this->Layers, {} }, source, lvlm::progressOf(this));
  const std::int64_t heads = trace.tensor(lvlm::tensor_name::AttentionAnswer).extent(1);
  const std::size_t layers = summary.layers.size();
  auto* image = vtkImageData::GetData(outputs, 0);
  lvlm::shapeImage(image, headGrid(layers, heads));
  image->GetPointData()->SetScalars(lvlm::arrayFromTensor(
    lvlm::Tensor::of(layersFastest(summary.values, layers, static_cast<std::size_t>(heads)),
      { static_cast<std::int64_t>(summary.values.size()) }),
    "attention"));
  fillTable(vtkTable::GetData(outputs, 1), summary, static_cast<std::size_t>(heads));
}
