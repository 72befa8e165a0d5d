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

  /// What the model sees of a picture after preprocessing: the part that lies under patches, or the
  /// whole of it and its tiles. Throws Error if that is of another size than the tower takes, and
  /// for a mode that tiles do not have.
  picture::SeenPicture see(const picture::RgbImage& picture, picture::ImageMode mode) const;
  /// The tokens of a picture of that size, as see() gives them.
  picture::ImageTokens imageTokens(const picture::PictureSize& size) const;

  /// A seen picture or tile as the tower's input: [3, H, W] in the compute type. Throws Error on a
  /// wrong size.
  at::Tensor pixels(const picture::RgbImage& seen) const;

private:
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
