// SPDX-License-Identifier: Apache-2.0
/// @file PatchPixels.h
/// Pixels of the picture that lie under a patch of the grid.
#ifndef LVLM_TRACE_PATCHPIXELS_H
#define LVLM_TRACE_PATCHPIXELS_H

#include "Trace.h"

#include <array>
#include <cstdint>

namespace lvlm
{

/// Columns [left, right) and rows [top, bottom), counted from the top left.
struct PixelBox
{
  std::int64_t left = 0;
  std::int64_t right = 0;
  std::int64_t top = 0;
  std::int64_t bottom = 0;
};

/// A patch of a grid over `box` of a picture, row-major in [0, grid.count()); all together are the
/// box, and no two of them overlap.
PixelBox boxOfPatch(std::int64_t patch, const PatchGrid& grid, const Box& box);

/// Mean of `count` pixels of three values each, rounded; black where there are none.
std::array<std::uint8_t, 3> meanColor(const std::uint8_t* pixels, std::int64_t count);

} // namespace lvlm

#endif
