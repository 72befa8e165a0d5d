// SPDX-License-Identifier: Apache-2.0
#include "LensOutputs.h"

#include "Filters/Common/OutputVTK.h"
#include "Models/Trace/Regions.h"
#include "Models/Trace/Words.h"
#include "Readers/TensorVTK.h"
#include "Readers/TraceShape.h"

#include "vtkCellData.h"
#include "vtkFieldData.h"
#include "vtkImageData.h"
#include "vtkNew.h"
#include "vtkPointData.h"
#include "vtkStringArray.h"
#include "vtkTable.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace lvlm
{

namespace
{
template <typename T>
void addArray(vtkFieldData* arrays, const std::string& name, const std::vector<T>& values)
{
  arrays->AddArray(
    arrayFromTensor(Tensor::of(values, { static_cast<std::int64_t>(values.size()) }), name));
}

void addArray(vtkFieldData* arrays, const std::string& name, const std::vector<std::string>& texts)
{
  vtkNew<vtkStringArray> array;
  array->SetName(name.c_str());
  array->SetNumberOfValues(static_cast<vtkIdType>(texts.size()));
  for (std::size_t i = 0; i < texts.size(); ++i)
  {
    array->SetValue(static_cast<vtkIdType>(i), texts[i]);
  }
  arrays->AddArray(array);
}

/// Of values [layers, width], the place of the largest in each column, the first one of equals.
std::vector<std::size_t> largestOfLayers(const std::vector<float>& values, std::size_t width)
{
  std::vector<std::size_t> places(width);
  for (std::size_t i = 0; i < width; ++i)
  {
    places[i] = i;
    for (std::size_t j = i; j < values.size(); j += width)
    {
      places[i] = values[j] > values[places[i]] ? j : places[i];
    }
  }
  return places;
}

template <typename T>
std::vector<T> chosen(const std::vector<T>& values, const std::vector<std::size_t>& places)
{
  std::vector<T> result;
  result.reserve(places.size());
  for (const std::size_t place : places)
  {
    result.push_back(values[place]);
  }
  return result;
}
}

LensOutputs::LensOutputs(const Trace& trace, const LensAnswer& answer, std::string word)
  : Recorded(trace), Seen(*answer.lens), Answer(answer), Word(std::move(word)),
    Probability(wordProbability(*answer.lens, answer.words)),
    Patches(patchesOf(this->Probability, trace)),
    Strongest(static_cast<std::size_t>(
      std::max_element(this->Patches.begin(), this->Patches.end()) - this->Patches.begin()))
{
}

Indices LensOutputs::ids(std::int64_t n) const
{
  Indices ids;
  for (auto i = static_cast<std::size_t>(n); i < this->Seen.ids.size();
       i += static_cast<std::size_t>(this->Seen.best))
  {
    ids.push_back(this->Seen.ids[i]);
  }
  return ids;
}

std::vector<std::string> LensOutputs::texts(std::int64_t n) const
{
  std::vector<std::string> texts;
  for (const std::int64_t id : this->ids(n))
  {
    const auto found = this->Seen.texts.find(id);
    texts.push_back(found == this->Seen.texts.end() ? "" : found->second);
  }
  return texts;
}

std::vector<float> LensOutputs::probabilities(std::int64_t n) const
{
  std::vector<float> values;
  for (auto i = static_cast<std::size_t>(n); i < this->Seen.logprobs.size();
       i += static_cast<std::size_t>(this->Seen.best))
  {
    values.push_back(std::exp(this->Seen.logprobs[i]));
  }
  return values;
}

void LensOutputs::fillVolume(vtkImageData* volume) const
{
  const PatchGrid& grid = this->Recorded.grid;
  const auto planes = static_cast<std::int64_t>(this->Seen.layers.size());
  shapeImage(volume, gridPoints(shapeOf(this->Recorded), planes));
  const auto add = [&](const char* name, const auto& values)
  { addArray(volume->GetPointData(), name, rowsUp(patchesOf(values, this->Recorded), grid)); };
  add("probability", this->Probability);
  add("top_probability", this->probabilities(0));
  add("top_id", this->ids(0));
  add("top_text", this->texts(0));
  volume->GetPointData()->SetActiveScalars("probability");
}

void LensOutputs::fillPositions(vtkTable* table) const
{
  const auto K = static_cast<std::size_t>(this->Seen.positions);
  const MapGrid map = mapGrid(this->Recorded);
  Indices layer, position, patch;
  std::vector<std::string> role, text;
  for (const std::int64_t l : this->Seen.layers)
  {
    for (std::size_t p = 0; p < K; ++p)
    {
      layer.push_back(l);
      position.push_back(static_cast<std::int64_t>(p));
      role.emplace_back(nameOf(this->Recorded.roles[p]));
      text.push_back(textAt(this->Recorded, p));
      patch.push_back(map.cellAt(static_cast<std::int64_t>(p)));
    }
  }
  addColumn(table, "layer", layer);
  addColumn(table, "position", position);
  addColumn(table, "role", role);
  addColumn(table, "text", text);
  addColumn(table, "patch", patch);
  addColumn(table, "probability", this->Probability);
  for (std::int64_t n = 0; n < this->Seen.best; ++n)
  {
    const std::string name = "top" + std::to_string(n + 1);
    addColumn(table, name + "_id", this->ids(n));
    addColumn(table, name + "_text", this->texts(n));
    addColumn(table, name + "_probability", this->probabilities(n));
  }
  addColumn(table, "confidence",
    std::vector<float>(this->Probability.size(), this->Patches[this->Strongest]));
}

void LensOutputs::fillMap(vtkImageData* map) const
{
  const PatchGrid& grid = this->Recorded.grid;
  const auto cells = static_cast<std::size_t>(grid.count());
  shapeImage(map, gridCells(shapeOf(this->Recorded)));
  const auto add = [&](const char* name, const auto& values)
  { addArray(map->GetCellData(), name, rowsUp(values, grid)); };
  const auto layersOf = [&](const std::vector<std::size_t>& places)
  {
    Indices layers;
    for (const std::size_t place : places)
    {
      layers.push_back(this->Seen.layers[place / cells]);
    }
    return layers;
  };
  const auto strongest = largestOfLayers(this->Patches, cells);
  add("probability", chosen(this->Patches, strongest));
  add("layer", layersOf(strongest));
  const std::vector<float> top = patchesOf(this->probabilities(0), this->Recorded);
  const auto best = largestOfLayers(top, cells);
  add("top_probability", chosen(top, best));
  add("top_layer", layersOf(best));
  add("top_text", chosen(patchesOf(this->texts(0), this->Recorded), best));
  map->GetCellData()->SetActiveScalars("probability");
  addPatchIndices(map, grid);
}

void LensOutputs::fillWords(vtkTable* table) const
{
  Indices id, layer, patch, row, col;
  std::vector<std::string> word;
  std::vector<float> confidence;
  for (const SeenWord& seen : seenWords(this->Seen, this->Recorded))
  {
    const auto found = this->Seen.texts.find(seen.id);
    word.push_back(found == this->Seen.texts.end() ? "" : found->second);
    id.push_back(seen.id);
    confidence.push_back(seen.probability);
    layer.push_back(seen.layer);
    patch.push_back(seen.patch);
    row.push_back(seen.patch / this->Recorded.grid.cols);
    col.push_back(seen.patch % this->Recorded.grid.cols);
  }
  addColumn(table, "word", word);
  addColumn(table, "id", id);
  addColumn(table, "confidence", confidence);
  addColumn(table, "layer", layer);
  addColumn(table, "patch", patch);
  addColumn(table, "patch_row", row);
  addColumn(table, "patch_col", col);
}

void LensOutputs::describe(vtkDataObject* output) const
{
  const auto cells = static_cast<std::size_t>(this->Recorded.grid.count());
  const std::int64_t layer = this->Seen.layers[this->Strongest / cells];
  const auto patch = static_cast<std::int64_t>(this->Strongest % cells);
  const float confidence = this->Patches[this->Strongest];
  char text[96];
  std::snprintf(text, sizeof(text), "%.3g at patch %lld after layer %lld",
    static_cast<double>(confidence), static_cast<long long>(patch), static_cast<long long>(layer));
  addText(output, "word", this->Word);
  addText(output, "source", this->Answer.source);
  addText(output, "strongest", text);
  vtkFieldData* fields = output->GetFieldData();
  addArray(fields, "confidence", std::vector<float>{ confidence });
  addArray(fields, "confidence_layer", Indices{ layer });
  addArray(fields, "confidence_patch", Indices{ patch });
}

} // namespace lvlm
