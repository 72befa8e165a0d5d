// SPDX-License-Identifier: Apache-2.0
#include "ModelWeighting.h"

#include "InferenceLibrary.h"
#include "TraceModel.h"

#include "Filters/Analysis/WeightingRequest.h"
#include "Models/Ranks/Team.h"

namespace lvlm
{

namespace
{
WeightingModel openWeightingModel(
  const Trace& trace, const WeightingRequest& request, ranks::Team& team)
{
  std::shared_ptr<const llava::LlavaModel> model;
  team.together(
    [&]
    {
      model = openTraceModel(trace, request.modelDirectory, request.device,
        "nothing that its attention could be weighted by", team);
      const Tensor& attention = trace.tensor(tensor_name::AttentionAnswer);
      const checkpoint::TextConfig& text = model->config().text;
      if (trace.layerTotal != text.layers || attention.extent(1) != text.heads)
      {
        fail("the trace's attention is of ", trace.layerTotal, " layers with ", attention.extent(1),
          " heads, ", model->directory(), " has ", text.layers, " with ", text.heads);
      }
    });
  WeightingModel weighting;
  weighting.model = model;
  weighting.gradients = [model, &trace, &team](const Indices& tokens, const Progress& progress)
  { return inference().attentionGradients(*model, trace, tokens, progress, team); };
  weighting.ask = [model, &trace, &team](const std::string& question, const Progress& progress)
  { return inference().attentionOfQuestion(*model, trace, question, progress, team); };
  return weighting;
}
}

bool registerModelWeighting()
{
  registerWeightingModel(openWeightingModel);
  return true;
}

} // namespace lvlm
