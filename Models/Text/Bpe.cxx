// SPDX-License-Identifier: Apache-2.0
#include "Bpe.h"

#include "TokenizerJson.h"
#include "Unicode.h"

#include "Models/Trace/Error.h"
#include "Models/Trace/Utf8.h"

#include <algorithm>
#include <cstdio>
#include <queue>

namespace lvlm::text
{

namespace
{
// Sixteen times the largest vocabulary in use: a hostile id must not decide how much is allocated.
constexpr std::int64_t MaximumId = (1 << 22) - 1;

std::uint64_t pairKey(std::int32_t left, std::int32_t right)
{
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
    static_cast<std::uint32_t>(right);
}

/// Both spellings of a merge: "a b" and ["a", "b"].
std::pair<std::string_view, std::string_view> mergePair(
  const nlohmann::json& merge, const std::string& where)
{
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string())
  {
    return { merge[0].get_ref<const std::string&>(), merge[1].get_ref<const std::string&>() };
  }
  if (merge.is_string())
  {
    const std::string_view text = merge.get_ref<const std::string&>();
    const std::size_t space = text.find(' ');
    if (space != std::string_view::npos && text.find(' ', space + 1) == std::string_view::npos)
    {
      return { text.substr(0, space), text.substr(space + 1) };
    }
  }
  fail(where, " is neither \"a b\" nor [\"a\", \"b\"]");
}

void refuse(const nlohmann::json& model, const char* key, const std::string& source)
{
  const auto found = model.find(key);
  if (found != model.end() && !found->is_null() && *found != "" && *found != 0)
  {
    fail(source, ": model.", key, " is not supported");
  }
}
}

Bpe::Bpe(const nlohmann::json& model, const std::string& source)
{
  // Files of before 2020 have no type.
  const std::string type = model.is_object() ? textField(model, "type", "BPE", source) : "";
  if (type != "BPE")
  {
    fail(source, ": model type \"", type, "\" is not supported (only BPE is)");
  }
  for (const char* key : { "dropout", "continuing_subword_prefix", "end_of_word_suffix" })
  {
    refuse(model, key, source);
  }
  readPieces(member(model, "vocab", source), source);
  readMerges(member(model, "merges", source), source);
  FuseUnknown = boolField(model, "fuse_unk", false, source);
  IgnoreMerges = boolField(model, "ignore_merges", false, source);
  ByteFallback = boolField(model, "byte_fallback", false, source);
  UnknownPiece = textField(model, "unk_token", "", source);
  UnknownId = UnknownPiece.empty() ? -1 : id(UnknownPiece);
  for (int byte = 0; byte < 256; ++byte)
  {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", static_cast<unsigned>(byte));
    ByteIds[static_cast<std::size_t>(byte)] = id(name);
  }
}

void Bpe::readPieces(const nlohmann::json& vocabulary, const std::string& source)
{
  if (!vocabulary.is_object() || vocabulary.empty())
  {
    fail(source, ": model.vocab is not a table of pieces");
  }
  std::int64_t largest = 0;
  for (const auto& [piece, value] : vocabulary.items())
  {
    const std::int64_t id = value.is_number_integer() && !value.is_number_float()
      ? (value.is_number_unsigned() && value.get<std::uint64_t>() > MaximumId
            ? MaximumId + 1
            : value.get<std::int64_t>())
      : -1;
    if (id < 0 || id > MaximumId)
    {
      fail(source, ": piece \"", piece, "\" has the id ", value.dump(), ", not one of 0 to ",
        MaximumId);
    }
    largest = std::max(largest, id);
  }
  Pieces.resize(static_cast<std::size_t>(largest) + 1);
  std::vector<bool> used(Pieces.size());
  Ids.reserve(vocabulary.size());
  for (const auto& [piece, value] : vocabulary.items())
  {
    const auto id = value.get<std::int32_t>();
    const auto index = static_cast<std::size_t>(id);
    if (used[index])
    {
      fail(source, ": pieces \"", Pieces[index], "\" and \"", piece, "\" have the same id ", id);
    }
    used[index] = true;
    Pieces[index] = piece;
    Ids.emplace(Pieces[index], id);
  }
}

void Bpe::readMerges(const nlohmann::json& merges, const std::string& source)
{
  if (!merges.is_array() || merges.size() > static_cast<std::size_t>(8 * MaximumId))
  {
    fail(source, ": model.merges is not a list of merges");
  }
  Merges.reserve(merges.size());
  for (std::size_t rank = 0; rank < merges.size(); ++rank)
  {
    const std::string where = source + ": model.merges[" + std::to_string(rank) + "]";
    const auto [left, right] = mergePair(merges[rank], where);
    const std::string merged = std::string(left) + std::string(right);
    const Merge entry{ static_cast<std::int32_t>(rank), id(merged) };
    for (const std::string_view piece : { left, right, std::string_view(merged) })
    {
      if (id(piece) < 0)
      {
        fail(where, " needs \"", piece, "\", which is not in the vocabulary");
      }
    }
    Merges[pairKey(id(left), id(right))] = entry;
  }
}

std::int32_t Bpe::id(std::string_view piece) const
{
  const auto found = Ids.find(piece);
  return found == Ids.end() ? -1 : found->second;
}

const std::string& Bpe::piece(std::int64_t id) const
{
  static const std::string none;
  return id >= 0 && id < idEnd() ? Pieces[static_cast<std::size_t>(id)] : none;
}

const Bpe::Merge* Bpe::merge(std::int32_t left, std::int32_t right) const
{
  const auto found = Merges.find(pairKey(left, right));
  return found == Merges.end() ? nullptr : &found->second;
}

bool Bpe::appendBytes(std::string_view character, std::vector<Symbol>& symbols) const
{
  for (const char byte : character)
  {
    if (ByteIds[static_cast<unsigned char>(byte)] < 0)
    {
      return false;
    }
  }
  for (const char byte : character)
  {
    symbols.push_back({ ByteIds[static_cast<unsigned char>(byte)], 0, 0 });
  }
  return true;
}

std::vector<Bpe::Symbol> Bpe::split(std::string_view word) const
{
  std::vector<Symbol> symbols;
  symbols.reserve(word.size());
  // An unknown waits until the next known character, so that a run of unknowns can become one.
  bool waiting = false;
  for (std::size_t at = 0; at < word.size();)
  {
    const std::size_t begin = at;
    nextCodePoint(word, at);
    const std::string_view character = word.substr(begin, at - begin);
    const std::int32_t known = id(character);
    if (known >= 0)
    {
      if (waiting)
      {
        symbols.push_back({ UnknownId, 0, 0 });
        waiting = false;
      }
      symbols.push_back({ known, 0, 0 });
    }
    else if (!(ByteFallback && appendBytes(character, symbols)) && !UnknownPiece.empty())
    {
      if (UnknownId < 0)
      {
        fail("the tokenizer has neither \"", character, "\" nor its own unk_token \"", UnknownPiece,
          "\" in its vocabulary");
      }
      if (waiting && !FuseUnknown)
      {
        symbols.push_back({ UnknownId, 0, 0 });
      }
      waiting = true;
    }
  }
  if (waiting)
  {
    symbols.push_back({ UnknownId, 0, 0 });
  }
  const auto count = static_cast<std::int32_t>(symbols.size());
  for (std::int32_t i = 0; i < count; ++i)
  {
    symbols[static_cast<std::size_t>(i)].previous = i - 1;
    symbols[static_cast<std::size_t>(i)].next = i + 1 < count ? i + 1 : -1;
  }
  return symbols;
}

void Bpe::encode(std::string_view word, std::vector<std::int32_t>& ids) const
{
  if (const std::int32_t whole = IgnoreMerges ? id(word) : -1; whole >= 0)
  {
    ids.push_back(whole);
    return;
  }
  std::vector<Symbol> symbols = split(word);
  struct Candidate
  {
    std::int32_t rank, position, id;
    bool operator<(const Candidate& other) const // the queue's top is its largest
    {
      return rank != other.rank ? rank > other.rank : position > other.position;
    }
  };
  std::priority_queue<Candidate> queue;
  const auto at = [&symbols](std::int32_t i) -> Symbol&
  { return symbols[static_cast<std::size_t>(i)]; };
  const auto consider = [&](std::int32_t left)
  {
    const std::int32_t right = left < 0 ? -1 : at(left).next;
    if (const Merge* found = right < 0 ? nullptr : merge(at(left).id, at(right).id))
    {
      queue.push({ found->rank, left, found->id });
    }
  };
  for (std::size_t i = 0; i < symbols.size(); ++i)
  {
    consider(static_cast<std::int32_t>(i));
  }
  while (!queue.empty())
  {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = at(best.position);
    if (left.id < 0 || left.next < 0)
    {
      continue;
    }
    Symbol& right = at(left.next);
    const Merge* still = merge(left.id, right.id);
    if (!still || still->id != best.id)
    {
      continue; // one of the two has merged with another neighbour since
    }
    left.id = best.id;
    right.id = -1;
    left.next = right.next;
    if (left.next >= 0)
    {
      at(left.next).previous = best.position;
    }
    consider(left.previous);
    consider(best.position);
  }
  for (const Symbol& symbol : symbols)
  {
    if (symbol.id >= 0)
    {
      ids.push_back(symbol.id);
    }
  }
}

} // namespace lvlm::text
