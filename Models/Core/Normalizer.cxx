// SPDX-License-Identifier: Apache-2.0
#include "Normalizer.h"

#include "TextPattern.h"
#include "TokenizerJson.h"
#include "Unicode.h"

namespace lvlm
{

namespace
{
constexpr std::size_t MaximumBytes = 64u << 20;
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
      Steps.push_back(
        [prefix](const std::string& text) { return text.empty() ? text : prefix + text; });
    }
    else if (type == "Replace")
    {
      const TextPattern pattern(member(step, "pattern", where), where);
      const std::string content = textField(step, "content", "", where);
      Steps.push_back([pattern, content](const std::string& text)
        { return pattern.replaceAll(text, content, MaximumBytes); });
    }
    else if (type == "NFC")
    {
      Steps.push_back([](const std::string& text) { return toNfc(text); });
    }
    else
    {
      fail(where, " is not supported (Prepend, Replace, NFC and Sequence are)");
    }
  }
}

std::string Normalizer::apply(std::string_view text) const
{
  std::string result(text);
  for (const auto& step : Steps)
  {
    result = step(result);
    if (result.size() > MaximumBytes)
    {
      fail("the normalizer turns ", text.size(), " bytes of text into ", result.size());
    }
  }
  return result;
}

} // namespace lvlm
