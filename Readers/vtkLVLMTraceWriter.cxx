// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMTraceWriter.h"

#include "TraceVTK.h"

#include "Models/Core/Error.h"
#include "Models/Core/TraceFile.h"

#include "vtkErrorCode.h"
#include "vtkInformation.h"
#include "vtkObjectFactory.h"

vtkStandardNewMacro(vtkLVLMTraceWriter);

vtkLVLMTraceWriter::~vtkLVLMTraceWriter()
{
  this->SetFileName(nullptr);
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

void vtkLVLMTraceWriter::WriteData()
{
  try
  {
    if (!this->FileName || !*this->FileName)
    {
      lvlm::fail("FileName is empty: name the .lvlm file to write");
    }
    lvlm::writeTrace(this->FileName, lvlm::traceFromVTK(this->GetInput(), true));
  }
  catch (const std::exception& error)
  {
    vtkErrorMacro(<< error.what());
    this->SetErrorCode(vtkErrorCode::CannotOpenFileError);
  }
}
