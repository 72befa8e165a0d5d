// SPDX-License-Identifier: Apache-2.0
/// @file SeenPart.h
/// Which part of a picture is left once it has become the model's square.
#ifndef LVLM_PICTURE_SEENPART_H
#define LVLM_PICTURE_SEENPART_H

#include "ImageProcessor.h"
#include "Tiles.h"

namespace lvlm::picture
{

/// Edges in pixels of the picture, from the top left; a pixel may be seen in part.
struct SeenPart
{
  double left = 0, right = 0, top = 0, bottom = 0;
};

/// What processImage() makes of a picture of that size shows this part of it.
SeenPart seenPart(const PictureSize& size, const ImageProcessorConfig& config, ImageMode mode);

} // namespace lvlm::picture

#endif
