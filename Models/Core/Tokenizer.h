// SPDX-License-Identifier: Apache-2.0
/// @file Tokenizer.h
/// Byte-pair encoding from Hugging Face's `tokenizer.json`: LLaMA/Vicuna/Mistral style (metaspace or
/// its normalizer, byte fallback) and byte-level as in GPT-2/Qwen/LLaMA-3.
#ifndef LVLM_CORE_TOKENIZER_H
#define LVLM_CORE_TOKENIZER_H

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace lvlm
{

class Tokenizer
{
public:
  /// Reads `tokenizer.json`, and `tokenizer_config.json` beside it for bos/eos. Throws Error that names the file
  /// and the model, normalizer, pre-tokenizer or decoder type that is not supported.
  explicit Tokenizer(const std::string& path);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  /// Ids of UTF-8 `text`, equal to Hugging Face's `Tokenizer.encode(text, add_special_tokens)`.
  /// Added and special tokens inside the text are found as Hugging Face finds them. Invalid UTF-8 is
  /// replaced by U+FFFD first.
  std::vector<std::int64_t> encode(const std::string& text, bool addSpecialTokens = true) const;

  /// Text of ids, equal to Hugging Face's `Tokenizer.decode(ids, skip_special_tokens)`.
  std::string decode(const std::vector<std::int64_t>& ids, bool skipSpecialTokens = true) const;

  /// The tokenizer's own piece, e.g. "▁red", "<0x0A>"; empty when there is no such id.
  std::string piece(std::int64_t id) const;
  /// -1 when there is no such piece.
  std::int64_t id(const std::string& piece) const;
  bool isSpecial(std::int64_t id) const;
  /// One past the largest id.
  std::int64_t size() const;

private:
  struct Impl;
  std::unique_ptr<Impl> Self;
};

} // namespace lvlm

#endif
