// SPDX-License-Identifier: Apache-2.0
/// @file TokenizerConfig.h
/// What the files beside tokenizer.json say of its tokens.
#ifndef LVLM_TEXT_TOKENIZERCONFIG_H
#define LVLM_TEXT_TOKENIZERCONFIG_H

#include <nlohmann/json.hpp>

#include <string>

namespace lvlm::text
{

/// tokenizer_config.json, special_tokens_map.json and added_tokens.json, as transformers 5 reads
/// them.
class TokenizerConfig
{
public:
  /// Reads those of the files that the folder has. Throws Error.
  explicit TokenizerConfig(const std::string& directory);

  /// tokenizer_config.json; an empty object when there is none.
  const nlohmann::json& config() const { return this->Config; }
  /// The name of that file in errors.
  const std::string& source() const { return this->Source; }

  /// The list `added_tokens` of tokenizer.json (may be null) with what the other files add: flags
  /// of `added_tokens_decoder` replace the list's own, tokens that it lacks follow without an id,
  /// and then the named special tokens that are nowhere yet. Without an `added_tokens_decoder` the
  /// two other files count, as from before there was one. Throws Error on a token that is none.
  nlohmann::json addedTokens(const nlohmann::json& listed) const;

private:
  std::string Directory, Source;
  nlohmann::json Config, SpecialMap, Added;
};

} // namespace lvlm::text

#endif
