// SPDX-License-Identifier: Apache-2.0
/// @file Regex.h
/// Regular expressions over UTF-8 by Oniguruma, the engine that Hugging Face's tokenizers use.
#ifndef LVLM_TEXT_REGEX_H
#define LVLM_TEXT_REGEX_H

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lvlm::text
{

/// A span of bytes [begin, end).
struct ByteSpan
{
  std::size_t begin;
  std::size_t end;
};

/// Thread-safe once built. Character classes are those of Oniguruma's Unicode: 14 in 6.9.8, which
/// the tokenizers have built in as well.
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
