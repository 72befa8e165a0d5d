// SPDX-License-Identifier: Apache-2.0
#include "ShortText.h"

#include <algorithm>
#include <vector>

namespace lvlm
{

namespace
{
const std::string Ellipsis = "\xe2\x80\xa6"; // U+2026

/// Where each character of the text starts, and the end of the text. A byte that continues no
/// character is taken along with what is before it.
std::vector<std::size_t> characterStarts(const std::string& text)
{
  std::vector<std::size_t> starts;
  for (std::size_t i = 0; i < text.size(); ++i)
  {
    if (starts.empty() || (static_cast<unsigned char>(text[i]) & 0xC0U) != 0x80U)
    {
      starts.push_back(i);
    }
  }
  starts.push_back(text.size());
  return starts;
}
}

std::string oneLine(const std::string& text)
{
  std::string line;
  for (const char c : text)
  {
    const bool space = c == ' ' || c == '\n' || c == '\r' || c == '\t';
    if (!space)
    {
      line += c;
    }
    else if (!line.empty() && line.back() != ' ')
    {
      line += ' ';
    }
  }
  while (!line.empty() && line.back() == ' ')
  {
    line.pop_back();
  }
  return line;
}

std::string shortened(const std::string& text, std::size_t length, std::size_t keep)
{
  const std::vector<std::size_t> starts = characterStarts(text);
  const std::size_t count = starts.size() - 1;
  if (length == 0 || count <= length)
  {
    return text;
  }
  const auto at =
    static_cast<std::size_t>(std::lower_bound(starts.begin(), starts.end(), keep) - starts.begin());
  // `at` lies in the middle, as far as the text goes on at both sides.
  const std::size_t first = std::min(at > length / 2 ? at - length / 2 : 0, count - length);
  const std::size_t last = first + length;
  std::string result = text.substr(starts[first], starts[last] - starts[first]);
  if (first > 0)
  {
    result.replace(0, starts[first + 1] - starts[first], Ellipsis);
  }
  if (last < count)
  {
    result.resize(result.size() - (starts[last] - starts[last - 1]));
    result += Ellipsis;
  }
  return result;
}

void replaceAll(std::string& text, const std::string& what, const std::string& with)
{
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size())
  {
    text.replace(at, what.size(), with);
  }
}

} // namespace lvlm
