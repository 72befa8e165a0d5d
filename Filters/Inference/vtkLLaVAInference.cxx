// SPDX-License-Identifier: Apache-2.0
#include "vtkLLaVAInference.h"

#include "EmbeddedModel.h"
#include "ExpectedShape.h"
#include "InferenceLibrary.h"
#include "ModelLens.h"
#include "ModelRelevancy.h"
#include "ModelWeighting.h"
#include "PictureFromVTK.h"

#include "Models/Picture/Tiles.h"
#include "Models/Trace/Analysis.h"
#include "Models/Trace/ByteText.h"
#include "Models/Trace/Regions.h"
#include "Models/Trace/Trace.h"
#include "Readers/AlgorithmTeam.h"
#include "Readers/RankExecutive.h"
#include "Readers/TraceShape.h"
#include "Readers/vtkLVLMGuard.h"
#include "Readers/vtkLVLMTrace.h"

#include "vtkCellData.h"
#include "vtkDataArray.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkObjectFactory.h"
#include "vtkPointData.h"
#include "vtkStreamingDemandDrivenPipeline.h"
#include "vtkTimeStamp.h"

#include <algorithm>
#include <cmath>
#include <tuple>

vtkStandardNewMacro(vtkLLaVAInference);

struct vtkLLaVAInference::Internals
{
  std::vector<int> FullLayers{ -1 };
  std::vector<int> HiddenLayers;
  std::shared_ptr<const lvlm::llava::LlavaModel> Model; ///< kept open while the filter lives
  lvlm::llava::Question Next;                           ///< what is to be answered
  /// The last question that was answered, and its answer.
  lvlm::llava::Question Asked;
  std::shared_ptr<const lvlm::llava::LlavaModel> AskedModel;
  vtkSmartPointer<vtkLVLMTrace> Answered; ///< nullptr: none
  vtkTimeStamp AnswerTime;                ///< of the last answer
  std::string Answer, ModelInformation, CostInformation, EmbeddedModel;

  std::shared_ptr<const lvlm::llava::LlavaModel> open(vtkLLaVAInference* self)
  {
    constexpr lvlm::llava::Precision Precisions[] = { lvlm::llava::Precision::Float32,
      lvlm::llava::Precision::BFloat16, lvlm::llava::Precision::Float64 };
    lvlm::llava::ModelOptions options;
    options.precision = Precisions[self->Precision];
    options.device = self->Device;
    options.threads = self->Threads;
    options.rank = self->Ranks->rank();
    options.ranks = self->Ranks->size();
    this->Model = lvlm::inference().open(lvlm::modelFolder(self->ModelDirectory), options);
    return this->Model;
  }

  lvlm::llava::Question question(
    vtkLLaVAInference* self, const lvlm::llava::LlavaModel& model) const
  {
    lvlm::llava::Question question;
    question.prompt = self->Prompt;
    question.system = self->SystemPrompt;
    question.chatTemplate = self->ChatTemplate == "Automatic" ? std::string() : self->ChatTemplate;
    question.imageMode = static_cast<lvlm::picture::ImageMode>(self->ImageMode);
    question.maxNewTokens = self->MaxNewTokens;
    question.temperature = self->Temperature;
    question.topP = self->TopP;
    question.seed = static_cast<std::uint64_t>(static_cast<std::int64_t>(self->Seed));
    question.alternatives = self->Alternatives;
    question.captureVision = self->CaptureVision;
    question.captureHidden = self->CaptureHidden;
    question.captureLens = self->CaptureLens;
    question.hiddenLayers.assign(this->HiddenLayers.begin(), this->HiddenLayers.end());
    question.fullLayers.assign(this->FullLayers.begin(), this->FullLayers.end());
    if (self->CaptureFull && question.fullLayers.empty())
    {
      for (std::int64_t layer = 0; layer < model.config().text.layers; ++layer)
      {
        question.fullLayers.push_back(layer);
      }
    }
    else if (!self->CaptureFull)
    {
      question.fullLayers.clear();
    }
    return question;
  }

  /// What is expected, with the last answer's length if that model is of the same shape.
  lvlm::TraceShape shapeOfAnswer(const lvlm::TraceShape& expected) const
  {
    const lvlm::TraceShape last = lvlm::shapeOf(*vtkLVLMTrace::TraceOf(this->Answered));
    const auto key = [](const lvlm::TraceShape& a)
    {
      return std::tie(
        a.grid.rows, a.grid.cols, a.width, a.height, a.pictures, a.layers, a.heads, a.hiddenLayers);
    };
    return key(last) == key(expected) ? last : expected;
  }

  bool isAnswered(const lvlm::llava::Question& q,
    const std::shared_ptr<const lvlm::llava::LlavaModel>& model) const
  {
    const auto key = [](const lvlm::llava::Question& a)
    {
      return std::tie(a.prompt, a.system, a.chatTemplate, a.imageMode, a.maxNewTokens,
        a.temperature, a.topP, a.seed, a.alternatives, a.captureVision, a.captureHidden,
        a.captureLens, a.hiddenLayers, a.fullLayers, a.images);
    };
    return this->Answered && this->AskedModel == model && key(this->Asked) == key(q);
  }
};

namespace
{
/// Here, since the linker takes this object file of the static library in any case.
[[maybe_unused]] const bool HasModels =
  lvlm::registerModelRelevancy() && lvlm::registerModelLens() && lvlm::registerModelWeighting();

/// Of the pictures of both inputs.
std::vector<vtkInformation*> informationOf(vtkInformationVector** inputs)
{
  std::vector<vtkInformation*> all;
  for (int port = 0; port < 2; ++port)
  {
    for (int i = 0; i < inputs[port]->GetNumberOfInformationObjects(); ++i)
    {
      all.push_back(inputs[port]->GetInformationObject(i));
    }
  }
  return all;
}

std::vector<lvlm::picture::PictureSize> announcedSizes(vtkInformationVector** inputs)
{
  std::vector<lvlm::picture::PictureSize> sizes;
  for (vtkInformation* info : informationOf(inputs))
  {
    sizes.push_back(lvlm::announcedSize(info));
  }
  return sizes;
}

std::int64_t pixelsOf(vtkInformation* inInfo)
{
  const lvlm::picture::PictureSize size = lvlm::announcedSize(inInfo);
  return size.width * size.height;
}

/// Without NUL characters, at which a property's text would end: signs for them instead.
std::string withoutNul(const std::string& text)
{
  std::string shown;
  for (const char c : text)
  {
    shown += c == '\0' ? std::string("\u2400") : std::string(1, c);
  }
  return shown;
}

}

vtkLLaVAInference::vtkLLaVAInference()
  : Prompt("Describe the image."), ChatTemplate("Automatic"), Device("cpu"),
    MaximumPixels(static_cast<int>(lvlm::picture::DefaultMaximumPixels)),
    Ranks(std::make_unique<lvlm::AlgorithmTeam>(this)), Self(std::make_unique<Internals>())
{
  this->SetNumberOfInputPorts(2);
  // The active one, unless somebody chooses another.
  this->SetInputArrayToProcess(
    0, 0, 0, vtkDataObject::FIELD_ASSOCIATION_POINTS, vtkDataSetAttributes::SCALARS);
}

vtkLLaVAInference::~vtkLLaVAInference() = default;

void vtkLLaVAInference::AddPictureConnection(vtkAlgorithmOutput* output)
{
  this->AddInputConnection(1, output);
}

void vtkLLaVAInference::RemoveAllPictureConnections()
{
  this->SetInputConnection(1, nullptr);
}

void vtkLLaVAInference::AddCaptureFullLayer(int layer)
{
  this->Self->FullLayers.push_back(layer);
  this->Modified();
}

void vtkLLaVAInference::RemoveAllCaptureFullLayers()
{
  if (!this->Self->FullLayers.empty())
  {
    this->Self->FullLayers.clear();
    this->Modified();
  }
}

void vtkLLaVAInference::AddCaptureHiddenLayer(int layer)
{
  this->Self->HiddenLayers.push_back(layer);
  this->Modified();
}

void vtkLLaVAInference::RemoveAllCaptureHiddenLayers()
{
  if (!this->Self->HiddenLayers.empty())
  {
    this->Self->HiddenLayers.clear();
    this->Modified();
  }
}

const char* vtkLLaVAInference::GetAnswer()
{
  return this->Self->Answer.c_str();
}

const char* vtkLLaVAInference::GetModelInformation()
{
  try
  {
    this->Self->ModelInformation = this->Self->open(this)->description();
  }
  catch (const std::exception& error)
  {
    this->Self->ModelInformation = error.what();
  }
  return this->Self->ModelInformation.c_str();
}

int* vtkLLaVAInference::GetLayerRange()
{
  std::int64_t layers = 0;
  try
  {
    layers = this->Self->open(this)->config().text.layers;
  }
  catch (const std::exception&)
  {
    // ModelInformation tells what is wrong.
  }
  this->LayerRange[0] = static_cast<int>(-layers);
  this->LayerRange[1] = static_cast<int>(std::max<std::int64_t>(layers - 1, 0));
  return this->LayerRange;
}

int* vtkLLaVAInference::GetHiddenLayerRange()
{
  const int layers = -this->GetLayerRange()[0];
  this->HiddenLayerRange[0] = layers > 0 ? -layers - 1 : 0;
  this->HiddenLayerRange[1] = layers;
  return this->HiddenLayerRange;
}

const char* vtkLLaVAInference::GetEmbeddedModelDirectory()
{
  try
  {
    this->Self->EmbeddedModel = lvlm::embeddedModelDirectory();
  }
  catch (const std::exception&)
  {
    this->Self->EmbeddedModel.clear();
  }
  return this->Self->EmbeddedModel.c_str();
}

const char* vtkLLaVAInference::GetCostInformation()
{
  try
  {
    const auto model = this->Self->open(this);
    lvlm::llava::Question question = this->Self->question(this, *model);
    // Of several pictures their sizes; of one the largest that the model reads.
    for (int port = 0; port < 2 && this->GetNumberOfInputConnections(1) > 0; ++port)
    {
      for (int i = 0; i < this->GetNumberOfInputConnections(port); ++i)
      {
        const auto size = lvlm::announcedSize(this->GetInputInformation(port, i));
        question.images.push_back(
          { std::max<std::int64_t>(1, size.width), std::max<std::int64_t>(1, size.height), {} });
      }
    }
    const std::int64_t P = model->promptLength(question);
    const lvlm::llava::QuestionCost cost = model->cost(question, P);
    const bool alone = model->options().ranks == 1;
    this->Self->CostInformation = "up to " + lvlm::byteText(cost.total()) +
      (alone ? "" : " on the first rank") + " for " + std::to_string(P) + " prompt positions and " +
      std::to_string(question.maxNewTokens) + " answer tokens: attention of the answer " +
      lvlm::byteText(cost.attentionAnswer) + ", full matrices " +
      lvlm::byteText(cost.attentionFull) + ", vision tower " +
      lvlm::byteText(cost.attentionVision) + ", hidden states " +
      lvlm::byteText(cost.hidden + cost.lens) + ", keys and values " + lvlm::byteText(cost.cache) +
      ", buffers " + lvlm::byteText(cost.buffers);
  }
  catch (const std::exception& error)
  {
    this->Self->CostInformation = error.what();
  }
  return this->Self->CostInformation.c_str();
}

int vtkLLaVAInference::ComputePipelineMTime(vtkInformation* request, vtkInformationVector** inputs,
  vtkInformationVector* outputs, int port, vtkMTimeType* mtime)
{
  const int done = this->Superclass::ComputePipelineMTime(request, inputs, outputs, port, mtime);
  *mtime = std::max(*mtime, this->Self->AnswerTime.GetMTime());
  return done;
}

int vtkLLaVAInference::FillInputPortInformation(int port, vtkInformation* info)
{
  info->Set(vtkAlgorithm::INPUT_REQUIRED_DATA_TYPE(), "vtkImageData");
  if (port == 1)
  {
    info->Set(vtkAlgorithm::INPUT_IS_OPTIONAL(), 1);
    info->Set(vtkAlgorithm::INPUT_IS_REPEATABLE(), 1);
  }
  return 1;
}

int vtkLLaVAInference::RequestDataObject(
  vtkInformation*, vtkInformationVector**, vtkInformationVector* outputs)
{
  return vtkLVLMTrace::MakeOutput(outputs);
}

int vtkLLaVAInference::RequestInformation(
  vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  vtkInformation* outInfo = outputs->GetInformationObject(0);
  lvlm::TraceShape shape;
  try
  {
    shape = lvlm::expectedShape(lvlm::modelFolder(this->ModelDirectory), announcedSizes(inputs),
      this->CaptureHidden || this->CaptureLens, this->Self->HiddenLayers);
    if (this->Self->Answered)
    {
      shape = this->Self->shapeOfAnswer(shape);
    }
  }
  catch (const std::exception&) // RequestData says what is wrong, once it is asked for data
  {
  }
  lvlm::announceTrace(outInfo, shape);
  return 1;
}

int vtkLLaVAInference::RequestUpdateExtent(
  vtkInformation* request, vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  using Pipeline = vtkStreamingDemandDrivenPipeline;
  this->Superclass::RequestUpdateExtent(request, inputs, outputs);
  for (vtkInformation* inInfo : informationOf(inputs))
  {
    // Time is the answer's token here and means nothing to whatever makes the picture.
    inInfo->Remove(Pipeline::UPDATE_TIME_STEP());
    // The first rank looks at the whole picture, the others at none of it; nobody at one that
    // Prepare() will refuse.
    if (!this->Ranks->isFirst() || pixelsOf(inInfo) > this->MaximumPixels)
    {
      const int none[6] = { 0, -1, 0, -1, 0, -1 };
      inInfo->Set(Pipeline::UPDATE_EXTENT(), none, 6);
    }
    else if (inInfo->Has(Pipeline::WHOLE_EXTENT()))
    {
      inInfo->Set(Pipeline::UPDATE_PIECE_NUMBER(), 0);
      inInfo->Set(Pipeline::UPDATE_NUMBER_OF_PIECES(), 1);
      inInfo->Set(Pipeline::UPDATE_EXTENT(), inInfo->Get(Pipeline::WHOLE_EXTENT()), 6);
    }
  }
  return 1;
}

vtkDataArray* vtkLLaVAInference::GetChosenArray(vtkInformationVector** inputs)
{
  // pvpython connects a new filter to the active source first: if that is a table, the property
  // keeps a column of it, which VTK would report as an error of the picture.
  const int association =
    this->GetInputArrayInformation(0)->Get(vtkDataObject::FIELD_ASSOCIATION());
  const bool ofPicture = association == vtkDataObject::FIELD_ASSOCIATION_POINTS ||
    association == vtkDataObject::FIELD_ASSOCIATION_CELLS ||
    association == vtkDataObject::FIELD_ASSOCIATION_POINTS_THEN_CELLS;
  return ofPicture ? this->GetInputArrayToProcess(0, inputs) : nullptr;
}

void vtkLLaVAInference::CheckPixels(vtkInformation* inInfo)
{
  const std::int64_t pixels =
    std::max<std::int64_t>(pixelsOf(inInfo), vtkImageData::GetData(inInfo)->GetNumberOfPoints());
  if (pixels > this->MaximumPixels)
  {
    lvlm::fail("the picture has ", pixels, " pixels, more than the ", this->MaximumPixels,
      " that are accepted (MaximumPixels)");
  }
  if (pixels > lvlm::picture::SuspiciousPixels)
  {
    vtkWarningMacro(<< "the picture has " << pixels << " pixels, unusually many");
  }
}

std::vector<lvlm::picture::RgbImage> vtkLLaVAInference::GetPictures(vtkInformationVector** inputs)
{
  if (lvlm::inputFailed(inputs[0]) || lvlm::inputFailed(inputs[1]))
  {
    lvlm::fail("there is no picture: its source failed");
  }
  std::vector<lvlm::picture::RgbImage> pictures;
  for (vtkInformation* info : informationOf(inputs))
  {
    this->CheckPixels(info);
    vtkImageData* image = vtkImageData::GetData(info);
    vtkDataArray* chosen = pictures.empty() ? this->GetChosenArray(inputs) : nullptr;
    pictures.push_back(lvlm::pictureFromVTK(image, lvlm::colorsOf(chosen, image)));
  }
  return pictures;
}

bool vtkLLaVAInference::Prepare(vtkInformationVector** inputs)
{
  Internals& self = *this->Self;
  // One rank's failure is everybody's, and either all run the model or none.
  return this->Ranks->allAgree(
    [&]
    {
      self.Model = self.open(this);
      self.Next = self.question(this, *self.Model);
      if (this->Ranks->isFirst())
      {
        self.Next.images = this->GetPictures(inputs);
      }
      return self.isAnswered(self.Next, self.Model);
    });
}

int vtkLLaVAInference::RequestData(
  vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  return lvlm::guarded(this, outputs,
    [&]
    {
      Internals& self = *this->Self;
      self.Answer.clear(); // after an error there is none
      if (!this->Prepare(inputs))
      {
        self.Answered = nullptr;
        std::shared_ptr<const lvlm::Trace> trace;
        try
        {
          trace = std::make_shared<const lvlm::Trace>(
            self.Model->ask(self.Next, lvlm::progressOf(this), *this->Ranks));
        }
        catch (const lvlm::Aborted&)
        {
          // CheckAbort() has done so on the first rank: all must think the same of their outputs.
          this->SetAbortOutput(true);
          throw;
        }
        const std::int64_t trained = self.Model->config().text.maxPositions;
        if (trace->keys() > trained && this->Ranks->isFirst())
        {
          vtkWarningMacro(<< "question and answer have " << trace->keys()
                          << " positions, the model was made for " << trained
                          << " (max_position_embeddings): its answer may mean nothing");
        }
        const auto answered = vtkSmartPointer<vtkLVLMTrace>::New();
        answered->SetTrace(trace);
        self.Answered = answered;
        self.Asked = std::move(self.Next);
        self.AskedModel = self.Model;
        self.AnswerTime.Modified();
      }
      self.Answer = withoutNul(vtkLVLMTrace::TraceOf(self.Answered)->answer);
      vtkDataObject::GetData(outputs)->ShallowCopy(self.Answered);
      // Filters downstream look here when AnswerTime has made them ask again.
      lvlm::announceTrace(
        outputs->GetInformationObject(0), lvlm::shapeOf(*vtkLVLMTrace::TraceOf(self.Answered)));
    });
}

void vtkLLaVAInference::SetController(vtkMultiProcessController* controller)
{
  lvlm::setController(this, this->Ranks, controller);
}

vtkMultiProcessController* vtkLLaVAInference::GetController()
{
  return this->Ranks->controller();
}

vtkExecutive* vtkLLaVAInference::CreateDefaultExecutive()
{
  return lvlm::newRankExecutive();
}

void vtkLLaVAInference::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  os << indent << "ModelDirectory: " << this->ModelDirectory << "\n";
  os << indent << "Prompt: " << this->Prompt << "\n";
  os << indent << "SystemPrompt: " << this->SystemPrompt << "\n";
  os << indent << "ChatTemplate: " << this->ChatTemplate << "\n";
  os << indent << "ImageMode: " << this->ImageMode << "\n";
  os << indent << "MaxNewTokens: " << this->MaxNewTokens << "\n";
  os << indent << "Temperature: " << this->Temperature << "\n";
  os << indent << "TopP: " << this->TopP << "\n";
  os << indent << "Seed: " << this->Seed << "\n";
  os << indent << "MaximumPixels: " << this->MaximumPixels << "\n";
  os << indent << "Alternatives: " << this->Alternatives << "\n";
  os << indent << "CaptureFull: " << this->CaptureFull << "\n";
  os << indent << "CaptureFullLayers:";
  for (const int layer : this->Self->FullLayers)
  {
    os << " " << layer;
  }
  os << "\n" << indent << "CaptureVision: " << this->CaptureVision << "\n";
  os << indent << "CaptureHidden: " << this->CaptureHidden << "\n";
  os << indent << "CaptureLens: " << this->CaptureLens << "\n";
  os << indent << "CaptureHiddenLayers:";
  for (const int layer : this->Self->HiddenLayers)
  {
    os << " " << layer;
  }
  os << "\n";
  os << indent << "Precision: " << this->Precision << "\n";
  os << indent << "Device: " << this->Device << "\n";
  os << indent << "Threads: " << this->Threads << "\n";
  os << indent << "Answer: " << this->Self->Answer << "\n";
}
