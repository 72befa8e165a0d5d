// SPDX-License-Identifier: Apache-2.0
/// @file HeadTexts.h
/// Chosen heads in words, for captions.
#ifndef LVLM_FILTERS_COMMON_HEADTEXTS_H
#define LVLM_FILTERS_COMMON_HEADTEXTS_H

#include "Models/Trace/HeadMeasures.h"

#include <string>

namespace lvlm
{

/// What makes the best ones, so many, the best: "which localize best".
std::string rankingText(HeadRanking ranking, std::size_t heads);

/// "L14 H24, L16 H0"; of many the first ones, and that there are more.
std::string namesOf(const std::vector<HeadPlace>& places);

/// "layer 3, head 2", or "the mean of 4 layers x 8 heads". `reduced`: mean or maximum; `best`: what
/// the best heads are, where these are shown.
std::string headsText(
  const std::vector<HeadPlace>& shown, const std::string& reduced, const std::string& best);

} // namespace lvlm

#endif
