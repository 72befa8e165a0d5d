// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMHeadSummary.h"

#include "SinkSearch.h"

#include "Filters/Common/OutputVTK.h"
#include "Models/Trace/Error.h"
#include "Models/Trace/HeadMeasures.h"
#include "Models/Trace/Lens.h"
#include "Readers/TensorVTK.h"
#include "Readers/TraceShape.h"

#include "vtkFieldData.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkObjectFactory.h"
#include "vtkPointData.h"
#include "vtkTable.h"

#include <algorithm>

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

/// One number of each head of [layers, heads, HeadMeasures].
std::vector<float> measureOf(const lvlm::LayerParts& all, lvlm::HeadMeasure measure)
{
  std::vector<float> values;
  for (auto i = static_cast<std::size_t>(measure); i < all.values.size(); i += lvlm::HeadMeasures)
  {
    values.push_back(static_cast<float>(all.values[i]));
  }
  return values;
}

void fillRanking(vtkTable* table, const lvlm::LayerParts& all)
{
  const std::vector<float> share = measureOf(all, lvlm::HeadMeasure::ImageShare);
  const std::vector<float> entropy = measureOf(all, lvlm::HeadMeasure::Entropy);
  const std::vector<float> spatial = measureOf(all, lvlm::HeadMeasure::SpatialEntropy);
  const double elbow = lvlm::elbowOf({ share.begin(), share.end() });
  const std::size_t heads = share.size() / all.chosen.size();
  lvlm::Indices rank, layer, head, above;
  std::vector<float> shares, entropies, spatials;
  for (const std::size_t place : lvlm::localizationOrder(all))
  {
    rank.push_back(static_cast<std::int64_t>(rank.size()));
    layer.push_back(all.chosen[place / heads]);
    head.push_back(static_cast<std::int64_t>(place % heads));
    shares.push_back(share[place]);
    entropies.push_back(entropy[place]);
    spatials.push_back(spatial[place]);
    above.push_back(share[place] >= elbow ? 1 : 0);
  }
  lvlm::addColumn(table, "rank", rank);
  lvlm::addColumn(table, "layer", layer);
  lvlm::addColumn(table, "head", head);
  lvlm::addColumn(table, "image_share", shares);
  lvlm::addColumn(table, "entropy", entropies);
  lvlm::addColumn(table, "spatial_entropy", spatials);
  lvlm::addColumn(table, "above_elbow", above);
}

/// Point arrays `layer` and `head`, for whoever points at a square.
void addPlaces(vtkImageData* image, const lvlm::Indices& layers, std::int64_t heads)
{
  lvlm::Indices layer, head;
  for (std::int64_t h = 0; h < heads; ++h)
  {
    for (const std::int64_t l : layers)
    {
      layer.push_back(l);
      head.push_back(h);
    }
  }
  const auto count = static_cast<std::int64_t>(layer.size());
  image->GetPointData()->AddArray(
    lvlm::arrayFromTensor(lvlm::Tensor::of(layer, { count }), "layer"));
  image->GetPointData()->AddArray(lvlm::arrayFromTensor(lvlm::Tensor::of(head, { count }), "head"));
}

/// SVAR (Jiang et al., CVPR 2025): the image share, mean over heads and layers.
void addSvar(vtkImageData* image, const lvlm::LayerParts& all)
{
  double sum = 0;
  const std::vector<float> share = measureOf(all, lvlm::HeadMeasure::ImageShare);
  for (const float value : share)
  {
    sum += value;
  }
  const std::vector<double> mean{ sum / static_cast<double>(share.size()) };
  image->GetFieldData()->AddArray(lvlm::arrayFromTensor(lvlm::Tensor::of(mean, { 1 }), "svar"));
}

const char* arrayName(int measure)
{
  return measure == vtkLVLMHeadSummary::ENTROPY   ? "entropy"
    : measure == vtkLVLMHeadSummary::LOCALIZATION ? "spatial_entropy"
    : measure == vtkLVLMHeadSummary::SINK_SHARE   ? "sink_share"
                                                  : "attention";
}

/// For a caption: what is looked at.
const char* sourceText(int source)
{
  return source == vtkLVLMHeadSummary::IMAGE ? "the picture" : "the question";
}

/// For a colour legend.
std::string legendText(int measure, int source)
{
  const bool image = source == vtkLVLMHeadSummary::IMAGE;
  return measure == vtkLVLMHeadSummary::ENTROPY   ? "Entropy of the look at the picture"
    : measure == vtkLVLMHeadSummary::LOCALIZATION ? "Spatial entropy: low looks at one place"
    : measure == vtkLVLMHeadSummary::SINK_SHARE   ? "Part of it that goes to attention sinks"
    : measure == vtkLVLMHeadSummary::SUM
    ? std::string("Attention to ") + sourceText(source) + ", all of it"
    : std::string("Mean attention to a ") +
      (image ? "patch of the picture" : "word of the question");
}

void fillTable(
  vtkTable* table, const lvlm::Indices& layers, const std::vector<float>& summary, const char* name)
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
  lvlm::addColumn(table, name, summary);
}
}

vtkLVLMHeadSummary::vtkLVLMHeadSummary()
{
  this->SetNumberOfOutputPorts(3);
}

void vtkLVLMHeadSummary::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  os << indent << "Source: " << this->Source << endl;
  os << indent << "Measure: " << this->Measure << endl;
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

std::vector<float> vtkLVLMHeadSummary::GetSinkShares(
  const lvlm::Trace& trace, const lvlm::Selection& selection)
{
  const auto join = [this](const lvlm::LayerParts& own) { return this->JoinLayers(own); };
  const lvlm::Progress progress = this->GetRankProgress();
  const lvlm::SinkSearch search;
  const lvlm::FoundSinks found = lvlm::findSinks(search, trace, this->GetRanks(), join, progress);
  const std::vector<double> values = lvlm::patchesOf(found.values.values, trace); // [found, cells]
  const lvlm::Indices& known = found.values.chosen;
  const lvlm::Indices layers = lvlm::resolveIndices(selection.layers, trace.layerTotal, "Layers");
  const auto cells = static_cast<std::size_t>(trace.grid.count());
  std::vector<bool> sinks(layers.size() * cells);
  for (std::size_t l = 0; l < layers.size(); ++l)
  {
    const bool own = std::find(known.begin(), known.end(), layers[l]) != known.end();
    for (std::size_t i = 0; i < values.size(); ++i)
    {
      const bool counts = own ? known[i / cells] == layers[l] : layers[l] > known.front();
      if (counts && values[i] > search.threshold)
      {
        sinks[l * cells + i % cells] = true;
      }
    }
  }
  const lvlm::LayerParts shares =
    join(lvlm::headShares(trace, selection.answerTokens, layers, sinks, progress));
  std::vector<float> result;
  for (std::size_t i = 0; i < shares.values.size(); i += 2)
  {
    const double image = shares.values[i];
    result.push_back(image > 0 ? static_cast<float>(shares.values[i + 1] / image) : 0);
  }
  return result;
}

void vtkLVLMHeadSummary::Compute(
  const lvlm::Trace& trace, vtkDataObject*, vtkInformationVector**, vtkInformationVector* outputs)
{
  if (this->Source != IMAGE && this->Measure > SUM)
  {
    lvlm::fail(
      "Measure: Entropy, Localization and SinkShare are of the picture's map, Source must be "
      "Image");
  }
  const lvlm::Indices tokens = this->GetTokensToUse(trace, outputs);
  const lvlm::Selection selection{ tokens, this->Layers, {} };
  const auto source = this->Source == IMAGE ? lvlm::Source::Image : lvlm::Source::Question;
  const lvlm::LayerParts sums =
    this->JoinLayers(lvlm::headSums(trace, selection, source, this->GetRankProgress()));
  std::vector<float> summary = lvlm::eachLayer(sums, lvlm::Reduction::Mean);
  auto* image = vtkImageData::GetData(outputs, 0);
  const std::int64_t heads = trace.tensor(lvlm::tensor_name::AttentionAnswer).extent(1);
  const std::size_t layers = sums.layers.size();
  lvlm::shapeImage(image, headGrid(layers, heads));
  if (this->Measure == SUM)
  {
    const auto chosen = lvlm::resolveIndices(tokens, trace.answerLength(), "AnswerTokens").size();
    std::transform(sums.values.begin(), sums.values.end(), summary.begin(),
      [chosen](double sum) { return static_cast<float>(sum / static_cast<double>(chosen)); });
  }
  if (this->Source == IMAGE)
  {
    const lvlm::LayerParts measures =
      this->JoinLayers(lvlm::headMeasures(trace, selection, this->GetRankProgress()));
    if (this->Measure == SINK_SHARE)
    {
      summary = this->GetSinkShares(trace, selection);
    }
    else if (this->Measure > SUM)
    {
      summary = measureOf(measures,
        this->Measure == ENTROPY ? lvlm::HeadMeasure::Entropy : lvlm::HeadMeasure::SpatialEntropy);
    }
    addSvar(image, measures);
    fillRanking(vtkTable::GetData(outputs, 2), measures);
  }
  const char* name = arrayName(this->Measure);
  image->GetPointData()->SetScalars(lvlm::arrayFromTensor(
    lvlm::Tensor::of(layersFastest(summary, layers, static_cast<std::size_t>(heads)),
      { static_cast<std::int64_t>(summary.size()) }),
    name));
  addPlaces(image, sums.layers, heads);
  fillTable(vtkTable::GetData(outputs, 1), sums.layers, summary, name);
  this->TellTokens(trace, tokens, outputs);
  lvlm::addText(image, "source", sourceText(this->Source));
  lvlm::addLegend(image, legendText(this->Measure, this->Source), name);
}
