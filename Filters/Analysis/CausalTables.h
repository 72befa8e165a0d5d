// SPDX-License-Identifier: Apache-2.0
/// @file CausalTables.h
/// Explanations of attention heads as tables and as a map; vtkLVLMCausalGraph.h lists the columns.
#ifndef LVLM_FILTERS_ANALYSIS_CAUSALTABLES_H
#define LVLM_FILTERS_ANALYSIS_CAUSALTABLES_H

#include "Models/Causal/Explanation.h"
#include "Models/Trace/Trace.h"

#include <vector>

class vtkTable;

namespace lvlm
{

using HeadExplanations = std::vector<causal::HeadExplanation>;

void fillNodeTable(const HeadExplanations& heads, const Trace& trace, vtkTable* table);
void fillEdgeTable(const HeadExplanations& heads, const Trace& trace, vtkTable* table);
void fillHeadTable(const HeadExplanations& heads, const Trace& trace, vtkTable* table);

/// Weights of the patches that explain, summed over the heads: [rows*cols], row 0 at the top.
std::vector<float> weightMap(const HeadExplanations& heads, const Trace& trace);

} // namespace lvlm

#endif
