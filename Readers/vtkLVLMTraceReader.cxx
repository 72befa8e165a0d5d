// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMTraceReader.h"

#include "AlgorithmTeam.h"
#include "TraceVTK.h"

#include "Models/Ranks/LayerShare.h"
#include "Models/Trace/Error.h"
#include "Models/Trace/MemoryAdvice.h"
#include "Models/Trace/TraceFile.h"
#include "Models/Trace/TraceLayers.h"

#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkMultiBlockDataSet.h"
#include "vtkObjectFactory.h"

vtkStandardNewMacro(vtkLVLMTraceReader);

vtkLVLMTraceReader::vtkLVLMTraceReader()
  : Shape(new lvlm::TraceShape), Ranks(new lvlm::AlgorithmTeam(this))
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
  try
  {
    lvlm::readTrace(fileName ? fileName : "");
    return 1;
  }
  catch (const std::exception&)
  {
    return 0; // the file dialog only asks
  }
}

void vtkLVLMTraceReader::OpenHere()
{
  if (!this->FileName || !*this->FileName)
  {
    lvlm::fail("FileName is empty: choose a .lvlm file");
  }
  const lvlm::Trace whole = lvlm::readTrace(this->FileName);
  const lvlm::Trace trace = lvlm::withLayers(
    whole, lvlm::ranks::layersOfRank(whole.layerTotal, this->Ranks->rank(), this->Ranks->size()));
  for (const char* name : { lvlm::tensor_name::AttentionAnswer, lvlm::tensor_name::AttentionFull,
         lvlm::tensor_name::AttentionVision })
  {
    if (trace.has(name))
    {
      lvlm::expectScatteredReads(trace.tensor(name));
    }
  }
  try
  {
    this->Opened = lvlm::traceToVTK(trace);
  }
  catch (const lvlm::Error& error)
  {
    lvlm::fail(this->FileName, ": ", error.what());
  }
  *this->Shape = lvlm::shapeOf(trace);
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

int vtkLVLMTraceReader::RequestInformation(
  vtkInformation*, vtkInformationVector**, vtkInformationVector* outputs)
{
  if (!this->FileName || !*this->FileName)
  {
    return 1; // a script may name the file after making the reader; RequestData() asks for it
  }
  try
  {
    this->Open();
    vtkInformation* outInfo = outputs->GetInformationObject(0);
    outInfo->Set(CAN_HANDLE_PIECE_REQUEST(), 1);
    lvlm::announceTrace(outInfo, *this->Shape);
    return 1;
  }
  catch (const std::exception& error)
  {
    vtkErrorMacro(<< error.what());
    return 0;
  }
}

int vtkLVLMTraceReader::RequestData(
  vtkInformation*, vtkInformationVector**, vtkInformationVector* outputs)
{
  try
  {
    this->Open();
    vtkMultiBlockDataSet::GetData(outputs)->ShallowCopy(this->Opened);
    return 1;
  }
  catch (const std::exception& error)
  {
    vtkErrorMacro(<< error.what());
    return 0;
  }
}
