// SPDX-License-Identifier: Apache-2.0
/// @file ModelWeighting.h
/// Gives LVLMAttentionMap what a model weights attention by.
#ifndef LVLM_INFERENCE_MODELWEIGHTING_H
#define LVLM_INFERENCE_MODELWEIGHTING_H

namespace lvlm
{

/// Makes models available to LVLMAttentionMap. Answers true.
bool registerModelWeighting();

} // namespace lvlm

#endif
