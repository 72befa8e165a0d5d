// SPDX-License-Identifier: Apache-2.0
/// @file ImageProcessor.h
/// Image preprocessing as Hugging Face's CLIPImageProcessor does it (Pillow's antialiased
/// resampling in 8 bits included), and LLaVA's own padding to a square.
#ifndef LVLM_CORE_IMAGEPROCESSOR_H
#define LVLM_CORE_IMAGEPROCESSOR_H

#include "Image.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace lvlm
{

/// How a picture of any shape becomes the model's square input.
enum class ImageMode
{
  Default, ///< what preprocessor_config.json says
  Crop,    ///< shortest edge to the crop size, then centre crop
  Pad,     ///< pad to a square with the mean colour (LLaVA's `expand2square`), then resize
  Resize   ///< resize both edges, aspect ratio not kept
};

/// Pillow's resampling filters, with PIL's numbers as they stand in preprocessor_config.json.
enum class Resample
{
  Nearest = 0,
  Lanczos = 1,
  Bilinear = 2,
  Bicubic = 3,
  Box = 4,
  Hamming = 5
};

/// The fields of preprocessor_config.json that matter, CLIPImageProcessor's defaults filled in.
struct ImageProcessorConfig
{
  bool resize = true;
  std::int64_t shortestEdge = 224;      ///< used when > 0 ...
  std::int64_t height = 0, width = 0;   ///< ... else both edges
  bool centerCrop = true;
  std::int64_t cropHeight = 224, cropWidth = 224;
  Resample resample = Resample::Bicubic;
  bool rescale = true;
  double rescaleFactor = 1.0 / 255.0;
  bool normalize = true;
  std::array<double, 3> mean{ 0.48145466, 0.4578275, 0.40821073 };
  std::array<double, 3> std{ 0.26862954, 0.26130258, 0.27577711 };
};

/// Reads preprocessor_config.json (size given as a number, {"shortest_edge"} or {"height","width"}).
/// Throws Error that names the file and the value on absurd numbers.
ImageProcessorConfig readImageProcessorConfig(const std::string& path);

struct ProcessedImage
{
  RgbImage seen;                  ///< what the model saw, before normalization
  std::vector<float> pixelValues; ///< [3, height, width], normalized
};

/// Largest edge of an accepted picture, in pixels.
inline constexpr std::int64_t MaximumImageEdge = 32768;

/// Runs the whole preprocessing. Throws Error on an empty or too large picture.
ProcessedImage processImage(
  const RgbImage& image, const ImageProcessorConfig& config, ImageMode mode = ImageMode::Default);

/// Normalizes an already seen picture: [height, width, 3] bytes to [3, height, width] floats.
std::vector<float> normalizePixels(const RgbImage& seen, const ImageProcessorConfig& config);

/// Pillow's `Image.resize((width, height), resample)` on 8-bit RGB, bit-exact.
RgbImage resizeLikePillow(
  const RgbImage& image, std::int64_t width, std::int64_t height, Resample resample);

} // namespace lvlm

#endif
