// SPDX-License-Identifier: Apache-2.0
/// @file Unicode.h
/// What the tokenizer needs of Unicode, on top of ICU: NFC, character classes, and regular
/// expressions over UTF-8 text.
#ifndef LVLM_TEXT_UNICODE_H
#define LVLM_TEXT_UNICODE_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

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

/// A span of bytes [begin, end).
struct ByteSpan
{
  std::size_t begin;
  std::size_t end;
};

/// A regular expression with the meaning that Oniguruma's Ruby syntax gives it (which Hugging
/// Face's tokenizers use):
/// `^` and `$` match at lines, `.` everything but "\n". Thread-safe once built. Classes are those
/// of ICU's Unicode; the tokenizers 0.20 that ids are compared with has Unicode 14, and does not
/// know the 4,388 letters and numbers of 15.
class Regex
{
public:
  /// `source` is named in errors. Throws Error when the pattern is malformed or longer than 4096
  /// bytes.
  Regex(std::string_view pattern, std::string source);
  ~Regex();
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;

  /// All matches from left to right in well-formed UTF-8, without overlap. Throws Error when the
  /// matching takes far more steps than the text's length explains (a pattern that backtracks
  /// without bound).
  std::vector<ByteSpan> findAll(std::string_view text) const;

private:
  struct Impl;
  std::unique_ptr<Impl> Self;
};

} // namespace lvlm::text

#endif
