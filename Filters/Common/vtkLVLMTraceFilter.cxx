// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMTraceFilter.h"

#include "HeadTexts.h"
#include "OutputPieces.h"
#include "OutputVTK.h"
#include "SinkSearch.h"
#include "TokenTable.h"

#include "Models/Trace/Analysis.h"
#include "Models/Trace/HeadMeasures.h"
#include "Models/Trace/MappedFile.h"
#include "Models/Trace/Regions.h"
#include "Models/Trace/Trace.h"
#include "Readers/AlgorithmTeam.h"
#include "Readers/RankExecutive.h"
#include "Readers/TensorVTK.h"
#include "Readers/TraceShape.h"
#include "Readers/vtkLVLMGuard.h"
#include "Readers/vtkLVLMTrace.h"

#include "vtkDemandDrivenPipeline.h"
#include "vtkExecutive.h"
#include "vtkFieldData.h"
#include "vtkInformation.h"
#include "vtkInformationDoubleKey.h"
#include "vtkStreamingDemandDrivenPipeline.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <sstream>

using Pipeline = vtkStreamingDemandDrivenPipeline;

namespace
{
void setRange(int range[2], std::int64_t count)
{
  const auto n = static_cast<int>(std::min<std::int64_t>(count, VTK_INT_MAX));
  range[0] = n > 0 ? -n : 0;
  range[1] = n > 0 ? n - 1 : 0;
}

/// All outputs are made for the time that one of them was asked for.
void spreadAskedTime(vtkInformation* request, vtkInformationVector* outputs)
{
  const int port = request->Has(vtkExecutive::FROM_OUTPUT_PORT())
    ? request->Get(vtkExecutive::FROM_OUTPUT_PORT())
    : -1;
  const int ports = outputs->GetNumberOfInformationObjects();
  if (port < 0 || port >= ports)
  {
    return;
  }
  vtkInformation* asked = outputs->GetInformationObject(port);
  for (int other = 0; other < ports; ++other)
  {
    Pipeline::UPDATE_TIME_STEP()->ShallowCopy(asked, outputs->GetInformationObject(other));
  }
}

/// The executive has passed the trace's time on, which is that of its first reading. The outputs
/// are of the time that was asked for, or of all times: with another one there, VTK 9.6 takes them
/// for right when that time comes again.
void stampTime(vtkInformationVector* outputs)
{
  for (int port = 0; port < outputs->GetNumberOfInformationObjects(); ++port)
  {
    vtkInformation* outInfo = outputs->GetInformationObject(port);
    vtkInformation* made = vtkDataObject::GetData(outInfo)->GetInformation();
    if (outInfo->Has(Pipeline::TIME_STEPS()) && outInfo->Has(Pipeline::UPDATE_TIME_STEP()))
    {
      made->Set(vtkDataObject::DATA_TIME_STEP(), outInfo->Get(Pipeline::UPDATE_TIME_STEP()));
    }
    else
    {
      made->Remove(vtkDataObject::DATA_TIME_STEP());
    }
  }
}

/// The executive has passed the trace's words on. They are the trace's own: in every tool tip over
/// a map they would hide what the patch says.
void dropWordsOf(vtkDataObject* trace, vtkInformationVector* outputs)
{
  vtkFieldData* words = trace->GetFieldData();
  for (int port = 0; port < outputs->GetNumberOfInformationObjects(); ++port)
  {
    vtkFieldData* passed = vtkDataObject::GetData(outputs, port)->GetFieldData();
    for (int i = 0; i < words->GetNumberOfArrays(); ++i)
    {
      passed->RemoveArray(words->GetArrayName(i));
    }
  }
}

void printList(
  ostream& os, vtkIndent indent, const char* name, const std::vector<std::int64_t>& list)
{
  os << indent << name << ":";
  for (const std::int64_t index : list)
  {
    os << " " << index;
  }
  os << (list.empty() ? " all" : "") << endl;
}
}

vtkLVLMTraceFilter::vtkLVLMTraceFilter()
  : Ranks(std::make_unique<lvlm::AlgorithmTeam>(this)),
    Results(std::make_unique<lvlm::WholeResults>())
{
  this->SetNumberOfInputPorts(1);
  this->SetNumberOfOutputPorts(1);
}

vtkLVLMTraceFilter::~vtkLVLMTraceFilter() = default;

void vtkLVLMTraceFilter::SetController(vtkMultiProcessController* controller)
{
  lvlm::setController(this, this->Ranks, controller);
}

vtkMultiProcessController* vtkLVLMTraceFilter::GetController()
{
  return this->Ranks->controller();
}

vtkExecutive* vtkLVLMTraceFilter::CreateDefaultExecutive()
{
  return lvlm::newRankExecutive();
}

void vtkLVLMTraceFilter::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  printList(os, indent, "AnswerTokens", this->AnswerTokens);
  printList(os, indent, "Layers", this->Layers);
  printList(os, indent, "Heads", this->Heads);
  os << indent << "BestHeads: " << this->BestHeads << endl;
  os << indent << "BestBy: " << this->BestBy << endl;
  os << indent << "ExcludeSinks: " << this->ExcludeSinks << endl;
  os << indent << "FollowTime: " << this->FollowTime << endl;
  os << indent << "Region: " << this->Region << endl;
}

void vtkLVLMTraceFilter::AddAnswerToken(int token)
{
  this->AnswerTokens.push_back(token);
  this->Modified();
}

void vtkLVLMTraceFilter::RemoveAllAnswerTokens()
{
  this->AnswerTokens.clear();
  this->Modified();
}

void vtkLVLMTraceFilter::AddLayer(int layer)
{
  this->Layers.push_back(layer);
  this->Modified();
}

void vtkLVLMTraceFilter::RemoveAllLayers()
{
  this->Layers.clear();
  this->Modified();
}

void vtkLVLMTraceFilter::AddHead(int head)
{
  this->Heads.push_back(head);
  this->Modified();
}

void vtkLVLMTraceFilter::RemoveAllHeads()
{
  this->Heads.clear();
  this->Modified();
}

vtkStringArray* vtkLVLMTraceFilter::GetTokenTable()
{
  try
  {
    const auto trace = vtkLVLMTrace::TraceOf(
      this->GetNumberOfInputConnections(0) > 0 ? this->GetInputDataObject(0, 0) : nullptr);
    if (trace != this->TokenTableTrace.lock())
    {
      this->TokenTable->Initialize();
      lvlm::answerRows(*trace, this->TokenTable);
      lvlm::requireIntact(trace->tensors);
      this->TokenTableTrace = trace;
    }
  }
  catch (const std::exception&)
  {
    // RequestData meets the same problem and reports it.
    this->TokenTable->Initialize();
    this->TokenTableTrace.reset();
  }
  return this->TokenTable;
}

vtkTypeBool vtkLVLMTraceFilter::ProcessRequest(
  vtkInformation* request, vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  if (request->Has(vtkDemandDrivenPipeline::REQUEST_INFORMATION()))
  {
    return this->RequestInformation(inputs, outputs);
  }
  if (request->Has(Pipeline::REQUEST_UPDATE_EXTENT()))
  {
    return this->RequestUpdateExtent(inputs);
  }
  if (request->Has(vtkDemandDrivenPipeline::REQUEST_DATA()))
  {
    spreadAskedTime(request, outputs);
    return this->RequestData(inputs, outputs);
  }
  return this->Superclass::ProcessRequest(request, inputs, outputs);
}

int vtkLVLMTraceFilter::FillInputPortInformation(int, vtkInformation* info)
{
  info->Set(vtkAlgorithm::INPUT_REQUIRED_DATA_TYPE(), "vtkMultiBlockDataSet");
  return 1;
}

void vtkLVLMTraceFilter::Announce(const lvlm::TraceShape&, vtkInformationVector*) {}

int vtkLVLMTraceFilter::RequestInformation(
  vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  const lvlm::TraceShape whole = lvlm::inputShape(this);
  this->RegionRange[1] = static_cast<int>(whole.regions.size()) - 1;
  const lvlm::TraceShape shape = lvlm::withRegion(whole, this->Region);
  setRange(this->AnswerTokenRange, shape.answerTokens);
  setRange(this->LayerRange, shape.layers);
  setRange(this->HeadRange, shape.heads);
  setRange(this->PatchRange, shape.grid.count());
  try
  {
    this->Announce(shape, outputs);
  }
  catch (const std::exception&)
  {
    // RequestData meets the same problem and reports it once.
  }
  for (int port = 0; port < outputs->GetNumberOfInformationObjects(); ++port)
  {
    vtkInformation* outInfo = outputs->GetInformationObject(port);
    // Without time steps the pipeline need not run again when the time changes.
    lvlm::setAnswerTime(outInfo, this->FollowsTime(inputs) ? shape.answerTokens : 0);
    lvlm::announcePicture(outInfo, shape);
    if (!outInfo->Has(Pipeline::WHOLE_EXTENT()))
    {
      const int none[6] = { 0, -1, 0, -1, 0, -1 };
      outInfo->Set(Pipeline::WHOLE_EXTENT(), none, 6);
    }
  }
  lvlm::announcePieces(this, outputs, *this->Ranks);
  return 1;
}

int vtkLVLMTraceFilter::RequestUpdateExtent(vtkInformationVector** inputs)
{
  // A trace is the same at all times: it must not be made again for each of them.
  inputs[0]->GetInformationObject(0)->Remove(Pipeline::UPDATE_TIME_STEP());
  for (int port = 1; port < this->GetNumberOfInputPorts(); ++port)
  {
    for (int c = 0; c < inputs[port]->GetNumberOfInformationObjects(); ++c)
    {
      // By default the extent of the first input is asked for.
      vtkInformation* inInfo = inputs[port]->GetInformationObject(c);
      if (inInfo->Has(Pipeline::WHOLE_EXTENT()))
      {
        inInfo->Set(Pipeline::UPDATE_EXTENT(), inInfo->Get(Pipeline::WHOLE_EXTENT()), 6);
      }
    }
  }
  lvlm::askForOwnLayers(inputs[0]->GetInformationObject(0), *this->Ranks);
  return 1;
}

std::vector<vtkMTimeType> vtkLVLMTraceFilter::GetResultKey(
  vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  std::vector<vtkMTimeType> key{ this->GetMTime() };
  for (int port = 0; port < this->GetNumberOfInputPorts(); ++port)
  {
    for (int c = 0; c < inputs[port]->GetNumberOfInformationObjects(); ++c)
    {
      vtkDataObject* data = vtkDataObject::GetData(inputs[port], c);
      key.push_back(data ? data->GetMTime() : 0);
    }
  }
  key.push_back(this->GetTimeBits(outputs));
  return key;
}

vtkMTimeType vtkLVLMTraceFilter::GetTimeBits(vtkInformationVector* outputs) const
{
  vtkInformation* outInfo = outputs->GetInformationObject(0);
  const bool timed = this->FollowTime && outInfo->Has(Pipeline::UPDATE_TIME_STEP());
  const double time = timed ? outInfo->Get(Pipeline::UPDATE_TIME_STEP()) : 0.0;
  vtkMTimeType bits = 0;
  static_assert(sizeof bits >= sizeof time);
  std::memcpy(&bits, &time, sizeof time);
  return bits;
}

int vtkLVLMTraceFilter::RequestData(vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  // Not of the input's data: ParaView copies them whenever it asks.
  auto* executive = vtkDemandDrivenPipeline::SafeDownCast(this->GetExecutive());
  const std::vector<vtkMTimeType> attempt{ executive->GetPipelineMTime(),
    this->GetTimeBits(outputs) };
  if (attempt == this->Failed)
  {
    // Outputs that stayed empty are asked for again, for every view of each of them: the message
    // has been given.
    lvlm::emptyOutputs(outputs);
    stampTime(outputs);
    return 1;
  }
  const int good = lvlm::guarded(this, outputs,
    [&]
    {
      vtkDataObject* data = vtkDataObject::GetData(inputs[0]);
      if (this->Ranks->size() == 1)
      {
        this->ComputeIntact(data, inputs, outputs);
        return;
      }
      const std::vector<vtkMTimeType> key = this->GetResultKey(inputs, outputs);
      if (!this->Results->fits(key))
      {
        this->Results->forget();
        this->ComputeOnRanks(data, inputs, outputs);
        this->Results->keep(key, outputs);
      }
      this->Results->give(outputs, *this->Ranks);
    });
  this->Failed = good ? std::vector<vtkMTimeType>() : attempt;
  stampTime(outputs);
  // Empty outputs take the place of the maps that were on the screen; after a 0 these would stay.
  return 1;
}

void vtkLVLMTraceFilter::ComputeIntact(
  vtkDataObject* data, vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  dropWordsOf(data, outputs);
  const auto trace = vtkLVLMTrace::TraceOf(data);
  // Before, so that as a rule nothing is computed from what is no trace any more; and after, since
  // the file may have been changed meanwhile.
  lvlm::requireIntact(trace->tensors);
  if (this->Region == -1)
  {
    this->Compute(*trace, data, inputs, outputs);
  }
  else
  {
    this->Compute(lvlm::withRegion(*trace, this->Region), data, inputs, outputs);
  }
  lvlm::requireIntact(trace->tensors);
}

void vtkLVLMTraceFilter::ComputeOnRanks(
  vtkDataObject* data, vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  try
  {
    this->Ranks->together(
      [&]
      {
        for (int port = 0; port < this->GetNumberOfInputPorts(); ++port)
        {
          if (lvlm::inputFailed(inputs[port]))
          {
            lvlm::fail("there is no input ", port, ": its source failed");
          }
        }
        this->ComputeIntact(data, inputs, outputs);
      });
  }
  catch (const lvlm::Aborted&)
  {
    // As on the rank that was stopped: its executive runs an aborted filter again, alone if the
    // others believed to be done.
    this->SetAbortOutput(true);
    throw;
  }
}

lvlm::ranks::Team& vtkLVLMTraceFilter::GetRanks()
{
  return *this->Ranks;
}

lvlm::LayerParts vtkLVLMTraceFilter::JoinLayers(const lvlm::LayerParts& own)
{
  const auto layers = this->Ranks->gather(own.layers);
  const auto values = this->Ranks->gather(own.values);
  std::vector<lvlm::LayerParts> parts(layers.size(), own);
  for (std::size_t rank = 0; rank < parts.size(); ++rank)
  {
    parts[rank].layers = layers[rank];
    parts[rank].values = values[rank];
  }
  return lvlm::joinLayers(parts);
}

namespace
{
lvlm::HeadRanking rankingOf(int bestBy)
{
  constexpr lvlm::HeadRanking Rankings[] = { lvlm::HeadRanking::Localization,
    lvlm::HeadRanking::ImageShare, lvlm::HeadRanking::Entropy, lvlm::HeadRanking::ColumnScore };
  return Rankings[bestBy];
}
}

lvlm::Selection vtkLVLMTraceFilter::Select(const lvlm::Trace& trace,
  const std::vector<std::int64_t>& tokens, const std::vector<std::int64_t>& layers, BestOf best)
{
  lvlm::Selection selection{ tokens, layers, this->Heads };
  if (this->BestHeads > 0)
  {
    // The ranking is that of LVLM Head Summary, whatever heads are chosen.
    const lvlm::LayerParts measures =
      this->JoinLayers(lvlm::headMeasures(trace, selection, this->GetRankProgress()));
    selection.places = lvlm::bestHeads(
      measures, rankingOf(this->BestBy), this->Heads, this->BestHeads, best == BEST_OF_EACH_LAYER);
  }
  if (this->ExcludeSinks)
  {
    selection.dropped = lvlm::sinkPatches(
      trace, this->GetRanks(),
      [this](const lvlm::LayerParts& own) { return this->JoinLayers(own); },
      this->GetRankProgress());
  }
  return selection;
}

void vtkLVLMTraceFilter::TellHeads(
  const lvlm::Selection& selection, vtkInformationVector* outputs) const
{
  if (this->BestHeads == 0)
  {
    return;
  }
  lvlm::Indices pairs;
  for (const lvlm::HeadPlace& place : selection.places)
  {
    pairs.insert(pairs.end(), { place.layer, place.head });
  }
  for (int port = 0; port < outputs->GetNumberOfInformationObjects(); ++port)
  {
    const auto told = lvlm::arrayFromTensor(
      lvlm::Tensor::of(pairs, { static_cast<std::int64_t>(pairs.size()) }), "best_heads", 2);
    vtkDataObject::GetData(outputs, port)->GetFieldData()->AddArray(told);
  }
}

std::string vtkLVLMTraceFilter::GetBestText(std::size_t heads) const
{
  return this->BestHeads > 0 ? lvlm::rankingText(rankingOf(this->BestBy), heads) : "";
}

std::string vtkLVLMTraceFilter::GetSinksText(const lvlm::Selection& selection)
{
  const auto sinks = std::count(selection.dropped.begin(), selection.dropped.end(), true);
  return selection.dropped.empty() ? ""
    : sinks == 1                   ? ", without the attention sink"
                                   : ", without " + std::to_string(sinks) + " attention sinks";
}

lvlm::Progress vtkLVLMTraceFilter::GetRankProgress()
{
  return this->Ranks->progress(lvlm::progressOf(this));
}

std::vector<std::int64_t> vtkLVLMTraceFilter::GetTokensToUse(
  const lvlm::Trace& trace, vtkInformationVector* outputs) const
{
  vtkInformation* outInfo = outputs->GetInformationObject(0);
  if (!this->FollowTime || !outInfo->Has(Pipeline::UPDATE_TIME_STEP()))
  {
    return this->FollowTime ? std::vector<std::int64_t>{ 0 } : this->AnswerTokens;
  }
  const double time = outInfo->Get(Pipeline::UPDATE_TIME_STEP());
  const auto last = static_cast<double>(trace.answerLength() - 1);
  // Times outside the answer, as other sources of the session may have, show its nearest end.
  const double token = std::isnan(time) ? 0.0 : std::floor(std::clamp(time, 0.0, last));
  return { static_cast<std::int64_t>(token) };
}

bool vtkLVLMTraceFilter::FollowsTime(vtkInformationVector**) const
{
  return this->FollowTime;
}

std::string vtkLVLMTraceFilter::GetLateText(
  const lvlm::Trace& trace, vtkInformationVector* outputs) const
{
  vtkInformation* outInfo = outputs->GetInformationObject(0);
  const bool timed = this->FollowTime && outInfo->Has(Pipeline::UPDATE_TIME_STEP());
  const double time = timed ? outInfo->Get(Pipeline::UPDATE_TIME_STEP()) : 0.0;
  if (!(time >= static_cast<double>(trace.answerLength())))
  {
    return "";
  }
  std::ostringstream text;
  text << " (its last token: time " << time << " is past its end)";
  return text.str();
}

void vtkLVLMTraceFilter::TellTokens(const lvlm::Trace& trace,
  const std::vector<std::int64_t>& tokens, vtkInformationVector* outputs) const
{
  const lvlm::Indices told = lvlm::resolveIndices(tokens, trace.answerLength(), "AnswerTokens");
  const std::string late = this->GetLateText(trace, outputs);
  for (int port = 0; port < outputs->GetNumberOfInformationObjects(); ++port)
  {
    vtkDataObject* output = vtkDataObject::GetData(outputs, port);
    output->GetFieldData()->AddArray(lvlm::arrayFromTensor(
      lvlm::Tensor::of(told, { static_cast<std::int64_t>(told.size()) }), "answer_tokens"));
    if (!late.empty())
    {
      lvlm::addText(output, "late", late);
    }
  }
}
