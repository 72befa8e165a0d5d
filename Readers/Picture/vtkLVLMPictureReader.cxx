// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMPictureReader.h"

#include "vtkLVLMGuard.h"

#include "Models/Picture/Image.h"
#include "Models/Trace/FileStamp.h"

#include "vtkDataObject.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkObjectFactory.h"
#include "vtkPointData.h"
#include "vtkStreamingDemandDrivenPipeline.h"
#include "vtkUnsignedCharArray.h"

#include <algorithm>

vtkStandardNewMacro(vtkLVLMPictureReader);

namespace
{
using Pipeline = vtkStreamingDemandDrivenPipeline;

void pictureToVTK(const lvlm::picture::RgbImage& picture, vtkImageData* image)
{
  vtkNew<vtkUnsignedCharArray> pixels;
  pixels->SetName("picture");
  pixels->SetNumberOfComponents(3);
  pixels->SetNumberOfTuples(picture.width * picture.height);
  const std::int64_t row = picture.width * 3;
  for (std::int64_t y = 0; y < picture.height; ++y)
  {
    // VTK's y axis points up.
    std::copy_n(
      picture.pixels.data() + (picture.height - 1 - y) * row, row, pixels->GetPointer(y * row));
  }
  image->Initialize();
  image->SetDimensions(static_cast<int>(picture.width), static_cast<int>(picture.height), 1);
  image->GetPointData()->SetScalars(pixels);
}
}

vtkLVLMPictureReader::vtkLVLMPictureReader()
  : MaximumPixels(static_cast<int>(lvlm::picture::DefaultMaximumPixels))
{
  this->SetNumberOfInputPorts(0);
}

vtkLVLMPictureReader::~vtkLVLMPictureReader()
{
  this->SetFileName(nullptr);
}

void vtkLVLMPictureReader::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  os << indent << "FileName: " << (this->FileName ? this->FileName : "(none)") << endl;
  os << indent << "MaximumPixels: " << this->MaximumPixels << endl;
}

void vtkLVLMPictureReader::Open()
{
  if (this->OpenTime > this->GetMTime())
  {
    return;
  }
  if (!this->FileName || !*this->FileName)
  {
    lvlm::fail("FileName is empty: choose a picture");
  }
  const std::string stamp = lvlm::fileStamp(this->FileName);
  const auto picture = lvlm::picture::readImage(this->FileName, this->MaximumPixels);
  if (picture.width * picture.height > lvlm::picture::SuspiciousPixels)
  {
    vtkWarningMacro(<< this->FileName << " has " << picture.width << " x " << picture.height
                    << " pixels, unusually many for a picture");
  }
  pictureToVTK(picture, this->Picture);
  this->OpenStamp = stamp;
  this->OpenTime.Modified();
}

int vtkLVLMPictureReader::GetOutdated()
{
  return this->OpenTime > this->GetMTime() && this->FileName &&
      lvlm::fileStamp(this->FileName) != this->OpenStamp
    ? 1
    : 0;
}

int vtkLVLMPictureReader::RequestInformation(
  vtkInformation*, vtkInformationVector**, vtkInformationVector* outputs)
{
  try
  {
    this->Open();
  }
  catch (const std::exception&)
  {
    // A file that cannot be read passes for one point: RequestData() is asked for it and tells why.
    this->Picture->Initialize();
    this->Picture->SetDimensions(1, 1, 1);
  }
  vtkInformation* outInfo = outputs->GetInformationObject(0);
  const double origin[3] = { 0, 0, 0 }, spacing[3] = { 1, 1, 1 };
  outInfo->Set(Pipeline::WHOLE_EXTENT(), this->Picture->GetExtent(), 6);
  outInfo->Set(vtkDataObject::ORIGIN(), origin, 3);
  outInfo->Set(vtkDataObject::SPACING(), spacing, 3);
  outInfo->Set(CAN_PRODUCE_SUB_EXTENT(), 1);
  vtkDataObject::SetPointDataActiveScalarInfo(outInfo, VTK_UNSIGNED_CHAR, 3);
  return 1;
}

int vtkLVLMPictureReader::RequestData(
  vtkInformation*, vtkInformationVector**, vtkInformationVector* outputs)
{
  return lvlm::guarded(this, outputs,
    [&]
    {
      this->Open();
      vtkInformation* outInfo = outputs->GetInformationObject(0);
      vtkImageData* output = vtkImageData::GetData(outInfo);
      const int* asked = outInfo->Get(Pipeline::UPDATE_EXTENT());
      if (asked && (asked[0] > asked[1] || asked[2] > asked[3]))
      {
        output->Initialize(); // more ranks than rows
        return;
      }
      output->ShallowCopy(this->Picture);
      if (asked)
      {
        output->Crop(asked);
      }
    });
}
