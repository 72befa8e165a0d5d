// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMEditPicture.h"

#include "PictureFromVTK.h"

#include "Models/Picture/PictureEdit.h"
#include "Readers/vtkLVLMGuard.h"

#include "vtkImageData.h"
#include "vtkInformationVector.h"
#include "vtkObjectFactory.h"

#include <string>

vtkStandardNewMacro(vtkLVLMEditPicture);

struct vtkLVLMEditPicture::Internals
{
  std::vector<std::string> Lines;

  std::vector<lvlm::picture::PictureEdit> edits() const
  {
    std::vector<lvlm::picture::PictureEdit> edits;
    for (const std::string& line : this->Lines)
    {
      if (line.find_first_not_of(" \t\n") != std::string::npos)
      {
        edits.push_back(lvlm::picture::parseEdit(line));
      }
    }
    return edits;
  }
};

vtkLVLMEditPicture::vtkLVLMEditPicture() : Self(std::make_unique<Internals>()) {}

vtkLVLMEditPicture::~vtkLVLMEditPicture() = default;

void vtkLVLMEditPicture::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  for (const std::string& line : this->Self->Lines)
  {
    os << indent << "Edit: " << line << "\n";
  }
}

void vtkLVLMEditPicture::AddEdit(const char* edit)
{
  this->Self->Lines.emplace_back(edit ? edit : "");
  this->Modified();
}

void vtkLVLMEditPicture::RemoveAllEdits()
{
  if (!this->Self->Lines.empty())
  {
    this->Self->Lines.clear();
    this->Modified();
  }
}

std::vector<vtkLVLMPictureFilter::Size> vtkLVLMEditPicture::Announce(const Size& picture)
{
  const lvlm::PixelBox box =
    lvlm::picture::keptPart(this->Self->edits(), picture.width, picture.height);
  return { { box.right - box.left, box.bottom - box.top } };
}

int vtkLVLMEditPicture::RequestData(
  vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  return lvlm::guarded(this, outputs,
    [&]
    {
      vtkImageData* const input = vtkImageData::GetData(inputs[0]);
      const auto picture = lvlm::pictureFromVTK(input, lvlm::colorsOf(nullptr, input));
      lvlm::pictureToVTK(
        lvlm::picture::applyEdits(picture, this->Self->edits()), vtkImageData::GetData(outputs));
    });
}
