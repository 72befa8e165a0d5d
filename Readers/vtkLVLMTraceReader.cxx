// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMTraceReader.h"

#include "AlgorithmTeam.h"
#include "TraceShape.h"
#include "vtkLVLMGuard.h"
#include "vtkLVLMTrace.h"

#include "Models/Ranks/LayerShare.h"
#include "Models/Trace/Error.h"
#include "Models/Trace/MappedFile.h"
#include "Models/Trace/MemoryAdvice.h"
#include "Models/Trace/TraceFile.h"
#include "Models/Trace/TraceLayers.h"

#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkObjectFactory.h"

#include <filesystem>
#include <string>

vtkStandardNewMacro(vtkLVLMTraceReader);

vtkLVLMTraceReader::vtkLVLMTraceReader() : Ranks(new lvlm::AlgorithmTeam(this))
{
  this->SetNumberOfInputPorts(0);
}

vtkLVLMTraceReader::~vtkLVLMTraceReader()
{
  this->SetFileName(nullptr);
}

void vtkLVLMTraceReader::SetController(vtkMultiProcessController* controller)
{
  lvlm::setController(this, this->Ranks, controller);
}

vtkMultiProcessController* vtkLVLMTraceReader::GetController()
{
  return this->Ranks->controller();
}

void vtkLVLMTraceReader::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  os << indent << "FileName: " << (this->FileName ? this->FileName : "(none)") << endl;
}

int vtkLVLMTraceReader::CanReadFile(const char* fileName)
{
  const std::string name = fileName ? fileName : "";
  if (std::filesystem::path(name).extension() == ".lvlm")
  {
    return 1; // a damaged one as well: the reader says what is wrong with it
  }
  try
  {
    lvlm::readTrace(name);
    return 1;
  }
  catch (const std::exception&)
  {
    return 0; // the file dialog only asks
  }
}

void vtkLVLMTraceReader::OpenHere()
{
  const lvlm::Trace whole = lvlm::readTrace(this->FileName);
  const auto trace = std::make_shared<const lvlm::Trace>(lvlm::withLayers(
    whole, lvlm::ranks::layersOfRank(whole.layerTotal, this->Ranks->rank(), this->Ranks->size())));
  for (const char* name : { lvlm::tensor_name::AttentionAnswer, lvlm::tensor_name::AttentionFull,
         lvlm::tensor_name::AttentionVision })
  {
    if (trace->has(name))
    {
      lvlm::expectScatteredReads(trace->tensor(name));
    }
  }
  const auto opened = vtkSmartPointer<vtkLVLMTrace>::New();
  try
  {
    opened->SetTrace(trace);
  }
  catch (const lvlm::Error& error)
  {
    lvlm::fail(this->FileName, ": ", error.what());
  }
  lvlm::requireIntact(trace->tensors); // the picture has been copied from the file
  this->Opened = opened;
}

void vtkLVLMTraceReader::Open()
{
  if (this->Opened && this->OpenTime > this->GetMTime())
  {
    return;
  }
  this->Opened = nullptr;
  try
  {
    this->Ranks->together([this] { this->OpenHere(); });
    this->OpenTime.Modified();
  }
  catch (...)
  {
    this->Opened = nullptr; // it may have worked here
    throw;
  }
}

int vtkLVLMTraceReader::RequestDataObject(
  vtkInformation*, vtkInformationVector**, vtkInformationVector* outputs)
{
  return vtkLVLMTrace::MakeOutput(outputs);
}

int vtkLVLMTraceReader::RequestInformation(
  vtkInformation*, vtkInformationVector**, vtkInformationVector* outputs)
{
  if (!this->FileName || !*this->FileName)
  {
    return 1; // a script may name the file after making the reader; RequestData() asks for it
  }
  return lvlm::guardedFile(this, nullptr, this->ErrorCode, vtkErrorCode::FileNotFoundError,
    vtkErrorCode::FileFormatError,
    [&]
    {
      this->Open();
      vtkInformation* outInfo = outputs->GetInformationObject(0);
      outInfo->Set(CAN_HANDLE_PIECE_REQUEST(), 1);
      lvlm::announceTrace(outInfo, lvlm::shapeOf(*vtkLVLMTrace::TraceOf(this->Opened)));
    });
}

int vtkLVLMTraceReader::RequestData(
  vtkInformation*, vtkInformationVector**, vtkInformationVector* outputs)
{
  if (!this->FileName || !*this->FileName)
  {
    vtkErrorMacro("FileName is empty: choose a .lvlm file");
    this->ErrorCode = vtkErrorCode::NoFileNameError;
    return 0;
  }
  return lvlm::guardedFile(this, outputs, this->ErrorCode, vtkErrorCode::FileNotFoundError,
    vtkErrorCode::FileFormatError,
    [&]
    {
      this->Open();
      vtkDataObject::GetData(outputs)->ShallowCopy(this->Opened);
    });
}
