// SPDX-License-Identifier: Apache-2.0
/// @file SpecialTemplate.h
/// The special tokens around an encoded text: tokenizer.json's "post_processor".
#ifndef LVLM_TEXT_SPECIALTEMPLATE_H
#define LVLM_TEXT_SPECIALTEMPLATE_H

#include <nlohmann/json.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace lvlm::text
{

/// TemplateProcessing of a single text, and ByteLevel, which changes no ids.
class SpecialTemplate
{
public:
  /// `postProcessor` may be null. Throws Error that names a type which is not supported, and on ids
  /// of `idEnd` and more.
  SpecialTemplate(
    const nlohmann::json& postProcessor, std::int64_t idEnd, const std::string& source);

  /// add_bos_token and add_eos_token of LLaMA's, CodeLLaMA's and Gemma's tokenizer classes, where
  /// they are said, replace what stands before and after the text, as in transformers 4, whose
  /// files have them. What is not said, and other classes, leave the post-processor as it is, as in
  /// transformers 5 (4 added bos to a text of these classes when nothing was said). `id` looks a
  /// token up. Throws Error when a token that must be added is not in the vocabulary.
  void applyTokenizerConfig(const nlohmann::json& config,
    const std::function<std::int64_t(const std::string&)>& id, const std::string& source);

  /// `ids` with the special tokens around.
  std::vector<std::int64_t> apply(std::vector<std::int64_t> ids) const;

private:
  void readTemplate(const nlohmann::json& step, std::int64_t idEnd, const std::string& where);

  /// What to write, in order; TheText for the text itself.
  static constexpr std::int64_t TheText = -1;
  std::vector<std::vector<std::int64_t>> Templates;
};

} // namespace lvlm::text

#endif
