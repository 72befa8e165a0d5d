// SPDX-License-Identifier: Apache-2.0
#include "PreTokenizer.h"

#include "TextPattern.h"
#include "TokenizerJson.h"
#include "Unicode.h"

#include "Models/Trace/Utf8.h"

#include <string_view>

namespace lvlm::text
{

namespace
{
/// GPT-2's expression, which ByteLevel has built in.
constexpr const char* Gpt2Pattern =
  R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

enum class Behavior
{
  Removed,
  Isolated,
  MergedWithPrevious,
  MergedWithNext,
  Contiguous
};

struct Part
{
  ByteSpan span;
  bool match;
};

/// Matches and what lies between them, in order; `invert` swaps the two.
std::vector<Part> partition(const std::vector<ByteSpan>& matches, std::size_t length, bool invert)
{
  std::vector<Part> parts;
  std::size_t done = 0;
  for (const ByteSpan& match : matches)
  {
    if (match.begin > done)
    {
      parts.push_back({ { done, match.begin }, invert });
    }
    parts.push_back({ match, !invert });
    done = match.end;
  }
  if (done < length)
  {
    parts.push_back({ { done, length }, invert });
  }
  return parts;
}

/// Hugging Face's SplitDelimiterBehavior: which neighbours stay together.
std::vector<ByteSpan> group(const std::vector<Part>& parts, Behavior behavior)
{
  std::vector<ByteSpan> spans;
  for (std::size_t i = 0; i < parts.size(); ++i)
  {
    const bool match = parts[i].match;
    const bool before = i > 0 && parts[i - 1].match;
    // A run of matches that goes with the next part gives it its last one alone.
    const bool joins = !spans.empty() &&
      ((behavior == Behavior::MergedWithPrevious && match && !before) ||
        (behavior == Behavior::MergedWithNext && !match && before) ||
        (behavior == Behavior::Contiguous && match == before));
    if (joins)
    {
      spans.back().end = parts[i].span.end;
    }
    else if (!(behavior == Behavior::Removed && match))
    {
      spans.push_back(parts[i].span);
    }
  }
  return spans;
}

void cut(const PreToken& word, const std::vector<ByteSpan>& spans, std::vector<PreToken>& words)
{
  for (const ByteSpan& span : spans)
  {
    if (span.end > span.begin)
    {
      words.push_back(
        { word.text.substr(span.begin, span.end - span.begin), word.atStart && span.begin == 0 });
    }
  }
}

Behavior behaviorOf(const std::string& name, const std::string& where)
{
  const std::pair<const char*, Behavior> names[] = { { "Removed", Behavior::Removed },
    { "Isolated", Behavior::Isolated }, { "MergedWithPrevious", Behavior::MergedWithPrevious },
    { "MergedWithNext", Behavior::MergedWithNext }, { "Contiguous", Behavior::Contiguous } };
  for (const auto& [known, behavior] : names)
  {
    if (name == known)
    {
      return behavior;
    }
  }
  fail(where, ": behavior \"", name, "\" is not supported");
}

bool startsWith(std::string_view text, std::string_view prefix)
{
  return text.substr(0, prefix.size()) == prefix;
}

using Step = std::function<void(PreToken&&, std::vector<PreToken>&)>;

Step metaspace(const nlohmann::json& step, const std::string& where)
{
  const std::string mark = textField(step, "replacement", "▁", where);
  std::size_t first = 0;
  if (!mark.empty())
  {
    nextCodePoint(mark, first);
  }
  if (mark.empty() || first != mark.size())
  {
    fail(where, ": replacement \"", mark, "\" is not one character");
  }
  // Before prepend_scheme existed, add_prefix_space said always or never.
  const bool old = boolField(step, "add_prefix_space", true, where);
  const std::string scheme = textField(step, "prepend_scheme", old ? "always" : "never", where);
  if (scheme != "always" && scheme != "first" && scheme != "never")
  {
    fail(where, ": prepend_scheme \"", scheme, "\" is none of always, first, never");
  }
  const bool split = boolField(step, "split", true, where);
  const TextPattern space(nlohmann::json{ { "String", " " } }, where);
  const TextPattern marks(nlohmann::json{ { "String", mark } }, where);
  return [=](PreToken&& word, std::vector<PreToken>& words)
  {
    word.text = space.replaceAll(word.text, mark, std::size_t{ 1 } << 30);
    const bool wanted = scheme == "always" || (scheme == "first" && word.atStart);
    if (wanted && !startsWith(word.text, mark))
    {
      word.text.insert(0, mark);
    }
    if (!split)
    {
      words.push_back(std::move(word));
      return;
    }
    const auto parts = partition(marks.findAll(word.text), word.text.size(), false);
    cut(word, group(parts, Behavior::MergedWithNext), words);
  };
}

Step splitStep(const nlohmann::json& step, const std::string& where)
{
  const TextPattern pattern(member(step, "pattern", where), where);
  const Behavior behavior = behaviorOf(textField(step, "behavior", "", where), where);
  const bool invert = boolField(step, "invert", false, where);
  return [=](PreToken&& word, std::vector<PreToken>& words)
  {
    const auto parts = partition(pattern.findAll(word.text), word.text.size(), invert);
    cut(word, group(parts, behavior), words);
  };
}

Step digits(const nlohmann::json& step, const std::string& where)
{
  const bool individual = boolField(step, "individual_digits", false, where);
  return [individual](PreToken&& word, std::vector<PreToken>& words)
  {
    std::vector<ByteSpan> found;
    for (std::size_t at = 0; at < word.text.size();)
    {
      const std::size_t begin = at;
      if (isNumber(nextCodePoint(word.text, at)))
      {
        found.push_back({ begin, at });
      }
    }
    const auto parts = partition(found, word.text.size(), false);
    cut(word, group(parts, individual ? Behavior::Isolated : Behavior::Contiguous), words);
  };
}

Step prefixSpace()
{
  return [](PreToken&& word, std::vector<PreToken>& words)
  {
    if (!startsWith(word.text, " "))
    {
      word.text.insert(0, " ");
    }
    words.push_back(std::move(word));
  };
}

Step bytesToCharacters()
{
  return [](PreToken&& word, std::vector<PreToken>& words)
  {
    std::string text;
    for (const char byte : word.text)
    {
      text += byteLevelAlphabet()[static_cast<unsigned char>(byte)];
    }
    words.push_back({ std::move(text), word.atStart });
  };
}
}

PreTokenizer::PreTokenizer(const nlohmann::json& preTokenizer, const std::string& source)
{
  std::vector<nlohmann::json> steps;
  flattenSteps(preTokenizer, "pretokenizers", source + ": pre_tokenizer", steps);
  for (const auto& step : steps)
  {
    const auto type = step["type"].get<std::string>();
    const std::string where = source + ": pre_tokenizer " + type;
    if (type == "Metaspace")
    {
      Steps.push_back(metaspace(step, where));
    }
    else if (type == "Split")
    {
      Steps.push_back(splitStep(step, where));
    }
    else if (type == "Digits")
    {
      Steps.push_back(digits(step, where));
    }
    else if (type == "ByteLevel")
    {
      if (boolField(step, "add_prefix_space", true, where))
      {
        Steps.push_back(prefixSpace());
      }
      if (boolField(step, "use_regex", true, where))
      {
        Steps.push_back(splitStep(
          { { "pattern", { { "Regex", Gpt2Pattern } } }, { "behavior", "Isolated" } }, where));
      }
      Steps.push_back(bytesToCharacters());
    }
    else
    {
      fail(where, " is not supported (Metaspace, ByteLevel, Split, Digits and Sequence are)");
    }
  }
}

std::vector<PreToken> PreTokenizer::apply(PreToken text) const
{
  std::vector<PreToken> words;
  if (text.text.empty())
  {
    return words;
  }
  words.push_back(std::move(text));
  for (const Step& step : Steps)
  {
    std::vector<PreToken> next;
    for (PreToken& word : words)
    {
      step(std::move(word), next);
    }
    words = std::move(next);
  }
  return words;
}

const std::array<std::string, 256>& byteLevelAlphabet()
{
  static const std::array<std::string, 256> alphabet = []
  {
    std::array<std::string, 256> made;
    char32_t spare = 256; // bytes that are no visible Latin-1 character get the next one from here
    for (char32_t byte = 0; byte < 256; ++byte)
    {
      const bool visible = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
      appendUtf8(made[byte], visible ? byte : spare++);
    }
    return made;
  }();
  return alphabet;
}

} // namespace lvlm::text
