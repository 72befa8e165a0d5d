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

/// u8 [H, W, 3]
Tensor imageTensor(const picture::RgbImage& seen);
/// u8 [tiles, h, w, 3]
Tensor tilesTensor(const std::vector<picture::RgbImage>& tiles);

/// The trace without attention. Throws Error when it contradicts itself.
Trace traceOf(const LlavaModel::Impl& model, const Question& question, const Prompt& prompt,
  const Answer& answer, const picture::SeenPicture& seen, const picture::PictureSize& given);
/// The question as the model reads it, about a picture of that size. Throws Error unless it holds
/// exactly one image token.
Prompt promptOf(
  const LlavaModel::Impl& model, const Question& question, const picture::PictureSize& picture);
/// The regions of a prompt's picture, in positions of the sequence.
std::vector<Region> regionsOf(const Prompt& prompt);

} // namespace lvlm::llava

#endif
