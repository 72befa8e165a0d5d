// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMKnockout.h"

#include "InferenceLibrary.h"
#include "PositionLists.h"

#include "Filters/Common/OutputVTK.h"
#include "Filters/Common/PatchSelection.h"
#include "Models/Llava/Intervention.h"
#include "Models/Ranks/Team.h"
#include "Models/Trace/Faithfulness.h"
#include "Models/Trace/Regions.h"
#include "Readers/vtkLVLMGuard.h"
#include "Readers/vtkLVLMTrace.h"

#include "vtkDemandDrivenPipeline.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkObjectFactory.h"
#include "vtkTable.h"

#include <algorithm>
#include <cmath>
#include <utility>

vtkStandardNewMacro(vtkLVLMKnockout);

namespace
{
using lvlm::Indices;
using lvlm::span;
using Windows = std::vector<std::pair<std::int64_t, std::int64_t>>;

constexpr const char* PlaceNames[] = { "image", "question", "system prompt", "answer", "patches",
  "positions" };

/// What a place may be, beside roles of the trace.
struct Choice
{
  const char* property;
  const Indices& listed;
  const Indices& patches;
  const Indices& answer;
};

Indices positionsAt(int place, const Choice& choice, const lvlm::Trace& trace)
{
  Indices found;
  switch (place)
  {
    case vtkLVLMKnockout::IMAGE:
      found = lvlm::positionsOf(trace, lvlm::Role::Image);
      break;
    case vtkLVLMKnockout::QUESTION:
      found = lvlm::positionsOf(trace, lvlm::Role::Question);
      break;
    case vtkLVLMKnockout::SYSTEM:
      found = lvlm::positionsOf(trace, lvlm::Role::System);
      break;
    case vtkLVLMKnockout::ANSWER:
      found = choice.answer;
      break;
    case vtkLVLMKnockout::PATCHES:
      found = choice.patches;
      break;
    default:
      if (!choice.listed.empty()) // an empty list would mean all of them
      {
        found = lvlm::resolveIndices(
          choice.listed, trace.keys(), std::string(choice.property) + "Positions");
      }
  }
  if (found.empty())
  {
    lvlm::fail(choice.property, ": the trace has no such position, or none is listed or selected");
  }
  return found;
}

/// First layer and end of the window around each layer.
Windows windowsOf(std::int64_t layers, std::int64_t wanted)
{
  const std::int64_t size =
    wanted > 0 ? wanted : std::max<std::int64_t>(1, (2 * layers * 9 + 32) / 64); // rounded
  Windows windows;
  for (std::int64_t middle = 0; middle < layers; ++middle)
  {
    const std::int64_t begin = middle - size / 2;
    windows.emplace_back(
      std::max<std::int64_t>(0, begin), std::min<std::int64_t>(layers, begin + size));
  }
  return windows;
}

void fillTable(vtkTable* table, const Windows& windows, const lvlm::llava::AnswerScores& scores,
  const Indices& tokens)
{
  const double original = lvlm::meanProbability(scores.original, tokens);
  Indices first, last;
  std::vector<float> probability, change;
  for (std::size_t i = 0; i < windows.size(); ++i)
  {
    const double now = lvlm::meanProbability(scores.variants[i], tokens);
    first.push_back(windows[i].first);
    last.push_back(windows[i].second - 1);
    probability.push_back(static_cast<float>(now));
    change.push_back(static_cast<float>(100 * (now - original) / original));
  }
  lvlm::addColumn(table, "layer", span(0, static_cast<std::int64_t>(windows.size())));
  lvlm::addColumn(table, "first_layer", first);
  lvlm::addColumn(table, "last_layer", last);
  lvlm::addColumn(table, "probability", probability);
  lvlm::addColumn(table, "change", change);
}
}

/// The answer of the last call, and what it is of.
struct vtkLVLMKnockout::KnownAnswer
{
  std::weak_ptr<const lvlm::Trace> trace;
  std::shared_ptr<const lvlm::llava::LlavaModel> model;
  std::vector<lvlm::llava::AttentionCut> cuts;
  int maxNewTokens = 0;
  std::shared_ptr<const lvlm::Trace> answer;
};

vtkLVLMKnockout::vtkLVLMKnockout()
{
  this->SetNumberOfInputPorts(2);
  this->SetNumberOfOutputPorts(2);
}

vtkLVLMKnockout::~vtkLVLMKnockout() = default;

void vtkLVLMKnockout::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  os << indent << "From: " << this->From << endl;
  os << indent << "To: " << this->To << endl;
  os << indent << "WindowSize: " << this->WindowSize << endl;
  os << indent << "MaxNewTokens: " << this->MaxNewTokens << endl;
}

void vtkLVLMKnockout::AddFromPosition(int position)
{
  this->FromPositions.push_back(position);
  this->Modified();
}

void vtkLVLMKnockout::RemoveAllFromPositions()
{
  this->FromPositions.clear();
  this->Modified();
}

void vtkLVLMKnockout::AddToPosition(int position)
{
  this->ToPositions.push_back(position);
  this->Modified();
}

void vtkLVLMKnockout::RemoveAllToPositions()
{
  this->ToPositions.clear();
  this->Modified();
}

int* vtkLVLMKnockout::GetPositionRange()
{
  std::int64_t count = 0;
  try
  {
    count = vtkLVLMTrace::TraceOf(
      this->GetNumberOfInputConnections(0) > 0 ? this->GetInputDataObject(0, 0) : nullptr)
              ->keys();
  }
  catch (const std::exception&)
  {
    // RequestData meets the same problem and reports it.
  }
  const auto n = static_cast<int>(std::min<std::int64_t>(count, VTK_INT_MAX));
  this->PositionRange[0] = -n;
  this->PositionRange[1] = std::max(0, n - 1);
  return this->PositionRange;
}

void vtkLVLMKnockout::AddPatch(int patch)
{
  this->Patches.push_back(patch);
  this->Modified();
}

void vtkLVLMKnockout::RemoveAllPatches()
{
  this->Patches.clear();
  this->Modified();
}

void vtkLVLMKnockout::SetSelectionConnection(vtkAlgorithmOutput* selection)
{
  this->SetInputConnection(1, selection);
}

int vtkLVLMKnockout::FillInputPortInformation(int port, vtkInformation* info)
{
  if (port == 0)
  {
    return this->Superclass::FillInputPortInformation(port, info);
  }
  info->Set(vtkAlgorithm::INPUT_REQUIRED_DATA_TYPE(), "vtkSelection");
  info->Set(vtkAlgorithm::INPUT_IS_OPTIONAL(), 1);
  return 1;
}

int vtkLVLMKnockout::FillOutputPortInformation(int port, vtkInformation* info)
{
  info->Set(vtkDataObject::DATA_TYPE_NAME(), port == 0 ? "vtkTable" : "vtkMultiBlockDataSet");
  return 1;
}

vtkTypeBool vtkLVLMKnockout::ProcessRequest(
  vtkInformation* request, vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  if (request->Has(vtkDemandDrivenPipeline::REQUEST_DATA_OBJECT()))
  {
    vtkLVLMTrace::MakeOutput(outputs, 1); // the executive makes the table
  }
  return this->Superclass::ProcessRequest(request, inputs, outputs);
}

/// The patches of list and selection, as positions.
lvlm::Indices vtkLVLMKnockout::GetPatchPositions(
  const lvlm::Trace& trace, vtkInformationVector* selections)
{
  if (this->From != PATCHES && this->To != PATCHES)
  {
    return {};
  }
  Indices patches = lvlm::chosenPatches(this->Patches, selections, trace, this->GetRanks());
  if (!patches.empty()) // an empty list would mean all of them
  {
    patches = lvlm::resolveIndices(patches, trace.grid.count(), "Patches");
  }
  const lvlm::Indices positions = lvlm::patchPositions(trace);
  for (std::int64_t& patch : patches)
  {
    patch = positions[static_cast<std::size_t>(patch)];
  }
  return patches;
}

std::vector<lvlm::llava::AttentionCut> vtkLVLMKnockout::GetCuts(
  const lvlm::Trace& trace, const Indices& patches, std::int64_t end, const Indices& layers) const
{
  const std::int64_t P = trace.promptLength;
  Indices keys =
    positionsAt(this->From, { "From", this->FromPositions, patches, span(P, end) }, trace);
  Indices queries =
    positionsAt(this->To, { "To", this->ToPositions, patches, span(P - 1, end) }, trace);
  for (Indices* listed : { &keys, &queries }) // of the recorded answer, which may be longer
  {
    listed->erase(std::remove_if(listed->begin(), listed->end(),
                    [end](std::int64_t position) { return position >= end; }),
      listed->end());
  }
  return lvlm::cutsOf(keys, queries, layers);
}

std::shared_ptr<const lvlm::Trace> vtkLVLMKnockout::GetAnswer(vtkDataObject* data,
  const std::vector<lvlm::llava::AttentionCut>& cuts, const std::string& said,
  const lvlm::Progress& progress)
{
  lvlm::ranks::Team& team = this->GetRanks();
  const auto trace = vtkLVLMTrace::TraceOf(data);
  const auto model = this->OpenModel(*trace);
  // What one rank does not know any more, none does.
  const bool known = team.allAgree(
    [&]
    {
      return this->LastAnswer && this->LastAnswer->trace.lock() == trace &&
        this->LastAnswer->model == model && this->LastAnswer->cuts == cuts &&
        this->LastAnswer->maxNewTokens == this->MaxNewTokens;
    });
  if (!known)
  {
    this->LastAnswer.reset();
    const auto answer = std::make_shared<const lvlm::Trace>(lvlm::inference().answerUnder(
      *model, *trace, cuts, this->MaxNewTokens, said, progress, team));
    this->LastAnswer =
      std::make_unique<KnownAnswer>(KnownAnswer{ trace, model, cuts, this->MaxNewTokens, answer });
  }
  return this->LastAnswer->answer;
}

std::string vtkLVLMKnockout::Said(const Indices& layers, std::int64_t total) const
{
  std::string where;
  for (const std::int64_t layer : layers)
  {
    where += (where.empty() ? "" : ", ") + std::to_string(layer);
  }
  const bool everywhere = static_cast<std::int64_t>(layers.size()) == total;
  return std::string("attention from ") + PlaceNames[this->To] + " to " + PlaceNames[this->From] +
    " cut in " + (everywhere ? "all layers" : "layers " + where);
}

void vtkLVLMKnockout::Compute(const lvlm::Trace& trace, vtkDataObject* data,
  vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  const Indices tokens = this->GetScoredTokens(trace, outputs);
  const Indices patches = this->GetPatchPositions(trace, inputs[1]);
  const std::int64_t total = this->OpenModel(trace)->config().text.layers;
  const Indices layers = lvlm::resolveIndices(this->Layers, total, "Layers");
  const auto windows = windowsOf(total, this->WindowSize);
  std::vector<lvlm::llava::Variant> variants;
  for (const auto& [begin, end] : windows)
  {
    variants.emplace_back();
    variants.back().cuts = this->GetCuts(trace, patches, trace.keys(), span(begin, end));
  }
  const lvlm::Progress all = lvlm::progressOf(this);
  const auto half = [&all](double from)
  {
    return lvlm::Progress([&all, from](double fraction, const std::string& text)
      { return all(from + 0.5 * fraction, text); });
  };
  fillTable(
    vtkTable::GetData(outputs, 0), windows, this->GetScores(data, variants, half(0)), tokens);
  const auto cuts =
    this->GetCuts(trace, patches, trace.promptLength + this->MaxNewTokens - 1, layers);
  vtkLVLMTrace::SafeDownCast(vtkDataObject::GetData(outputs, 1))
    ->SetTrace(this->GetAnswer(data, cuts, this->Said(layers, total), half(0.5)));
}
