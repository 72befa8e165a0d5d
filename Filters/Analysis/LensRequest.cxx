// SPDX-License-Identifier: Apache-2.0
#include "LensRequest.h"

#include "Models/Ranks/Team.h"

#include <algorithm>

namespace lvlm
{

namespace
{
namespace tn = tensor_name;

OpenLensModel& registered()
{
  static OpenLensModel open = nullptr; // in a function: registered before main() starts
  return open;
}

/// None where what was recorded has to do.
LensModel openModel(const Trace& trace, const LensRequest& request, ranks::Team& team)
{
  const bool named = !request.modelDirectory.empty();
  const bool needed = named || !trace.has(tn::LensId);
  if (!needed && (!registered() || !trace.has(tn::HiddenStates)))
  {
    return {};
  }
  if (!registered())
  {
    fail("this build of the plugin has no inference (LVLM_ENABLE_INFERENCE=OFF), so it cannot look "
         "through a model's layers: open a trace that carries lens.* (CaptureLens of LLaVA "
         "Inference)");
  }
  return registered()(trace, request, needed, team);
}

bool holdsAll(const Indices& all, const Indices& wanted)
{
  return std::all_of(wanted.begin(), wanted.end(),
    [&all](std::int64_t one) { return std::find(all.begin(), all.end(), one) != all.end(); });
}
}

bool LensCache::has(const std::shared_ptr<const Trace>& trace,
  const std::shared_ptr<const void>& model, const Indices& layers, const Indices& words) const
{
  return this->Known && this->Of.lock() == trace && this->Model == model &&
    this->Known->layers == layers && holdsAll(this->Known->words, words);
}

void LensCache::keep(const std::shared_ptr<const Trace>& trace,
  const std::shared_ptr<const void>& model, std::shared_ptr<const Lens> lens)
{
  this->Of = trace;
  this->Model = model;
  this->Known = std::move(lens);
}

LensAnswer lensOf(const LensRequest& request, const std::shared_ptr<const Trace>& trace,
  LensCache& cache, ranks::Team& team, const Progress& progress)
{
  const Indices layers = lensLayers(*trace, request.layers);
  const Indices answer = answerIds(*trace, {});
  const LensModel opened = openModel(*trace, request, team);
  const std::shared_ptr<const void>& model = opened.model;
  LensAnswer found;
  if (request.word.empty())
  {
    found.words = answerIds(*trace, request.tokens);
  }
  else
  {
    found.words = { model ? opened.wordId(request.word) : recordedWord(*trace, request.word) };
  }
  found.source = !model            ? "recorded"
    : trace->has(tn::HiddenStates) ? "hidden states of the trace"
                                   : "the model, which read question and answer once more";
  // The ranks compute together or not at all.
  if (!team.allAgree([&] { return cache.has(trace, model, layers, found.words); }))
  {
    Indices words = answer; // whatever the time comes to
    if (!holdsAll(words, found.words))
    {
      words.insert(words.end(), found.words.begin(), found.words.end());
    }
    cache.keep(trace, model,
      std::make_shared<const Lens>(
        model ? opened.compute(layers, words, progress) : recordedLens(*trace, layers, words)));
  }
  found.lens = cache.lens();
  return found;
}

void registerLensModel(OpenLensModel open)
{
  registered() = open;
}

} // namespace lvlm
