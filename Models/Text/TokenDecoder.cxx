// SPDX-License-Identifier: Apache-2.0
#include "TokenDecoder.h"

#include "PreTokenizer.h"
#include "TextPattern.h"
#include "TokenizerJson.h"
#include "Unicode.h"

#include "Models/Trace/Utf8.h"

#include <unordered_map>

namespace lvlm::text
{

namespace
{
using Pieces = std::vector<std::string>;
using Step = std::function<void(Pieces&)>;
constexpr std::size_t MaximumBytes = 64u << 20;

/// One code point a string.
Pieces characters(const std::string& text)
{
  Pieces result;
  for (std::size_t at = 0; at < text.size();)
  {
    const std::size_t begin = at;
    nextCodePoint(text, at);
    result.push_back(text.substr(begin, at - begin));
  }
  return result;
}

std::string join(const Pieces& pieces, const char* separator)
{
  std::string text;
  for (std::size_t i = 0; i < pieces.size(); ++i)
  {
    text += (i > 0 ? separator : "") + pieces[i];
  }
  return text;
}

Step replace(const nlohmann::json& step, const std::string& where)
{
  const TextPattern pattern(member(step, "pattern", where), where);
  const std::string content = textField(step, "content", "", where);
  return [pattern, content](Pieces& pieces)
  {
    std::size_t left = MaximumBytes; // of all pieces together
    for (std::string& piece : pieces)
    {
      piece = pattern.replaceAll(piece, content, left);
      left -= piece.size();
    }
  };
}

/// The byte of a piece such as "<0x0A>"; -1 for other pieces.
int byteOf(const std::string& piece)
{
  if (piece.size() != 6 || piece.compare(0, 3, "<0x") != 0 || piece[5] != '>' ||
    piece.find_first_not_of("0123456789abcdefABCDEF", 3) != 5)
  {
    return -1;
  }
  return std::stoi(piece.substr(3, 2), nullptr, 16);
}

/// Runs of byte pieces become text, or one U+FFFD a byte when the run is no UTF-8.
void joinBytes(Pieces& pieces)
{
  Pieces result;
  std::string run;
  const auto flush = [&]
  {
    if (!run.empty())
    {
      Pieces marks(run.size(), "\uFFFD");
      result.push_back(isValidUtf8(run) ? run : join(marks, ""));
      run.clear();
    }
  };
  for (const std::string& piece : pieces)
  {
    const int byte = byteOf(piece);
    if (byte >= 0)
    {
      run += static_cast<char>(byte);
      continue;
    }
    flush();
    result.push_back(piece);
  }
  flush();
  pieces = std::move(result);
}

std::size_t countField(const nlohmann::json& step, const char* key, const std::string& where)
{
  const nlohmann::json& value = member(step, key, where);
  if (!value.is_number_unsigned())
  {
    fail(where, ": \"", key, "\" is ", value.dump(), ", not a count");
  }
  return value.get<std::size_t>();
}

Step strip(const nlohmann::json& step, const std::string& where)
{
  const std::string content = textField(step, "content", " ", where);
  if (content.empty())
  {
    fail(where, ": \"content\" is empty");
  }
  const std::size_t start = countField(step, "start", where);
  const std::size_t stop = countField(step, "stop", where);
  return [=](Pieces& pieces)
  {
    for (std::string& piece : pieces)
    {
      std::size_t begin = 0;
      std::size_t end = piece.size();
      for (std::size_t i = 0; i < start && end - begin >= content.size() &&
           piece.compare(begin, content.size(), content) == 0;
           ++i)
      {
        begin += content.size();
      }
      for (std::size_t i = 0; i < stop && end - begin >= content.size() &&
           piece.compare(end - content.size(), content.size(), content) == 0;
           ++i)
      {
        end -= content.size();
      }
      piece = piece.substr(begin, end - begin);
    }
  };
}

Step metaspace(const nlohmann::json& step, const std::string& where)
{
  const std::string mark = textField(step, "replacement", "▁", where);
  const bool old = boolField(step, "add_prefix_space", true, where);
  const bool prepended =
    textField(step, "prepend_scheme", old ? "always" : "never", where) != "never";
  const TextPattern marks(nlohmann::json{ { "String", mark } }, where);
  return [=](Pieces& pieces)
  {
    for (std::size_t i = 0; i < pieces.size(); ++i)
    {
      const char* space = i == 0 && prepended ? "" : " ";
      pieces[i] = marks.replaceAll(pieces[i], space, MaximumBytes);
    }
  };
}

/// Characters of the byte-level alphabet back to bytes; a piece with other characters stays as it
/// is.
void decodeByteLevel(Pieces& pieces)
{
  static const std::unordered_map<std::string, char> bytes = []
  {
    std::unordered_map<std::string, char> table;
    for (std::size_t byte = 0; byte < 256; ++byte)
    {
      table.emplace(byteLevelAlphabet()[byte], static_cast<char>(byte));
    }
    return table;
  }();
  std::string text;
  for (const std::string& piece : pieces)
  {
    std::string decoded;
    for (const std::string& character : characters(piece))
    {
      const auto byte = bytes.find(character);
      if (byte == bytes.end())
      {
        decoded = piece;
        break;
      }
      decoded += byte->second;
    }
    text += decoded;
  }
  pieces = { toValidUtf8(text) };
}

Step decoderStep(const nlohmann::json& step, const std::string& source)
{
  const auto type = step["type"].get<std::string>();
  const std::string where = source + ": decoder " + type;
  if (type == "Replace")
  {
    return replace(step, where);
  }
  if (type == "ByteFallback")
  {
    return joinBytes;
  }
  if (type == "Fuse")
  {
    return [](Pieces& pieces) { pieces = { join(pieces, "") }; };
  }
  if (type == "Strip")
  {
    return strip(step, where);
  }
  if (type == "Metaspace")
  {
    return metaspace(step, where);
  }
  if (type == "ByteLevel")
  {
    return decodeByteLevel;
  }
  fail(where,
    " is not supported (Replace, ByteFallback, Fuse, Strip, Metaspace, ByteLevel and Sequence "
    "are)");
}
}

TokenDecoder::TokenDecoder(const nlohmann::json& decoder, const std::string& source)
{
  std::vector<nlohmann::json> steps;
  flattenSteps(decoder, "decoders", source + ": decoder", steps);
  for (const auto& step : steps)
  {
    Steps.push_back(decoderStep(step, source));
  }
}

std::string TokenDecoder::apply(std::vector<std::string> pieces) const
{
  if (Steps.empty())
  {
    return join(pieces, " ");
  }
  for (const Step& step : Steps)
  {
    step(pieces);
  }
  return join(pieces, "");
}

} // namespace lvlm::text
