// SPDX-License-Identifier: Apache-2.0
#include "SpecialTemplate.h"

#include "TokenizerJson.h"

#include <algorithm>

namespace lvlm::text
{

namespace
{
constexpr std::size_t MaximumItems = 64;

std::int64_t checkedId(const nlohmann::json& value, std::int64_t idEnd, const std::string& where)
{
  if (!value.is_number_unsigned() ||
    value.get<std::uint64_t>() >= static_cast<std::uint64_t>(idEnd))
  {
    fail(where, ": the id ", value.dump(), " is not one of 0 to ", idEnd - 1);
  }
  return value.get<std::int64_t>();
}

/// The content of a token in tokenizer_config.json: a string, or an object with "content".
std::string tokenContent(const nlohmann::json& config, const char* key, const std::string& fallback,
  const std::string& source)
{
  const auto found = config.find(key);
  return found != config.end() && found->is_object() ? textField(*found, "content", "", source)
                                                     : textField(config, key, fallback, source);
}
}

SpecialTemplate::SpecialTemplate(
  const nlohmann::json& postProcessor, std::int64_t idEnd, const std::string& source)
{
  std::vector<nlohmann::json> steps;
  flattenSteps(postProcessor, "processors", source + ": post_processor", steps);
  for (const auto& step : steps)
  {
    const auto type = step["type"].get<std::string>();
    const std::string where = source + ": post_processor " + type;
    if (type == "TemplateProcessing")
    {
      readTemplate(step, idEnd, where);
    }
    else if (type != "ByteLevel") // that one moves offsets alone
    {
      fail(where, " is not supported (TemplateProcessing, ByteLevel and Sequence are)");
    }
  }
}

void SpecialTemplate::readTemplate(
  const nlohmann::json& step, std::int64_t idEnd, const std::string& where)
{
  const nlohmann::json& single = member(step, "single", where);
  if (!single.is_array() || single.size() > MaximumItems)
  {
    fail(where, ": \"single\" is not a list of at most ", MaximumItems, " items");
  }
  std::vector<std::int64_t> items;
  bool hasText = false;
  for (const auto& item : single)
  {
    if (item.is_object() && item.contains("SpecialToken"))
    {
      const std::string name = textField(item["SpecialToken"], "id", "", where);
      const nlohmann::json& token =
        member(member(step, "special_tokens", where), name.c_str(), where);
      const nlohmann::json& ids = member(token, "ids", where);
      if (!ids.is_array() || items.size() + ids.size() > MaximumItems)
      {
        fail(where, ": \"", name, "\" has no short list of ids");
      }
      for (const auto& id : ids)
      {
        items.push_back(checkedId(id, idEnd, where));
      }
      continue;
    }
    const bool text = !hasText && item.is_object() && item.contains("Sequence") &&
      textField(item["Sequence"], "id", "", where) == "A";
    if (!text)
    {
      fail(where, ": ", item.dump(), " is neither a special token nor the one text A");
    }
    hasText = true;
    items.push_back(TheText);
  }
  if (!hasText)
  {
    fail(where, ": the text A is missing");
  }
  Templates.push_back(std::move(items));
}

void SpecialTemplate::applyTokenizerConfig(const nlohmann::json& config,
  const std::function<std::int64_t(const std::string&)>& id, const std::string& source)
{
  const std::string type =
    config.is_object() ? textField(config, "tokenizer_class", "", source) : "";
  const bool gemma = type == "GemmaTokenizer" || type == "GemmaTokenizerFast";
  const char* const llama[] = { "LlamaTokenizer", "LlamaTokenizerFast", "CodeLlamaTokenizer",
    "CodeLlamaTokenizerFast" };
  if (!gemma && std::find(std::begin(llama), std::end(llama), type) == std::end(llama))
  {
    return;
  }
  const auto find = [&](const char* key, const char* fallback)
  {
    const std::string content = tokenContent(config, key, fallback, source);
    const std::int64_t found = id(content);
    if (found < 0)
    {
      fail(source, ": ", key, " \"", content, "\" is not in the vocabulary");
    }
    return found;
  };
  const auto said = [&](const char* key)
  {
    const auto found = config.find(key);
    return found != config.end() && !found->is_null();
  };
  std::vector<std::int64_t> items = this->apply({ TheText });
  const auto text = [&items] { return std::find(items.begin(), items.end(), TheText); };
  if (said("add_bos_token"))
  {
    items.erase(items.begin(), text());
    if (boolField(config, "add_bos_token", true, source))
    {
      items.insert(items.begin(), find("bos_token", gemma ? "<bos>" : "<s>"));
    }
  }
  if (said("add_eos_token"))
  {
    items.erase(text() + 1, items.end());
    if (boolField(config, "add_eos_token", false, source))
    {
      items.push_back(find("eos_token", gemma ? "<eos>" : "</s>"));
    }
  }
  Templates = { std::move(items) };
}

std::vector<std::int64_t> SpecialTemplate::apply(std::vector<std::int64_t> ids) const
{
  for (const auto& items : Templates)
  {
    std::vector<std::int64_t> result;
    for (const std::int64_t item : items)
    {
      if (item == TheText)
      {
        result.insert(result.end(), ids.begin(), ids.end());
      }
      else
      {
        result.push_back(item);
      }
    }
    ids = std::move(result);
  }
  return ids;
}

} // namespace lvlm::text
