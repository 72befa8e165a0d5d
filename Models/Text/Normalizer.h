// SPDX-License-Identifier: Apache-2.0
/// @file Normalizer.h
/// What happens to the text before it is cut: tokenizer.json's "normalizer".
#ifndef LVLM_TEXT_NORMALIZER_H
#define LVLM_TEXT_NORMALIZER_H

#include <nlohmann/json.hpp>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace lvlm::text
{

/// Prepend, Replace, NFC, and Sequences of them.
class Normalizer
{
public:
  /// `normalizer` may be null. Throws Error that names a type which is not supported.
  Normalizer(const nlohmann::json& normalizer, const std::string& source);

  /// Throws Error when the result is many times as long as the text.
  std::string apply(std::string_view text) const;

private:
  std::vector<std::function<std::string(const std::string&, std::size_t maximumBytes)>> Steps;
};

} // namespace lvlm::text

#endif
