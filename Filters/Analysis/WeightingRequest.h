// SPDX-License-Identifier: Apache-2.0
/// @file WeightingRequest.h
/// What LVLMAttentionMap weights attention by: numbers of the model that made the trace, which
/// Filters/Inference brings in builds that have inference.
#ifndef LVLM_FILTERS_ANALYSIS_WEIGHTINGREQUEST_H
#define LVLM_FILTERS_ANALYSIS_WEIGHTINGREQUEST_H

#include "Models/Trace/Weighting.h"

#include "lvlmFiltersAnalysisModule.h"

#include <functional>
#include <memory>
#include <string>

namespace lvlm
{
namespace ranks
{
class Team;
}

struct WeightingRequest
{
  Indices tokens;             ///< answer tokens in [0, T), whose gradients are wanted
  std::string question;       ///< the other one, where attention relative to it is wanted
  std::string modelDirectory; ///< empty: where the trace was made
  std::string device;         ///< empty: as the trace was made
};

/// The model that made a trace.
struct WeightingModel
{
  std::shared_ptr<const void> model; ///< the same one as long as it gives the same numbers
  std::function<TokenGradients(const Indices& tokens, const Progress& progress)> gradients;
  std::function<Trace(const std::string& question, const Progress& progress)> ask;
};
/// `trace` and `team` stay; all ranks together. Throws Error.
using OpenWeightingModel = WeightingModel (*)(
  const Trace& trace, const WeightingRequest& request, ranks::Team& team);

/// Called once, while the plugin is loaded.
LVLMFILTERSANALYSIS_EXPORT void registerWeightingModel(OpenWeightingModel open);

/// What a filter was weighted by before, so that other layers and heads, and tokens that were seen
/// already, cost nothing. Beyond 64 MiB of gradients, of all ranks together,
/// it keeps those of the last request alone. The same on all ranks.
class WeightingCache
{
public:
  /// All ranks together, as both functions. Throws Error, and Aborted when `progress` says so.
  TokenGradients gradients(const WeightingRequest& request,
    const std::shared_ptr<const Trace>& trace, ranks::Team& team, const Progress& progress);
  /// See attentionOfQuestion() of Models/Llava/Weighting.h.
  const Trace& other(const WeightingRequest& request, const std::shared_ptr<const Trace>& trace,
    ranks::Team& team, const Progress& progress);

private:
  WeightingModel open(
    const WeightingRequest& request, const std::shared_ptr<const Trace>& trace, ranks::Team& team);

  std::weak_ptr<const Trace> Of;
  std::shared_ptr<const void> Model; ///< stays open
  TokenGradients Known;
  std::string Asked;
  std::unique_ptr<const Trace> Other;
};

} // namespace lvlm

#endif
