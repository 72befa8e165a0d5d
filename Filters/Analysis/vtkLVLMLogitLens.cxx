// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMLogitLens.h"

#include "LensOutputs.h"
#include "LensRequest.h"

#include "Filters/Common/OutputVTK.h"
#include "Models/Trace/Regions.h"
#include "Models/Trace/Words.h"
#include "Readers/TraceShape.h"
#include "Readers/vtkLVLMGuard.h"
#include "Readers/vtkLVLMTrace.h"

#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkObjectFactory.h"
#include "vtkTable.h"

vtkStandardNewMacro(vtkLVLMLogitLens);

namespace
{
/// "star", or of several answer tokens "The, star".
std::string wordText(const lvlm::Trace& trace, const lvlm::LensRequest& request)
{
  if (!request.word.empty())
  {
    return request.word;
  }
  std::string words;
  for (const std::int64_t token :
    lvlm::resolveIndices(request.tokens, trace.answerLength(), "AnswerTokens"))
  {
    const std::string text =
      lvlm::textAt(trace, static_cast<std::size_t>(trace.promptLength + token));
    const std::size_t first = text.find_first_not_of(' ');
    words += (words.empty() ? "" : ", ") + (first == std::string::npos ? text : text.substr(first));
  }
  return words;
}

lvlm::ImageGeometry planesOf(const lvlm::TraceShape& shape, const lvlm::Indices& layers)
{
  const auto count = layers.empty()
    ? (shape.hiddenLayers > 0 ? shape.hiddenLayers : shape.hiddenDepth)
    : static_cast<std::int64_t>(lvlm::resolveIndices(layers, shape.hiddenDepth, "Layers").size());
  return lvlm::gridPoints(shape, count);
}
}

vtkLVLMLogitLens::vtkLVLMLogitLens() : Known(std::make_unique<lvlm::LensCache>())
{
  this->SetNumberOfOutputPorts(4);
}

vtkLVLMLogitLens::~vtkLVLMLogitLens() = default;

void vtkLVLMLogitLens::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  os << indent << "Word: " << this->Word << endl;
  os << indent << "ModelDirectory: " << this->ModelDirectory << endl;
  os << indent << "Device: " << this->Device << endl;
}

int vtkLVLMLogitLens::FillOutputPortInformation(int port, vtkInformation* info)
{
  info->Set(vtkDataObject::DATA_TYPE_NAME(), port % 2 == 0 ? "vtkImageData" : "vtkTable");
  return 1;
}

void vtkLVLMLogitLens::Announce(const lvlm::TraceShape& shape, vtkInformationVector* outputs)
{
  const auto depth = static_cast<int>(shape.hiddenDepth);
  this->LayerRange[0] = -depth;
  this->LayerRange[1] = depth > 0 ? depth - 1 : 0;
  lvlm::announceImage(outputs->GetInformationObject(2), lvlm::gridCells(shape));
  lvlm::announceImage(outputs->GetInformationObject(0), planesOf(shape, this->Layers));
}

void vtkLVLMLogitLens::Compute(const lvlm::Trace& trace, vtkDataObject* data,
  vtkInformationVector**, vtkInformationVector* outputs)
{
  lvlm::LensRequest request;
  request.layers = this->Layers;
  request.tokens = this->GetTokensToUse(trace, outputs);
  request.word = this->Word;
  request.modelDirectory = this->ModelDirectory;
  request.device = this->Device;
  const lvlm::LensAnswer answer = lvlm::lensOf(
    request, vtkLVLMTrace::TraceOf(data), *this->Known, this->GetRanks(), lvlm::progressOf(this));
  const lvlm::LensOutputs results(trace, answer, wordText(trace, request));
  auto* volume = vtkImageData::GetData(outputs, 0);
  auto* map = vtkImageData::GetData(outputs, 2);
  results.fillVolume(volume);
  results.fillPositions(vtkTable::GetData(outputs, 1));
  results.fillMap(map);
  results.fillWords(vtkTable::GetData(outputs, 3));
  this->TellTokens(trace, request.tokens, outputs);
  for (vtkImageData* image : { volume, map })
  {
    results.describe(image);
    lvlm::addPicture(image, data, lvlm::mapGrid(trace).image);
    lvlm::addLegend(image, trace,
      image == volume ? "Probability of the word" : "Its largest over the layers", "probability");
  }
}
