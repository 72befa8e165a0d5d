// SPDX-License-Identifier: Apache-2.0
#include "Regex.h"

#include "Models/Trace/Error.h"
#include "Models/Trace/Utf8.h"

#include <oniguruma.h>

#include <algorithm>

namespace lvlm::text
{

namespace
{
constexpr std::size_t MaximumPatternBytes = 4096;
/// Entries of Oniguruma's stack, of some 40 bytes each: white space of 4 MiB needs one a letter.
constexpr unsigned int StackEntries = 8u << 20;
/// Steps back that one search may take at first. An honest one needs a few; the others are tried
/// again with more, and what that takes is paid from a budget that grows with the text.
constexpr unsigned long FirstRetries = 128;
constexpr unsigned long Growth = 8;
constexpr unsigned long FreeRetries = 4'000'000;
constexpr unsigned long RetriesPerByte = 40;

const OnigUChar* bytesOf(std::string_view text)
{
  return reinterpret_cast<const OnigUChar*>(text.data());
}

std::string messageOf(int code, OnigErrorInfo* info = nullptr)
{
  OnigUChar text[ONIG_MAX_ERROR_MESSAGE_LEN];
  const int length = onig_error_code_to_str(text, code, info);
  return toValidUtf8({ reinterpret_cast<char*>(text), static_cast<std::size_t>(length) });
}

void initialize()
{
  static const int done = []
  {
    OnigEncoding encodings[] = { ONIG_ENCODING_UTF8 };
    return onig_initialize(encodings, 1);
  }();
  if (done != ONIG_NORMAL)
  {
    fail("Oniguruma: ", messageOf(done));
  }
}

struct Free
{
  void operator()(OnigRegion* region) const { onig_region_free(region, 1); }
  void operator()(OnigMatchParam* param) const { onig_free_match_param(param); }
  void operator()(OnigRegexType* regex) const { onig_free(regex); }
};

/// Whether the pattern may hold a back-reference, \1 or \k<name>: one step is then a comparison as
/// long as the text.
bool mayReferBack(std::string_view pattern)
{
  for (std::size_t at = 0; at + 1 < pattern.size(); ++at)
  {
    if (pattern[at] != '\\')
    {
      continue;
    }
    const char next = pattern[++at];
    if (next == 'k' || (next >= '1' && next <= '9'))
    {
      return true;
    }
  }
  return false;
}

/// Searches one text from left to right within a budget of steps back.
class Search
{
public:
  Search(OnigRegex regex, std::string_view text, bool refersBack)
    : Expression(regex), Text(text), Region(onig_region_new()), Limits(onig_new_match_param()),
      Budget((FreeRetries + RetriesPerByte * text.size()) / (refersBack ? 1 + text.size() / 64 : 1))
  {
    onig_set_match_stack_limit_size_of_match_param(this->Limits.get(), StackEntries);
  }

  /// The first match at `from` or after it. False when there is none. Negative codes but a mismatch
  /// go to `code`.
  bool next(std::size_t from, ByteSpan& match, int& code)
  {
    const OnigUChar *begin = bytesOf(this->Text), *end = begin + this->Text.size();
    unsigned long inMatch = FirstRetries; // from one place; at first a search may go any way
    unsigned long inSearch = std::max(this->Budget, 1ul); // 0 would be no limit
    for (;;)
    {
      onig_set_retry_limit_in_match_of_match_param(this->Limits.get(), inMatch);
      onig_set_retry_limit_in_search_of_match_param(this->Limits.get(), inSearch);
      code = onig_search_with_param(this->Expression, begin, end, begin + from, end,
        this->Region.get(), ONIG_OPTION_NONE, this->Limits.get());
      const bool more =
        code == ONIGERR_RETRY_LIMIT_IN_MATCH_OVER || code == ONIGERR_RETRY_LIMIT_IN_SEARCH_OVER;
      this->Budget -= more ? std::min(this->Budget, inMatch * Growth) : 0;
      inMatch *= Growth;
      inSearch = inMatch * Growth;
      if (!more || inSearch > this->Budget)
      {
        break;
      }
    }
    if (code >= 0)
    {
      match = { static_cast<std::size_t>(this->Region->beg[0]),
        static_cast<std::size_t>(this->Region->end[0]) };
    }
    return code >= 0;
  }

private:
  OnigRegex Expression;
  std::string_view Text;
  std::unique_ptr<OnigRegion, Free> Region;
  std::unique_ptr<OnigMatchParam, Free> Limits;
  unsigned long Budget;
};
}

struct Regex::Impl
{
  std::unique_ptr<OnigRegexType, Free> Expression;
  std::string Source;
  bool RefersBack = false;
};

Regex::Regex(std::string_view pattern, std::string source) : Self(std::make_unique<Impl>())
{
  Self->Source = std::move(source);
  if (pattern.size() > MaximumPatternBytes)
  {
    fail(Self->Source, ": a regular expression of ", pattern.size(), " bytes");
  }
  initialize();
  OnigRegex made = nullptr;
  OnigErrorInfo info{};
  const int code = onig_new(&made, bytesOf(pattern), bytesOf(pattern) + pattern.size(),
    ONIG_OPTION_NONE, ONIG_ENCODING_UTF8, ONIG_SYNTAX_DEFAULT, &info);
  if (code != ONIG_NORMAL)
  {
    fail(Self->Source, ": the regular expression \"", std::string(pattern),
      "\": ", messageOf(code, &info));
  }
  Self->Expression.reset(made);
  Self->RefersBack = mayReferBack(pattern);
}

Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;

std::vector<ByteSpan> Regex::findAll(std::string_view text) const
{
  Search search(Self->Expression.get(), text, Self->RefersBack);
  std::vector<ByteSpan> found;
  ByteSpan match{};
  int code = ONIG_MISMATCH;
  for (std::size_t from = 0; from <= text.size() && search.next(from, match, code);)
  {
    const bool empty = match.begin == match.end;
    // An empty match where the last one ended is none of its own.
    if (!empty || found.empty() || found.back().end != match.begin)
    {
      found.push_back(match);
    }
    from = match.end;
    if (empty && from < text.size())
    {
      nextCodePoint(text, from);
    }
    else if (empty)
    {
      break;
    }
  }
  if (code == ONIGERR_RETRY_LIMIT_IN_MATCH_OVER || code == ONIGERR_RETRY_LIMIT_IN_SEARCH_OVER ||
    code == ONIGERR_MATCH_STACK_LIMIT_OVER)
  {
    fail(Self->Source, ": the regular expression backtracks without bound on a text of ",
      text.size(), " bytes");
  }
  if (code < 0 && code != ONIG_MISMATCH)
  {
    fail(Self->Source, ": regular expression: ", messageOf(code));
  }
  return found;
}

} // namespace lvlm::text
