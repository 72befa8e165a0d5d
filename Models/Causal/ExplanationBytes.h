// SPDX-License-Identifier: Apache-2.0
/// @file ExplanationBytes.h
/// Explanations of attention heads as bytes, to travel from the rank that has the layer to the
/// others.
#ifndef LVLM_CAUSAL_EXPLANATIONBYTES_H
#define LVLM_CAUSAL_EXPLANATIONBYTES_H

#include "Explanation.h"

#include <string>
#include <vector>

namespace lvlm::causal
{

/// MessagePack, and back. explanationsOf() throws Error for bytes that bytesOf() did not give.
std::string bytesOf(const std::vector<HeadExplanation>& explanations);
std::vector<HeadExplanation> explanationsOf(const std::string& bytes);

} // namespace lvlm::causal

#endif
