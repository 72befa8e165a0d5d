// SPDX-License-Identifier: Apache-2.0
/// @file AttentionCuts.h
/// Cut attention as a mask. Internal to Models/Llava.
#ifndef LVLM_LLAVA_ATTENTIONCUTS_H
#define LVLM_LLAVA_ATTENTIONCUTS_H

#include "Layers.h"

#include "Models/Llava/AttentionCut.h"

#include <vector>

namespace lvlm::llava
{

/// Throws Error for an index that is not in [0, count); `what` names it.
void checkRange(const Indices& indices, std::int64_t count, const char* what);

/// Throws Error for positions that are not among S and layers that the decoder does not have, and
/// when a position would see nothing at all in a layer.
void checkCuts(
  const std::vector<AttentionCut>& cuts, const checkpoint::TextConfig& text, std::int64_t S);

/// What queries [first, first + n) may not see of `keys` positions in a layer, for
/// AttentionMask::blocked: bool [n, keys]; undefined: nothing beyond what is always hidden.
at::Tensor blockedBy(const std::vector<AttentionCut>& cuts, std::int64_t layer, std::int64_t first,
  std::int64_t n, std::int64_t keys, at::Device device);

} // namespace lvlm::llava

#endif
