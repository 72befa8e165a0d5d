// SPDX-License-Identifier: Apache-2.0
#include "OutputPieces.h"

#include "Models/Ranks/Team.h"
#include "Readers/vtkLVLMTrace.h"

#include "vtkAlgorithm.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkStreamingDemandDrivenPipeline.h"

#include <algorithm>
#include <cstring>

namespace lvlm
{

namespace
{
using Pipeline = vtkStreamingDemandDrivenPipeline;

bool isEmpty(const int extent[6])
{
  return extent[0] > extent[1] || extent[2] > extent[3] || extent[4] > extent[5];
}

/// The image without any point, at its place.
void emptyImage(vtkImageData* image)
{
  double origin[3], spacing[3];
  std::copy_n(image->GetOrigin(), 3, origin);
  std::copy_n(image->GetSpacing(), 3, spacing);
  image->Initialize();
  image->SetOrigin(origin);
  image->SetSpacing(spacing);
}
}

void announcePieces(vtkAlgorithm* self, vtkInformationVector* outputs, const ranks::Team& team)
{
  for (int port = 0; port < outputs->GetNumberOfInformationObjects(); ++port)
  {
    const char* type = self->GetOutputPortInformation(port)->Get(vtkDataObject::DATA_TYPE_NAME());
    if (team.size() > 1 && type && std::strcmp(type, "vtkImageData") == 0)
    {
      outputs->GetInformationObject(port)->Set(vtkAlgorithm::CAN_PRODUCE_SUB_EXTENT(), 1);
    }
  }
}

void cutToPiece(vtkDataObject* output, vtkInformation* outInfo, const ranks::Team& team)
{
  if (vtkLVLMTrace::SafeDownCast(output))
  {
    return;
  }
  auto* image = vtkImageData::SafeDownCast(output);
  if (!image)
  {
    if (!team.isFirst())
    {
      output->Initialize();
    }
    return;
  }
  if (outInfo->Get(Pipeline::UPDATE_NUMBER_OF_PIECES()) <= 1)
  {
    return;
  }
  // The executive has already turned the number of the piece into an extent.
  const int* asked = outInfo->Get(Pipeline::UPDATE_EXTENT());
  if (!asked || isEmpty(asked))
  {
    emptyImage(image);
    return;
  }
  image->Crop(asked);
}

void WholeResults::keep(const std::vector<vtkMTimeType>& key, vtkInformationVector* outputs)
{
  this->Key = key;
  this->Results.clear();
  for (int port = 0; port < outputs->GetNumberOfInformationObjects(); ++port)
  {
    vtkDataObject* output = vtkDataObject::GetData(outputs, port);
    vtkSmartPointer<vtkDataObject> copy;
    copy.TakeReference(output->NewInstance());
    copy->ShallowCopy(output);
    this->Results.push_back(copy);
  }
}

void WholeResults::give(vtkInformationVector* outputs, const ranks::Team& team) const
{
  for (int port = 0; port < outputs->GetNumberOfInformationObjects(); ++port)
  {
    vtkDataObject* output = vtkDataObject::GetData(outputs, port);
    output->ShallowCopy(this->Results[static_cast<std::size_t>(port)]);
    cutToPiece(output, outputs->GetInformationObject(port), team);
  }
}

} // namespace lvlm
