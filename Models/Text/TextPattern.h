// SPDX-License-Identifier: Apache-2.0
/// @file TextPattern.h
/// tokenizer.json's {"String": …} or {"Regex": …}.
#ifndef LVLM_TEXT_TEXTPATTERN_H
#define LVLM_TEXT_TEXTPATTERN_H

#include "Regex.h"

#include <nlohmann/json.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lvlm::text
{

/// What Replace and Split look for. Copies share the compiled expression.
class TextPattern
{
public:
  /// Throws Error when `pattern` is neither form, malformed or an empty string.
  TextPattern(const nlohmann::json& pattern, const std::string& source);

  /// All matches from left to right, without overlap.
  std::vector<ByteSpan> findAll(std::string_view text) const;

  /// `text` with every match replaced. Throws Error when that is more than `maximumBytes`.
  std::string replaceAll(
    std::string_view text, std::string_view replacement, std::size_t maximumBytes) const;

private:
  std::string Literal; ///< used when there is no expression
  std::shared_ptr<const Regex> Expression;
};

} // namespace lvlm::text

#endif
