// SPDX-License-Identifier: Apache-2.0
/// @file Image.h
/// An 8-bit RGB picture in memory, row 0 at the top, and how it is read from a file.
#ifndef LVLM_PICTURE_IMAGE_H
#define LVLM_PICTURE_IMAGE_H

#include <cstdint>
#include <string>
#include <vector>

namespace lvlm::picture
{

struct RgbImage
{
  std::int64_t width = 0;
  std::int64_t height = 0;
  std::vector<std::uint8_t> pixels; ///< [height, width, 3]

  bool operator==(const RgbImage& other) const
  {
    return this->width == other.width && this->height == other.height &&
      this->pixels == other.pixels;
  }
};

/// Largest edge of an accepted picture, in pixels.
inline constexpr std::int64_t MaximumImageEdge = 32768;
/// PIL warns of pictures with more pixels than this, since a small file may ask for gigabytes ...
inline constexpr std::int64_t SuspiciousPixels = 89478485;
/// ... and refuses those with more than twice as many.
inline constexpr std::int64_t DefaultMaximumPixels = 2 * SuspiciousPixels;

/// Reads a picture file (PNG, JPEG, TIFF, WebP, GIF, BMP, PNM: the content decides, not the name)
/// as PIL's `Image.open(path).convert("RGB")`: the first picture of several, palette looked up,
/// alpha dropped, grey repeated, CMYK and L*a*b* converted; of 16-bit colour the high byte, 16-bit
/// grey clipped at 255 (PIL does not scale it). The orientation in a TIFF is applied, the one in
/// EXIF data is not: PIL does so too unless it is asked. Throws Error that names the file when it
/// is missing, damaged, in no such format, has samples other than unsigned ones of up to 16 bits,
/// an edge above MaximumImageEdge or more than `maximumPixels` pixels. That is checked before
/// anything of the picture's size is allocated; memory stays below the file's size and 16 bytes a
/// pixel.
RgbImage readImage(const std::string& path, std::int64_t maximumPixels = DefaultMaximumPixels);

/// The same of a file that is in memory already: `bytes` [size]. Errors name no file.
RgbImage decodeImage(
  const std::uint8_t* bytes, std::size_t size, std::int64_t maximumPixels = DefaultMaximumPixels);

} // namespace lvlm::picture

#endif
