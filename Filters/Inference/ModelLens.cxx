// SPDX-License-Identifier: Apache-2.0
#include "ModelLens.h"

#include "TraceModel.h"

#include "Filters/Analysis/LensRequest.h"
#include "Models/Llava/Lens.h"
#include "Models/Ranks/Team.h"

namespace lvlm
{

namespace
{
LensModel openLensModel(const Trace& trace, const LensRequest& request, ranks::Team& team)
{
  std::shared_ptr<const llava::LlavaModel> model;
  team.together(
    [&]
    {
      model = openTraceModel(trace, request.modelDirectory, request.device,
        trace.has(tensor_name::HiddenStates) ? "no lens.*" : "neither hidden states nor lens.*",
        team);
    });
  LensModel lens;
  lens.model = model;
  lens.wordId = [model](const std::string& word) { return llava::wordId(*model, word); };
  lens.compute = [model, &trace, &team](
                   const Indices& layers, const Indices& words, const Progress& progress)
  { return llava::logitLens(*model, trace, layers, words, LensBest, progress, team); };
  return lens;
}
}

bool registerModelLens()
{
  registerLensModel(openLensModel);
  return true;
}

} // namespace lvlm
