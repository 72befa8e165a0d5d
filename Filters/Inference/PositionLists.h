// SPDX-License-Identifier: Apache-2.0
/// @file PositionLists.h
/// Positions of a sequence, and attention between them that is cut.
#ifndef LVLM_INFERENCE_POSITIONLISTS_H
#define LVLM_INFERENCE_POSITIONLISTS_H

#include "Models/Llava/AttentionCut.h"

#include <vector>

namespace lvlm
{

/// begin to end - 1; none where that is not before `end`.
Indices span(std::int64_t begin, std::int64_t end);

/// Cuts queries off from keys in layers. A position always sees itself.
std::vector<llava::AttentionCut> cutsOf(
  const Indices& keys, const Indices& queries, const Indices& layers);

} // namespace lvlm

#endif
