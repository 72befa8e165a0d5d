// SPDX-License-Identifier: Apache-2.0
// Picture files of all formats, up to 2^16 pixels.
#include "FuzzInput.h"

#include "Models/Picture/Image.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  lvlm_fuzz::expectErrorAtMost(
    [&]
    {
      constexpr std::int64_t maximumPixels = 1 << 16;
      const auto image = lvlm::picture::decodeImage(data, size, maximumPixels);
      const std::int64_t pixels = image.width * image.height;
      lvlm_fuzz::require(pixels > 0 && pixels <= maximumPixels &&
        image.pixels.size() == static_cast<std::size_t>(pixels) * 3);
    });
  return 0;
}
