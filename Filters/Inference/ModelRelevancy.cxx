// SPDX-License-Identifier: Apache-2.0
#include "ModelRelevancy.h"

#include "EmbeddedModel.h"
#include "InferenceLibrary.h"

#include "Filters/Analysis/RelevancyRequest.h"
#include "Models/Ranks/Team.h"

#include <cstdlib>

namespace lvlm
{

namespace
{
std::string extraOf(const Trace& trace, const char* key)
{
  const auto found = trace.extra.find(key);
  return found == trace.extra.end() ? std::string() : found->second;
}

llava::Precision precisionOf(const Trace& trace)
{
  const std::string name = extraOf(trace, "precision");
  if (name == "BFloat16")
  {
    return llava::Precision::BFloat16;
  }
  if (name == "Float64")
  {
    return llava::Precision::Float64;
  }
  // Float16 is what the exporter for GPUs may write: its weights, computed with in float32.
  if (!name.empty() && name != "Float32" && name != "Float16")
  {
    fail("the trace's precision '", name, "' is not Float32, BFloat16, Float16 or Float64");
  }
  return llava::Precision::Float32;
}

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

std::shared_ptr<const llava::LlavaModel> modelOf(
  const Trace& trace, const RelevancyRequest& request, const ranks::Team& team)
{
  const std::string recorded = extraOf(trace, "model_directory");
  const std::string directory =
    request.modelDirectory.empty() ? recorded : modelFolder(request.modelDirectory);
  if (directory.empty())
  {
    fail("the trace of model '", trace.model,
      "' carries no relevancy and does not say where its model lies (field model_directory): set "
      "ModelDirectory");
  }
  llava::ModelOptions options;
  options.precision = precisionOf(trace);
  options.rank = team.rank();
  options.ranks = team.size();
  const std::string device = extraOf(trace, "device");
  options.device = !request.device.empty() ? request.device : device.empty() ? "cpu" : device;
  try
  {
    return inference().open(directory, options);
  }
  catch (const Error& error)
  {
    fail("the model that made the trace cannot be opened",
      request.modelDirectory.empty() ? " (ModelDirectory can name another folder)" : "", ": ",
      error.what());
  }
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
      model = modelOf(trace, request, team);
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
