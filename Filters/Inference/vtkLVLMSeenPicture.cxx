// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMSeenPicture.h"

#include "EmbeddedModel.h"
#include "ExpectedShape.h"
#include "InferenceLibrary.h"
#include "PictureFromVTK.h"

#include "Filters/Common/OutputVTK.h"
#include "Models/Picture/PillowResize.h"
#include "Readers/vtkLVLMGuard.h"

#include "vtkDoubleArray.h"
#include "vtkFieldData.h"
#include "vtkImageData.h"
#include "vtkInformationVector.h"
#include "vtkIntArray.h"
#include "vtkNew.h"
#include "vtkObjectFactory.h"

#include <algorithm>
#include <cmath>
#include <sstream>

vtkStandardNewMacro(vtkLVLMSeenPicture);

namespace
{
using lvlm::llava::Seeing;
using lvlm::picture::RgbImage;

constexpr double Everything = 0.995; // of a picture: what is missing then is not to be seen

/// "columns 400 to 799 of 1200", or rows, where some of them are missing.
std::string remaining(const char* what, double first, double past, std::int64_t count)
{
  if (past - first > Everything * static_cast<double>(count))
  {
    return {};
  }
  std::ostringstream text;
  text << what << " " << std::lround(first) << " to " << std::lround(past) - 1 << " of " << count;
  return text.str();
}

/// What of the picture the model sees, in a sentence.
std::string sentence(const Seeing& seeing, const RgbImage& picture)
{
  std::ostringstream text;
  if (!seeing.seen.tiles.empty())
  {
    text << "The model sees the whole picture once, and again in "
         << seeing.seen.shown.height / seeing.seen.edge << " x "
         << seeing.seen.shown.width / seeing.seen.edge << " tiles of " << seeing.seen.edge << " x "
         << seeing.seen.edge << " pixels.";
    return text.str();
  }
  const auto& [left, right, top, bottom] = seeing.part;
  const std::string columns = remaining("columns", left, right, picture.width);
  const std::string rows = remaining("rows", top, bottom, picture.height);
  if (columns.empty() && rows.empty())
  {
    text << "The model sees the whole picture, as " << seeing.seen.shown.width << " x "
         << seeing.seen.shown.height << " pixels.";
    return text.str();
  }
  const double share =
    (right - left) * (bottom - top) / static_cast<double>(picture.width * picture.height);
  text << "The model sees " << std::lround(100 * share) << " % of the picture: " << columns
       << (columns.empty() || rows.empty() ? "" : ", ") << rows
       << (rows.empty() ? "" : " from the top") << ". The rest is cut off.";
  return text.str();
}

void addNumbers(vtkImageData* output, const Seeing& seeing, const RgbImage& picture)
{
  const auto height = static_cast<double>(picture.height);
  const double edges[4] = { seeing.part.left, seeing.part.right, height - seeing.part.bottom,
    height - seeing.part.top };
  vtkNew<vtkDoubleArray> part;
  part->SetName("seen_part");
  part->SetNumberOfComponents(4);
  part->InsertNextTuple(edges);
  output->GetFieldData()->AddArray(part);
  vtkNew<vtkIntArray> size;
  size->SetName("picture_size");
  size->SetNumberOfComponents(2);
  size->InsertNextTuple2(static_cast<double>(picture.width), height);
  output->GetFieldData()->AddArray(size);
}
}

vtkLVLMSeenPicture::vtkLVLMSeenPicture()
{
  this->SetNumberOfOutputPorts(2);
}

void vtkLVLMSeenPicture::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  os << indent << "ModelDirectory: " << this->ModelDirectory << "\n";
  os << indent << "ImageMode: " << this->ImageMode << "\n";
  os << indent << "LongestEdge: " << this->LongestEdge << "\n";
}

vtkLVLMPictureFilter::Size vtkLVLMSeenPicture::SmallSize(const Size& picture) const
{
  const std::int64_t longer = std::max(picture.width, picture.height);
  if (longer <= this->LongestEdge)
  {
    return picture;
  }
  const auto scaled = [&](std::int64_t edge)
  { return std::max<std::int64_t>(1, (edge * this->LongestEdge + longer / 2) / longer); };
  return { scaled(picture.width), scaled(picture.height) };
}

std::vector<vtkLVLMPictureFilter::Size> vtkLVLMSeenPicture::Announce(const Size& picture)
{
  const lvlm::TraceShape shape = lvlm::expectedShape(
    lvlm::modelFolder(this->ModelDirectory), { { picture.width, picture.height } });
  return { { shape.width, shape.height }, this->SmallSize(picture) };
}

int vtkLVLMSeenPicture::RequestData(
  vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  return lvlm::guarded(this, outputs,
    [&]
    {
      vtkImageData* const input = vtkImageData::GetData(inputs[0]);
      const RgbImage picture = lvlm::pictureFromVTK(input, lvlm::colorsOf(nullptr, input));
      const auto [width, height] = this->SmallSize({ picture.width, picture.height });
      lvlm::pictureToVTK(lvlm::picture::resizeWindow(lvlm::picture::Canvas(picture), width, height,
                           lvlm::picture::Resample::Bilinear, { 0, 0, width, height }),
        vtkImageData::GetData(outputs, 1));
      const auto model = lvlm::inference().open(lvlm::modelFolder(this->ModelDirectory), {});
      const Seeing seeing = lvlm::inference().seePicture(
        *model, picture, static_cast<lvlm::picture::ImageMode>(this->ImageMode));
      vtkImageData* const output = vtkImageData::GetData(outputs, 0);
      lvlm::pictureToVTK(seeing.seen.shown, output);
      lvlm::addText(output, "seen", sentence(seeing, picture));
      addNumbers(output, seeing, picture);
    });
}
