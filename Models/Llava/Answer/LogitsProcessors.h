// SPDX-License-Identifier: Apache-2.0
/// @file LogitsProcessors.h
/// What `generation_config.json` does to the logits before a token is chosen from them. Internal to
/// Models/Llava.
#ifndef LVLM_LLAVA_LOGITSPROCESSORS_H
#define LVLM_LLAVA_LOGITSPROCESSORS_H

#include "Models/Checkpoint/GenerationConfig.h"

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

namespace lvlm::llava
{

/// The logits processors of Hugging Face's `generate()`, in its order: sequence bias, repetition
/// penalty, repeated n-grams, bad words, least length, forced first and last token, invalid values,
/// length penalty, suppressed tokens.
class LogitsProcessors
{
public:
  /// For an answer of at most `maxNewTokens` to a prompt of P positions, image positions included,
  /// with a vocabulary of V. Throws Error for a bad word, bias or forced token outside of it.
  LogitsProcessors(const checkpoint::GenerationConfig& config, std::int64_t promptLength,
    std::int64_t maxNewTokens, std::int64_t vocabulary);

  /// Logits [V] of the token after `ids` (prompt and answer so far) as the choice sees them:
  /// float32 on the CPU; the same tensor when nothing is asked for. An id outside of the
  /// vocabulary, as an image token may be, is penalized nowhere.
  at::Tensor apply(const std::vector<std::int64_t>& ids, const at::Tensor& logits) const;

private:
  void penalizeRepetition(const std::vector<std::int64_t>& ids, at::Tensor& scores) const;
  void addBias(const std::vector<std::int64_t>& ids, at::Tensor& scores) const;
  void banNgrams(const std::vector<std::int64_t>& ids, at::Tensor& scores) const;
  void banWords(const std::vector<std::int64_t>& ids, at::Tensor& scores) const;
  void lengthen(std::int64_t length, at::Tensor& scores) const;
  void force(std::int64_t length, at::Tensor& scores) const;
  void shorten(std::int64_t length, at::Tensor& scores) const;
  void suppress(std::int64_t length, at::Tensor& scores) const;

  checkpoint::GenerationConfig Config;
  std::int64_t PromptLength, LongestLength;
  bool Idle; ///< nothing is asked for
};

} // namespace lvlm::llava

#endif
