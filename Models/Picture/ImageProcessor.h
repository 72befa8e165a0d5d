// SPDX-License-Identifier: Apache-2.0
/// @file ImageProcessor.h
/// Image preprocessing as Hugging Face's CLIPImageProcessor and SiglipImageProcessor do it
/// (Pillow's antialiased resampling in 8 bits included), and LLaVA's own padding to a square.
#ifndef LVLM_PICTURE_IMAGEPROCESSOR_H
#define LVLM_PICTURE_IMAGEPROCESSOR_H

#include "Image.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lvlm::picture
{

/// How a picture of any shape becomes the model's square input. The modes other than Default give
/// the model's input size: that of the centre crop if there is one, else `size`.
enum class ImageMode
{
  Default, ///< what preprocessor_config.json says
  Crop,    ///< shortest edge to the crop's (longer) edge, then centre crop
  Pad,     ///< centre on a square of the mean colour (LLaVA's `expand2square`), then as Default
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

/// Largest edge, in pixels, that a preprocessor_config.json may ask for ...
inline constexpr std::int64_t MaximumModelEdge = 16384;
/// ... and the most pixels that processImage makes (64 MiB a colour channel in float32).
inline constexpr std::int64_t MaximumModelPixels = std::int64_t{ 1 } << 24;

/// The fields of preprocessor_config.json that matter, CLIPImageProcessor's defaults filled in
/// (or SiglipImageProcessor's, where it is one).
struct ImageProcessorConfig
{
  bool tiles = false; ///< LlavaNextImageProcessor and LlavaOnevision's: Tiles.h does it, by the
                      ///< fields below ...
  /// ... and height, width of the canvases; empty: as config.json says.
  std::vector<std::array<std::int64_t, 2>> canvases;
  bool pad = false; ///< LlavaImageProcessor's `do_pad`: Default pads to a square first
  bool resize = true;
  std::int64_t shortestEdge = 224;    ///< used when > 0 ...
  std::int64_t height = 0, width = 0; ///< ... else both edges
  bool centerCrop = true;
  std::int64_t cropHeight = 224, cropWidth = 224;
  Resample resample = Resample::Bicubic;
  bool rescale = true;
  double rescaleFactor = 1.0 / 255.0;
  bool normalize = true;
  std::array<double, 3> mean{ 0.48145466, 0.4578275, 0.40821073 };
  std::array<double, 3> std{ 0.26862954, 0.26130258, 0.27577711 };
};

/// Reads what a model folder says of a CLIPImageProcessor, LlavaImageProcessor or
/// SiglipImageProcessor (size given as a number, [height, width], {"shortest_edge"} or {"height",
/// "width"}): `image_processor` of processor_config.json, as transformers 5 saves it, or else
/// preprocessor_config.json. Throws Error that names the file, the field and the value when neither
/// is there, on another processor type or absurd numbers: edges outside 1 .. MaximumModelEdge,
/// factors that are not finite or above 1e6, std below 1e-6, resample outside 0 .. 5.
ImageProcessorConfig readImageProcessorConfig(const std::string& directory);

/// The same from JSON text; `source` is named in errors.
ImageProcessorConfig parseImageProcessorConfig(std::string_view text, const std::string& source);

struct ProcessedImage
{
  RgbImage seen;                  ///< what the model saw, before normalization
  std::vector<float> pixelValues; ///< [3, height, width], normalized
};

/// Runs the whole preprocessing, equal to CLIPImageProcessor (float32, PIL's 8-bit resize).
/// Only pixels inside the centre crop are ever resampled, so a 1 x 16000 picture costs no more
/// memory than its crop. Throws Error on an empty or too large picture, pixels that do not match
/// the extents, and on a result of more than MaximumModelPixels.
ProcessedImage processImage(
  const RgbImage& image, const ImageProcessorConfig& config, ImageMode mode = ImageMode::Default);

/// Normalizes an already seen picture: [height, width, 3] bytes to [3, height, width] floats,
/// (byte * rescaleFactor - mean) / std in float32. Throws Error when the pixels do not match the
/// extents.
std::vector<float> normalizePixels(const RgbImage& seen, const ImageProcessorConfig& config);

} // namespace lvlm::picture

#endif
