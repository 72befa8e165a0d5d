// SPDX-License-Identifier: Apache-2.0
/// @file Unicode.h
/// What the tokenizer needs of Unicode, on top of ICU: NFC, letter case and character
/// classes.
#ifndef LVLM_TEXT_UNICODE_H
#define LVLM_TEXT_UNICODE_H

#include <string>
#include <string_view>

namespace lvlm::text
{

/// Normalization form C of well-formed UTF-8, as of Unicode 9: what Hugging Face's tokenizers have
/// built in, and ids must equal theirs. Later characters stay as they are; only marks that were
/// added since would otherwise be reordered.
std::string toNfc(std::string_view text);

///@{
/// Python's str.upper() and str.lower() of well-formed UTF-8, whatever the language.
std::string toUpper(std::string_view text);
std::string toLower(std::string_view text);
///@}

/// White_Space.
bool isWhiteSpace(char32_t codePoint);
/// General category Nd, Nl or No.
bool isNumber(char32_t codePoint);
/// `\w` of Unicode's regular expressions (UTS #18): letters, marks, decimal digits, connectors,
/// joiners.
bool isWordCharacter(char32_t codePoint);

} // namespace lvlm::text

#endif
