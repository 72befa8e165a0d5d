// SPDX-License-Identifier: Apache-2.0
/// @file AnswerTrace.h
/// The generated tokens with their scores, and the trace that they become. Internal to
/// Models/Llava.
#ifndef LVLM_LLAVA_ANSWERTRACE_H
#define LVLM_LLAVA_ANSWERTRACE_H

#include "Prompt.h"

#include "Models/Llava/Network/LlavaModelImpl.h"
#include "Models/Ranks/Message.h"

namespace lvlm::llava
{

/// The answer's ids with their scores, collected step by step.
struct Answer
{
  std::vector<std::int64_t> ids;
  std::vector<float> logprob;
  std::vector<std::int64_t> topkId;
  std::vector<float> topkLogprob;
  std::vector<float> logits; ///< [T, V] when asked for

  std::int64_t length() const { return static_cast<std::int64_t>(this->ids.size()); }
  /// Takes in what scoredToken() gave.
  void add(const ranks::Message& token);
};

/// A chosen token with its log-probability, those of the `alternatives` best ones and, if asked
/// for, all logits.
ranks::Message scoredToken(
  std::int64_t id, const at::Tensor& logits, std::int64_t alternatives, bool withLogits);

/// What the model sees of pictures, one after another: u8 [H, W, 3] of each and, where it is cut,
/// [tiles, h, w, 3].
std::vector<Tensor> pictureTensors(const std::vector<picture::SeenPicture>& seen);
/// The same back, of pictures that have those tokens.
std::vector<picture::SeenPicture> seenFrom(const LlavaModel::Impl& model,
  const std::vector<Tensor>& tensors, const std::vector<picture::PlacedImage>& images);

/// The trace without attention. Throws Error when it contradicts itself.
Trace traceOf(const LlavaModel::Impl& model, const Question& question, const Prompt& prompt,
  const Answer& answer, const std::vector<picture::SeenPicture>& seen,
  const std::vector<picture::PictureSize>& given);
/// The question as the model reads it, about pictures of those sizes. Throws Error unless it holds
/// an image token for each.
Prompt promptOf(const LlavaModel::Impl& model, const Question& question,
  const std::vector<picture::PictureSize>& pictures);
std::vector<picture::PictureSize> sizesOf(const std::vector<picture::RgbImage>& pictures);
/// The regions of a prompt's pictures, in positions of the sequence.
std::vector<Region> regionsOf(const Prompt& prompt);

} // namespace lvlm::llava

#endif
