// SPDX-License-Identifier: Apache-2.0
/// @file CheckpointTemplate.h
/// The chat template that a checkpoint brings, run as transformers runs it.
#ifndef LVLM_TEXT_CHECKPOINTTEMPLATE_H
#define LVLM_TEXT_CHECKPOINTTEMPLATE_H

#include "ChatTemplate.h"

#include "Models/Text/Jinja/Template.h"

#include <optional>
#include <string>
#include <vector>

namespace lvlm::text
{

class CheckpointTemplate
{
public:
  /// The template of a model folder: chat_template.jinja, or `chat_template` of
  /// chat_template.json, processor_config.json or tokenizer_config.json, the first of these that
  /// has one; of several named ones that called "default". Nothing when there is none. Throws
  /// Error that names the file for one that is malformed or that the interpreter cannot run.
  static std::optional<CheckpointTemplate> find(const std::string& modelDirectory);

  /// One message of the user, with the pictures before the words or, where these hold image tokens,
  /// there; before it one with the system prompt, if there is one. The content is given as a list
  /// of parts or, to templates that do not take that, as text with each picture's token and a line
  /// feed before the words. The result's parts are as ChatTemplate::apply() gives them. Throws
  /// Error when the template refuses, when what comes out has not one image token for each picture,
  /// or lacks the words or the system prompt.
  std::vector<PromptPart> apply(const std::string& prompt, const std::string& system,
    const std::string& imageToken = "<image>", std::size_t pictures = 1) const;

  /// The text of the tokenizer's beginning-of-sequence token, empty when it has none. A prompt that
  /// starts with it is tokenized as it is, and nothing is added around.
  const std::string& beginToken() const { return this->Begin; }
  /// The file that the template is from.
  const std::string& file() const { return this->File; }

private:
  CheckpointTemplate(jinja::Template program, jinja::Map specialTokens, std::string file);

  /// How a message's content is given.
  enum class Content
  {
    Parts,
    Text
  };
  struct Words
  {
    std::string prompt, system, imageToken;
    std::size_t pictures = 1;
  };
  std::string render(const Words& words, Content content) const;
  std::vector<PromptPart> cut(const Words& words, Content content) const;

  jinja::Template Program;
  jinja::Map SpecialTokens;
  std::string Begin;
  std::string File;
};

} // namespace lvlm::text

#endif
