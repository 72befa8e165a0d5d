// SPDX-License-Identifier: Apache-2.0
/// @file TextShape.h
/// Words as filled shapes, so that they keep their place and size on a picture in every view.
#ifndef LVLM_FILTERS_DRAWING_TEXTSHAPE_H
#define LVLM_FILTERS_DRAWING_TEXTSHAPE_H

#include <array>
#include <string>
#include <vector>

namespace lvlm
{

struct TextShape
{
  std::vector<std::array<double, 2>> points; ///< in heights of a capital letter, from the left edge
                                             ///< and half a capital above the base line
  std::vector<std::array<int, 3>> triangles;
  double width = 0.0;
};

/// `text` (UTF-8) in VTK's Arial. Characters that the font lacks become its empty box; a shape
/// without triangles when VTK has no text renderer.
TextShape shapeOfText(const std::string& text);

} // namespace lvlm

#endif
