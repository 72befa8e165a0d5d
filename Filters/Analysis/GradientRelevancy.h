// SPDX-License-Identifier: Apache-2.0
/// @file GradientRelevancy.h
/// How LVLMRelevancy, which knows no model, gets at one: Filters/Inference registers itself here in
/// builds that have inference.
#ifndef LVLM_FILTERS_ANALYSIS_GRADIENTRELEVANCY_H
#define LVLM_FILTERS_ANALYSIS_GRADIENTRELEVANCY_H

#include "Models/Trace/Error.h"
#include "Models/Trace/Trace.h"

#include "lvlmFiltersAnalysisModule.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace lvlm
{

namespace ranks
{
class Team;
}

struct GradientRequest
{
  std::vector<std::int64_t> tokens; ///< answer tokens, in [0, T)
  bool compatible = false;          ///< LVLM-Interpret's own numbers instead of exact ones
  bool normalize = true;
  std::string modelDirectory; ///< empty: where the trace was made
  std::string device;         ///< empty: as the trace was made
};

/// Relevancy of a trace through the model that made it. Keeps what it has computed while model,
/// picture and tokens stay the same.
class GradientRelevancy
{
public:
  virtual ~GradientRelevancy() = default;
  /// f32 [n, K] or [n, rows*cols] under each name of `relevancy.*`. `trace` has its picture. Throws
  /// Error, and Aborted when `progress` says so.
  virtual std::map<std::string, Tensor> compute(const Trace& trace, const GradientRequest& request,
    ranks::Team& team, const Progress& progress) = 0;
};

using MakeGradientRelevancy = std::unique_ptr<GradientRelevancy> (*)();

/// Called once, while the plugin is loaded.
LVLMFILTERSANALYSIS_EXPORT void registerGradientRelevancy(MakeGradientRelevancy make);

/// Throws Error in a build without inference.
LVLMFILTERSANALYSIS_EXPORT std::unique_ptr<GradientRelevancy> makeGradientRelevancy();

} // namespace lvlm

#endif
