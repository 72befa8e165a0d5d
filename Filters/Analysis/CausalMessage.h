// SPDX-License-Identifier: Apache-2.0
/// @file CausalMessage.h
/// Explanations of attention heads as the head of a message, to travel from the rank that has the
/// layer to the others.
#ifndef LVLM_FILTERS_ANALYSIS_CAUSALMESSAGE_H
#define LVLM_FILTERS_ANALYSIS_CAUSALMESSAGE_H

#include "Models/Causal/Explanation.h"
#include "Models/Ranks/Message.h"

namespace lvlm::causal
{

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ExplanationNode, position, radius, weight, attention)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ExplanationEdge, source, target, sourceMark, targetMark, pValue)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Separation, first, second, given, pValue)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(
  HeadExplanation, head, nodes, edges, separations, testsByOrder, explanationByRadius, importance)

} // namespace lvlm::causal

#endif
