// SPDX-License-Identifier: Apache-2.0
/// @file Lens.h
/// The logit lens (nostalgebraist 2020; for the image tokens of LLaVA Neo et al., arXiv 2410.07149,
/// and Jiang et al., arXiv 2410.02762): softmax(W_U norm(h)) of the hidden state h of a position
/// after a layer, that is the word that the position would say if the model ended there.
#ifndef LVLM_TRACE_LENS_H
#define LVLM_TRACE_LENS_H

#include "Analysis.h"
#include "Regions.h"

#include <map>

namespace lvlm
{

/// What all positions say after some layers. Layers are counted as `hidden.layers` does: 0 are the
/// embeddings, L is what enters the final norm.
struct Lens
{
  Indices layers;              ///< in the order of what follows
  std::int64_t positions = 0;  ///< K
  std::int64_t best = 0;       ///< k
  Indices ids;                 ///< [layers, K, k], the most probable words, best first
  std::vector<float> logprobs; ///< [layers, K, k]
  Indices words;               ///< words that were asked for by their ids
  /// [words, layers, K]; minus infinity where a recorded lens does not have the word among its best
  std::vector<float> wordLogprobs;
  /// [layers, K] logarithm of what the exponentials of all logits sum to: what to add to a
  /// log-probability for its logit. None of a recorded lens.
  std::vector<float> totals;
  std::map<std::int64_t, std::string> texts; ///< what each of the best words says
};

/// The layers to look at, in ascending order: those of `wanted` (as a user writes them; the last
/// one is L), none: all that the trace has, or, where it lists none, all that its model has. Throws
/// Error for one out of range, and one that was not captured.
Indices lensLayers(const Trace& trace, const Indices& wanted);

///@{
/// `lens.id`, `lens.logprob` and the metadata key `lens.text` (JSON: what each id says).
/// A trace without hidden states gets `hidden.layers` as well.
void recordLens(Trace& trace, const Lens& lens);
/// What was recorded. Throws Error for a layer that was not, and for texts that contradict the ids.
Lens recordedLens(const Trace& trace, const Indices& layers, const Indices& words);
/// The recorded word that says `word`, in the form that begins a word if there are several. Throws
/// Error when there is none.
std::int64_t recordedWord(const Trace& trace, const std::string& word);
///@}

/// The distinct ids of some answer tokens.
Indices answerIds(const Trace& trace, const Indices& tokens);

/// [layers, K]: how probable it is that a position says one of `words`, which must be among those
/// of the lens.
std::vector<float> wordProbability(const Lens& lens, const Indices& words);

/// A word that a patch says, where it is most probable.
struct SeenWord
{
  std::int64_t id = 0;
  float probability = 0;
  std::int64_t layer = 0; ///< as in Lens::layers
  std::int64_t patch = 0; ///< row-major
};
/// Every word that is among the best of a patch in any layer, the most probable first.
std::vector<SeenWord> seenWords(const Lens& lens, const Trace& trace);

/// Of [layers, K], what is at the map's patches: [layers, rows*cols].
template <typename T>
std::vector<T> patchesOf(const std::vector<T>& values, const Trace& trace)
{
  const auto K = static_cast<std::size_t>(trace.keys());
  const Indices positions = patchPositions(trace);
  std::vector<T> patches;
  for (std::size_t row = 0; row + K <= values.size(); row += K)
  {
    for (const std::int64_t position : positions)
    {
      patches.push_back(values[row + static_cast<std::size_t>(position)]);
    }
  }
  return patches;
}

} // namespace lvlm

#endif
