// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMPictureFilter.h"

#include "PictureFromVTK.h"

#include "Filters/Common/OutputVTK.h"

#include "vtkDataObject.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkStreamingDemandDrivenPipeline.h"

#include <exception>

using Pipeline = vtkStreamingDemandDrivenPipeline;

int vtkLVLMPictureFilter::RequestInformation(
  vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  std::vector<Size> sizes;
  try
  {
    const auto given = lvlm::announcedSize(inputs[0]->GetInformationObject(0));
    sizes = this->Announce({ given.width, given.height });
  }
  catch (const std::exception&)
  {
    // What cannot be made passes for one point: RequestData() is asked for it and tells why.
  }
  sizes.resize(static_cast<std::size_t>(this->GetNumberOfOutputPorts()), { 1, 1 });
  for (int port = 0; port < this->GetNumberOfOutputPorts(); ++port)
  {
    // Nothing about sub-extents: the first rank is asked for the whole picture, the others for
    // nothing.
    const auto [width, height] = sizes[static_cast<std::size_t>(port)];
    vtkInformation* outInfo = outputs->GetInformationObject(port);
    const lvlm::ImageGeometry geometry = lvlm::pixelCentres(width, height);
    outInfo->Set(Pipeline::WHOLE_EXTENT(), geometry.extent, 6);
    outInfo->Set(vtkDataObject::SPACING(), geometry.spacing, 3);
    outInfo->Set(vtkDataObject::ORIGIN(), geometry.origin, 3);
    vtkDataObject::SetPointDataActiveScalarInfo(outInfo, VTK_UNSIGNED_CHAR, 3);
  }
  return 1;
}

int vtkLVLMPictureFilter::RequestUpdateExtent(
  vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  bool asked = false;
  for (int port = 0; port < outputs->GetNumberOfInformationObjects(); ++port)
  {
    const int* extent = outputs->GetInformationObject(port)->Get(Pipeline::UPDATE_EXTENT());
    asked = asked || (extent && extent[0] <= extent[1] && extent[2] <= extent[3]);
  }
  vtkInformation* inInfo = inputs[0]->GetInformationObject(0);
  if (asked && inInfo->Has(Pipeline::WHOLE_EXTENT()))
  {
    inInfo->Set(Pipeline::UPDATE_PIECE_NUMBER(), 0);
    inInfo->Set(Pipeline::UPDATE_NUMBER_OF_PIECES(), 1);
    inInfo->Set(Pipeline::UPDATE_EXTENT(), inInfo->Get(Pipeline::WHOLE_EXTENT()), 6);
  }
  else
  {
    const int none[6] = { 0, -1, 0, -1, 0, -1 };
    inInfo->Set(Pipeline::UPDATE_EXTENT(), none, 6);
  }
  return 1;
}
