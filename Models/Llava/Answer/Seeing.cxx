// SPDX-License-Identifier: Apache-2.0
#include "Models/Llava/Seeing.h"

#include "Models/Llava/Network/LlavaModelImpl.h"

namespace lvlm::llava
{

Seeing seePicture(
  const LlavaModel& model, const picture::RgbImage& picture, picture::ImageMode mode)
{
  const auto& [width, height] = std::pair(picture.width, picture.height);
  Seeing seeing;
  seeing.seen = translated([&] { return model.impl().see({ picture }, mode).front(); });
  seeing.part = { 0, static_cast<double>(width), 0, static_cast<double>(height) };
  const checkpoint::LlavaConfig& config = model.config();
  if (!config.readsTiles())
  {
    seeing.part = picture::seenPart({ width, height }, model.impl().imageConfig, mode);
    // Patches that would not be whole are left out at the right and at the bottom.
    const double kept =
      static_cast<double>(config.vision.seenEdge()) / static_cast<double>(config.vision.imageSize);
    seeing.part.right = seeing.part.left + kept * (seeing.part.right - seeing.part.left);
    seeing.part.bottom = seeing.part.top + kept * (seeing.part.bottom - seeing.part.top);
  }
  return seeing;
}

} // namespace lvlm::llava
