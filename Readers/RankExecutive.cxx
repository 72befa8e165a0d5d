// SPDX-License-Identifier: Apache-2.0
#include "RankExecutive.h"

#include "vtkAlgorithm.h"
#include "vtkCompositeDataPipeline.h"
#include "vtkInformation.h"
#include "vtkInformationIntegerKey.h"
#include "vtkInformationVector.h"
#include "vtkObjectFactory.h"

namespace lvlm
{

namespace
{
using Pipeline = vtkDemandDrivenPipeline;

/// Outside ParaView.
class PlainRankExecutive : public vtkCompositeDataPipeline
{
public:
  static PlainRankExecutive* New();
  vtkTypeMacro(PlainRankExecutive, vtkCompositeDataPipeline);

protected:
  using vtkCompositeDataPipeline::ForwardUpstream;
  int ForwardUpstream(vtkInformation* request) override
  {
    return forwardedUpstream(this, request, this->Superclass::ForwardUpstream(request));
  }
};
vtkStandardNewMacro(PlainRankExecutive);

vtkExecutive* newPlainExecutive()
{
  return PlainRankExecutive::New();
}

MakeExecutive currentMaker = newPlainExecutive;
}

vtkInformationIntegerKey* ranksKey()
{
  static vtkInformationIntegerKey* const key =
    vtkInformationIntegerKey::MakeKey("LVLM_RANKS", "vtkAlgorithm");
  return key;
}

vtkExecutive* newRankExecutive()
{
  return currentMaker();
}

void setRankExecutive(MakeExecutive make)
{
  currentMaker = make;
}

int forwardedUpstream(vtkExecutive* self, vtkInformation* request, int done)
{
  vtkInformation* algorithm = self->GetAlgorithm()->GetInformation();
  const bool alone = !algorithm->Has(ranksKey()) || algorithm->Get(ranksKey()) == 1;
  if (done || alone || !request->Has(Pipeline::REQUEST_DATA()))
  {
    return done;
  }
  for (int port = 0; port < self->GetNumberOfInputPorts(); ++port)
  {
    vtkInformationVector* inputs = self->GetInputInformation(port);
    for (int i = 0; i < inputs->GetNumberOfInformationObjects(); ++i)
    {
      // The producer takes it away when it runs the next time.
      inputs->GetInformationObject(i)->Set(Pipeline::DATA_NOT_GENERATED(), 1);
    }
  }
  return 1;
}

bool inputFailed(vtkInformationVector* inputs)
{
  for (int i = 0; i < inputs->GetNumberOfInformationObjects(); ++i)
  {
    if (inputs->GetInformationObject(i)->Has(Pipeline::DATA_NOT_GENERATED()))
    {
      return true;
    }
  }
  return false;
}

} // namespace lvlm
