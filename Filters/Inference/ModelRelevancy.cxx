// SPDX-License-Identifier: Apache-2.0
#include "ModelRelevancy.h"

#include "InferenceLibrary.h"
#include "TraceModel.h"

#include "Filters/Analysis/RelevancyRequest.h"
#include "Models/Ranks/Team.h"
#include "Models/Trace/TokenActivation.h"

#include <cstdlib>

namespace lvlm
{

namespace
{
/// The temperature that the answer was sampled with; 0, a greedy answer, when nothing is said.
double temperatureOf(const Trace& trace)
{
  const std::string text = trace.told("temperature");
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (end != text.c_str() + text.size() || !(value >= 0))
  {
    fail("the trace's temperature '", text, "' is not a number of at least 0");
  }
  return value;
}

/// Of all answer tokens: what is looked at is the same.
AnswerMaps activationMaps(
  const llava::LlavaModel& model, const Trace& trace, const Progress& progress, ranks::Team& team)
{
  const Lens last = inference().lastLens(
    model, trace, activationWords(trace), activationStart(trace), progress, team);
  AnswerMaps maps;
  for (std::int64_t token = 0; token < trace.answerLength(); ++token)
  {
    maps[token][ActivationName].row = tokenActivation(trace, last, token);
  }
  return maps;
}

RelevancyModel openRelevancyModel(
  const Trace& trace, const RelevancyRequest& request, ranks::Team& team)
{
  std::shared_ptr<const llava::LlavaModel> model;
  llava::RelevancyOptions options;
  options.mode =
    request.compatible ? llava::RelevancyMode::Compatible : llava::RelevancyMode::Exact;
  options.roundedGradients = request.roundedGradients;
  team.together(
    [&]
    {
      model = openTraceModel(trace, request.modelDirectory, request.device, "no relevancy", team);
      options.temperature = temperatureOf(trace);
    });
  if (request.method == RelevancyRequest::Method::TokenActivation)
  {
    // Of all tokens: each map is made of the ones before it.
    return { model, [=, &trace, &team](const Indices&, const Progress& progress) {
              return activationMaps(*model, trace, progress, team);
            } };
  }
  return { model, [=, &trace, &team](const Indices& tokens, const Progress& progress) {
            return inference().relevancyMaps(*model, trace, tokens, options, progress, team);
          } };
}
}

bool registerModelRelevancy()
{
  registerRelevancyModel(openRelevancyModel);
  return true;
}

} // namespace lvlm
