// SPDX-License-Identifier: Apache-2.0
/// @file CausalMessage.h
/// Explanations of attention heads as plain numbers, to travel from the rank that has the layer to
/// the others. Every number of an explanation is exact as a double.
#ifndef LVLM_FILTERS_ANALYSIS_CAUSALMESSAGE_H
#define LVLM_FILTERS_ANALYSIS_CAUSALMESSAGE_H

#include "CausalTables.h"

#include <vector>

namespace lvlm
{

std::vector<double> packExplanations(const HeadExplanations& heads);
/// Throws Error when the numbers end early.
HeadExplanations unpackExplanations(const std::vector<double>& numbers);

} // namespace lvlm

#endif
