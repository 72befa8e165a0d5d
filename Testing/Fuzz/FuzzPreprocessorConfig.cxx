// SPDX-License-Identifier: Apache-2.0
// preprocessor_config.json, and a small picture through what it asks for.
#include "FuzzInput.h"

#include "Models/Picture/ImageProcessor.h"

#include <algorithm>
#include <cmath>

namespace
{
/// Bigger results are allowed, but would make fuzzing slow.
constexpr std::int64_t LargestEdge = 64;

lvlm::picture::RgbImage picture(std::int64_t width, std::int64_t height)
{
  lvlm::picture::RgbImage image{ width, height, {} };
  for (std::int64_t i = 0; i < width * height * 3; ++i)
  {
    image.pixels.push_back(static_cast<std::uint8_t>(i * 37));
  }
  return image;
}

void process(const lvlm::picture::ImageProcessorConfig& config, lvlm::picture::ImageMode mode)
{
  const lvlm::picture::ProcessedImage processed =
    lvlm::picture::processImage(picture(9, 5), config, mode);
  const auto& seen = processed.seen;
  lvlm_fuzz::require(seen.width > 0 && seen.height > 0);
  lvlm_fuzz::require(seen.pixels.size() == static_cast<std::size_t>(seen.width * seen.height * 3));
  lvlm_fuzz::require(seen.pixels.size() == processed.pixelValues.size());
  lvlm_fuzz::require(std::all_of(processed.pixelValues.begin(), processed.pixelValues.end(),
    [](float value) { return std::isfinite(value); }));
}
}

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  lvlm_fuzz::expectErrorAtMost(
    [&]
    {
      const auto config = lvlm::picture::parseImageProcessorConfig(
        lvlm_fuzz::textOf(data, size), "preprocessor_config.json");
      if (std::max({ config.shortestEdge, config.height, config.width, config.cropHeight,
            config.cropWidth }) <= LargestEdge)
      {
        for (const auto mode : { lvlm::picture::ImageMode::Default, lvlm::picture::ImageMode::Crop,
               lvlm::picture::ImageMode::Pad, lvlm::picture::ImageMode::Resize })
        {
          process(config, mode);
        }
      }
    });
  return 0;
}
