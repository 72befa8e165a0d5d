// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMSinks.h"

#include "Filters/Common/OutputVTK.h"
#include "Filters/Common/SinkSearch.h"
#include "Models/Trace/Lens.h"
#include "Models/Trace/Regions.h"
#include "Models/Trace/Words.h"
#include "Readers/TensorVTK.h"
#include "Readers/TraceShape.h"

#include "vtkCellData.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkObjectFactory.h"
#include "vtkTable.h"

#include <algorithm>

vtkStandardNewMacro(vtkLVLMSinks);

namespace
{
/// From which on a head looks at the picture, and up to which part of that may go to sinks.
constexpr double LeastImageShare = 0.2;
constexpr double MostSinkShare = 0.5;

/// Of every position: its largest value over the layers, and in how many it is a sink.
struct Sinks
{
  std::vector<float> value;
  lvlm::Indices isSink, layers;

  Sinks(const lvlm::LayerParts& all, double threshold)
    : value(static_cast<std::size_t>(all.width)), isSink(this->value.size()),
      layers(this->value.size())
  {
    for (std::size_t i = 0; i < all.values.size(); ++i)
    {
      const std::size_t position = i % this->value.size();
      this->value[position] = std::max(this->value[position], static_cast<float>(all.values[i]));
      this->layers[position] += all.values[i] > threshold ? 1 : 0;
      this->isSink[position] = this->layers[position] > 0 ? 1 : 0;
    }
  }
};

template <typename T>
void addCells(
  vtkImageData* map, const char* name, const std::vector<T>& values, const lvlm::Trace& trace)
{
  map->GetCellData()->AddArray(
    lvlm::arrayFromTensor(lvlm::Tensor::of(lvlm::rowsUp(lvlm::patchesOf(values, trace), trace.grid),
                            { trace.grid.count() }),
      name));
}

void fillPositions(vtkTable* table, const lvlm::Trace& trace, const Sinks& sinks)
{
  const lvlm::MapGrid map = lvlm::mapGrid(trace);
  lvlm::Indices position, patch;
  std::vector<std::string> role, text;
  for (std::int64_t p = 0; p < trace.keys(); ++p)
  {
    position.push_back(p);
    role.emplace_back(lvlm::nameOf(trace.roles[static_cast<std::size_t>(p)]));
    text.push_back(lvlm::textAt(trace, static_cast<std::size_t>(p)));
    patch.push_back(map.cellAt(p));
  }
  lvlm::addColumn(table, "position", position);
  lvlm::addColumn(table, "role", role);
  lvlm::addColumn(table, "text", text);
  lvlm::addColumn(table, "patch", patch);
  lvlm::addColumn(table, "sink_value", sinks.value);
  lvlm::addColumn(table, "is_sink", sinks.isSink);
  lvlm::addColumn(table, "layers", sinks.layers);
}

void fillHeads(vtkTable* table, const lvlm::LayerParts& shares)
{
  lvlm::Indices layer, head, centric;
  std::vector<float> image, sink;
  for (std::size_t i = 0; i < shares.values.size(); i += 2)
  {
    const auto place = static_cast<std::int64_t>(i);
    const double seen = shares.values[i];
    const double part = seen > 0 ? shares.values[i + 1] / seen : 0;
    layer.push_back(shares.chosen[static_cast<std::size_t>(place / shares.width)]);
    head.push_back(place % shares.width / 2);
    image.push_back(static_cast<float>(seen));
    sink.push_back(static_cast<float>(part));
    centric.push_back(seen >= LeastImageShare && part <= MostSinkShare ? 1 : 0);
  }
  lvlm::addColumn(table, "layer", layer);
  lvlm::addColumn(table, "head", head);
  lvlm::addColumn(table, "image_share", image);
  lvlm::addColumn(table, "sink_share", sink);
  lvlm::addColumn(table, "image_centric", centric);
}

std::string listText(const lvlm::Indices& numbers)
{
  std::string text;
  for (const std::int64_t number : numbers)
  {
    text += (text.empty() ? "" : ", ") + std::to_string(number);
  }
  return text.empty() ? "none" : text;
}
}

vtkLVLMSinks::vtkLVLMSinks()
{
  this->SetNumberOfOutputPorts(3);
}

void vtkLVLMSinks::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  os << indent << "Threshold: " << this->Threshold << endl;
  os << indent << "Dimensions: " << listText(this->Dimensions) << endl;
}

void vtkLVLMSinks::AddDimension(int dimension)
{
  this->Dimensions.push_back(dimension);
  this->Modified();
}

void vtkLVLMSinks::RemoveAllDimensions()
{
  this->Dimensions.clear();
  this->Modified();
}

int vtkLVLMSinks::FillOutputPortInformation(int port, vtkInformation* info)
{
  info->Set(vtkDataObject::DATA_TYPE_NAME(), port == 0 ? "vtkImageData" : "vtkTable");
  return 1;
}

void vtkLVLMSinks::Announce(const lvlm::TraceShape& shape, vtkInformationVector* outputs)
{
  if (shape.hiddenLayers > 0)
  {
    const auto depth = static_cast<int>(shape.hiddenDepth);
    this->LayerRange[0] = -depth;
    this->LayerRange[1] = depth - 1;
  }
  lvlm::announceImage(outputs->GetInformationObject(0), lvlm::gridCells(shape));
}

void vtkLVLMSinks::Compute(const lvlm::Trace& trace, vtkDataObject* data, vtkInformationVector**,
  vtkInformationVector* outputs)
{
  namespace tn = lvlm::tensor_name;
  const lvlm::Progress progress = this->GetRankProgress();
  const lvlm::FoundSinks found = lvlm::findSinks(
    { this->Layers, this->Dimensions, this->Threshold }, trace, this->GetRanks(),
    [this](const lvlm::LayerParts& own) { return this->JoinLayers(own); }, progress);
  const lvlm::LayerParts& values = found.values;
  const lvlm::Indices& layers = values.chosen;
  const Sinks sinks(values, this->Threshold);
  auto* map = vtkImageData::GetData(outputs, 0);
  lvlm::shapeImage(map, lvlm::gridCells(lvlm::shapeOf(trace)));
  addCells(map, "sink_value", sinks.value, trace);
  addCells(map, "is_sink", sinks.isSink, trace);
  addCells(map, "layers", sinks.layers, trace);
  map->GetCellData()->SetActiveScalars("sink_value");
  lvlm::addPatchIndices(map, trace.grid);
  lvlm::addPicture(map, data, lvlm::mapGrid(trace).image);
  lvlm::addText(map, "method",
    found.byStates ? "hidden states"
                   : "attention columns, a substitute: the trace has no hidden states");
  lvlm::addText(map, "dimensions", found.byStates ? listText(found.dimensions) : "");
  fillPositions(vtkTable::GetData(outputs, 1), trace, sinks);
  if (!trace.has(tn::AttentionAnswer))
  {
    return;
  }
  lvlm::Indices attending; // what leaves the last layer enters no attention
  std::copy_if(layers.begin(), layers.end(), std::back_inserter(attending),
    [&](std::int64_t layer) { return layer < trace.layerTotal; });
  std::vector<double> seen = values.values;
  seen.resize(attending.size() * static_cast<std::size_t>(trace.keys()));
  std::vector<bool> isSink;
  for (const double value : lvlm::patchesOf(seen, trace))
  {
    isSink.push_back(value > this->Threshold);
  }
  fillHeads(vtkTable::GetData(outputs, 2),
    this->JoinLayers(
      lvlm::headShares(trace, this->GetTokensToUse(trace, outputs), attending, isSink, progress)));
}
