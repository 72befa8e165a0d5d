// SPDX-License-Identifier: Apache-2.0
/// @file ChatTemplate.h
/// From a question to the full prompt text with an `<image>` for each picture, and to positions
/// with roles.
#ifndef LVLM_TEXT_CHATTEMPLATE_H
#define LVLM_TEXT_CHATTEMPLATE_H

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lvlm::text
{

/// A piece of the prompt: what the user wrote, or what the template put around it.
struct PromptPart
{
  enum class Kind
  {
    Template, ///< role markers and the like: roles `system` (before the image/question) or
              ///< `special`
    System,   ///< the system prompt
    Image,    ///< exactly the image token's text
    Question  ///< the user's words
  };
  Kind kind;
  std::string text;
};

/// "Vicuna" (v1.5, of LLaVA-1.5), "Mistral", "Llama2", "Llama3", "ChatML", "Gemma", or free-form
/// text with `{image}` and `{prompt}` (and optionally `{system}`).
///
/// | name | prompt without a system prompt | as in |
/// |---|---|---|
/// | Vicuna | `USER: {image}⏎{prompt} ASSISTANT:` | llava-hf/llava-1.5-7b-hf; LLaVA's `vicuna_v1` |
/// | Mistral | `[INST] {image}⏎{prompt} [/INST]` | llava-hf/llava-v1.6-mistral-7b-hf |
/// | Llama2 | the same; they differ in the system prompt | LLaVA's `llava_llama_2` |
/// | Llama3 | `<|start_header_id|>user<|end_header_id|>⏎⏎{image}⏎{prompt}<|eot_id|>…` |
/// xtuner/llava-llama-3-8b | | ChatML |
/// `<|im_start|>user⏎{image}⏎{prompt}<|im_end|>⏎<|im_start|>assistant⏎` | LLaVA-OneVision, Yi, Qwen
/// | | Gemma | `<start_of_turn>user⏎{image}⏎{prompt}<end_of_turn>⏎<start_of_turn>model⏎` | Gemma's
/// turns |
///
/// The beginning-of-sequence token is not part of the text: the tokenizer adds it. LLaVA's original
/// code begins Vicuna prompts with a system prompt of its own ("A chat between a curious user and
/// …"); Hugging Face's checkpoints do not, so it is empty unless given.
struct ChatTemplate
{
  std::string name;

  /// The parts whose concatenation is the full prompt. Several pictures stand in their order: each
  /// `{image}` takes one and the last one the rest, with line breaks between if one follows it.
  /// When the user's text itself holds image tokens, the pictures go there instead of their usual
  /// place (and the line break after that place goes too). No part is empty. Throws Error when the
  /// result has not one image token for each picture, naming how many there are; when `prompt` is
  /// empty or white space; when a free-form template lacks `{image}` or `{prompt}`, or `{system}`
  /// though `system` is given.
  std::vector<PromptPart> apply(const std::string& prompt, const std::string& system,
    const std::string& imageToken = "<image>", std::size_t pictures = 1) const;
};

/// The name for a checkpoint that brings no template of its own (CheckpointTemplate.h): by the
/// language model's type in config.json. Throws Error when that file is missing or malformed.
std::string layoutForModel(const std::string& modelDirectory);

/// Throws Error when `prompt` is empty or white space, or the image token is empty.
void checkQuestion(const std::string& prompt, const std::string& imageToken);

/// How often a text has the image token.
std::size_t imagesIn(std::string_view text, std::string_view imageToken);

/// Throws Error, which tells how many there are, unless a prompt has an image token for each
/// picture.
void checkImages(const std::string& text, const std::string& imageToken, std::size_t pictures);

} // namespace lvlm::text

#endif
