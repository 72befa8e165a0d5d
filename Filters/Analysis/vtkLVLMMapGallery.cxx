// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMMapGallery.h"

#include "RelevancyRequest.h"

#include "Filters/Common/OutputVTK.h"
#include "Filters/Drawing/LabelShapes.h"
#include "Filters/Drawing/ShortText.h"
#include "Models/Trace/Analysis.h"
#include "Models/Trace/Gallery.h"
#include "Models/Trace/Rollout.h"
#include "Models/Trace/Words.h"
#include "Readers/TraceShape.h"
#include "Readers/vtkLVLMGuard.h"

#include "vtkCellData.h"
#include "vtkFloatArray.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkIntArray.h"
#include "vtkObjectFactory.h"
#include "vtkPolyData.h"
#include "vtkTable.h"
#include "vtkUnsignedCharArray.h"

#include <algorithm>
#include <limits>

vtkStandardNewMacro(vtkLVLMMapGallery);

namespace
{
/// The cells of all maps, one beside the other.
lvlm::ImageGeometry galleryCells(const lvlm::TraceShape& shape, const lvlm::GalleryLayout& layout)
{
  lvlm::ImageGeometry geometry = lvlm::gridCells(shape);
  geometry.extent[1] = static_cast<int>(layout.width());
  geometry.extent[3] = static_cast<int>(layout.height());
  return geometry;
}

template <typename Array>
vtkNew<Array> cellArray(const char* name, vtkIdType cells)
{
  vtkNew<Array> array;
  array->SetName(name);
  array->SetNumberOfTuples(cells);
  return array;
}

void addCells(vtkImageData* output, const lvlm::GalleryLayout& layout,
  const std::vector<lvlm::GalleryMap>& maps, const char* name)
{
  const vtkIdType cells = layout.width() * layout.height();
  const auto attention = cellArray<vtkFloatArray>(name, cells);
  const auto layer = cellArray<vtkIntArray>("layer", cells);
  const auto head = cellArray<vtkIntArray>("head", cells);
  const auto token = cellArray<vtkIntArray>("answer_index", cells);
  const auto patch = cellArray<vtkIntArray>("patch", cells);
  const auto hidden =
    cellArray<vtkUnsignedCharArray>(vtkDataSetAttributes::GhostArrayName(), cells);
  vtkIdType cell = 0;
  for (std::int64_t row = layout.height() - 1; row >= 0; --row) // VTK's first row is the last
  {
    for (std::int64_t col = 0; col < layout.width(); ++col, ++cell)
    {
      const std::int64_t at = layout.mapAt(row, col);
      const bool shown = at >= 0 && at < static_cast<std::int64_t>(maps.size());
      const lvlm::GalleryMap none;
      const lvlm::GalleryMap& map = shown ? maps[static_cast<std::size_t>(at)] : none;
      const std::int64_t place = shown ? layout.patchAt(row, col) : -1;
      attention->SetValue(cell,
        shown ? map.values[static_cast<std::size_t>(place)]
              : std::numeric_limits<float>::quiet_NaN());
      layer->SetValue(cell, static_cast<int>(map.layer));
      head->SetValue(cell, static_cast<int>(map.head));
      token->SetValue(cell, static_cast<int>(map.answerToken));
      patch->SetValue(cell, static_cast<int>(place));
      hidden->SetValue(cell, shown ? 0 : vtkDataSetAttributes::HIDDENCELL);
    }
  }
  output->GetCellData()->SetScalars(attention);
  for (vtkIntArray* array : { layer.Get(), head.Get(), token.Get(), patch.Get() })
  {
    output->GetCellData()->AddArray(array);
  }
  output->GetCellData()->AddArray(hidden); // nothing is drawn between maps
}

/// What a map is of: "L3 H2", "layer 3", or the token's text.
std::string labelOf(const lvlm::Trace& trace, const lvlm::GalleryMap& map)
{
  if (map.answerToken >= 0)
  {
    return lvlm::oneLine(
      lvlm::textAt(trace, static_cast<std::size_t>(trace.promptLength + map.answerToken)));
  }
  const std::string layer = std::to_string(map.layer);
  return map.head < 0 ? "layer " + layer : "L" + layer + " H" + std::to_string(map.head);
}

/// In the cells above each map, nearer to it than to the one above, and half as high as these
/// cells; above the first row beyond the image.
void addLabels(vtkPolyData* output, const lvlm::Trace& trace, const lvlm::GalleryLayout& layout,
  const lvlm::ImageGeometry& geometry, const std::vector<lvlm::GalleryMap>& maps,
  const lvlm::Ink& ink)
{
  constexpr std::size_t Longest = 24; // characters
  const double wide = geometry.spacing[0], high = geometry.spacing[1];
  const double gap = static_cast<double>(layout.gap) * high;
  std::vector<lvlm::Label> labels;
  for (std::size_t i = 0; i < maps.size(); ++i)
  {
    const auto place = static_cast<std::int64_t>(i);
    const std::int64_t col = place % layout.across * (layout.cols + 1);
    const std::int64_t row = place / layout.across * (layout.rows + layout.gap);
    labels.push_back(
      { lvlm::shortened(labelOf(trace, maps[i]), Longest), static_cast<double>(col) * wide,
        static_cast<double>(layout.height() - row) * high + 0.35 * gap, 0.5 * gap,
        static_cast<double>(layout.cols) * wide });
  }
  lvlm::fillLabels(output, labels, ink);
}

/// For a caption.
const char* orderText(int order)
{
  return order == vtkLVLMMapGallery::IMAGE_SHARE ? ", those first that look at the picture most"
    : order == vtkLVLMMapGallery::LOCALIZATION   ? ", those first that tell where something is"
                                                 : "";
}

void fillTable(vtkTable* table, const lvlm::Trace& trace, const std::vector<lvlm::GalleryMap>& maps)
{
  std::vector<std::int64_t> layers, heads, tokens;
  std::vector<std::string> texts, labels;
  std::vector<float> shares;
  for (const lvlm::GalleryMap& map : maps)
  {
    layers.push_back(map.layer);
    heads.push_back(map.head);
    tokens.push_back(map.answerToken);
    texts.push_back(map.answerToken < 0
        ? std::string()
        : lvlm::textAt(trace, static_cast<std::size_t>(trace.promptLength + map.answerToken)));
    shares.push_back(static_cast<float>(map.imageShare()));
    labels.push_back(labelOf(trace, map));
  }
  lvlm::addColumn(table, "layer", layers);
  lvlm::addColumn(table, "head", heads);
  lvlm::addColumn(table, "answer_index", tokens);
  lvlm::addColumn(table, "token", texts);
  lvlm::addColumn(table, "image_share", shares);
  lvlm::addColumn(table, "label", labels);
}

/// `all` [maps, patches] as maps.
std::vector<std::vector<float>> separate(const std::vector<float>& all, std::int64_t patches)
{
  std::vector<std::vector<float>> maps;
  for (auto from = all.begin(); from != all.end(); from += patches)
  {
    maps.emplace_back(from, from + patches);
  }
  return maps;
}
}

vtkLVLMMapGallery::~vtkLVLMMapGallery() = default;

vtkLVLMMapGallery::vtkLVLMMapGallery() : Known(std::make_unique<lvlm::RelevancyCache>())
{
  this->SetNumberOfOutputPorts(3);
}

int vtkLVLMMapGallery::FillOutputPortInformation(int port, vtkInformation* info)
{
  constexpr const char* Types[] = { "vtkImageData", "vtkTable", "vtkPolyData" };
  info->Set(vtkDataObject::DATA_TYPE_NAME(), Types[port]);
  return 1;
}

lvlm::GalleryLayout vtkLVLMMapGallery::LayoutOf(const lvlm::TraceShape& shape) const
{
  const auto count = [](const lvlm::Indices& chosen, std::int64_t all, const char* what)
  { return static_cast<std::int64_t>(lvlm::resolveIndices(chosen, all, what).size()); };
  if (this->By == ANSWER_TOKENS)
  {
    return lvlm::galleryLayout(
      count(this->AnswerTokens, shape.answerTokens, "AnswerTokens"), shape.grid, 0);
  }
  const std::int64_t layers = count(this->Layers, shape.layers, "Layers");
  if (this->By == LAYERS)
  {
    return lvlm::galleryLayout(layers, shape.grid, 0);
  }
  const std::int64_t heads = count(this->Heads, shape.heads, "Heads");
  if (this->BestHeads > 0)
  {
    return lvlm::galleryLayout(
      std::min<std::int64_t>(layers * heads, this->BestHeads), shape.grid, 0);
  }
  return lvlm::galleryLayout(layers * heads, shape.grid, this->Order == INDEX ? heads : 0);
}

void vtkLVLMMapGallery::Announce(const lvlm::TraceShape& shape, vtkInformationVector* outputs)
{
  lvlm::announceImage(outputs->GetInformationObject(0), galleryCells(shape, this->LayoutOf(shape)));
}

std::vector<lvlm::GalleryMap> vtkLVLMMapGallery::MapsOf(
  const lvlm::Trace& trace, const lvlm::Selection& chosen)
{
  const auto mean = lvlm::Reduction::Mean;
  const lvlm::Progress progress = this->GetRankProgress();
  std::vector<lvlm::GalleryMap> maps;
  if (this->By == ANSWER_TOKENS)
  {
    for (const std::int64_t token :
      lvlm::resolveIndices(chosen.answerTokens, trace.answerLength(), "AnswerTokens"))
    {
      lvlm::Selection one = chosen;
      one.answerTokens = { token };
      const auto parts = this->JoinLayers(lvlm::layerMaps(trace, one, mean, progress));
      maps.push_back({ -1, -1, token, lvlm::acrossLayers(parts, mean) });
    }
    return maps;
  }
  if (this->By == LAYERS)
  {
    const auto parts = this->JoinLayers(lvlm::layerMaps(trace, chosen, mean, progress));
    const auto found = separate(lvlm::eachLayer(parts, mean), trace.grid.count());
    for (std::size_t i = 0; i < found.size(); ++i)
    {
      maps.push_back({ parts.chosen[i], -1, -1, found[i] });
    }
    return maps;
  }
  const std::int64_t heads = trace.tensor(lvlm::tensor_name::AttentionAnswer).extent(1);
  const std::vector<lvlm::HeadPlace> places = lvlm::placesOf(chosen, trace.layerTotal, heads);
  for (auto place = places.begin(); place != places.end();)
  {
    const auto parts =
      this->JoinLayers(lvlm::headMaps(trace, chosen, place->layer, mean, progress));
    for (const auto& map : separate(lvlm::eachLayer(parts, mean), trace.grid.count()))
    {
      maps.push_back({ place->layer, place->head, -1, map });
      ++place;
    }
  }
  return maps;
}

std::vector<lvlm::GalleryMap> vtkLVLMMapGallery::RelevancyOf(
  const lvlm::Trace& trace, vtkDataObject* data, const std::vector<std::int64_t>& tokens)
{
  if (this->By != ANSWER_TOKENS)
  {
    lvlm::fail("Of: relevancy has a map for each answer token, By must be AnswerTokens");
  }
  lvlm::RelevancyRequest request;
  request.tokens = lvlm::resolveIndices(tokens, trace.answerLength(), "AnswerTokens");
  const lvlm::AnswerMaps all = lvlm::relevancyMaps(
    request, trace, data, *this->Known, this->GetRanks(), lvlm::progressOf(this));
  std::vector<lvlm::GalleryMap> maps;
  for (const std::int64_t token : request.tokens)
  {
    const lvlm::AnswerMaps one{ { token, all.at(token) } };
    maps.push_back({ -1, -1, token,
      lvlm::imageSpan(trace, lvlm::meanMap(one, lvlm::RelevancyNames[0], request.normalize)) });
  }
  return maps;
}

void vtkLVLMMapGallery::Sort(std::vector<lvlm::GalleryMap>& maps,
  const std::vector<lvlm::HeadPlace>& best, const lvlm::PatchGrid& grid) const
{
  const bool inOrder =
    this->Order == INDEX || (this->Order == LOCALIZATION && this->BestBy == BY_LOCALIZATION);
  if (this->By == HEADS && !best.empty() && inOrder)
  {
    lvlm::sortByPlace(maps, best);
  }
  else if (this->Order == IMAGE_SHARE)
  {
    lvlm::sortByImageShare(maps);
  }
  else if (this->Order == LOCALIZATION)
  {
    lvlm::sortByLocalization(maps, grid);
  }
}

void vtkLVLMMapGallery::Compute(const lvlm::Trace& trace, vtkDataObject* data,
  vtkInformationVector**, vtkInformationVector* outputs)
{
  // A gallery of tokens shows those that were chosen, whatever the time.
  const lvlm::Indices tokens =
    this->By == ANSWER_TOKENS ? this->AnswerTokens : this->GetTokensToUse(trace, outputs);
  const bool relevancy = this->Of == RELEVANCY;
  lvlm::Selection chosen;
  std::vector<lvlm::GalleryMap> maps;
  if (relevancy)
  {
    maps = this->RelevancyOf(trace, data, tokens);
  }
  else
  {
    chosen = this->Select(
      trace, tokens, this->Layers, this->By == LAYERS ? BEST_OF_EACH_LAYER : BEST_OF_ALL);
    maps = this->MapsOf(trace, chosen);
    this->TellHeads(chosen, outputs);
  }
  this->Sort(maps, chosen.places, trace.grid);
  const lvlm::TraceShape shape = lvlm::shapeOf(trace);
  const lvlm::GalleryLayout layout = this->LayoutOf(shape);
  auto* output = vtkImageData::GetData(outputs, 0);
  const lvlm::ImageGeometry geometry = galleryCells(shape, layout);
  lvlm::shapeImage(output, geometry);
  addCells(output, layout, maps, relevancy ? "relevancy" : "attention");
  fillTable(vtkTable::GetData(outputs, 1), trace, maps);
  addLabels(vtkPolyData::GetData(outputs, 2), trace, layout, geometry, maps,
    lvlm::inkOf(this->TextColor, this->BackgroundColor));
  this->TellTokens(trace, tokens, outputs);
  lvlm::addText(output, "maps",
    relevancy
      ? std::string("each token, its relevancy through the language model") + orderText(this->Order)
      : this->GetMapsText(trace, chosen));
  lvlm::addLegend(output, trace,
    relevancy ? "Relevancy of each patch (part of 1)" : "Attention to each patch of the picture",
    relevancy ? "relevancy" : "attention");
}

std::string vtkLVLMMapGallery::GetMapsText(
  const lvlm::Trace& trace, const lvlm::Selection& chosen) const
{
  const std::int64_t all = trace.tensor(lvlm::tensor_name::AttentionAnswer).extent(1);
  const std::size_t heads = lvlm::placesOf(chosen, trace.layerTotal, all).size();
  const std::size_t layers = lvlm::resolveIndices(this->Layers, trace.layerTotal, "Layers").size();
  const std::string end = orderText(this->Order) + GetSinksText(chosen);
  const std::string some =
    heads == static_cast<std::size_t>(all * trace.layerTotal) ? "every " : "each chosen ";
  const bool best = !chosen.places.empty();
  if (this->By == HEADS)
  {
    const bool rows = this->Order == INDEX && !best;
    return (best ? "the heads " + this->GetBestText(2) : some + "attention head") +
      (rows ? ": a row is a layer (L), a column a head (H)" : "") + end;
  }
  const std::size_t mean = this->By == LAYERS ? heads / layers : heads;
  const std::string which = best ? " " + this->GetBestText(mean) : "";
  const std::string ofHeads = std::to_string(mean) + (mean == 1 ? " head" : " heads") + which;
  if (this->By == LAYERS)
  {
    return some + "layer, the mean of " + ofHeads + end;
  }
  return "each token, the mean of " +
    (best ? ofHeads
          : std::to_string(layers) + " layers x " + std::to_string(heads / layers) +
          (heads == layers ? " head" : " heads")) +
    end;
}
