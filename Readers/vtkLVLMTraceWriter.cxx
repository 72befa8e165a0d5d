// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMTraceWriter.h"

#include "AlgorithmTeam.h"
#include "RankExecutive.h"
#include "SharedTraceFile.h"
#include "TraceShape.h"
#include "vtkLVLMGuard.h"
#include "vtkLVLMTrace.h"

#include "Models/Trace/Error.h"

#include "vtkExecutive.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkObjectFactory.h"
#include "vtkStreamingDemandDrivenPipeline.h"

vtkStandardNewMacro(vtkLVLMTraceWriter);

vtkLVLMTraceWriter::vtkLVLMTraceWriter() : Ranks(std::make_unique<lvlm::AlgorithmTeam>(this)) {}

vtkLVLMTraceWriter::~vtkLVLMTraceWriter()
{
  this->SetFileName(nullptr);
}

void vtkLVLMTraceWriter::SetController(vtkMultiProcessController* controller)
{
  lvlm::setController(this, this->Ranks, controller);
}

vtkMultiProcessController* vtkLVLMTraceWriter::GetController()
{
  return this->Ranks->controller();
}

vtkExecutive* vtkLVLMTraceWriter::CreateDefaultExecutive()
{
  return lvlm::newRankExecutive();
}

void vtkLVLMTraceWriter::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  os << indent << "FileName: " << (this->FileName ? this->FileName : "(none)") << endl;
}

int vtkLVLMTraceWriter::FillInputPortInformation(int, vtkInformation* info)
{
  info->Set(vtkAlgorithm::INPUT_REQUIRED_DATA_TYPE(), "vtkMultiBlockDataSet");
  return 1;
}

vtkTypeBool vtkLVLMTraceWriter::ProcessRequest(
  vtkInformation* request, vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  if (request->Has(vtkStreamingDemandDrivenPipeline::REQUEST_UPDATE_EXTENT()))
  {
    lvlm::askForOwnLayers(inputs[0]->GetInformationObject(0), *this->Ranks);
    return 1;
  }
  return this->Superclass::ProcessRequest(request, inputs, outputs);
}

void vtkLVLMTraceWriter::WriteData()
{
  if (!this->FileName || !*this->FileName)
  {
    vtkErrorMacro("FileName is empty: name the .lvlm file to write");
    this->ErrorCode = vtkErrorCode::NoFileNameError;
    return;
  }
  lvlm::guardedFile(this, nullptr, this->ErrorCode, vtkErrorCode::CannotOpenFileError,
    vtkErrorCode::UnknownError,
    [&]
    {
      this->Ranks->together(
        [this]
        {
          if (lvlm::inputFailed(this->GetExecutive()->GetInputInformation(0)))
          {
            lvlm::fail("there is no trace to write: its source failed");
          }
          lvlm::writeSharedTrace(
            this->FileName, *vtkLVLMTrace::TraceOf(this->GetInput()), *this->Ranks);
        });
    });
}
