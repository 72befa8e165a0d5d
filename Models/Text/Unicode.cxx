// SPDX-License-Identifier: Apache-2.0
#include "Unicode.h"

#include "Models/Trace/Error.h"

#include <unicode/bytestream.h>
#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/regex.h>
#include <unicode/uchar.h>
#include <unicode/uniset.h>
#include <unicode/unistr.h>
#include <unicode/utext.h>

#include <limits>

namespace lvlm::text
{

namespace
{
constexpr std::size_t MaximumPatternBytes = 4096;
// ICU calls back once every 10,000 saved backtracking states; an honest pattern saves a few states
// a character.
constexpr std::size_t FreeCallbacks = 2000;
constexpr std::size_t BytesPerCallback = 100;

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

struct Regex::Impl
{
  std::unique_ptr<icu::RegexPattern> Pattern;
  std::string Source;
};

Regex::Regex(std::string_view pattern, std::string source) : Self(std::make_unique<Impl>())
{
  Self->Source = std::move(source);
  if (pattern.size() > MaximumPatternBytes)
  {
    fail(Self->Source, ": a regular expression of ", pattern.size(), " bytes");
  }
  UErrorCode status = U_ZERO_ERROR;
  UParseError where{};
  const auto text = icu::UnicodeString::fromUTF8(
    icu::StringPiece(pattern.data(), static_cast<std::int32_t>(pattern.size())));
  Self->Pattern.reset(
    icu::RegexPattern::compile(text, UREGEX_MULTILINE | UREGEX_UNIX_LINES, where, status));
  check(status, Self->Source + ": the regular expression \"" + std::string(pattern) + "\"");
}

Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;

namespace
{
/// ICU's callback: false stops the match.
UBool U_CALLCONV spendOne(const void* context, std::int32_t /*steps*/)
{
  auto& left = *const_cast<std::size_t*>(static_cast<const std::size_t*>(context));
  return left == 0 ? 0 : static_cast<UBool>(left-- != 0);
}

/// Closes the text view however the function is left.
struct TextView
{
  UText view = UTEXT_INITIALIZER;
  ~TextView() { utext_close(&view); }
};
}

std::vector<ByteSpan> Regex::findAll(std::string_view text) const
{
  UErrorCode status = U_ZERO_ERROR;
  TextView input;
  utext_openUTF8(&input.view, text.data(), checkedLength(text), &status);
  std::unique_ptr<icu::RegexMatcher> matcher(Self->Pattern->matcher(status));
  check(status, Self->Source);
  std::size_t budget = FreeCallbacks + text.size() / BytesPerCallback;
  matcher->reset(&input.view);
  matcher->setMatchCallback(spendOne, &budget, status);

  std::vector<ByteSpan> found;
  while (matcher->find(status))
  {
    const auto begin = static_cast<std::size_t>(matcher->start64(status));
    const auto end = static_cast<std::size_t>(matcher->end64(status));
    // Oniguruma's search gives no empty match where the last one ended.
    if (begin != end || found.empty() || found.back().end != begin)
    {
      found.push_back({ begin, end });
    }
  }
  if (status == U_REGEX_STOPPED_BY_CALLER || status == U_REGEX_STACK_OVERFLOW)
  {
    fail(Self->Source, ": the regular expression backtracks without bound on a text of ",
      text.size(), " bytes");
  }
  check(status, Self->Source + ": regular expression");
  return found;
}

} // namespace lvlm::text
