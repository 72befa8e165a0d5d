// SPDX-License-Identifier: Apache-2.0
/// @file Tokenizer.h
/// Byte-pair encoding from Hugging Face's `tokenizer.json`: LLaMA/Vicuna/Mistral style (metaspace
/// or its normalizer, byte fallback) and byte-level as in GPT-2/Qwen/LLaMA-3.
#ifndef LVLM_TEXT_TOKENIZER_H
#define LVLM_TEXT_TOKENIZER_H

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace lvlm::text
{

class Tokenizer
{
public:
  /// Reads `tokenizer.json`, and beside it what tokenizer_config.json (and special_tokens_map.json
  /// and added_tokens.json of old releases) say of added tokens, as transformers 5 does: see
  /// TokenizerConfig. tokenizer.json's post-processor decides about special tokens around a text
  /// unless add_bos_token or add_eos_token of LLaMA's, CodeLLaMA's or Gemma's class say otherwise.
  /// Truncation and padding in the file are ignored, as transformers does. Throws Error that names
  /// the file and what is malformed or not supported.
  ///
  /// Supported: model BPE; normalizers Prepend, Replace, NFC; pre-tokenizers Metaspace, ByteLevel,
  /// Split, Digits; decoders Replace, ByteFallback, Fuse, Strip, Metaspace, ByteLevel;
  /// post-processors TemplateProcessing, ByteLevel; Sequences of each; every flag of added tokens.
  explicit Tokenizer(const std::string& path);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  /// Ids of UTF-8 `text`, equal to Hugging Face's `Tokenizer.encode(text, add_special_tokens)`.
  /// Added and special tokens inside the text are found as Hugging Face finds them. Invalid UTF-8
  /// is replaced by U+FFFD first. Thread-safe. Time O(n log n). Throws Error when the text is
  /// longer than 4 MiB, or when a regular expression of the file backtracks without bound on it.
  std::vector<std::int64_t> encode(const std::string& text, bool addSpecialTokens = true) const;

  /// Text of ids, equal to Hugging Face's `Tokenizer.decode(ids, skip_special_tokens)`; unknown ids
  /// are left out.
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

} // namespace lvlm::text

#endif
