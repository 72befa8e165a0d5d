// SPDX-License-Identifier: Apache-2.0
/// @file InferenceLibrary.h
/// Loads inference, and LibTorch with it, when a model is first asked for.
#ifndef LVLM_INFERENCE_INFERENCELIBRARY_H
#define LVLM_INFERENCE_INFERENCELIBRARY_H

#include "Models/Llava/Library.h"

namespace lvlm
{

/// Inference, loaded at the first call and kept. Throws Error when it, or what it needs, is not
/// there.
const llava::Library& inference();

} // namespace lvlm

#endif
