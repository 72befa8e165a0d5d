// SPDX-License-Identifier: Apache-2.0
/// @file PreTokenizer.h
/// Cuts the text into the words that byte-pair encoding works on: tokenizer.json's "pre_tokenizer".
#ifndef LVLM_TEXT_PRETOKENIZER_H
#define LVLM_TEXT_PRETOKENIZER_H

#include <nlohmann/json.hpp>

#include <array>
#include <functional>
#include <string>
#include <vector>

namespace lvlm::text
{

/// A part of the text on its way to become tokens.
struct PreToken
{
  std::string text;
  bool atStart = false; ///< begins where the whole text begins (for Metaspace's "first")
};

/// Metaspace, ByteLevel, Split, Digits, and Sequences of them.
class PreTokenizer
{
public:
  /// `preTokenizer` may be null. Throws Error that names a type which is not supported.
  PreTokenizer(const nlohmann::json& preTokenizer, const std::string& source);

  /// The words of `text`, in order; none of them empty.
  std::vector<PreToken> apply(PreToken text) const;

private:
  using Step = std::function<void(PreToken&&, std::vector<PreToken>&)>;
  std::vector<Step> Steps;
};

/// The byte-level alphabet of GPT-2: the character that stands for each byte, as UTF-8.
const std::array<std::string, 256>& byteLevelAlphabet();

} // namespace lvlm::text

#endif
