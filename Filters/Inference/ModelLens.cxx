// SPDX-License-Identifier: Apache-2.0
#include "ModelLens.h"

#include "InferenceLibrary.h"
#include "TraceModel.h"

#include "Filters/Analysis/LensRequest.h"
#include "Models/Ranks/Team.h"

namespace lvlm
{

namespace
{
/// Null where it is not needed and cannot be opened on all ranks.
std::shared_ptr<const llava::LlavaModel> modelOf(
  const Trace& trace, const LensRequest& request, bool needed, ranks::Team& team)
{
  const char* lacks =
    trace.has(tensor_name::HiddenStates) ? "no lens.*" : "neither hidden states nor lens.*";
  std::shared_ptr<const llava::LlavaModel> model;
  const auto open = [&]
  { model = openTraceModel(trace, request.modelDirectory, request.device, lacks, team); };
  if (needed)
  {
    team.together(open);
    return model;
  }
  const bool opened = team.allAgree(
    [&]
    {
      try
      {
        open();
        return true;
      }
      catch (const Error&) // a failure of one rank would be the end on all
      {
        return false;
      }
    });
  return opened ? model : nullptr;
}

LensModel openLensModel(
  const Trace& trace, const LensRequest& request, bool needed, ranks::Team& team)
{
  const std::shared_ptr<const llava::LlavaModel> model = modelOf(trace, request, needed, team);
  LensModel lens;
  lens.model = model;
  lens.wordId = [model](const std::string& word) { return inference().wordId(*model, word); };
  lens.compute = [model, &trace, &team](
                   const Indices& layers, const Indices& words, const Progress& progress)
  { return inference().logitLens(*model, trace, layers, words, LensBest, progress, team); };
  return lens;
}
}

bool registerModelLens()
{
  registerLensModel(openLensModel);
  return true;
}

} // namespace lvlm
