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
  std::string text;                ///< with one image token
  std::vector<std::int64_t> ids;   ///< [P], the image token repeated for each image position
  std::vector<std::string> pieces; ///< [P]
  std::vector<Role> roles;         ///< [P]
  std::int64_t featureStart = 0;   ///< first image position
  picture::ImageTokens image;      ///< what the positions from there on are
};

/// Tokenizes the whole text at once, as Hugging Face's processor does, then repeats the image
/// token. Roles: template text before the question is `system`, after it `special`, and so is an
/// image token that is no patch (CLS, the end of a row). Throws Error
/// when the text does not hold exactly one image token. A text that starts with `beginToken` has
/// the special tokens in it; the tokenizer adds none then, as in Hugging Face's processors.
Prompt makePrompt(const std::vector<text::PromptPart>& parts, const text::Tokenizer& tokenizer,
  std::int64_t imageTokenId, const picture::ImageTokens& image, const std::string& beginToken = {});

} // namespace lvlm::llava

#endif
