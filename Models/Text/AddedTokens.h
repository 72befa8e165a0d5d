// SPDX-License-Identifier: Apache-2.0
/// @file AddedTokens.h
/// The tokens that are looked for in the text as they are, before byte-pair encoding:
/// tokenizer.json's "added_tokens".
#ifndef LVLM_TEXT_ADDEDTOKENS_H
#define LVLM_TEXT_ADDEDTOKENS_H

#include "Bpe.h"
#include "Normalizer.h"
#include "PreTokenizer.h"
#include "Regex.h"
#include "Unicode.h"

#include <nlohmann/json.hpp>

#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace lvlm::text
{

/// Added and special tokens (image token, beginning and end of the sequence, …), found as Hugging
/// Face finds them: first those with `normalized` false in the text as it came, then the others in
/// what is left, normalized; each time leftmost first and longest first.
class AddedTokens
{
public:
  /// `tokens` may be null. A token gets the model's id (for a piece of the vocabulary) or the next
  /// free one (else). Throws Error when an entry is malformed or says another id.
  AddedTokens(const nlohmann::json& tokens, const Bpe& model, const Normalizer& normalizer,
    const std::string& source);

  /// An added token, or text between added tokens.
  struct Part
  {
    std::int32_t id; ///< -1 for text
    PreToken word;
  };
  /// Cuts well-formed UTF-8 into added tokens and normalized text.
  std::vector<Part> split(const std::string& text, const Normalizer& normalizer) const;

  /// -1 when there is no added token of that content.
  std::int32_t id(const std::string& content) const;
  /// Null when there is no added token of that id.
  const std::string* content(std::int64_t id) const;
  bool isSpecial(std::int64_t id) const;
  /// One past the largest id; 0 without tokens.
  std::int32_t idEnd() const { return End; }

private:
  struct Token
  {
    std::string content;
    bool singleWord;
    bool lstrip;
    bool rstrip;
    bool normalized;
    bool special;
  };
  /// A trie over bytes: node 0 is the root.
  struct Trie
  {
    void insert(std::string_view pattern, std::int32_t id);
    /// Length of the longest pattern that `text` starts with at `at`, and its id; 0 when there is
    /// none.
    std::size_t longest(std::string_view text, std::size_t at, std::int32_t& id) const;

    std::unordered_map<std::uint64_t, std::int32_t> children; ///< by node << 8 | byte
    std::vector<std::int32_t> ids{ -1 }; ///< by node; -1 when no pattern ends there
    std::bitset<256> first;
  };
  struct Found
  {
    std::int32_t id; ///< -1 for text
    ByteSpan span;
  };

  void add(const nlohmann::json& entry, const Bpe& model, const std::string& where);
  std::vector<Found> find(std::string_view text, const Trie& trie) const;

  std::unordered_map<std::int64_t, Token> Tokens; ///< by id
  std::unordered_map<std::string, std::int32_t> Ids;
  std::vector<std::int32_t> Order; ///< ids as they were added
  std::int32_t End = 0;
  Trie Plain;
  Trie Normalized;
};

} // namespace lvlm::text

#endif
