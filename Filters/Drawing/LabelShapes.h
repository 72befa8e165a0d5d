// SPDX-License-Identifier: Apache-2.0
/// @file LabelShapes.h
/// Labels beside something that is drawn, as filled shapes.
#ifndef LVLM_FILTERS_DRAWING_LABELSHAPES_H
#define LVLM_FILTERS_DRAWING_LABELSHAPES_H

#include "Ink.h"

#include <string>
#include <vector>

class vtkPolyData;

namespace lvlm
{

struct Label
{
  std::string text;
  double left = 0, middle = 0; ///< where it begins, and half a capital above the base line
  double capital = 1;          ///< height of a capital letter
  double room = 0;             ///< longer ones are written smaller
  double height = 0;           ///< above the plane of the picture
  bool endsThere = false;      ///< at `left`, instead of beginning
  bool upright = false;        ///< turned to the left around (left, middle): it reads upwards
};

/// Cell arrays: `color`, and `label`, the label's place in the list. Labels that are empty, or that
/// nothing can write, have no cells, but count for the bounds.
void fillLabels(vtkPolyData* output, const std::vector<Label>& labels, const Ink& ink);

} // namespace lvlm

#endif
