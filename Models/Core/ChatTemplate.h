// SPDX-License-Identifier: Apache-2.0
/// @file ChatTemplate.h
/// From a question to the full prompt text with one `<image>` in it, and to positions with roles.
#ifndef LVLM_CORE_CHATTEMPLATE_H
#define LVLM_CORE_CHATTEMPLATE_H

#include <string>
#include <vector>

namespace lvlm
{

/// A piece of the prompt: what the user wrote, or what the template put around it.
struct PromptPart
{
  enum class Kind
  {
    Template, ///< role markers and the like: roles `system` (before the image/question) or `special`
    System,   ///< the system prompt
    Image,    ///< exactly the image token's text
    Question  ///< the user's words
  };
  Kind kind;
  std::string text;
};

/// One of the names of chatTemplateNames(), or free-form text with `{image}` and `{prompt}` (and
/// optionally `{system}`).
struct ChatTemplate
{
  std::string name;

  /// The parts whose concatenation is the full prompt. When the user's text itself holds the image token, the image
  /// goes there instead of its usual place. Throws Error when the result has not exactly one image token, naming
  /// how many there are; when `prompt` is empty; when a free-form template lacks `{image}` or `{prompt}`.
  std::vector<PromptPart> apply(const std::string& prompt, const std::string& system,
    const std::string& imageToken = "<image>") const;
};

/// {"Vicuna", "Mistral", "Llama2", "ChatML", "Gemma"}: Vicuna v1.5 of LLaVA-1.5 first.
const std::vector<std::string>& chatTemplateNames();

/// Chosen from the checkpoint folder: from chat_template.json / .jinja / tokenizer_config.json's markers
/// if present ("[INST]", "<|im_start|>", "<start_of_turn>", "USER:"), else from the model types.
std::string chooseChatTemplate(const std::string& modelDirectory);

} // namespace lvlm

#endif
