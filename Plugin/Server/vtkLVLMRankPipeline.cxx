// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMRankPipeline.h"

#include "Readers/RankExecutive.h"

#include "vtkObjectFactory.h"

vtkStandardNewMacro(vtkLVLMRankPipeline);

namespace
{
/// When the plugin is loaded, before any filter of it exists.
[[maybe_unused]] const bool IsUsed = []
{
  lvlm::setRankExecutive([]() -> vtkExecutive* { return vtkLVLMRankPipeline::New(); });
  return true;
}();
}

int vtkLVLMRankPipeline::ForwardUpstream(vtkInformation* request)
{
  return lvlm::forwardedUpstream(this, request, this->Superclass::ForwardUpstream(request));
}
