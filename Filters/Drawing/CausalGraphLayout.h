// SPDX-License-Identifier: Apache-2.0
/// @file CausalGraphLayout.h
/// Where the nodes and edges of a causal graph lie on the picture.
#ifndef LVLM_FILTERS_DRAWING_CAUSALGRAPHLAYOUT_H
#define LVLM_FILTERS_DRAWING_CAUSALGRAPHLAYOUT_H

#include "CausalGraph.h"

#include "Filters/Common/OutputVTK.h"

namespace lvlm
{

/// Gives nodes their labels and places and edges their routes. Image tokens sit at their patches
/// and are labelled by the patch's row-major number; the others stand in a column right of the
/// picture, by position, with their words.
void placeGraph(GraphDrawing& graph, const Trace& trace, const ImageGeometry& grid);

} // namespace lvlm

#endif
