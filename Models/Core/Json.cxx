// SPDX-License-Identifier: Apache-2.0
#include "Json.h"

#include "Error.h"
#include "MappedFile.h"

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

nlohmann::json parseJson(std::string_view text, const std::string& source)
{
  checkDepth(text, source);
  try
  {
    return nlohmann::json::parse(text.begin(), text.end());
  }
  catch (const nlohmann::json::exception& error)
  {
    fail(source, ": malformed JSON: ", error.what());
  }
}

nlohmann::json readJsonFile(const std::string& path, std::size_t maximumBytes)
{
  const auto file = MappedFile::open(path);
  if (file->size() > maximumBytes)
  {
    fail(path, ": ", file->size(), " bytes of JSON, more than the ", maximumBytes, " accepted");
  }
  return parseJson({ reinterpret_cast<const char*>(file->data()), file->size() }, path);
}

} // namespace lvlm
