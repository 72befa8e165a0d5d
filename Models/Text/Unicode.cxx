// SPDX-License-Identifier: Apache-2.0
#include "Unicode.h"

#include "Models/Trace/Error.h"

#include <unicode/bytestream.h>
#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/uniset.h>
#include <unicode/unistr.h>

#include <cstdint>
#include <limits>

namespace lvlm::text
{

namespace
{

/// ICU counts in int32.
std::int32_t checkedLength(std::string_view text)
{
  if (text.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
  {
    fail("a text of ", text.size(), " bytes is too long");
  }
  return static_cast<std::int32_t>(text.size());
}

void check(UErrorCode status, std::string_view what)
{
  if (U_FAILURE(status))
  {
    fail(what, ": ", u_errorName(status));
  }
}
}

std::string toNfc(std::string_view text)
{
  UErrorCode status = U_ZERO_ERROR;
  static const icu::UnicodeSet known(UNICODE_STRING_SIMPLE("[:age=9.0:]"), status);
  const icu::Normalizer2* full = icu::Normalizer2::getNFCInstance(status);
  check(status, "NFC");
  const icu::FilteredNormalizer2 nfc(*full, known);
  std::string composed;
  icu::StringByteSink<std::string> sink(&composed, checkedLength(text));
  nfc.normalizeUTF8(0, icu::StringPiece(text.data(), checkedLength(text)), sink, nullptr, status);
  check(status, "NFC");
  return composed;
}

std::string toUpper(std::string_view text)
{
  std::string result;
  icu::UnicodeString::fromUTF8(icu::StringPiece(text.data(), checkedLength(text)))
    .toUpper(icu::Locale::getRoot())
    .toUTF8String(result);
  return result;
}

std::string toLower(std::string_view text)
{
  std::string result;
  icu::UnicodeString::fromUTF8(icu::StringPiece(text.data(), checkedLength(text)))
    .toLower(icu::Locale::getRoot())
    .toUTF8String(result);
  return result;
}

bool isWhiteSpace(char32_t codePoint)
{
  return u_isUWhiteSpace(static_cast<UChar32>(codePoint));
}

bool isNumber(char32_t codePoint)
{
  return (U_GET_GC_MASK(static_cast<UChar32>(codePoint)) & U_GC_N_MASK) != 0;
}

bool isWordCharacter(char32_t codePoint)
{
  const auto c = static_cast<UChar32>(codePoint);
  constexpr std::uint32_t categories = U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK;
  return u_isUAlphabetic(c) || (U_GET_GC_MASK(c) & categories) != 0 ||
    u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL);
}

} // namespace lvlm::text
