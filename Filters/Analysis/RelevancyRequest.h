// SPDX-License-Identifier: Apache-2.0
/// @file RelevancyRequest.h
/// What LVLMRelevancy asks of a trace, and who answers: the trace itself, rollout, or the model
/// that made it, which Filters/Inference brings in builds that have inference.
#ifndef LVLM_FILTERS_ANALYSIS_RELEVANCYREQUEST_H
#define LVLM_FILTERS_ANALYSIS_RELEVANCYREQUEST_H

#include "Models/Trace/Error.h"
#include "Models/Trace/RelevancyCache.h"
#include "Models/Trace/Trace.h"

#include "lvlmFiltersAnalysisModule.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

class vtkDataObject;

namespace lvlm
{
namespace ranks
{
class Team;
}

struct RelevancyRequest
{
  enum class Method
  {
    Gradient,
    RolloutMean,
    RolloutMaximum,
    TokenActivation
  };
  Method method = Method::Gradient;
  Indices tokens;                ///< answer tokens, in [0, T)
  bool compatible = false;       ///< LVLM-Interpret's own numbers instead of exact ones
  bool roundedGradients = false; ///< to bfloat16, in products with weights
  bool normalize = true;         ///< what recorded ones must be
  std::string modelDirectory;    ///< empty: where the trace was made
  std::string device;            ///< empty: as the trace was made
};

/// In the order of the output; the first one that is there is shown.
inline constexpr const char* RelevancyNames[] = { tensor_name::RelevancyDecoder,
  tensor_name::RelevancyVision, tensor_name::RelevancyJoint, tensor_name::RelevancyJointToken };

/// The one map of TokenActivation, over the sequence; no tensor of a trace.
inline constexpr const char* ActivationName = "relevancy.activation";

/// The maps of a request's tokens, as many of the four as there are: recorded, known from before,
/// or computed. Recorded ones have nothing left to normalize. `data` is the trace in VTK form. All
/// ranks together. Throws Error, and Aborted when `progress` says so.
AnswerMaps relevancyMaps(const RelevancyRequest& request, const Trace& trace, vtkDataObject* data,
  RelevancyCache& cache, ranks::Team& team, const Progress& progress);

/// The model that made a trace.
struct RelevancyModel
{
  std::shared_ptr<const void> model; ///< the same one as long as it gives the same numbers
  std::function<AnswerMaps(const Indices& tokens, const Progress& progress)> compute;
};
/// `trace` and `team` stay; all ranks together. Throws Error.
using OpenRelevancyModel = RelevancyModel (*)(
  const Trace& trace, const RelevancyRequest& request, ranks::Team& team);

/// Called once, while the plugin is loaded.
LVLMFILTERSANALYSIS_EXPORT void registerRelevancyModel(OpenRelevancyModel open);

} // namespace lvlm

#endif
