// SPDX-License-Identifier: Apache-2.0
#include "ImageProcessor.h"

#include "PillowResize.h"
#include "SeenPart.h"

#include "Models/Trace/Error.h"

#include <algorithm>

namespace lvlm::picture
{

namespace
{
struct Extent
{
  std::int64_t width = 0;
  std::int64_t height = 0;
};

/// What to do with a picture, the mode resolved.
struct Plan
{
  bool pad = false;
  Extent resized; ///< of the whole resized picture, which is never made
  Extent result;  ///< centre crop of it
};

void checkPicture(const RgbImage& image)
{
  const std::int64_t w = image.width;
  const std::int64_t h = image.height;
  if (w < 1 || h < 1 || w > MaximumImageEdge || h > MaximumImageEdge)
  {
    fail("a picture of ", w, " x ", h, " pixels: each edge must be from 1 to ", MaximumImageEdge);
  }
  if (image.pixels.size() != static_cast<std::size_t>(w * h) * 3)
  {
    fail("a picture of ", w, " x ", h, " pixels with ", image.pixels.size(), " bytes, expected ",
      w * h * 3);
  }
}

/// get_resize_output_image_size: the shortest edge becomes `edge`, the other is truncated.
Extent withShortestEdge(const Extent& in, std::int64_t edge)
{
  const auto longer = [edge](std::int64_t numerator, std::int64_t denominator)
  {
    return static_cast<std::int64_t>(
      static_cast<double>(edge * numerator) / static_cast<double>(denominator));
  };
  return in.width <= in.height ? Extent{ edge, longer(in.height, in.width) }
                               : Extent{ longer(in.width, in.height), edge };
}

/// The model's own input size, as far as the configuration tells it.
Extent modelInput(const ImageProcessorConfig& config)
{
  if (config.centerCrop)
  {
    return { config.cropWidth, config.cropHeight };
  }
  return config.shortestEdge > 0 ? Extent{ config.shortestEdge, config.shortestEdge }
                                 : Extent{ config.width, config.height };
}

Plan planDefault(const Extent& in, const ImageProcessorConfig& config)
{
  Plan plan{ false, in, in };
  if (config.resize)
  {
    plan.resized = config.shortestEdge > 0 ? withShortestEdge(in, config.shortestEdge)
                                           : Extent{ config.width, config.height };
  }
  plan.result = config.centerCrop ? Extent{ config.cropWidth, config.cropHeight } : plan.resized;
  return plan;
}

Plan planPadded(const Extent& in, const ImageProcessorConfig& config)
{
  const std::int64_t edge = std::max(in.width, in.height);
  Plan plan = planDefault({ edge, edge }, config);
  plan.pad = true;
  return plan;
}

Plan makePlan(const Extent& in, const ImageProcessorConfig& config, ImageMode mode)
{
  const Extent target = modelInput(config);
  switch (mode)
  {
    case ImageMode::Default:
      return config.pad ? planPadded(in, config) : planDefault(in, config);
    case ImageMode::Crop:
      return { false, withShortestEdge(in, std::max(target.width, target.height)), target };
    case ImageMode::Pad:
      return config.resize ? planPadded(in, config) : Plan{ true, target, target };
    case ImageMode::Resize:
      return { false, target, target };
  }
  fail("image mode ", static_cast<int>(mode), " does not exist");
}

void checkPlan(const Plan& plan, const RgbImage& image)
{
  const auto [width, height] = plan.result;
  if (width < 1 || height < 1 || width > MaximumModelPixels / height)
  {
    fail("the picture of ", image.width, " x ", image.height, " pixels would be processed to ",
      width, " x ", height, " pixels, at most ", MaximumModelPixels, " in all are accepted");
  }
}

/// One axis of the centre crop: [begin, begin + size) of the source lands at `offset` of the
/// result; what is left of the result is zero.
struct CropSpan
{
  std::int64_t begin = 0;
  std::int64_t size = 0;
  std::int64_t offset = 0;
};

CropSpan cropSpan(std::int64_t source, std::int64_t crop)
{
  if (source >= crop)
  {
    return { (source - crop) / 2, crop, 0 };
  }
  return { 0, source, (crop - source + 1) / 2 };
}

/// PIL resizes with expand2square's colour: the mean, truncated to bytes.
std::array<std::uint8_t, 3> meanColour(const ImageProcessorConfig& config)
{
  std::array<std::uint8_t, 3> colour{};
  std::transform(config.mean.begin(), config.mean.end(), colour.begin(),
    [](double mean) { return static_cast<std::uint8_t>(std::clamp(mean * 255, 0.0, 255.0)); });
  return colour;
}

RgbImage carryOut(const Plan& plan, const RgbImage& image, const ImageProcessorConfig& config)
{
  const Canvas canvas = plan.pad ? Canvas::square(image, meanColour(config)) : Canvas(image);
  const CropSpan across = cropSpan(plan.resized.width, plan.result.width);
  const CropSpan down = cropSpan(plan.resized.height, plan.result.height);
  RgbImage part = resizeWindow(canvas, plan.resized.width, plan.resized.height, config.resample,
    { across.begin, down.begin, across.size, down.size });
  if (across.size == plan.result.width && down.size == plan.result.height)
  {
    return part;
  }
  RgbImage out{ plan.result.width, plan.result.height, {} };
  out.pixels.resize(static_cast<std::size_t>(out.width * out.height) * 3);
  for (std::int64_t y = 0; y < down.size; ++y)
  {
    const auto row = part.pixels.begin() + y * part.width * 3;
    std::copy(row, row + part.width * 3,
      out.pixels.begin() + ((down.offset + y) * out.width + across.offset) * 3);
  }
  return out;
}
}

ProcessedImage processImage(
  const RgbImage& image, const ImageProcessorConfig& config, ImageMode mode)
{
  checkPicture(image);
  const Plan plan = makePlan({ image.width, image.height }, config, mode);
  checkPlan(plan, image);
  ProcessedImage processed;
  processed.seen = carryOut(plan, image, config);
  processed.pixelValues = normalizePixels(processed.seen, config);
  return processed;
}

SeenPart seenPart(const PictureSize& size, const ImageProcessorConfig& config, ImageMode mode)
{
  const Plan plan = makePlan({ size.width, size.height }, config, mode);
  const std::int64_t edge = std::max(size.width, size.height);
  // Edges of one axis: those of the crop, on the canvas that is resized, then in the picture.
  const auto axis = [&](std::int64_t length, std::int64_t resized, std::int64_t result)
  {
    const std::int64_t canvas = plan.pad ? edge : length;
    const CropSpan span = cropSpan(resized, result);
    const double scale = static_cast<double>(canvas) / static_cast<double>(resized);
    const auto before = static_cast<double>((canvas - length) / 2); // as Canvas::square
    const auto inside = [&](std::int64_t at) {
      return std::clamp(static_cast<double>(at) * scale - before, 0.0, static_cast<double>(length));
    };
    return std::array<double, 2>{ inside(span.begin), inside(span.begin + span.size) };
  };
  const auto [left, right] = axis(size.width, plan.resized.width, plan.result.width);
  const auto [top, bottom] = axis(size.height, plan.resized.height, plan.result.height);
  return { left, right, top, bottom };
}

std::vector<float> normalizePixels(const RgbImage& seen, const ImageProcessorConfig& config)
{
  checkPicture(seen);
  const auto count = static_cast<std::size_t>(seen.width * seen.height);
  std::vector<float> values(count * 3); // [3, height, width]
  for (std::size_t c = 0; c < 3; ++c)
  {
    std::array<float, 256> table{};
    for (int byte = 0; byte < 256; ++byte)
    {
      // Rescaled in double and rounded once, then float32 throughout, as CLIPImageProcessor.
      float value = static_cast<float>(config.rescale ? byte * config.rescaleFactor : byte);
      if (config.normalize)
      {
        value = (value - static_cast<float>(config.mean[c])) / static_cast<float>(config.std[c]);
      }
      table[byte] = value;
    }
    for (std::size_t i = 0; i < count; ++i)
    {
      values[c * count + i] = table[seen.pixels[i * 3 + c]];
    }
  }
  return values;
}

} // namespace lvlm::picture
