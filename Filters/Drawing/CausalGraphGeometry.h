// SPDX-License-Identifier: Apache-2.0
/// @file CausalGraphGeometry.h
/// A placed causal graph as poly data.
#ifndef LVLM_FILTERS_DRAWING_CAUSALGRAPHGEOMETRY_H
#define LVLM_FILTERS_DRAWING_CAUSALGRAPHGEOMETRY_H

#include "CausalGraph.h"
#include "Ink.h"

class vtkPolyData;

namespace lvlm
{

/// What a point or a cell of the poly data is: array `kind` of both.
enum class GraphKind
{
  ImageNode = 0, ///< a vertex
  TextNode = 1,  ///< a vertex
  Edge = 2,      ///< a polyline
  EndMark = 3,   ///< arrow: a triangle; circle: a disc and its rim; tail: a thick end
  Disc = 4,      ///< drawn under a node
  Word = 5       ///< a node's label as triangles
};

/// Fills `output`; vtkLVLMCausalGraph.h lists the arrays. Lies just above the picture's plane,
/// edges lowest, then marks, discs and words.
void drawGraph(const GraphDrawing& graph, const Ink& ink, vtkPolyData* output);

} // namespace lvlm

#endif
