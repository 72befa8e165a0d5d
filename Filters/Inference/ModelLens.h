// SPDX-License-Identifier: Apache-2.0
/// @file ModelLens.h
/// Gives LVLMLogitLens the layers of a model.
#ifndef LVLM_INFERENCE_MODELLENS_H
#define LVLM_INFERENCE_MODELLENS_H

namespace lvlm
{

/// Makes models available to LVLMLogitLens. Answers true.
bool registerModelLens();

} // namespace lvlm

#endif
