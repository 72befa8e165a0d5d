// SPDX-License-Identifier: Apache-2.0
/// @file PictureEdit.h
/// Edits of a picture before it is asked about again: parts that are covered, and a part that is
/// kept. Each edit is a line of text, so that scripts, state files and a window say the same.
///
/// Places are pixels that count from 0 at the lower left, as in ParaView's views:
///   rectangle X0 Y0 X1 Y1 [FILL]     all pixels from X0 to X1 and from Y0 to Y1
///   brush RADIUS X Y [X Y ...] [FILL] all pixels whose middle is within RADIUS of the line through
///                                     the points
///   crop X0 Y0 X1 Y1                 the part that is kept, when everything else is done
/// FILL is mean (the default), surrounding, blur, noise, black or white.
#ifndef LVLM_PICTURE_PICTUREEDIT_H
#define LVLM_PICTURE_PICTUREEDIT_H

#include "Image.h"

#include "Models/Trace/PatchPixels.h"

#include <array>
#include <string>
#include <vector>

namespace lvlm::picture
{

enum class EditFill
{
  Mean,        ///< the mean color of the whole picture, as it was before all edits
  Surrounding, ///< the mean color of the pixels that are no more than SurroundingWidth away
  Blur,        ///< a running mean, three times: what stands there is hardly to be recognized
  Noise,       ///< bytes that are random, the same in each run
  Black,
  White
};

/// How far around a part its surrounding is looked at, in pixels, sideways or along a diagonal.
inline constexpr std::int64_t SurroundingWidth = 3;
/// The running means of a blur reach so far to each side: a 24th of the picture's shorter edge.
std::int64_t blurReach(std::int64_t width, std::int64_t height);

struct PictureEdit
{
  enum class Shape
  {
    Rectangle,
    Brush,
    Crop
  };
  Shape shape = Shape::Rectangle;
  EditFill fill = EditFill::Mean;
  std::array<std::int64_t, 4> corners{}; ///< x0, y0, x1, y1, both ends included
  double radius = 0;
  std::vector<std::array<double, 2>> path; ///< x, y
};

/// Most points of a brush's line.
inline constexpr std::size_t MostBrushPoints = 20000;

/// Reads a line. Throws Error that quotes it and says what is wrong.
PictureEdit parseEdit(const std::string& text);

/// The rows and columns of a picture of that size that the edits leave of it: all, or those of the
/// last crop. Throws Error where they are not inside the picture.
PixelBox keptPart(const std::vector<PictureEdit>& edits, std::int64_t width, std::int64_t height);

/// Does all edits one after the other, then the crop. Throws Error for a rectangle that is not
/// inside the picture and for a brush that touches none of its pixels.
RgbImage applyEdits(const RgbImage& picture, const std::vector<PictureEdit>& edits);

} // namespace lvlm::picture

#endif
