// SPDX-License-Identifier: Apache-2.0
#include "AddedTokens.h"

#include "TokenizerJson.h"

#include "Models/Trace/Utf8.h"

#include <algorithm>

namespace lvlm::text
{

namespace
{
// The time to look for tokens is bounded by the text's length times the longest token.
constexpr std::size_t MaximumTokenBytes = 1024;
constexpr std::size_t MaximumTokens = 1u << 18;
constexpr std::size_t MaximumNodes = 1u << 23;

/// The code point that ends before byte `end` of well-formed UTF-8; moves `end` to its start.
char32_t previousCodePoint(std::string_view text, std::size_t& end)
{
  do
  {
    --end;
  } while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80);
  std::size_t at = end;
  return nextCodePoint(text, at);
}

std::size_t skipSpaces(std::string_view text, std::size_t at)
{
  for (std::size_t next = at; next < text.size(); at = next)
  {
    if (!isWhiteSpace(nextCodePoint(text, next)))
    {
      break;
    }
  }
  return at;
}

std::size_t skipSpacesBackwards(std::string_view text, std::size_t end, std::size_t stop)
{
  for (std::size_t next = end; next > stop; end = next)
  {
    if (!isWhiteSpace(previousCodePoint(text, next)))
    {
      break;
    }
  }
  return end;
}

bool touchesWord(std::string_view text, const ByteSpan& span)
{
  std::size_t before = span.begin;
  std::size_t after = span.end;
  return (before > 0 && isWordCharacter(previousCodePoint(text, before))) ||
    (after < text.size() && isWordCharacter(nextCodePoint(text, after)));
}
}

AddedTokens::AddedTokens(const nlohmann::json& tokens, const Bpe& model,
  const Normalizer& normalizer, const std::string& source)
{
  if (tokens.is_null())
  {
    return;
  }
  if (!tokens.is_array() || tokens.size() > MaximumTokens)
  {
    fail(source, ": added_tokens is not a list of at most ", MaximumTokens, " tokens");
  }
  for (std::size_t i = 0; i < tokens.size(); ++i)
  {
    add(tokens[i], model, source + ": added_tokens[" + std::to_string(i) + "]");
  }
  // Of two tokens that look the same once normalized the special one is found, else the one added
  // first.
  for (const bool special : { true, false })
  {
    for (const std::int32_t id : Order)
    {
      const Token& token = Tokens.at(id);
      if (token.special == special)
      {
        token.normalized ? Normalized.insert(normalizer.apply(token.content), id)
                         : Plain.insert(token.content, id);
      }
    }
  }
}

void AddedTokens::add(const nlohmann::json& entry, const Bpe& model, const std::string& where)
{
  const std::string content = textField(entry, "content", "", where);
  if (content.empty() || content.size() > MaximumTokenBytes)
  {
    fail(where, ": content of ", content.size(), " bytes, not 1 to ", MaximumTokenBytes);
  }
  if (Ids.count(content) > 0)
  {
    fail(where, ": \"", content, "\" was added before");
  }
  // Hugging Face ignores the stored id for this one; a file where they differ was not written by
  // it.
  const std::int32_t known = model.id(content);
  const std::int32_t expected = known >= 0 ? known : std::max(End, model.count());
  if (const auto number = entry.find("id"); number != entry.end() && *number != expected)
  {
    fail(where, ": \"", content, "\" has the id ", number->dump(), ", but ", expected,
      known >= 0 ? " in the vocabulary" : " is the next free one");
  }
  // A token without the flag is normalized unless it is special.
  const bool special = boolField(entry, "special", false, where);
  Tokens.emplace(expected,
    Token{ content, boolField(entry, "single_word", false, where),
      boolField(entry, "lstrip", false, where), boolField(entry, "rstrip", false, where),
      boolField(entry, "normalized", !special, where), special });
  Ids.emplace(content, expected);
  Order.push_back(expected);
  End = std::max(End, expected + 1);
}

void AddedTokens::Trie::insert(std::string_view pattern, std::int32_t id)
{
  if (pattern.empty())
  {
    return; // normalized away
  }
  if (pattern.size() > 4 * MaximumTokenBytes || ids.size() + pattern.size() > MaximumNodes)
  {
    fail("the added tokens are too long: ", pattern.size(), " bytes after normalization, ",
      ids.size(), " in all before");
  }
  std::int32_t node = 0;
  for (const char c : pattern)
  {
    const auto byte = static_cast<unsigned char>(c);
    const auto fresh = static_cast<std::int32_t>(ids.size());
    const auto [child, added] =
      children.emplace(static_cast<std::uint64_t>(node) << 8 | byte, fresh);
    if (added)
    {
      ids.push_back(-1);
    }
    node = child->second;
  }
  first.set(static_cast<unsigned char>(pattern[0]));
  std::int32_t& end = ids[static_cast<std::size_t>(node)];
  end = end < 0 ? id : end;
}

std::size_t AddedTokens::Trie::longest(
  std::string_view text, std::size_t at, std::int32_t& id) const
{
  std::size_t length = 0;
  if (!first.test(static_cast<unsigned char>(text[at])))
  {
    return 0;
  }
  std::int32_t node = 0;
  for (std::size_t i = at; i < text.size(); ++i)
  {
    const auto child =
      children.find(static_cast<std::uint64_t>(node) << 8 | static_cast<unsigned char>(text[i]));
    if (child == children.end())
    {
      break;
    }
    node = child->second;
    if (ids[static_cast<std::size_t>(node)] >= 0)
    {
      id = ids[static_cast<std::size_t>(node)];
      length = i + 1 - at;
    }
  }
  return length;
}

std::vector<AddedTokens::Found> AddedTokens::find(std::string_view text, const Trie& trie) const
{
  std::vector<Found> parts;
  std::size_t done = 0;
  std::size_t step = 1;
  for (std::size_t at = 0; at < text.size(); at += step)
  {
    std::int32_t id = -1;
    const std::size_t length = trie.longest(text, at, id);
    step = std::max<std::size_t>(length, 1);
    if (length == 0)
    {
      continue;
    }
    const Token& token = Tokens.at(id);
    ByteSpan span{ at, at + length };
    if (token.singleWord && touchesWord(text, span))
    {
      continue;
    }
    if (token.lstrip)
    {
      // Not the spaces that the token before took; it may even have taken the start of this one.
      span.begin =
        std::max(skipSpacesBackwards(text, span.begin, std::min(done, span.begin)), done);
    }
    if (token.rstrip)
    {
      span.end = skipSpaces(text, span.end);
    }
    if (done < span.begin)
    {
      parts.push_back({ -1, { done, span.begin } });
    }
    parts.push_back({ id, span });
    done = span.end;
  }
  if (done != text.size())
  {
    parts.push_back({ -1, { done, text.size() } });
  }
  return parts;
}

std::vector<AddedTokens::Part> AddedTokens::split(
  const std::string& text, const Normalizer& normalizer) const
{
  std::vector<Part> parts;
  for (const Found& outer : find(text, Plain))
  {
    if (outer.id >= 0)
    {
      parts.push_back({ outer.id, {} });
      continue;
    }
    const std::string normal = normalizer.apply(
      std::string_view(text).substr(outer.span.begin, outer.span.end - outer.span.begin));
    for (const Found& inner : find(normal, Normalized))
    {
      PreToken word;
      if (inner.id < 0)
      {
        word.text = normal.substr(inner.span.begin, inner.span.end - inner.span.begin);
        word.atStart = outer.span.begin == 0 && inner.span.begin == 0;
      }
      parts.push_back({ inner.id, std::move(word) });
    }
  }
  return parts;
}

std::int32_t AddedTokens::id(const std::string& content) const
{
  const auto found = Ids.find(content);
  return found == Ids.end() ? -1 : found->second;
}

const std::string* AddedTokens::content(std::int64_t id) const
{
  const auto found = Tokens.find(id);
  return found == Tokens.end() ? nullptr : &found->second.content;
}

bool AddedTokens::isSpecial(std::int64_t id) const
{
  const auto found = Tokens.find(id);
  return found != Tokens.end() && found->second.special;
}

} // namespace lvlm::text
