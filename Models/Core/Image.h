// SPDX-License-Identifier: Apache-2.0
/// @file Image.h
/// An 8-bit RGB picture in memory, row 0 at the top.
#ifndef LVLM_CORE_IMAGE_H
#define LVLM_CORE_IMAGE_H

#include <cstdint>
#include <string>
#include <vector>

namespace lvlm
{

struct RgbImage
{
  std::int64_t width = 0;
  std::int64_t height = 0;
  std::vector<std::uint8_t> pixels; ///< [height, width, 3]
};

/// Reads a picture file (PNG, JPEG, ...) as RGB, alpha dropped, grey repeated, as PIL's
/// `convert("RGB")`. Throws Error that names the file.
RgbImage readImage(const std::string& path);

} // namespace lvlm

#endif
