// SPDX-License-Identifier: Apache-2.0
/// @file AttentionCut.h
/// Attention that a model is kept from. Free of Torch.
#ifndef LVLM_LLAVA_ATTENTIONCUT_H
#define LVLM_LLAVA_ATTENTIONCUT_H

#include "Models/Trace/Analysis.h"

namespace lvlm::llava
{

/// Attention that is cut before the softmax, so that a query's remaining attention sums to 1.
struct AttentionCut
{
  Indices queries; ///< positions that do not see ...
  Indices keys;    ///< ... these positions ...
  Indices layers;  ///< ... in these decoder layers

  bool operator==(const AttentionCut& other) const
  {
    return this->queries == other.queries && this->keys == other.keys &&
      this->layers == other.layers;
  }
};

} // namespace lvlm::llava

#endif
