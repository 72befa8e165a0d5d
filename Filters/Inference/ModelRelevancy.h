// SPDX-License-Identifier: Apache-2.0
/// @file ModelRelevancy.h
/// Gives LVLMRelevancy the gradients of a model.
#ifndef LVLM_INFERENCE_MODELRELEVANCY_H
#define LVLM_INFERENCE_MODELRELEVANCY_H

namespace lvlm
{

/// Makes gradients available to LVLMRelevancy. Answers true.
bool registerModelRelevancy();

} // namespace lvlm

#endif
