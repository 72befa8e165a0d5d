// SPDX-License-Identifier: Apache-2.0
/// @file PieceTexts.h
/// What single pieces of a tokenized text say: a decoded text shared out among its tokens.
#ifndef LVLM_TEXT_PIECETEXTS_H
#define LVLM_TEXT_PIECETEXTS_H

#include "Tokenizer.h"

#include <cstdint>
#include <string>
#include <vector>

namespace lvlm::text
{

/// What each of `ids` adds to the decoded text, special tokens included: joined they are the whole
/// of it. A character whose bytes are spread over several pieces stands at the first of them, and
/// the rest have no part of it.
std::vector<std::string> pieceTexts(
  const Tokenizer& tokenizer, const std::vector<std::int64_t>& ids);

/// What `id` says after the token `before`; U+FFFD for a part of a character.
std::string textAfter(const Tokenizer& tokenizer, std::int64_t before, std::int64_t id);

} // namespace lvlm::text

#endif
