// SPDX-License-Identifier: Apache-2.0
/// @file LlavaModelImpl.h
/// The opened parts of a model. Internal to Models/Llava and its tests (includes Torch).
#ifndef LVLM_LLAVA_LLAVAMODELIMPL_H
#define LVLM_LLAVA_LLAVAMODELIMPL_H

#include "Models/Llava/LlavaModel.h"

#include "Models/Llava/Network/Decoder.h"
#include "Models/Llava/Network/VisionTower.h"
#include "Models/Llava/Network/WeightStore.h"
#include "Models/Picture/Tiles.h"
#include "Models/Text/Tokenizer.h"

namespace lvlm::llava
{

struct LlavaModel::Impl
{
  std::string directory;
  ModelOptions options;
  checkpoint::LlavaConfig config;
  picture::ImageProcessorConfig imageConfig;
  text::Tokenizer tokenizer;
  std::shared_ptr<const checkpoint::Checkpoint> checkpoint;
  WeightStore weights;
  VisionTower vision;
  Decoder decoder;

  Impl(const std::string& directory, const ModelOptions& options);

  /// What the model sees of the pictures of a question after preprocessing: the parts that lie
  /// under patches, or each whole picture and its tiles. Throws Error if that is of another size
  /// than the tower takes, and for a mode that tiles do not have.
  std::vector<picture::SeenPicture> see(
    const std::vector<picture::RgbImage>& pictures, picture::ImageMode mode) const;
  /// The tokens of pictures of those sizes, as see() gives them.
  std::vector<picture::ImageTokens> imageTokens(
    const std::vector<picture::PictureSize>& sizes) const;

  /// A seen picture or tile as the tower's input: [3, H, W] in the compute type. Throws Error on a
  /// wrong size.
  at::Tensor pixels(const picture::RgbImage& seen) const;

private:
  picture::SeenPicture seeOne(
    const picture::RgbImage& picture, picture::ImageMode mode, bool inTiles) const;
  picture::SeenPicture seeTiles(const picture::RgbImage& picture) const;
  picture::ImageTokens tokensOf(const picture::PictureSize& size, bool inTiles) const;
  picture::TilePlan planOf(const picture::PictureSize& size) const;
  picture::RgbImage underPatches(const picture::RgbImage& whole) const;
};

/// Runs `work`; what Torch throws becomes Error without its backtrace, and bad_alloc an Error too.
template <typename Work>
auto translated(Work&& work) -> decltype(work())
{
  try
  {
    return work();
  }
  catch (const c10::Error& error)
  {
    throw Error(std::string("LibTorch: ") + error.what_without_backtrace());
  }
  catch (const std::bad_alloc&)
  {
    throw Error("not enough memory");
  }
}

} // namespace lvlm::llava

#endif
