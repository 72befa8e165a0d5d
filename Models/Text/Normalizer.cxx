// SPDX-License-Identifier: Apache-2.0
#include "Normalizer.h"

#include "TextPattern.h"
#include "TokenizerJson.h"
#include "Unicode.h"

namespace lvlm::text
{

namespace
{
/// Real normalizers write a space as three bytes and put a word in front: a chain of replacements
/// that multiplies the text is hostile.
constexpr std::size_t MaximumGrowth = 16, AlwaysAllowed = 4096;
}

Normalizer::Normalizer(const nlohmann::json& normalizer, const std::string& source)
{
  std::vector<nlohmann::json> steps;
  flattenSteps(normalizer, "normalizers", source + ": normalizer", steps);
  for (const auto& step : steps)
  {
    const auto type = step["type"].get<std::string>();
    const std::string where = source + ": normalizer " + type;
    if (type == "Prepend")
    {
      const std::string prefix = textField(step, "prepend", "", where);
      Steps.push_back([prefix](const std::string& text, std::size_t)
        { return text.empty() ? text : prefix + text; });
    }
    else if (type == "Replace")
    {
      const TextPattern pattern(member(step, "pattern", where), where);
      const std::string content = textField(step, "content", "", where);
      Steps.push_back([pattern, content](const std::string& text, std::size_t maximumBytes)
        { return pattern.replaceAll(text, content, maximumBytes); });
    }
    else if (type == "NFC")
    {
      Steps.push_back([](const std::string& text, std::size_t) { return toNfc(text); });
    }
    else
    {
      fail(where, " is not supported (Prepend, Replace, NFC and Sequence are)");
    }
  }
}

std::string Normalizer::apply(std::string_view text) const
{
  const std::size_t maximumBytes = AlwaysAllowed + MaximumGrowth * text.size();
  std::string result(text);
  for (const auto& step : Steps)
  {
    result = step(result, maximumBytes);
    if (result.size() > maximumBytes)
    {
      fail("the normalizer turns ", text.size(), " bytes of text into ", result.size());
    }
  }
  return result;
}

} // namespace lvlm::text
