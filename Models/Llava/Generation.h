// SPDX-License-Identifier: Apache-2.0
/// @file Generation.h
/// Prefill and decoding with capture. Internal to Models/Llava.
#ifndef LVLM_LLAVA_GENERATION_H
#define LVLM_LLAVA_GENERATION_H

#include "CaptureBuffer.h"
#include "LlavaModelImpl.h"
#include "Prompt.h"
#include "Sampler.h"

#include <optional>

namespace lvlm
{

/// Layers as 0-based, sorted, unique numbers. Throws Error for one out of range.
std::vector<std::int64_t> resolveLayers(const std::vector<std::int64_t>& layers, std::int64_t count);

/// One question on one model, step by step. Not thread-safe; makes its own buffers.
class Generation
{
public:
  Generation(const LlavaModel::Impl& model, const Question& question, const Prompt& prompt);

  /// Vision tower, projector and the prompt through the decoder; logits of the first answer token [V].
  at::Tensor prefill(const at::Tensor& pixels, const Progress& progress);
  /// Feeds an answer token; logits of the next one [V].
  at::Tensor step(std::int64_t token, const Progress& progress);
  /// Moves the captured tensors of an answer of T tokens into the trace.
  void moveCapture(Trace& trace, std::int64_t answerLength);

private:
  at::Tensor forward(at::Tensor hidden, const Progress& progress, const std::string& what);
  void capture(std::int64_t layer, std::int64_t firstHead, const at::Tensor& probabilities);

  const LlavaModel::Impl& Model;
  const Prompt& Input;
  std::int64_t Fed = 0; ///< positions in the cache
  std::vector<std::int64_t> FullLayers;
  std::vector<LayerCache> Cache;
  Workspace Buffers;
  std::optional<CaptureBuffer> Answer, Full, Vision;
};

} // namespace lvlm

#endif
