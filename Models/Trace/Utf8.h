// SPDX-License-Identifier: Apache-2.0
/// @file Utf8.h
/// Well-formed UTF-8, and the way from bytes to code points and back.
#ifndef LVLM_TRACE_UTF8_H
#define LVLM_TRACE_UTF8_H

#include <cstddef>
#include <string>
#include <string_view>

namespace lvlm
{

/// UTF-8 where every maximal ill-formed part became one U+FFFD, as in Unicode's recommended
/// practice (and Rust's `String::from_utf8_lossy`).
std::string toValidUtf8(std::string_view text);

/// True when `text` is well-formed UTF-8.
bool isValidUtf8(std::string_view text);

/// The code point that starts at byte `at` < text.size(); moves `at` past it, or past the maximal
/// ill-formed part, for which it gives U+FFFD.
char32_t nextCodePoint(std::string_view text, std::size_t& at);

/// Appends a code point of [0, 10FFFF].
void appendUtf8(std::string& text, char32_t codePoint);

} // namespace lvlm

#endif
