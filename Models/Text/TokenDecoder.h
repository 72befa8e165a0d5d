// SPDX-License-Identifier: Apache-2.0
/// @file TokenDecoder.h
/// From pieces back to text: tokenizer.json's "decoder".
#ifndef LVLM_TEXT_TOKENDECODER_H
#define LVLM_TEXT_TOKENDECODER_H

#include <nlohmann/json.hpp>

#include <functional>
#include <string>
#include <vector>

namespace lvlm::text
{

/// Replace, ByteFallback, Fuse, Strip, Metaspace, ByteLevel, and Sequences of them; without any,
/// pieces are joined by spaces.
class TokenDecoder
{
public:
  /// `decoder` may be null. Throws Error that names a type which is not supported.
  TokenDecoder(const nlohmann::json& decoder, const std::string& source);

  std::string apply(std::vector<std::string> pieces) const;

private:
  using Step = std::function<void(std::vector<std::string>&)>;
  std::vector<Step> Steps;
};

} // namespace lvlm::text

#endif
