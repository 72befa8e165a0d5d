// SPDX-License-Identifier: Apache-2.0
#include "TokenizerConfig.h"

#include "TokenizerJson.h"

#include "Models/Trace/Json.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <string_view>
#include <unordered_map>

namespace lvlm::text
{

namespace
{
using Json = nlohmann::json;
namespace fs = std::filesystem;

constexpr std::size_t MaximumFileBytes = 16u << 20;
/// In the order that transformers adds them in.
constexpr const char* Named[] = { "bos_token", "eos_token", "unk_token", "sep_token", "pad_token",
  "cls_token", "mask_token" };

Json objectIn(const std::string& path)
{
  std::error_code ignored;
  if (!fs::exists(path, ignored))
  {
    return Json::object();
  }
  Json file = readJsonFile(path, MaximumFileBytes);
  if (!file.is_object())
  {
    fail(path, ": not a JSON object");
  }
  return file;
}

/// A named special token, a string or an object with "content"; empty for anything else.
Json specialToken(const Json& value)
{
  Json token = value.is_string() ? Json{ { "content", value } } : value;
  if (!token.is_object() || !token.contains("content") || !token["content"].is_string() ||
    token["content"] == "")
  {
    return {};
  }
  token["special"] = true;
  return token;
}

/// A list of tokens, each content once.
class TokenList
{
public:
  bool has(const std::string& content) const { return this->Places.count(content) != 0; }

  /// Adds a token, or replaces what is known of it.
  void set(const std::string& content, const Json& token)
  {
    const auto [place, fresh] = this->Places.emplace(content, this->Tokens.size());
    if (fresh)
    {
      this->Tokens.push_back(token);
    }
    else
    {
      this->Tokens[place->second].update(token);
    }
  }

  void addMissing(const Json& token)
  {
    const std::string content = token.is_null() ? "" : token["content"].get<std::string>();
    if (!content.empty() && !this->has(content))
    {
      this->set(content, token);
    }
  }

  Json Tokens = Json::array();

private:
  std::unordered_map<std::string, std::size_t> Places;
};

/// The entries of `added_tokens_decoder` by their ids, which say their order alone.
std::map<std::int64_t, Json> decoderTokens(const Json& decoder, const std::string& source)
{
  std::map<std::int64_t, Json> tokens;
  for (const auto& [key, token] : decoder.items())
  {
    const bool number =
      !key.empty() && key.size() < 10 && key.find_first_not_of("0123456789") == std::string::npos;
    if (!number || !token.is_object())
    {
      fail(source, ": added_tokens_decoder: ", excerpt(key, 80), ": ", excerpt(token, 80),
        " is not an id and a token");
    }
    tokens[std::stoll(key)] = token;
  }
  return tokens;
}

/// The special tokens of an object: those with names of their own, other `…_token`s, further ones.
TokenList specialsOf(const Json& object)
{
  TokenList list;
  for (const char* name : Named)
  {
    list.addMissing(specialToken(object.value(name, Json())));
  }
  constexpr std::string_view ending = "_token";
  for (const auto& [key, value] : object.items())
  {
    if (key.size() > ending.size() && value.is_string() &&
      key.compare(key.size() - ending.size(), ending.size(), ending) == 0)
    {
      list.addMissing(specialToken(value));
    }
  }
  for (const char* more : { "extra_special_tokens", "additional_special_tokens" })
  {
    const Json values = object.value(more, Json());
    for (const Json& value : values.is_structured() ? values : Json::array())
    {
      list.addMissing(specialToken(value));
    }
  }
  return list;
}

/// The entries of added_tokens.json by their ids.
std::map<std::int64_t, Json> oldTokens(
  const Json& added, const TokenList& specials, const std::string& source)
{
  std::map<std::int64_t, Json> tokens;
  for (const auto& [content, id] : added.items())
  {
    if (!id.is_number_unsigned() || id > INT32_MAX)
    {
      fail(source, ": ", excerpt(content, 80), ": ", excerpt(id), " is not an id");
    }
    tokens[id.get<std::int64_t>()] = { { "content", content },
      { "special", specials.has(content) } };
  }
  return tokens;
}
}

TokenizerConfig::TokenizerConfig(const std::string& directory)
  : Directory(directory), Source(directory + "/tokenizer_config.json"), Config(objectIn(Source)),
    SpecialMap(Json::object()), Added(Json::object())
{
  if (!this->Config.contains("added_tokens_decoder"))
  {
    this->SpecialMap = objectIn(directory + "/special_tokens_map.json");
    this->Added = objectIn(directory + "/added_tokens.json");
  }
}

Json TokenizerConfig::addedTokens(const Json& listed) const
{
  const bool readable = listed.is_array() &&
    std::all_of(listed.begin(), listed.end(),
      [](const Json& token) { return token.is_object() && token.contains("content"); });
  if (!listed.is_null() && !readable)
  {
    return listed; // the list's reader says what is wrong
  }
  TokenList all;
  for (const Json& token : listed.is_null() ? Json::array() : listed)
  {
    const std::string content = textField(token, "content", "", "tokenizer.json: added_tokens");
    if (all.has(content))
    {
      return listed;
    }
    all.set(content, token);
  }
  const Json decoder = this->Config.value("added_tokens_decoder", Json());
  for (const auto& [id, token] :
    decoderTokens(decoder.is_null() ? Json::object() : decoder, this->Source))
  {
    all.set(textField(token, "content", "", this->Source + ": added_tokens_decoder"), token);
  }
  Json named = this->Config;
  named.update(this->SpecialMap);
  const TokenList specials = specialsOf(named);
  for (const auto& [id, token] :
    oldTokens(this->Added, specials, this->Directory + "/added_tokens.json"))
  {
    all.addMissing(token);
  }
  for (const Json& token : specials.Tokens)
  {
    all.addMissing(token);
  }
  return all.Tokens;
}

} // namespace lvlm::text
