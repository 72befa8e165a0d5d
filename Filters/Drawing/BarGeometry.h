// SPDX-License-Identifier: Apache-2.0
/// @file BarGeometry.h
/// Horizontal bars with words, as shapes.
#ifndef LVLM_FILTERS_DRAWING_BARGEOMETRY_H
#define LVLM_FILTERS_DRAWING_BARGEOMETRY_H

#include "Ink.h"

#include <string>
#include <vector>

class vtkPolyData;

namespace lvlm
{

struct Bar
{
  std::string label;
  double value = 0.0;
  int row = -1; ///< of the table
  enum class Look
  {
    Plain,
    Highlighted,
    First
  } look = Look::Plain;
};

struct BarStyle
{
  int rows = 16;          ///< there is room for
  double fullScale = 1.0; ///< value of a bar of full length
  bool percent = true;
  std::string note; ///< a line below the bars; empty: none
  Ink ink;
};

/// A number as the bars write theirs.
std::string textOfValue(double value, bool percent);

/// Fills `output` as vtkLVLMBars describes it.
void drawBars(const std::vector<Bar>& bars, const BarStyle& style, vtkPolyData* output);

/// The same as a text: the words in lines, each on a box that is the stronger the larger its value.
/// `style.rows` lines; what does not fit is left out at the end, and an ellipsis says so.
void drawWords(const std::vector<Bar>& words, const BarStyle& style, vtkPolyData* output);

} // namespace lvlm

#endif
