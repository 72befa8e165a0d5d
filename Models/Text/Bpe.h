// SPDX-License-Identifier: Apache-2.0
/// @file Bpe.h
/// The byte-pair-encoding model: pieces, merges, and from a word to ids.
#ifndef LVLM_TEXT_BPE_H
#define LVLM_TEXT_BPE_H

#include <nlohmann/json.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace lvlm::text
{

/// BPE (Sennrich et al. 2016) with what LLaMA and GPT-2 style tokenizers add: byte fallback, fused
/// unknowns, ignored merges.
class Bpe
{
public:
  /// From the "model" of tokenizer.json; `source` is named in errors. Throws Error on another model
  /// type, on ids that are negative, absurd or used twice, on merges of unknown pieces, and on
  /// settings that are not supported (dropout, prefix and suffix of words).
  Bpe(const nlohmann::json& model, const std::string& source);
  // The look-up's keys point into Pieces.
  Bpe(const Bpe&) = delete;
  Bpe& operator=(const Bpe&) = delete;

  /// Appends the ids of `word` (well-formed UTF-8). Time O(n log n) in the word's length. Throws
  /// Error on an unknown character when unk_token is named but is not in the vocabulary.
  void encode(std::string_view word, std::vector<std::int32_t>& ids) const;

  /// -1 when there is no such piece.
  std::int32_t id(std::string_view piece) const;
  /// Empty when there is no such id.
  const std::string& piece(std::int64_t id) const;
  /// Number of pieces; smaller than idEnd() when ids have holes.
  std::int32_t count() const { return static_cast<std::int32_t>(Ids.size()); }
  /// One past the largest id.
  std::int32_t idEnd() const { return static_cast<std::int32_t>(Pieces.size()); }

private:
  struct Merge
  {
    std::int32_t rank;
    std::int32_t id; ///< of the merged piece
  };
  struct Symbol
  {
    std::int32_t id; ///< -1 once merged into the one before
    std::int32_t previous;
    std::int32_t next; ///< -1 at the end
  };

  void readPieces(const nlohmann::json& vocabulary, const std::string& source);
  void readMerges(const nlohmann::json& merges, const std::string& source);
  std::vector<Symbol> split(std::string_view word) const;
  bool appendBytes(std::string_view character, std::vector<Symbol>& symbols) const;
  const Merge* merge(std::int32_t left, std::int32_t right) const;

  std::vector<std::string> Pieces; ///< by id; empty where there is none
  std::unordered_map<std::string_view, std::int32_t> Ids;
  std::unordered_map<std::uint64_t, Merge> Merges; ///< by left id << 32 | right id
  std::array<std::int32_t, 256> ByteIds{};
  bool ByteFallback = false;
  bool FuseUnknown = false;
  bool IgnoreMerges = false;
  std::string UnknownPiece; ///< empty when unknown characters are dropped
  std::int32_t UnknownId = -1;
};

} // namespace lvlm::text

#endif
