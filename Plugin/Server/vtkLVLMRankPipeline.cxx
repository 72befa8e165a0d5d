// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMRankPipeline.h"

#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkMultiProcessController.h"
#include "vtkObjectFactory.h"

vtkStandardNewMacro(vtkLVLMRankPipeline);

vtkLVLMRankPipeline::vtkLVLMRankPipeline() = default;
vtkLVLMRankPipeline::~vtkLVLMRankPipeline() = default;

int vtkLVLMRankPipeline::ForwardUpstream(vtkInformation* request)
{
  const int done = this->Superclass::ForwardUpstream(request);
  vtkMultiProcessController* ranks = vtkMultiProcessController::GetGlobalController();
  if (done || !request->Has(REQUEST_DATA()) || !ranks || ranks->GetNumberOfProcesses() == 1)
  {
    return done;
  }
  for (int port = 0; port < this->GetNumberOfInputPorts(); ++port)
  {
    vtkInformationVector* inputs = this->GetInputInformation(port);
    for (int i = 0; i < inputs->GetNumberOfInformationObjects(); ++i)
    {
      // The producer takes it away when it runs the next time.
      inputs->GetInformationObject(i)->Set(DATA_NOT_GENERATED(), 1);
    }
  }
  return 1;
}

void vtkLVLMRankPipeline::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
}
