// SPDX-License-Identifier: Apache-2.0
/// @file LensRequest.h
/// What LVLMLogitLens asks of a trace, and who answers: the model that made the trace, which
/// Filters/Inference brings in builds that have inference, or what was recorded.
#ifndef LVLM_FILTERS_ANALYSIS_LENSREQUEST_H
#define LVLM_FILTERS_ANALYSIS_LENSREQUEST_H

#include "Models/Trace/Lens.h"

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

struct LensRequest
{
  Indices layers;             ///< as a user writes them, see lensLayers()
  Indices tokens;             ///< answer tokens, whose words are meant where `word` is empty
  std::string word;           ///< one token of the model
  std::string modelDirectory; ///< empty: where the trace was made
  std::string device;         ///< empty: as the trace was made
};

struct LensAnswer
{
  std::shared_ptr<const Lens> lens;
  Indices words;      ///< ids of the request's words, among those of the lens
  std::string source; ///< where the numbers come from, in words
};

/// The last lens of a filter: another word of the answer costs nothing.
class LensCache
{
public:
  bool has(const std::shared_ptr<const Trace>& trace, const std::shared_ptr<const void>& model,
    const Indices& layers, const Indices& words) const;
  void keep(const std::shared_ptr<const Trace>& trace, const std::shared_ptr<const void>& model,
    std::shared_ptr<const Lens> lens);
  const std::shared_ptr<const Lens>& lens() const { return this->Known; }

private:
  std::weak_ptr<const Trace> Of;
  std::shared_ptr<const void> Model; ///< stays open
  std::shared_ptr<const Lens> Known;
};

/// The model that made a trace.
struct LensModel
{
  /// The same one as long as it gives the same numbers; null where there is none.
  std::shared_ptr<const void> model;
  std::function<std::int64_t(const std::string& word)> wordId;
  std::function<Lens(const Indices& layers, const Indices& words, const Progress& progress)>
    compute;
};
/// `trace` and `team` stay; all ranks together. Where it cannot be opened, on any rank: throws
/// Error if it is `needed`, else there is none.
using OpenLensModel = LensModel (*)(
  const Trace& trace, const LensRequest& request, bool needed, ranks::Team& team);

/// Called once, while the plugin is loaded.
LVLMFILTERSANALYSIS_EXPORT void registerLensModel(OpenLensModel open);

/// With the model where the trace has hidden states for it, or records no lens, or a model is
/// named; with what was recorded otherwise, and where the model cannot be opened. All ranks
/// together. Throws Error, and Aborted when `progress` says so.
LensAnswer lensOf(const LensRequest& request, const std::shared_ptr<const Trace>& trace,
  LensCache& cache, ranks::Team& team, const Progress& progress);

/// Words for each position and layer.
inline constexpr std::int64_t LensBest = 5;

} // namespace lvlm

#endif
