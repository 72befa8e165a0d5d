// SPDX-License-Identifier: Apache-2.0
#include "Utf8.h"

#include <optional>

namespace lvlm
{

namespace
{
constexpr char32_t ReplacementCharacter = 0xFFFD;

/// What a first byte announces: how many bytes follow, and in which range the second one lies.
/// Unicode 15, table 3-7.
struct Lead
{
  int following;
  unsigned char secondLow;
  unsigned char secondHigh;
};

std::optional<Lead> leadOf(unsigned char byte)
{
  if (byte >= 0xC2 && byte <= 0xDF)
  {
    return Lead{ 1, 0x80, 0xBF };
  }
  if (byte >= 0xE0 && byte <= 0xEF)
  {
    // Neither overlong forms nor surrogates.
    return Lead{ 2, static_cast<unsigned char>(byte == 0xE0 ? 0xA0 : 0x80),
      static_cast<unsigned char>(byte == 0xED ? 0x9F : 0xBF) };
  }
  if (byte >= 0xF0 && byte <= 0xF4)
  {
    // Neither overlong forms nor anything above 10FFFF.
    return Lead{ 3, static_cast<unsigned char>(byte == 0xF0 ? 0x90 : 0x80),
      static_cast<unsigned char>(byte == 0xF4 ? 0x8F : 0xBF) };
  }
  return std::nullopt;
}

/// The code point at `at`, or nothing where the bytes are ill-formed; moves `at` past either.
std::optional<char32_t> decode(std::string_view text, std::size_t& at)
{
  const auto first = static_cast<unsigned char>(text[at++]);
  if (first < 0x80)
  {
    return first;
  }
  const std::optional<Lead> lead = leadOf(first);
  if (!lead)
  {
    return std::nullopt;
  }
  char32_t codePoint = first & (0x3F >> lead->following);
  unsigned char low = lead->secondLow, high = lead->secondHigh;
  for (int i = 0; i < lead->following; ++i)
  {
    const auto next = at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
    if (next < low || next > high)
    {
      return std::nullopt;
    }
    codePoint = codePoint << 6 | (next & 0x3F);
    low = 0x80;
    high = 0xBF;
    ++at;
  }
  return codePoint;
}
}

std::string toValidUtf8(std::string_view text)
{
  std::string valid;
  for (std::size_t at = 0; at < text.size();)
  {
    const std::size_t begin = at;
    if (decode(text, at))
    {
      valid.append(text.substr(begin, at - begin));
    }
    else
    {
      appendUtf8(valid, ReplacementCharacter);
    }
  }
  return valid;
}

bool isValidUtf8(std::string_view text)
{
  for (std::size_t at = 0; at < text.size();)
  {
    if (!decode(text, at))
    {
      return false;
    }
  }
  return true;
}

char32_t nextCodePoint(std::string_view text, std::size_t& at)
{
  return decode(text, at).value_or(ReplacementCharacter);
}

void appendUtf8(std::string& text, char32_t codePoint)
{
  const auto put = [&](char32_t byte) { text.push_back(static_cast<char>(byte)); };
  const auto follow = [&](int shift) { put(0x80 | (codePoint >> shift & 0x3F)); };
  if (codePoint < 0x80)
  {
    put(codePoint);
  }
  else if (codePoint < 0x800)
  {
    put(0xC0 | codePoint >> 6);
    follow(0);
  }
  else if (codePoint < 0x10000)
  {
    put(0xE0 | codePoint >> 12);
    follow(6);
    follow(0);
  }
  else
  {
    put(0xF0 | codePoint >> 18);
    follow(12);
    follow(6);
    follow(0);
  }
}

} // namespace lvlm
