// SPDX-License-Identifier: Apache-2.0
/// @file LensRows.h
/// Hidden states through the final norm and the output projection, a block of positions at a time.
/// Internal to Models/Llava.
#ifndef LVLM_LLAVA_LENSROWS_H
#define LVLM_LLAVA_LENSROWS_H

#include "LlavaModelImpl.h"

#include "Models/Ranks/Team.h"
#include "Models/Trace/Lens.h"

namespace lvlm::llava
{

/// What is wanted of the states.
struct LensWanted
{
  Indices layers;        ///< of those that the trace lists
  Indices words;         ///< ids
  std::int64_t best = 5; ///< words for each position and layer
};

/// The lens of the hidden states that the ranks have of a trace; texts are not filled in. The
/// logits of no more than a block of positions are in memory at a time. All ranks together, inside
/// team.together(); the last one with layers computes, and all get the result. Throws Error for
/// states of another width than the model's, and numbers that are not finite.
Lens lensOfStates(const LlavaModel::Impl& model, const Trace& trace, const LensWanted& wanted,
  ranks::Team& team, const Progress& progress);

/// What the best words of a lens say after the token `before`.
std::map<std::int64_t, std::string> lensTexts(
  const LlavaModel::Impl& model, const Lens& lens, std::int64_t before);

/// Bytes of what is in memory at a time beside the result.
std::int64_t lensBytes(const checkpoint::TextConfig& text, std::int64_t element);

} // namespace lvlm::llava

#endif
