// SPDX-License-Identifier: Apache-2.0
#include "Builtins.h"

#include "Models/Text/Unicode.h"
#include "Models/Trace/Utf8.h"

#include <algorithm>
#include <ctime>
#include <limits>

namespace lvlm::text::jinja
{

namespace
{
using A = const Arguments&;

/// Code points of a text.
std::vector<std::string> lettersOf(const std::string& text)
{
  std::vector<std::string> letters;
  for (std::size_t at = 0; at < text.size();)
  {
    const std::size_t begin = at;
    nextCodePoint(text, at);
    letters.push_back(text.substr(begin, at - begin));
  }
  return letters;
}

/// Python's str.isspace(): White_Space and the four information separators.
bool isSpace(const std::string& letter)
{
  std::size_t at = 0;
  const char32_t codePoint = nextCodePoint(letter, at);
  return isWhiteSpace(codePoint) || (codePoint >= 0x1C && codePoint <= 0x1F);
}

/// split() without a separator: at runs of white space. At most `limit` cuts, from the left.
std::vector<Value> wordsOf(const std::string& text, std::int64_t limit)
{
  std::vector<Value> words;
  const std::vector<std::string> letters = lettersOf(text);
  for (std::size_t i = 0; i < letters.size();)
  {
    if (isSpace(letters[i]))
    {
      ++i;
      continue;
    }
    std::string word;
    const bool last = static_cast<std::int64_t>(words.size()) == limit;
    for (; i < letters.size() && (last || !isSpace(letters[i])); ++i)
    {
      word += letters[i];
    }
    words.emplace_back(last ? stripped(word, Value(), false, true) : word);
  }
  return words;
}

/// split(separator, limit), or rsplit with `fromRight`.
std::vector<Value> pieces(
  const std::string& text, const std::string& separator, std::int64_t limit, bool fromRight)
{
  if (separator.empty())
  {
    fail("a text split at an empty separator");
  }
  std::vector<Value> result;
  std::size_t begin = 0, end = text.size();
  while (limit-- != 0)
  {
    if (fromRight)
    {
      const std::size_t found =
        end < separator.size() ? std::string::npos : text.rfind(separator, end - separator.size());
      if (found == std::string::npos)
      {
        break;
      }
      result.emplace_back(text.substr(found + separator.size(), end - found - separator.size()));
      end = found;
    }
    else
    {
      const std::size_t found = text.find(separator, begin);
      if (found == std::string::npos)
      {
        break;
      }
      result.emplace_back(text.substr(begin, found - begin));
      begin = found + separator.size();
    }
  }
  result.emplace_back(text.substr(begin, end - begin));
  if (fromRight)
  {
    std::reverse(result.begin(), result.end());
  }
  return result;
}

Value split(Run& run, const std::string& text, A arguments, bool fromRight)
{
  const Value separator = argument(arguments, 0, "sep", nullptr);
  const std::int64_t limit =
    argument(arguments, 1, "maxsplit", std::int64_t{ -1 }).integer("maxsplit");
  run.check(text.size());
  if (separator.isNone() && fromRight && limit >= 0)
  {
    fail("rsplit at white space with a limit is not supported");
  }
  std::vector<Value> result = separator.isNone()
    ? wordsOf(text, limit)
    : pieces(text, separator.text("the separator"), limit, fromRight);
  run.checkItems(static_cast<std::int64_t>(result.size()));
  return Value::list(std::move(result));
}

std::vector<Value> linesOf(const std::string& text)
{
  std::vector<Value> lines;
  for (std::size_t begin = 0; begin < text.size();)
  {
    const std::size_t end = std::min(text.find_first_of("\n\r", begin), text.size());
    lines.emplace_back(text.substr(begin, end - begin));
    begin = end + (text.compare(end, 2, "\r\n") == 0 ? 2 : 1);
  }
  return lines;
}

Value replaced(Run& run, const std::string& text, A arguments)
{
  const std::string from = needed(arguments, 0, "old").text("what is replaced");
  const std::string to = needed(arguments, 1, "new").text("what replaces it");
  std::int64_t limit = argument(arguments, 2, "count", std::int64_t{ -1 }).integer("count");
  if (from.empty())
  {
    fail("replace of an empty text is not supported");
  }
  std::string result;
  std::size_t done = 0;
  for (std::size_t at = text.find(from); at != std::string::npos && limit-- != 0;
       at = text.find(from, done))
  {
    result.append(text, done, at - done);
    result += to;
    done = at + from.size();
    run.check(result.size());
  }
  return run.made(result.append(text, done, std::string::npos));
}

/// Python's str.title() and capitalize(): the first letter, or the first of each run of cased
/// letters, is upper case and all others lower.
std::string inTitleCase(const std::string& text, bool everyWord)
{
  std::string result;
  bool inside = false;
  for (const std::string& letter : lettersOf(text))
  {
    result += inside ? toLower(letter) : toUpper(letter);
    inside = everyWord ? toLower(letter) != toUpper(letter) : true;
  }
  return result;
}

bool endsAt(const std::string& text, const Value& what, bool start)
{
  if (what.asList())
  {
    const std::vector<Value> choices = what.iterate();
    return std::any_of(choices.begin(), choices.end(),
      [&](const Value& one) { return one.isText() && endsAt(text, one, start); });
  }
  const std::string& part = what.text("what a text starts or ends with");
  return part.size() <= text.size() &&
    text.compare(start ? 0 : text.size() - part.size(), part.size(), part) == 0;
}

/// The place of a part in letters, -1 when it is not there.
std::int64_t placeOf(const std::string& text, const std::string& part, bool last)
{
  const std::size_t found = last ? text.rfind(part) : text.find(part);
  return found == std::string::npos ? -1 : Value(text.substr(0, found)).length();
}

std::int64_t countOf(const std::string& text, const std::string& part)
{
  return part.empty() ? Value(text).length() + 1
                      : static_cast<std::int64_t>(pieces(text, part, -1, false).size()) - 1;
}

using TextMethod = Value (*)(Run&, const std::string&, A);

const std::map<std::string, TextMethod> TextMethods = {
  { "capitalize", [](Run& r, const std::string& t, A) { return r.made(inTitleCase(t, false)); } },
  { "count",
    [](Run& r, const std::string& t, A a)
    {
      r.check(t.size());
      return Value(countOf(t, needed(a, 0, "sub").text("what is counted")));
    } },
  { "endswith",
    [](Run&, const std::string& t, A a)
    { return Value(endsAt(t, needed(a, 0, "suffix"), false)); } },
  { "find",
    [](Run& r, const std::string& t, A a)
    {
      r.check(t.size());
      return Value(placeOf(t, needed(a, 0, "sub").text("what is looked for"), false));
    } },
  { "join",
    [](Run& r, const std::string& t, A a)
    {
      Arguments between;
      between.positional.emplace_back(t);
      for (const Value& one : needed(a, 0, "items").iterate())
      {
        one.text("what is joined");
      }
      return applyFilter(r, "join", a.positional[0], between);
    } },
  { "lower", [](Run& r, const std::string& t, A) { return r.made(toLower(t)); } },
  { "lstrip",
    [](Run& r, const std::string& t, A a)
    { return r.made(stripped(t, argument(a, 0, "chars", nullptr), true, false)); } },
  { "removeprefix",
    [](Run& r, const std::string& t, A a)
    {
      const Value part = needed(a, 0, "prefix");
      return r.made(endsAt(t, part, true) ? t.substr(part.text("prefix").size()) : t);
    } },
  { "removesuffix",
    [](Run& r, const std::string& t, A a)
    {
      const Value part = needed(a, 0, "suffix");
      return r.made(
        endsAt(t, part, false) ? t.substr(0, t.size() - part.text("suffix").size()) : t);
    } },
  { "replace", replaced },
  { "rfind",
    [](Run& r, const std::string& t, A a)
    {
      r.check(t.size());
      return Value(placeOf(t, needed(a, 0, "sub").text("what is looked for"), true));
    } },
  { "rsplit", [](Run& r, const std::string& t, A a) { return split(r, t, a, true); } },
  { "rstrip",
    [](Run& r, const std::string& t, A a)
    { return r.made(stripped(t, argument(a, 0, "chars", nullptr), false, true)); } },
  { "split", [](Run& r, const std::string& t, A a) { return split(r, t, a, false); } },
  { "splitlines",
    [](Run& r, const std::string& t, A)
    {
      r.check(t.size());
      return Value::list(linesOf(t));
    } },
  { "startswith",
    [](Run&, const std::string& t, A a)
    { return Value(endsAt(t, needed(a, 0, "prefix"), true)); } },
  { "strip",
    [](Run& r, const std::string& t, A a)
    { return r.made(stripped(t, argument(a, 0, "chars", nullptr), true, true)); } },
  { "title", [](Run& r, const std::string& t, A) { return r.made(inTitleCase(t, true)); } },
  { "upper", [](Run& r, const std::string& t, A) { return r.made(toUpper(t)); } },
};

Value mapMethod(const Value& map, const std::string& name)
{
  if (name == "get")
  {
    return Function(
      [map](Run&, A a)
      {
        const Value key = needed(a, 0, "key");
        const Value* found = key.isText() ? map.asMap()->find(*key.asText()) : nullptr;
        return found ? *found : argument(a, 1, "default", nullptr);
      });
  }
  if (name != "items" && name != "keys" && name != "values")
  {
    return Value::undefined(name);
  }
  return Function(
    [map, name](Run& run, A)
    {
      std::vector<Value> result;
      run.checkItems(static_cast<std::int64_t>(map.asMap()->entries.size()));
      for (const auto& [key, value] : map.asMap()->entries)
      {
        result.push_back(name == "keys" ? Value(key)
            : name == "values"          ? value
                                        : Value::list({ key, value }, List::Kind::Tuple));
      }
      return Value::list(std::move(result));
    });
}

Value listMethod(const Value& list, const std::string& name)
{
  for (const char* change :
    { "append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort" })
  {
    if (name == change)
    {
      fail("the method '", name, "' would change a list: templates may not");
    }
  }
  if (name != "index" && name != "count")
  {
    return Value::undefined(name);
  }
  return Function(
    [list, name](Run&, A a)
    {
      const Value wanted = needed(a, 0, "value");
      const std::vector<Value> items = list.iterate();
      const auto same = [&wanted](const Value& one) { return equal(one, wanted); };
      if (name == "count")
      {
        return Value(std::int64_t{ std::count_if(items.begin(), items.end(), same) });
      }
      const auto found = std::find_if(items.begin(), items.end(), same);
      if (found == items.end())
      {
        fail("index of what is not in the list");
      }
      return Value(std::int64_t{ found - items.begin() });
    });
}

Value range(Run& run, A a)
{
  const std::int64_t first = needed(a, 0, "start").integer("range's argument");
  const bool single = a.positional.size() < 2;
  const std::int64_t begin = single ? 0 : first;
  const std::int64_t end = single ? first : a.positional[1].integer("range's argument");
  const std::int64_t step = argument(a, 2, "step", std::int64_t{ 1 }).integer("range's step");
  constexpr std::int64_t Far = std::numeric_limits<std::int64_t>::max() / 4;
  if (step == 0 || std::max({ begin, -begin, end, -end, step, -step }) > Far)
  {
    fail("range(", begin, ", ", end, ", ", step, ")");
  }
  const std::int64_t count =
    std::max<std::int64_t>(0, (end - begin + step + (step > 0 ? -1 : 1)) / step);
  run.checkItems(count);
  std::vector<Value> numbers;
  for (std::int64_t i = 0; i < count; ++i)
  {
    numbers.emplace_back(begin + i * step);
  }
  return Value::list(std::move(numbers));
}

Value mapOf(Run&, A a)
{
  Map map;
  if (!a.positional.empty() && a.positional[0].asMap())
  {
    map.entries = a.positional[0].asMap()->entries;
  }
  for (const auto& [key, value] : a.named)
  {
    map.set(key, value);
  }
  return map;
}

Value namespaceOf(Run& run, A a)
{
  Map map = *mapOf(run, a).asMap();
  map.isNamespace = true;
  return map;
}

Value timeNow(Run& run, A a)
{
  const std::string format = needed(a, 0, "format").text("the format of a time");
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char text[256];
  return run.made(std::string(text, std::strftime(text, sizeof text, format.c_str(), &local)));
}
}

Value argument(
  const Arguments& arguments, std::size_t place, const char* name, const Value& otherwise)
{
  for (const auto& [key, value] : arguments.named)
  {
    if (key == name)
    {
      return value;
    }
  }
  return place < arguments.positional.size() ? arguments.positional[place] : otherwise;
}

Value needed(const Arguments& arguments, std::size_t place, const char* name)
{
  const bool there = place < arguments.positional.size() ||
    std::any_of(arguments.named.begin(), arguments.named.end(),
      [name](const auto& one) { return one.first == name; });
  if (!there)
  {
    fail("the argument '", name, "' is missing");
  }
  return argument(arguments, place, name, Value());
}

std::string stripped(const std::string& text, const Value& letters, bool left, bool right)
{
  const std::vector<std::string> all = lettersOf(text);
  const std::vector<std::string> chosen =
    letters.isText() ? lettersOf(*letters.asText()) : std::vector<std::string>();
  const auto goes = [&](const std::string& letter)
  {
    return letters.isText() ? std::find(chosen.begin(), chosen.end(), letter) != chosen.end()
                            : isSpace(letter);
  };
  std::size_t begin = 0, end = all.size(), first = 0, last = text.size();
  while (left && begin < end && goes(all[begin]))
  {
    first += all[begin++].size();
  }
  while (right && end > begin && goes(all[end - 1]))
  {
    last -= all[--end].size();
  }
  return text.substr(first, last - first);
}

Value method(const Value& object, const std::string& name)
{
  if (object.isText())
  {
    const auto found = TextMethods.find(name);
    if (found == TextMethods.end())
    {
      return Value::undefined(name);
    }
    return Function(
      [object, work = found->second](Run& run, A a) { return work(run, *object.asText(), a); });
  }
  if (object.asList())
  {
    return listMethod(object, name);
  }
  return object.asMap() && !object.asNamespace() ? mapMethod(object, name) : Value::undefined(name);
}

Value globalFunction(const std::string& name)
{
  static const std::map<std::string, Value> functions = {
    { "dict", Function(mapOf) },
    { "namespace", Function(namespaceOf) },
    { "raise_exception",
      Function([](Run&, A a) -> Value
        { fail("the template refuses: ", toText(needed(a, 0, "message"))); }) },
    { "range", Function(range) },
    { "strftime_now", Function(timeNow) },
  };
  const auto found = functions.find(name);
  return found == functions.end() ? Value::undefined(name) : found->second;
}

} // namespace lvlm::text::jinja
