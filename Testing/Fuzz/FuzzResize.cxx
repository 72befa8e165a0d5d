// SPDX-License-Identifier: Apache-2.0
// Pillow's resampling: filter, four extents (1 to 64), then pixels. The result of a window must be
// the window of the result.
#include "FuzzInput.h"

#include "Models/Picture/PillowResize.h"

#include <algorithm>

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  constexpr std::size_t header = 7;
  constexpr int largest = 64;
  if (size < header)
  {
    return 0;
  }
  const auto filter = static_cast<lvlm::picture::Resample>(data[0] % 6);
  lvlm::picture::RgbImage image{ data[1] % largest + 1, data[2] % largest + 1, {} };
  const std::int64_t width = data[3] % largest + 1;
  const std::int64_t height = data[4] % largest + 1;
  image.pixels.resize(static_cast<std::size_t>(image.width * image.height) * 3, 255);
  std::copy_n(data + header, std::min(size - header, image.pixels.size()), image.pixels.begin());

  const lvlm::picture::Canvas canvas = data[5] % 2
    ? lvlm::picture::Canvas::square(image, { 1, 128, 255 })
    : lvlm::picture::Canvas(image);
  const lvlm::picture::RgbImage whole =
    lvlm::picture::resizeWindow(canvas, width, height, filter, { 0, 0, width, height });
  const std::int64_t left = data[5] % width;
  const std::int64_t top = data[6] % height;
  const lvlm::picture::PixelWindow window{ left, top, (width - left + 1) / 2,
    (height - top + 1) / 2 };
  const lvlm::picture::RgbImage part =
    lvlm::picture::resizeWindow(canvas, width, height, filter, window);
  for (std::int64_t y = 0; y < part.height; ++y)
  {
    const auto row = part.pixels.begin() + y * part.width * 3;
    lvlm_fuzz::require(
      std::equal(row, row + part.width * 3, whole.pixels.begin() + ((top + y) * width + left) * 3));
  }
  return 0;
}
