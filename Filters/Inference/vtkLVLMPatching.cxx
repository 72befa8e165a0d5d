// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMPatching.h"

#include "InferenceLibrary.h"
#include "PositionLists.h"

#include "Filters/Common/OutputVTK.h"
#include "Models/Llava/Intervention.h"
#include "Models/Ranks/Team.h"
#include "Models/Trace/Faithfulness.h"
#include "Models/Trace/MappedFile.h"
#include "Models/Trace/Regions.h"
#include "Models/Trace/Words.h"
#include "Readers/TensorVTK.h"
#include "Readers/TraceShape.h"
#include "Readers/vtkLVLMGuard.h"
#include "Readers/vtkLVLMTrace.h"

#include "vtkAlgorithmOutput.h"
#include "vtkCellData.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkObjectFactory.h"
#include "vtkPointData.h"
#include "vtkStreamingDemandDrivenPipeline.h"
#include "vtkTable.h"

#include <algorithm>
#include <cmath>

vtkStandardNewMacro(vtkLVLMPatching);

namespace
{
using lvlm::Indices;
using lvlm::span;
using Pipeline = vtkStreamingDemandDrivenPipeline;

/// Below this the clean and the corrupted run say the same: float32 is known to 1e-5.
constexpr double LeastDifference = 1e-4;

/// Positions that are patched together.
struct Place
{
  std::string label;
  lvlm::Role role;
  Indices positions;
};

/// A place for each role, in the order in which they begin.
std::vector<Place> rolesOf(const lvlm::Trace& trace)
{
  std::vector<Place> places;
  for (std::int64_t i = 0; i < trace.keys(); ++i)
  {
    const lvlm::Role role = trace.roles[static_cast<std::size_t>(i)];
    auto found = std::find_if(
      places.begin(), places.end(), [role](const Place& place) { return place.role == role; });
    if (found == places.end())
    {
      found = places.insert(places.end(), { nameOf(role), role, {} });
    }
    found->positions.push_back(i);
  }
  return places;
}

/// A place for each word, and one for the picture.
std::vector<Place> wordsOf(const lvlm::Trace& trace)
{
  std::vector<Place> places;
  for (const lvlm::Word& word : lvlm::wordsOf(trace, 0, trace.keys()))
  {
    // A line feed says nothing that could be read.
    const std::string& piece = trace.tokens[static_cast<std::size_t>(word.begin)];
    places.push_back(
      { word.text.empty() ? piece : word.text, word.role, span(word.begin, word.end) });
  }
  Place picture{ "picture", lvlm::Role::Image, lvlm::positionsOf(trace, lvlm::Role::Image) };
  const auto after = std::find_if(places.begin(), places.end(),
    [&](const Place& place) { return place.positions.front() >= picture.positions.front(); });
  places.insert(after, std::move(picture));
  return places;
}

/// A place for each position.
std::vector<Place> eachOf(const lvlm::Trace& trace, const Indices& positions)
{
  const lvlm::MapGrid map = lvlm::mapGrid(trace);
  std::vector<Place> places;
  for (const std::int64_t i : positions)
  {
    const auto at = static_cast<std::size_t>(i);
    const std::int64_t patch = map.cellAt(i);
    places.push_back({ patch >= 0 ? "patch " + std::to_string(patch) : lvlm::textAt(trace, at),
      trace.roles[at], { i } });
  }
  return places;
}

std::vector<Place> placesOf(const lvlm::Trace& trace, int kind)
{
  switch (kind)
  {
    case vtkLVLMPatching::ROLES:
      return rolesOf(trace);
    case vtkLVLMPatching::WORDS:
      return wordsOf(trace);
    case vtkLVLMPatching::PATCHES:
      return eachOf(trace, lvlm::patchPositions(trace));
    default:
      return eachOf(trace, span(0, trace.keys()));
  }
}

/// By place and layer, layers fastest.
struct Numbers
{
  std::vector<float> probability, restored, restoredLogprob;
};

Numbers numbersOf(const lvlm::llava::PatchScores& scores, const Indices& tokens)
{
  const auto both = [&tokens](const std::vector<double>& logprobs)
  {
    return std::make_pair(
      lvlm::meanProbability(logprobs, tokens), lvlm::meanLogprob(logprobs, tokens));
  };
  const auto clean = both(scores.clean), corrupted = both(scores.corrupted);
  if (!(std::abs(clean.second - corrupted.second) > LeastDifference))
  {
    lvlm::fail("the clean answer is as probable after the corrupted question (", corrupted.first,
      ") as after the clean one (", clean.first, "): there is nothing to restore");
  }
  Numbers numbers;
  for (const std::vector<double>& variant : scores.variants)
  {
    const auto patched = both(variant);
    numbers.probability.push_back(static_cast<float>(patched.first));
    numbers.restored.push_back(
      static_cast<float>((patched.first - corrupted.first) / (clean.first - corrupted.first)));
    numbers.restoredLogprob.push_back(
      static_cast<float>((patched.second - corrupted.second) / (clean.second - corrupted.second)));
  }
  return numbers;
}

lvlm::ImageGeometry gridOf(std::size_t layers, std::size_t places)
{
  lvlm::ImageGeometry geometry;
  geometry.extent[1] = static_cast<int>(layers) - 1;
  geometry.extent[3] = static_cast<int>(places) - 1;
  return geometry;
}

vtkSmartPointer<vtkDataArray> arrayOf(const std::vector<float>& values, const char* name)
{
  return lvlm::arrayFromTensor(
    lvlm::Tensor::of(values, { static_cast<std::int64_t>(values.size()) }), name);
}

void fillImage(vtkImageData* image, const Numbers& numbers, std::size_t layers)
{
  lvlm::shapeImage(image, gridOf(layers, numbers.restored.size() / layers));
  image->GetPointData()->SetScalars(arrayOf(numbers.restored, "restored"));
  image->GetPointData()->AddArray(arrayOf(numbers.restoredLogprob, "restored_logprob"));
  image->GetPointData()->AddArray(arrayOf(numbers.probability, "probability"));
}

void fillTable(
  vtkTable* table, const Numbers& numbers, const std::vector<Place>& places, const Indices& layers)
{
  Indices layer, place, position, positions;
  std::vector<std::string> label, name, role;
  for (std::size_t i = 0; i < numbers.restored.size(); ++i)
  {
    const std::size_t p = i / layers.size();
    layer.push_back(layers[i % layers.size()]);
    place.push_back(static_cast<std::int64_t>(p));
    label.push_back(places[p].label);
    name.push_back(places[p].label + ", layer " + std::to_string(layer.back()));
    role.emplace_back(nameOf(places[p].role));
    position.push_back(places[p].positions.front());
    positions.push_back(static_cast<std::int64_t>(places[p].positions.size()));
  }
  lvlm::addColumn(table, "layer", layer);
  lvlm::addColumn(table, "place", place);
  lvlm::addColumn(table, "label", label);
  lvlm::addColumn(table, "name", name);
  lvlm::addColumn(table, "role", role);
  lvlm::addColumn(table, "position", position);
  lvlm::addColumn(table, "positions", positions);
  lvlm::addColumn(table, "probability", numbers.probability);
  lvlm::addColumn(table, "restored", numbers.restored);
  lvlm::addColumn(table, "restored_logprob", numbers.restoredLogprob);
}

/// Of each patch, the largest number of its place.
void fillMap(vtkImageData* map, const Numbers& numbers, const std::vector<Place>& places,
  const Indices& layers, const lvlm::Trace& trace)
{
  std::vector<float> restored(static_cast<std::size_t>(trace.grid.count()), NAN);
  Indices where(restored.size(), -1);
  const lvlm::MapGrid cells = lvlm::mapGrid(trace);
  for (std::size_t p = 0; p < places.size(); ++p)
  {
    const auto begin = numbers.restored.begin() + static_cast<std::ptrdiff_t>(p * layers.size());
    const auto most = std::max_element(begin, begin + static_cast<std::ptrdiff_t>(layers.size()));
    for (const std::int64_t position : places[p].positions)
    {
      if (const std::int64_t cell = cells.cellAt(position); cell >= 0)
      {
        const auto patch = static_cast<std::size_t>(cell);
        restored[patch] = *most;
        where[patch] = layers[static_cast<std::size_t>(most - begin)];
      }
    }
  }
  lvlm::shapeImage(map, lvlm::gridCells(lvlm::shapeOf(trace)));
  map->GetCellData()->SetScalars(arrayOf(lvlm::rowsUp(restored, trace.grid), "restored"));
  map->GetCellData()->AddArray(lvlm::arrayFromTensor(
    lvlm::Tensor::of(lvlm::rowsUp(where, trace.grid), { trace.grid.count() }), "layer"));
  lvlm::addPatchIndices(map, trace.grid);
}
}

/// The scores of the last call, and what they are of.
struct vtkLVLMPatching::Known
{
  std::weak_ptr<const lvlm::Trace> clean, corrupted;
  std::shared_ptr<const lvlm::llava::LlavaModel> model;
  int what = HIDDEN;
  std::vector<lvlm::llava::Transplant> variants;
  lvlm::llava::PatchScores scores;
};

vtkLVLMPatching::vtkLVLMPatching()
{
  this->SetNumberOfInputPorts(2);
  this->SetNumberOfOutputPorts(3);
}

vtkLVLMPatching::~vtkLVLMPatching() = default;

void vtkLVLMPatching::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  os << indent << "Positions: " << this->Positions << endl;
  os << indent << "What: " << this->What << endl;
}

void vtkLVLMPatching::SetCorruptedConnection(vtkAlgorithmOutput* corrupted)
{
  this->SetInputConnection(1, corrupted);
}

int vtkLVLMPatching::FillInputPortInformation(int, vtkInformation* info)
{
  return this->Superclass::FillInputPortInformation(0, info);
}

int vtkLVLMPatching::FillOutputPortInformation(int port, vtkInformation* info)
{
  info->Set(vtkDataObject::DATA_TYPE_NAME(), port == 1 ? "vtkTable" : "vtkImageData");
  return 1;
}

vtkTypeBool vtkLVLMPatching::ProcessRequest(
  vtkInformation* request, vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  const vtkTypeBool done = this->Superclass::ProcessRequest(request, inputs, outputs);
  if (request->Has(Pipeline::REQUEST_UPDATE_EXTENT()))
  {
    // As of the first trace: it is the same at all times, and each rank has its own layers.
    vtkInformation* corrupted = inputs[1]->GetInformationObject(0);
    corrupted->Remove(Pipeline::UPDATE_TIME_STEP());
    lvlm::askForOwnLayers(corrupted, this->GetRanks());
  }
  return done;
}

void vtkLVLMPatching::Announce(const lvlm::TraceShape& shape, vtkInformationVector* outputs)
{
  lvlm::announceImage(outputs->GetInformationObject(2), lvlm::gridCells(shape));
  // How many words there are only the trace itself tells.
  if (!vtkLVLMTrace::IsTrace(this->GetInputDataObject(0, 0)))
  {
    this->GetInputAlgorithm()->Update(this->GetInputConnection(0, 0)->GetIndex());
  }
  const auto trace = vtkLVLMTrace::TraceOf(this->GetInputDataObject(0, 0));
  const Indices layers = lvlm::resolveIndices(this->Layers, shape.layers, "Layers");
  lvlm::announceImage(outputs->GetInformationObject(0),
    gridOf(layers.size(), placesOf(*trace, this->Positions).size()));
}

const vtkLVLMPatching::Known& vtkLVLMPatching::GetPatched(vtkDataObject* clean,
  vtkDataObject* corrupted, const std::vector<Indices>& places, const Indices& layers)
{
  lvlm::ranks::Team& team = this->GetRanks();
  const auto first = vtkLVLMTrace::TraceOf(clean), second = vtkLVLMTrace::TraceOf(corrupted);
  const auto model = this->OpenModel(*first);
  std::vector<lvlm::llava::Transplant> variants;
  for (const Indices& place : places)
  {
    for (const std::int64_t layer : layers)
    {
      variants.push_back({ place, layer });
    }
  }
  // What one rank does not know any more, none does.
  const bool known = team.allAgree(
    [&]
    {
      return this->Last && this->Last->clean.lock() == first &&
        this->Last->corrupted.lock() == second && this->Last->model == model &&
        this->Last->what == this->What && this->Last->variants == variants;
    });
  if (!known)
  {
    this->Last.reset();
    lvlm::requireIntact(second->tensors);
    lvlm::llava::PatchScores scores = lvlm::inference().patchScores(*model, *first, *second,
      static_cast<lvlm::llava::StatePart>(this->What), variants, lvlm::progressOf(this), team);
    lvlm::requireIntact(second->tensors);
    this->Last = std::make_unique<Known>(
      Known{ first, second, model, this->What, std::move(variants), std::move(scores) });
  }
  return *this->Last;
}

void vtkLVLMPatching::Compute(const lvlm::Trace& trace, vtkDataObject* data,
  vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  const Indices tokens = this->GetScoredTokens(trace, outputs);
  const std::int64_t total = this->OpenModel(trace)->config().text.layers;
  const Indices layers = lvlm::resolveIndices(this->Layers, total, "Layers");
  const std::vector<Place> places = placesOf(trace, this->Positions);
  std::vector<Indices> positions;
  for (const Place& place : places)
  {
    positions.push_back(place.positions);
  }
  const Known& found = this->GetPatched(data, vtkDataObject::GetData(inputs[1]), positions, layers);
  const Numbers numbers = numbersOf(found.scores, tokens);
  fillImage(vtkImageData::GetData(outputs, 0), numbers, layers.size());
  fillTable(vtkTable::GetData(outputs, 1), numbers, places, layers);
  auto* map = vtkImageData::GetData(outputs, 2);
  fillMap(map, numbers, places, layers, trace);
  lvlm::addPicture(map, data);
}
