// SPDX-License-Identifier: Apache-2.0
/// @file Image.h
/// An 8-bit RGB picture in memory, row 0 at the top.
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
};

/// Largest edge of an accepted picture, in pixels.
inline constexpr std::int64_t MaximumImageEdge = 32768;

/// Reads a picture file (PNG, JPEG, BMP, TIFF, WebP, ...) as PIL's
/// `Image.open(path).convert("RGB")`: palette looked up, alpha dropped, grey repeated, EXIF
/// orientation ignored; of 16-bit colour the high byte, 16-bit grey clipped at 255 (PIL does not
/// scale it). Throws Error that names the file when it is missing, not decodable, has other than 8
/// or 16 bit samples, or an edge above MaximumImageEdge.
RgbImage readImage(const std::string& path);

} // namespace lvlm::picture

#endif
