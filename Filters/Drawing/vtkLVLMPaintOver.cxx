// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMPaintOver.h"

#include "Filters/Common/OutputVTK.h"
#include "Filters/Common/PatchSelection.h"
#include "Models/Trace/Analysis.h"
#include "Models/Trace/PatchPixels.h"
#include "Models/Trace/Regions.h"
#include "Readers/TraceShape.h"
#include "Readers/vtkLVLMTrace.h"

#include "vtkDataArray.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkObjectFactory.h"
#include "vtkPointData.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

vtkStandardNewMacro(vtkLVLMPaintOver);

namespace
{
using Rgb = std::array<std::uint8_t, 3>;

/// Three unsigned chars a pixel, rows from the bottom.
struct Pixels
{
  std::uint8_t* values;
  std::int64_t width;
  std::int64_t height;
};

std::uint8_t byteOf(double value)
{
  return std::isfinite(value)
    ? static_cast<std::uint8_t>(std::lround(255 * std::clamp(value, 0.0, 1.0)))
    : std::uint8_t{ 0 };
}

void paint(const Pixels& pixels, const lvlm::PixelBox& box, const Rgb& color)
{
  for (std::int64_t y = box.top; y < box.bottom; ++y)
  {
    std::uint8_t* line = pixels.values + 3 * (pixels.height - 1 - y) * pixels.width;
    for (std::int64_t x = box.left; x < box.right; ++x)
    {
      std::copy(color.begin(), color.end(), line + 3 * x);
    }
  }
}

/// The trace's picture, copied into the output.
Pixels copyPicture(vtkDataObject* trace, vtkImageData* output)
{
  vtkImageData* picture = vtkLVLMTrace::PictureOf(trace);
  if (!picture)
  {
    lvlm::fail("the trace has no picture to paint over");
  }
  const Pixels from{ static_cast<std::uint8_t*>(picture->GetScalarPointer()),
    picture->GetDimensions()[0], picture->GetDimensions()[1] };
  lvlm::shapeImage(output, lvlm::pixelCentres(from.width, from.height));
  output->AllocateScalars(VTK_UNSIGNED_CHAR, 3);
  output->GetPointData()->GetScalars()->SetName("picture");
  const Pixels to{ static_cast<std::uint8_t*>(output->GetScalarPointer()), from.width,
    from.height };
  std::memcpy(to.values, from.values, static_cast<std::size_t>(3 * from.width * from.height));
  return to;
}
}

void vtkLVLMPaintOver::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  os << indent << "Fill: " << this->Fill << "\n";
  os << indent << "Color: " << this->Color[0] << " " << this->Color[1] << " " << this->Color[2]
     << "\n";
}

int vtkLVLMPaintOver::FillOutputPortInformation(int, vtkInformation* info)
{
  info->Set(vtkDataObject::DATA_TYPE_NAME(), "vtkImageData");
  return 1;
}

void vtkLVLMPaintOver::Announce(const lvlm::TraceShape& shape, vtkInformationVector* outputs)
{
  vtkInformation* outInfo = outputs->GetInformationObject(0);
  lvlm::announceImage(outInfo, lvlm::pixelCentres(shape.width, shape.height));
  vtkDataObject::SetPointDataActiveScalarInfo(outInfo, VTK_UNSIGNED_CHAR, 3);
}

void vtkLVLMPaintOver::Compute(const lvlm::Trace& trace, vtkDataObject* data,
  vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  lvlm::Indices patches = lvlm::chosenPatches(this->Patches, inputs[1], trace, this->GetRanks());
  if (!patches.empty()) // an empty list would mean all of them
  {
    patches = lvlm::resolveIndices(patches, trace.grid.count(), "Patches");
  }
  const Pixels pixels = copyPicture(data, vtkImageData::GetData(outputs));
  const Rgb mean = lvlm::meanColor(pixels.values, pixels.width * pixels.height);
  const Rgb fills[] = { mean, { 0, 0, 0 }, { 255, 255, 255 },
    { byteOf(this->Color[0]), byteOf(this->Color[1]), byteOf(this->Color[2]) } };
  const lvlm::MapGrid map = lvlm::mapGrid(trace);
  for (const std::int64_t patch : patches)
  {
    paint(pixels, lvlm::boxOfPatch(patch, map.grid, map.box), fills[this->Fill]);
  }
}
