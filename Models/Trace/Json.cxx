// SPDX-License-Identifier: Apache-2.0
#include "Json.h"

#include "Error.h"
#include "MappedFile.h"
#include "Utf8.h"

#include <unordered_set>
#include <vector>

namespace lvlm
{

namespace
{
constexpr int MaximumDepth = 64;

/// Depth and values are counted on the text: the parser itself does not recurse, but destructors
/// and consumers do, and what it makes of a text is many times as large.
void checkText(std::string_view text, const std::string& source, std::size_t maximumValues)
{
  int depth = 0;
  std::size_t values = 1;
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
      ++values;
      if (++depth > MaximumDepth)
      {
        fail(source, ": JSON nested deeper than ", MaximumDepth, " levels");
      }
    }
    else if (c == ']' || c == '}')
    {
      --depth;
    }
    else if (c == ',')
    {
      ++values;
    }
  }
  if (values > maximumValues)
  {
    fail(source, ": ", values, " values of JSON, more than the ", maximumValues, " accepted");
  }
}

nlohmann::json parsed(std::string_view text, const std::string& source, std::size_t maximumValues)
{
  checkText(text, source, maximumValues);
  try
  {
    return nlohmann::json::parse(text.begin(), text.end());
  }
  catch (const nlohmann::json::exception& error)
  {
    fail(source, ": malformed JSON: ", toValidUtf8(error.what())); // it quotes the text
  }
}

/// Looks for keys that stand twice in an object. Not by the parser's callback, with which an object
/// of n objects takes it n * n steps.
class TwiceTheSame : public nlohmann::json_sax<nlohmann::json>
{
public:
  explicit TwiceTheSame(const std::string& source) : Source(source) {}

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool start_object(std::size_t) override
  {
    this->Keys.emplace_back();
    return true;
  }
  bool key(string_t& name) override
  {
    if (!this->Keys.back().insert(name).second)
    {
      fail(this->Source, ": malformed JSON: key ", excerpt(name, 80), " stands twice in an object");
    }
    return true;
  }
  bool end_object() override
  {
    this->Keys.pop_back();
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&) override
  {
    return false; // the parser will say so
  }

private:
  const std::string& Source;
  std::vector<std::unordered_set<std::string>> Keys; ///< of the objects around the place
};
}

nlohmann::json parseJson(std::string_view text, const std::string& source)
{
  return parsed(text, source, MaximumJsonValues);
}

nlohmann::json parseUniqueJson(std::string_view text, const std::string& source)
{
  nlohmann::json json = parsed(text, source, MaximumHeaderValues);
  TwiceTheSame keys(source);
  nlohmann::json::sax_parse(text.begin(), text.end(), &keys);
  return json;
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
