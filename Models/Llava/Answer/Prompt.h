// SPDX-License-Identifier: Apache-2.0
/// @file Prompt.h
/// From template, question and picture size to the sequence of positions that the decoder is fed.
#ifndef LVLM_LLAVA_PROMPT_H
#define LVLM_LLAVA_PROMPT_H

#include "Models/Picture/Tiles.h"
#include "Models/Text/Chat/ChatTemplate.h"
#include "Models/Text/Tokenizer.h"
#include "Models/Trace/Trace.h"

#include <string>
#include <vector>

namespace lvlm::llava
{

struct Prompt
{
  std::string text;                ///< with one image token for each picture
  std::vector<std::int64_t> ids;   ///< [P], an image token repeated for each of its positions
  std::vector<std::string> pieces; ///< [P]
  std::vector<Role> roles;         ///< [P]
  std::vector<picture::PlacedImage> images; ///< in the order of their positions
};

/// Tokenizes the whole text at once, as Hugging Face's processor does, then repeats the image
/// tokens. Roles: template text before the question is `system`, after it `special`, and so is an
/// image token that is no patch (CLS, the end of a row). Throws Error when the text does not hold
/// one image token for each of `images`. A text that starts with `beginToken` has the special
/// tokens in it; the tokenizer adds none then, as in Hugging Face's processors.
Prompt makePrompt(const std::vector<text::PromptPart>& parts, const text::Tokenizer& tokenizer,
  std::int64_t imageTokenId, const std::vector<picture::ImageTokens>& images,
  const std::string& beginToken = {});

} // namespace lvlm::llava

#endif
