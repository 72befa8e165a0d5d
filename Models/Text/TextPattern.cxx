// SPDX-License-Identifier: Apache-2.0
#include "TextPattern.h"

#include "Models/Trace/Error.h"

namespace lvlm::text
{

TextPattern::TextPattern(const nlohmann::json& pattern, const std::string& source)
{
  const bool single = pattern.is_object() && pattern.size() == 1 && pattern.front().is_string();
  if (single && pattern.contains("Regex"))
  {
    Expression = std::make_shared<Regex>(pattern["Regex"].get<std::string>(), source);
  }
  else if (single && pattern.contains("String") && pattern["String"] != "")
  {
    Literal = pattern["String"].get<std::string>();
  }
  else
  {
    fail(source, ": a pattern that is neither {\"String\": …} nor {\"Regex\": …}");
  }
}

std::vector<ByteSpan> TextPattern::findAll(std::string_view text) const
{
  if (Expression)
  {
    return Expression->findAll(text);
  }
  std::vector<ByteSpan> found;
  for (std::size_t at = text.find(Literal); at != std::string_view::npos;
       at = text.find(Literal, at + Literal.size()))
  {
    found.push_back({ at, at + Literal.size() });
  }
  return found;
}

std::string TextPattern::replaceAll(
  std::string_view text, std::string_view replacement, std::size_t maximumBytes) const
{
  const std::vector<ByteSpan> found = findAll(text);
  if (text.size() > maximumBytes ||
    (!found.empty() && replacement.size() > (maximumBytes - text.size()) / found.size()))
  {
    fail("replacing ", found.size(), " matches in ", text.size(), " bytes of text gives more than ",
      maximumBytes, " bytes");
  }
  std::string result;
  std::size_t done = 0;
  for (const ByteSpan& match : found)
  {
    result.append(text.substr(done, match.begin - done));
    result.append(replacement);
    done = match.end;
  }
  result.append(text.substr(done));
  return result;
}

} // namespace lvlm::text
