// SPDX-License-Identifier: Apache-2.0
#include "Json.h"

#include "Error.h"
#include "MappedFile.h"
#include "Utf8.h"

#include <set>
#include <vector>

namespace lvlm
{

namespace
{
constexpr int MaximumDepth = 64;

/// Depth is counted on the text: the parser itself does not recurse, but destructors and consumers
/// do.
void checkDepth(std::string_view text, const std::string& source)
{
  int depth = 0;
  bool inString = false;
  for (std::size_t i = 0; i < text.size(); ++i)
  {
    const char c = text[i];
    if (inString)
    {
      i += c == '\\' ? 1 : 0;
      inString = c != '"';
    }
    else if (c == '"')
    {
      inString = true;
    }
    else if (c == '[' || c == '{')
    {
      if (++depth > MaximumDepth)
      {
        fail(source, ": JSON nested deeper than ", MaximumDepth, " levels");
      }
    }
    else if (c == ']' || c == '}')
    {
      --depth;
    }
  }
}
}

namespace
{
nlohmann::json parsed(std::string_view text, const std::string& source,
  const nlohmann::json::parser_callback_t& callback)
{
  checkDepth(text, source);
  try
  {
    return nlohmann::json::parse(text.begin(), text.end(), callback);
  }
  catch (const nlohmann::json::exception& error)
  {
    fail(source, ": malformed JSON: ", toValidUtf8(error.what())); // it quotes the text
  }
}
}

nlohmann::json parseJson(std::string_view text, const std::string& source)
{
  return parsed(text, source, nullptr);
}

nlohmann::json parseUniqueJson(std::string_view text, const std::string& source)
{
  using Event = nlohmann::json::parse_event_t;
  std::vector<std::set<std::string>> keys; // of the objects around the one that is being read
  return parsed(text, source,
    [&](int, Event event, const nlohmann::json& value)
    {
      if (event == Event::object_start)
      {
        keys.emplace_back();
      }
      else if (event == Event::object_end)
      {
        keys.pop_back();
      }
      else if (event == Event::key && !keys.back().insert(value.get<std::string>()).second)
      {
        fail(source, ": malformed JSON: key ", excerpt(value, 80), " stands twice in an object");
      }
      return true;
    });
}

nlohmann::json readJsonFile(const std::string& path, std::size_t maximumBytes)
{
  const auto file = MappedFile::open(path);
  if (file->size() > maximumBytes)
  {
    fail(path, ": ", file->size(), " bytes of JSON, more than the ", maximumBytes, " accepted");
  }
  nlohmann::json json;
  try
  {
    json = parseJson({ reinterpret_cast<const char*>(file->data()), file->size() }, path);
  }
  catch (const Error&)
  {
    file->requireIntact(); // rather say this than what is wrong with half a text
    throw;
  }
  file->requireIntact();
  return json;
}

std::string excerpt(const nlohmann::json& value, std::size_t maximumBytes)
{
  return value.dump(-1, ' ', true).substr(0, maximumBytes);
}

} // namespace lvlm
