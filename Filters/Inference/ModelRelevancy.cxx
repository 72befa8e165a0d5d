// SPDX-License-Identifier: Apache-2.0
#include "ModelRelevancy.h"

#include "EmbeddedModel.h"

#include "Filters/Analysis/GradientRelevancy.h"
#include "Models/Llava/Relevancy.h"
#include "Models/Ranks/Team.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace lvlm
{

namespace
{
namespace tn = tensor_name;

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

std::shared_ptr<const llava::LlavaModel> openModel(
  const Trace& trace, const GradientRequest& request, const ranks::Team& team)
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
    return llava::LlavaModel::open(directory, options);
  }
  catch (const Error& error)
  {
    fail("the model that made the trace cannot be opened",
      request.modelDirectory.empty() ? " (ModelDirectory can name another folder)" : "", ": ",
      error.what());
  }
}

bool sameBytes(const Tensor& a, const Tensor& b)
{
  return a.dtype == b.dtype && a.shape == b.shape && std::memcmp(a.data, b.data, a.bytes()) == 0;
}

class ModelRelevancy : public GradientRelevancy
{
public:
  std::map<std::string, Tensor> compute(const Trace& trace, const GradientRequest& request,
    ranks::Team& team, const Progress& progress) override
  {
    this->follow(trace, request, team);
    llava::RelevancyOptions options;
    options.mode =
      request.compatible ? llava::RelevancyMode::Compatible : llava::RelevancyMode::Exact;
    options.normalize = request.normalize;
    options.temperature = temperatureOf(trace);
    const llava::RelevancyMaps maps = this->Known->compute(request.tokens, options, progress, team);
    return { { tn::RelevancyDecoder, maps.decoder }, { tn::RelevancyVision, maps.vision },
      { tn::RelevancyJoint, maps.joint }, { tn::RelevancyJointToken, maps.jointToken } };
  }

private:
  /// What decides the maps.
  static Trace decisive(const Trace& trace)
  {
    Trace seen;
    for (const char* name : { tn::Image, tn::TokenId, tn::AnswerLogprob })
    {
      if (trace.has(name))
      {
        seen.tensors[name] = trace.tensor(name);
      }
    }
    seen.promptLength = trace.promptLength;
    seen.imageStart = trace.imageStart;
    return seen;
  }

  /// Starts afresh when something that the maps depend on has changed on one of the ranks.
  void follow(const Trace& trace, const GradientRequest& request, ranks::Team& team)
  {
    std::shared_ptr<const llava::LlavaModel> model;
    Trace seen;
    const bool same = team.allAgree(
      [&]
      {
        model = openModel(trace, request, team);
        seen = decisive(trace);
        return this->Known && this->Model == model && this->isSeen(seen);
      });
    if (same)
    {
      return;
    }
    this->Known.reset();
    std::unique_ptr<llava::Relevancy> fresh;
    team.together([&] { fresh = std::make_unique<llava::Relevancy>(model, trace); });
    this->Known = std::move(fresh);
    this->Model = std::move(model);
    this->Seen = std::move(seen);
  }

  bool isSeen(const Trace& other) const
  {
    const auto& mine = this->Seen.tensors;
    return this->Seen.promptLength == other.promptLength &&
      this->Seen.imageStart == other.imageStart && mine.size() == other.tensors.size() &&
      std::equal(mine.begin(), mine.end(), other.tensors.begin(),
        [](const auto& a, const auto& b)
        { return a.first == b.first && sameBytes(a.second, b.second); });
  }

  std::shared_ptr<const llava::LlavaModel> Model;
  Trace Seen;
  std::unique_ptr<llava::Relevancy> Known;
};
}

bool registerModelRelevancy()
{
  registerGradientRelevancy(
    []() -> std::unique_ptr<GradientRelevancy> { return std::make_unique<ModelRelevancy>(); });
  return true;
}

} // namespace lvlm
