// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMHeadSummary.h"

#include "Filters/Common/OutputVTK.h"
#include "Filters/Common/SinkSearch.h"
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
#include <utility>

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

/// One number of each head, as tables and images have it.
std::vector<float> floatsOf(const lvlm::LayerParts& all, lvlm::HeadMeasure measure)
{
  const std::vector<double> values = lvlm::measureOf(all, measure);
  return { values.begin(), values.end() };
}

/// `values` [layers, heads] in this order.
template <typename To, typename From>
std::vector<To> inOrder(const std::vector<From>& values, const std::vector<std::size_t>& order)
{
  std::vector<To> ordered;
  for (const std::size_t place : order)
  {
    ordered.push_back(static_cast<To>(values[place]));
  }
  return ordered;
}

void fillRanking(vtkTable* table, const lvlm::LayerParts& all)
{
  using Measure = lvlm::HeadMeasure;
  const std::vector<double> share = lvlm::measureOf(all, Measure::ImageShare);
  const double elbow = lvlm::elbowOf(share);
  const std::size_t heads = share.size() / all.chosen.size();
  const std::vector<std::size_t> order =
    lvlm::localizationOrder(share, lvlm::measureOf(all, Measure::SpatialEntropy));
  lvlm::Indices rank, layer, head, above;
  for (const std::size_t place : order)
  {
    rank.push_back(static_cast<std::int64_t>(rank.size()));
    layer.push_back(all.chosen[place / heads]);
    head.push_back(static_cast<std::int64_t>(place % heads));
    above.push_back(share[place] >= elbow ? 1 : 0);
  }
  lvlm::addColumn(table, "rank", rank);
  lvlm::addColumn(table, "layer", layer);
  lvlm::addColumn(table, "head", head);
  constexpr std::pair<const char*, Measure> Columns[] = { { "image_share", Measure::ImageShare },
    { "entropy", Measure::Entropy }, { "spatial_entropy", Measure::SpatialEntropy } };
  for (const auto& [name, measure] : Columns)
  {
    lvlm::addColumn(table, name, inOrder<float>(lvlm::measureOf(all, measure), order));
  }
  lvlm::addColumn(table, "above_elbow", above);
  lvlm::addColumn(
    table, "column_score", inOrder<float>(lvlm::measureOf(all, Measure::ColumnScore), order));
  lvlm::addColumn(table, "column_token",
    inOrder<std::int64_t>(lvlm::measureOf(all, Measure::ColumnToken), order));
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
  const std::vector<double> share = lvlm::measureOf(all, lvlm::HeadMeasure::ImageShare);
  for (const double value : share)
  {
    sum += value;
  }
  const std::vector<double> mean{ sum / static_cast<double>(share.size()) };
  image->GetFieldData()->AddArray(lvlm::arrayFromTensor(lvlm::Tensor::of(mean, { 1 }), "svar"));
}

/// Of those that headMeasures() has.
lvlm::HeadMeasure headMeasureOf(int measure)
{
  return measure == vtkLVLMHeadSummary::ENTROPY   ? lvlm::HeadMeasure::Entropy
    : measure == vtkLVLMHeadSummary::LOCALIZATION ? lvlm::HeadMeasure::SpatialEntropy
                                                  : lvlm::HeadMeasure::ColumnScore;
}

const char* arrayName(int measure)
{
  return measure == vtkLVLMHeadSummary::ENTROPY   ? "entropy"
    : measure == vtkLVLMHeadSummary::LOCALIZATION ? "spatial_entropy"
    : measure == vtkLVLMHeadSummary::SINK_SHARE   ? "sink_share"
    : measure == vtkLVLMHeadSummary::COLUMN_SCORE ? "column_score"
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
    : measure == vtkLVLMHeadSummary::COLUMN_SCORE
    ? "OPERA's column score: high hangs on one word of the answer"
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
      "Measure: Entropy, Localization, SinkShare and ColumnScore are there for the picture only, "
      "Source must be Image");
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
    if (this->Measure == COLUMN_SCORE)
    {
      lvlm::requireColumnScores(measures, "Measure");
    }
    if (this->Measure == SINK_SHARE)
    {
      summary = this->GetSinkShares(trace, selection);
    }
    else if (this->Measure > SUM)
    {
      summary = floatsOf(measures, headMeasureOf(this->Measure));
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
