// SPDX-License-Identifier: Apache-2.0
/// @file Seeing.h
/// What a model sees of a picture, before it is asked anything.
#ifndef LVLM_LLAVA_SEEING_H
#define LVLM_LLAVA_SEEING_H

#include "LlavaModel.h"

#include "Models/Picture/SeenPart.h"

namespace lvlm::llava
{

struct Seeing
{
  picture::SeenPicture seen;
  /// What of the picture that shows; of one in tiles all of it.
  picture::SeenPart part;
};

/// As ask() does it. Throws Error as that does for a picture or a mode that does not fit.
Seeing seePicture(
  const LlavaModel& model, const picture::RgbImage& picture, picture::ImageMode mode);

} // namespace lvlm::llava

#endif
