// SPDX-License-Identifier: Apache-2.0
/// @file PillowResize.h
/// Pillow's 8-bit resampling, computed only where it is looked at: a window of the resized picture,
/// read from a picture that may lie on a larger canvas of one colour. Neither the canvas nor the
/// whole resized picture ever exists in memory.
#ifndef LVLM_PICTURE_PILLOWRESIZE_H
#define LVLM_PICTURE_PILLOWRESIZE_H

#include "Image.h"
#include "ImageProcessor.h"

#include <array>
#include <cstdint>
#include <vector>

namespace lvlm::picture
{

/// A picture placed on a larger canvas of one colour. Refers to the picture, does not own it.
class Canvas
{
public:
  /// The picture alone.
  explicit Canvas(const RgbImage& image);
  /// The picture centred on a square of its longer edge (the odd pixel goes to the bottom or
  /// right).
  static Canvas square(const RgbImage& image, const std::array<std::uint8_t, 3>& colour);

  std::int64_t width() const { return this->Width; }
  std::int64_t height() const { return this->Height; }

  /// Row y as [width, 3]: the picture's own bytes where they make up a whole row, else `scratch`.
  const std::uint8_t* row(std::int64_t y, std::vector<std::uint8_t>& scratch) const;

private:
  const RgbImage* Image;
  std::int64_t Width;
  std::int64_t Height;
  std::int64_t Left = 0;
  std::int64_t Top = 0;
  std::array<std::uint8_t, 3> Colour{};
};

/// Columns [left, left + width) and rows [top, top + height).
struct PixelWindow
{
  std::int64_t left = 0;
  std::int64_t top = 0;
  std::int64_t width = 0;
  std::int64_t height = 0;
};

/// The pixels of `window` in Pillow's `Image.resize((width, height), resample)` of the canvas,
/// bit-exact (Pillow 13; versions up to 12.1 always resize columns first, which differs where a
/// picture loses many more rows than columns). Memory is the window, plus the input rows under one
/// output row. Throws Error when an extent is not positive or the window leaves the resized
/// picture.
RgbImage resizeWindow(const Canvas& canvas, std::int64_t width, std::int64_t height,
  Resample resample, const PixelWindow& window);

} // namespace lvlm::picture

#endif
