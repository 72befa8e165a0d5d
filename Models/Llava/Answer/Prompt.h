// SPDX-License-Identifier: Apache-2.0
/// @file Prompt.h
/// From template, question and picture size to the sequence of positions that the decoder is fed.
#ifndef LVLM_LLAVA_PROMPT_H
#define LVLM_LLAVA_PROMPT_H

#include "Models/Checkpoint/ModelConfig.h"
#include "Models/Text/Chat/ChatTemplate.h"
#include "Models/Text/Tokenizer.h"
#include "Models/Trace/Trace.h"

#include <string>
#include <vector>

namespace lvlm::llava
{

struct Prompt
{
  std::string text;                ///< with one image token
  std::vector<std::int64_t> ids;   ///< [P], the image token repeated for each image position
  std::vector<std::string> pieces; ///< [P]
  std::vector<Role> roles;         ///< [P]
  std::int64_t imageStart = 0;     ///< first patch (a kept CLS token before it has role `special`)
  std::int64_t featureStart = 0;   ///< first image position
};

/// Tokenizes the whole text at once, as Hugging Face's processor does, then repeats the image
/// token. Roles: template text before the question is `system`, after it `special`. Throws Error
/// when the text does not hold exactly one image token. A text that starts with `beginToken` has
/// the special tokens in it; the tokenizer adds none then, as in Hugging Face's processors.
Prompt makePrompt(const std::vector<text::PromptPart>& parts, const text::Tokenizer& tokenizer,
  const checkpoint::LlavaConfig& config, const std::string& beginToken = {});

} // namespace lvlm::llava

#endif
