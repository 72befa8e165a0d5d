// SPDX-License-Identifier: Apache-2.0
/// @file LlavaModelImpl.h
/// The opened parts of a model. Internal to Models/Llava and its tests (includes Torch).
#ifndef LVLM_LLAVA_LLAVAMODELIMPL_H
#define LVLM_LLAVA_LLAVAMODELIMPL_H

#include "Decoder.h"
#include "LlavaModel.h"
#include "VisionTower.h"
#include "WeightStore.h"

#include "Models/Core/Tokenizer.h"

namespace lvlm
{

struct LlavaModel::Impl
{
  std::string directory;
  ModelOptions options;
  LlavaConfig config;
  ImageProcessorConfig imageConfig;
  Tokenizer tokenizer;
  std::shared_ptr<const Checkpoint> checkpoint;
  WeightStore weights;
  VisionTower vision;
  Decoder decoder;

  Impl(const std::string& directory, const ModelOptions& options);

  /// The part of a picture that lies under patches, after preprocessing. Throws Error if that makes
  /// pictures of another size than the tower takes.
  RgbImage see(const RgbImage& picture, ImageMode mode) const;

  /// The seen picture as the tower's input: [3, H, W] in the compute type. Throws Error on a wrong
  /// size.
  at::Tensor pixels(const RgbImage& seen) const;
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

} // namespace lvlm

#endif
