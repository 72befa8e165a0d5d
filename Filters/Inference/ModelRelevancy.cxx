// SPDX-License-Identifier: Apache-2.0
#include "ModelRelevancy.h"

#include "InferenceLibrary.h"
#include "TraceModel.h"

#include "Filters/Analysis/RelevancyRequest.h"
#include "Models/Ranks/Team.h"

#include <cstdlib>

namespace lvlm
{

namespace
{
/// The temperature that the answer was sampled with; 0, a greedy answer, when nothing is said.
double temperatureOf(const Trace& trace)
{
  const std::string text = extraOf(trace, "temperature");
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (end != text.c_str() + text.size() || !(value >= 0))
  {
    fail("the trace's temperature '", text, "' is not a number of at least 0");
  }
  return value;
}

RelevancyModel openRelevancyModel(
  const Trace& trace, const RelevancyRequest& request, ranks::Team& team)
{
  std::shared_ptr<const llava::LlavaModel> model;
  llava::RelevancyOptions options;
  options.mode =
    request.compatible ? llava::RelevancyMode::Compatible : llava::RelevancyMode::Exact;
  team.together(
    [&]
    {
      model = openTraceModel(trace, request.modelDirectory, request.device, team);
      options.temperature = temperatureOf(trace);
    });
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
