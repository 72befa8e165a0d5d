// SPDX-License-Identifier: Apache-2.0
/// @file Json.h
/// Parsing of untrusted JSON: bounded size and depth, errors that name the file.
#ifndef LVLM_TRACE_JSON_H
#define LVLM_TRACE_JSON_H

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace lvlm
{

/// How many values (members, elements, objects and lists) a text may have: the largest
/// tokenizer.json in use has 2 million. One takes up to 200 bytes of memory and a microsecond.
inline constexpr std::size_t MaximumJsonValues = 3'000'000;
/// ... and a header of tensors, of which each counts about 9.
inline constexpr std::size_t MaximumHeaderValues = 1'000'000;

/// Parses `text`; `source` is named in errors. Throws Error on malformed text, on more than
/// MaximumJsonValues, or when nesting is deeper than 64 levels (a recursive consumer would overflow
/// its stack).
nlohmann::json parseJson(std::string_view text, const std::string& source);

/// The same of a file's header with at most MaximumHeaderValues; and refuses objects that hold a
/// key twice: readers disagree about which of them counts.
nlohmann::json parseUniqueJson(std::string_view text, const std::string& source);

/// Reads and parses a file of at most `maximumBytes`: twice what the largest tokenizer.json in use
/// has. Throws Error.
nlohmann::json readJsonFile(const std::string& path, std::size_t maximumBytes = 64u << 20);

/// The value as JSON in ASCII, cut to `maximumBytes`: for messages.
std::string excerpt(const nlohmann::json& value, std::size_t maximumBytes = 40);

} // namespace lvlm

#endif
