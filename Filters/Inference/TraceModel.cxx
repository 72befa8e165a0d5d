// SPDX-License-Identifier: Apache-2.0
#include "TraceModel.h"

#include "EmbeddedModel.h"
#include "InferenceLibrary.h"

#include "Models/Ranks/Team.h"

namespace lvlm
{

namespace
{
llava::Precision precisionOf(const Trace& trace)
{
  const std::string name = trace.told("precision");
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
  const std::string& given, const std::string& device, const std::string& lacks,
  const ranks::Team& team)
{
  const std::string recorded = trace.told("model_directory");
  const std::string directory = given.empty() ? recorded : modelFolder(given);
  if (directory.empty())
  {
    fail("the trace of model '", trace.model, "' carries ", lacks,
      " and does not say where its model lies (field model_directory): set "
      "ModelDirectory");
  }
  llava::ModelOptions options;
  options.precision = precisionOf(trace);
  options.rank = team.rank();
  options.ranks = team.size();
  const std::string recordedDevice = trace.told("device");
  options.device = !device.empty() ? device : recordedDevice.empty() ? "cpu" : recordedDevice;
  try
  {
    return inference().open(directory, options);
  }
  catch (const Error& error)
  {
    fail("the model that made the trace cannot be opened",
      given.empty() ? " (ModelDirectory can name another folder)" : "", ": ", error.what());
  }
}

} // namespace lvlm
