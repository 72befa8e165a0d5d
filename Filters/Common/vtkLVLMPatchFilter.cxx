// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMPatchFilter.h"

#include "vtkInformation.h"

vtkLVLMPatchFilter::vtkLVLMPatchFilter()
{
  this->SetNumberOfInputPorts(2);
}

void vtkLVLMPatchFilter::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  os << indent << "Patches:";
  for (const std::int64_t patch : this->Patches)
  {
    os << " " << patch;
  }
  os << "\n";
}

void vtkLVLMPatchFilter::AddPatch(int patch)
{
  this->Patches.push_back(patch);
  this->Modified();
}

void vtkLVLMPatchFilter::RemoveAllPatches()
{
  this->Patches.clear();
  this->Modified();
}

void vtkLVLMPatchFilter::SetSelectionConnection(vtkAlgorithmOutput* selection)
{
  this->SetInputConnection(1, selection);
}

int vtkLVLMPatchFilter::FillInputPortInformation(int port, vtkInformation* info)
{
  if (port == 0)
  {
    return this->Superclass::FillInputPortInformation(port, info);
  }
  info->Set(vtkAlgorithm::INPUT_REQUIRED_DATA_TYPE(), "vtkSelection");
  info->Set(vtkAlgorithm::INPUT_IS_OPTIONAL(), 1);
  return 1;
}
