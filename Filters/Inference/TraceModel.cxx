// SPDX-License-Identifier: Apache-2.0
#include "TraceModel.h"

#include "EmbeddedModel.h"
#include "InferenceLibrary.h"

#include "Models/Ranks/Team.h"

namespace lvlm
{

std::string extraOf(const Trace& trace, const char* key)
{
  const auto found = trace.extra.find(key);
  return found == trace.extra.end() ? std::string() : found->second;
}

namespace
{
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
}

std::shared_ptr<const llava::LlavaModel> openTraceModel(const Trace& trace,
  const std::string& modelDirectory, const std::string& device, const ranks::Team& team)
{
  const std::string recorded = extraOf(trace, "model_directory");
  const std::string directory = modelDirectory.empty() ? recorded : modelFolder(modelDirectory);
  if (directory.empty())
  {
    fail("the trace of model '", trace.model,
      "' does not say where its model lies (field model_directory): set "
      "ModelDirectory");
  }
  llava::ModelOptions options;
  options.precision = precisionOf(trace);
  options.rank = team.rank();
  options.ranks = team.size();
  const std::string made = extraOf(trace, "device");
  options.device = !device.empty() ? device : made.empty() ? "cpu" : made;
  try
  {
    return inference().open(directory, options);
  }
  catch (const Error& error)
  {
    fail("the model that made the trace cannot be opened",
      modelDirectory.empty() ? " (ModelDirectory can name another folder)" : "", ": ",
      error.what());
  }
}

} // namespace lvlm
