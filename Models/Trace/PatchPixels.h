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

/// A patch of a region, row-major in [0, grid.count()), in its picture; all boxes together are the
/// region's, and no two of them overlap.
PixelBox boxOfPatch(std::int64_t patch, const Region& region);

/// Mean of `count` pixels of three values each, rounded; black where there are none.
std::array<std::uint8_t, 3> meanColor(const std::uint8_t* pixels, std::int64_t count);

} // namespace lvlm

#endif
