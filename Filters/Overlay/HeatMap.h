// SPDX-License-Identifier: Apache-2.0
/// @file HeatMap.h
/// Heat maps over pictures, with OpenCV (which only HeatMap.cxx includes).
#ifndef LVLM_FILTERS_OVERLAY_HEATMAP_H
#define LVLM_FILTERS_OVERLAY_HEATMAP_H

#include "Models/Picture/Image.h"
#include "Models/Trace/Trace.h"

#include <vector>

namespace lvlm
{

struct HeatStyle
{
  double opacity = 0.5; ///< 0: the picture alone, 1: the colours alone
  int colorMap = 0;     ///< one of OpenCV's cv::ColormapTypes
  bool smooth = true;   ///< bicubic between the patches' centres, else blocks
};

/// Lays `heat` [rows*cols], row 0 at the top, over the part of the picture that `box` is, cut at
/// the picture's edges; the rest stays as it is. Colours span the map's own minimum to its maximum;
/// what is not finite counts as the minimum. A map that is the same everywhere gets the lowest
/// colour everywhere. Throws Error when sizes do not fit.
picture::RgbImage blendHeat(const picture::RgbImage& picture, const std::vector<float>& heat,
  const PatchGrid& grid, const Box& box, const HeatStyle& style);

} // namespace lvlm

#endif
