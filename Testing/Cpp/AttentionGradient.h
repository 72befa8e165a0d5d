// SPDX-License-Identifier: Apache-2.0
/// @file AttentionGradient.h
/// The gradient that relevancy uses, in full.
#ifndef LVLM_TESTING_ATTENTIONGRADIENT_H
#define LVLM_TESTING_ATTENTIONGRADIENT_H

#include "Models/Llava/LlavaModel.h"

namespace lvlm_test
{

/// Gradient of an answer token's logit with respect to the attention of one layer, on one rank.
/// Decoder: [Hd, S, S] with S = P + token, vision tower: [Hv, Nv, Nv]; f64 on a Float64 model, else
/// f32.
lvlm::Tensor attentionGradient(const lvlm::llava::LlavaModel& model, const lvlm::Trace& trace,
  std::int64_t token, std::int64_t layer, bool visionTower);

} // namespace lvlm_test

#endif
