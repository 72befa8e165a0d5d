// SPDX-License-Identifier: Apache-2.0
#include "Builtins.h"
#include "Operators.h"

#include "Models/Text/Unicode.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace lvlm::text::jinja
{

namespace
{
using Filter = Value (*)(Run&, const Value&, const Arguments&);
using Test = bool (*)(const Value&, const Arguments&);

/// "role" or "tool.name": entries of entries.
Value attributePath(const Value& object, const std::string& path)
{
  Value value = object;
  for (std::size_t begin = 0; begin <= path.size();)
  {
    const std::size_t end = std::min(path.find('.', begin), path.size());
    const std::string part = path.substr(begin, end - begin);
    const bool index = !part.empty() && part.size() < 10 &&
      part.find_first_not_of("0123456789") == std::string::npos;
    value = item(value, index ? Value(std::int64_t{ std::stoi(part) }) : Value(part));
    begin = end + 1;
  }
  return value;
}

/// The arguments from a place on, for a filter or test that is named by an argument.
Arguments after(const Arguments& arguments, std::size_t place)
{
  Arguments rest;
  const auto first = std::min(place, arguments.positional.size());
  rest.positional.assign(
    arguments.positional.begin() + static_cast<std::ptrdiff_t>(first), arguments.positional.end());
  rest.named = arguments.named;
  return rest;
}

Value generator(std::vector<Value> items)
{
  return Value::list(std::move(items), List::Kind::Generator);
}

/// select, reject, selectattr, rejectattr.
Value selected(
  Run& run, const Value& input, const Arguments& arguments, bool byAttribute, bool wanted)
{
  const std::string path =
    byAttribute ? needed(arguments, 0, "attribute").text("the attribute") : std::string();
  const std::size_t testPlace = byAttribute ? 1 : 0;
  const bool tested = arguments.positional.size() > testPlace;
  const std::string test =
    tested ? arguments.positional[testPlace].text("the test's name") : std::string();
  const Arguments rest = after(arguments, testPlace + 1);
  std::vector<Value> chosen;
  for (const Value& one : input.iterate())
  {
    run.spend(1);
    const Value value = byAttribute ? attributePath(one, path) : one;
    if ((tested ? applyTest(test, value, rest) : value.truth()) == wanted)
    {
      chosen.push_back(one);
    }
  }
  return generator(std::move(chosen));
}

Value mapped(Run& run, const Value& input, const Arguments& arguments)
{
  std::vector<Value> results;
  const Value path = argument(arguments, arguments.positional.size(), "attribute", Value());
  const Value otherwise = argument(arguments, arguments.positional.size(), "default", Value());
  for (const Value& one : input.iterate())
  {
    run.spend(1);
    if (path.isUndefined())
    {
      const std::string name = needed(arguments, 0, "filter").text("the filter's name");
      results.push_back(applyFilter(run, name, one, after(arguments, 1)));
      continue;
    }
    const Value value = attributePath(one, path.text("the attribute"));
    results.push_back(value.isUndefined() ? otherwise : value);
  }
  return generator(std::move(results));
}

Value joinedText(Run& run, const Value& input, const Arguments& arguments)
{
  const std::string between = toText(argument(arguments, 0, "d", ""));
  const Value path = argument(arguments, 1, "attribute", Value());
  std::string text;
  bool first = true;
  for (const Value& one : input.iterate())
  {
    const Value value = path.isUndefined() ? one : attributePath(one, toText(path));
    text += (first ? "" : between) + toText(value);
    run.check(text.size());
    first = false;
  }
  return text;
}

Value sorted(Run& run, const Value& input, const Arguments& arguments)
{
  const bool descending = argument(arguments, 0, "reverse", false).truth();
  const bool exact = argument(arguments, 1, "case_sensitive", false).truth();
  const Value path = argument(arguments, 2, "attribute", Value());
  std::vector<std::pair<Value, Value>> keyed;
  for (const Value& one : input.iterate())
  {
    const Value key = path.isUndefined() ? one : attributePath(one, toText(path));
    keyed.emplace_back(key.isText() && !exact ? Value(toLower(*key.asText())) : key, one);
  }
  run.spend(keyed.size() * 16);
  std::stable_sort(keyed.begin(), keyed.end(),
    [descending](const auto& a, const auto& b)
    { return descending ? less(b.first, a.first) : less(a.first, b.first); });
  std::vector<Value> items;
  for (auto& entry : keyed)
  {
    items.push_back(std::move(entry.second));
  }
  return Value::list(std::move(items));
}

/// The largest or smallest item, as by default without regard to case.
Value extreme(const Value& input, bool largest)
{
  std::vector<Value> items = input.iterate();
  const auto key = [](const Value& one)
  { return one.isText() ? Value(toLower(*one.asText())) : one; };
  const auto before = [&](const Value& a, const Value& b)
  { return largest ? less(key(b), key(a)) : less(key(a), key(b)); };
  return items.empty() ? Value::undefined("an item of an empty list")
                       : *std::min_element(items.begin(), items.end(), before);
}

Value reversed(Run& run, const Value& input)
{
  std::vector<Value> items = input.iterate();
  std::reverse(items.begin(), items.end());
  if (!input.isText())
  {
    return generator(std::move(items));
  }
  std::string text;
  for (const Value& letter : items)
  {
    text += *letter.asText();
  }
  return run.made(std::move(text));
}

/// Lines after the first one, where they are not empty, begin with white space.
Value indented(Run& run, const Value& input, const Arguments& arguments)
{
  const Value width = argument(arguments, 0, "width", std::int64_t{ 4 });
  const bool first = argument(arguments, 1, "first", false).truth();
  const std::int64_t spaces = width.isText() ? 0 : width.integer("the indent");
  if (spaces < 0 || spaces > 1000)
  {
    fail("an indent of ", spaces);
  }
  const std::string indent =
    width.isText() ? *width.asText() : std::string(static_cast<std::size_t>(spaces), ' ');
  const std::string text = toText(input);
  std::string result = first ? indent : "";
  for (std::size_t i = 0; i < text.size(); ++i)
  {
    result += text[i];
    if (text[i] == '\n' && i + 1 < text.size() && text[i + 1] != '\n')
    {
      result += indent;
      run.check(result.size());
    }
  }
  return run.made(std::move(result));
}

Value toInteger(const Value& input, const Arguments& arguments)
{
  if (input.isInteger())
  {
    return input.integer("");
  }
  double number = input.is<double>() ? input.number("") : std::nan("");
  if (const std::string* text = input.asText())
  {
    const std::string digits = stripped(*text, Value(), true, true);
    char* end = nullptr;
    number = std::strtod(digits.c_str(), &end);
    const bool plain = digits.find_first_not_of("0123456789+-.eE") == std::string::npos;
    number = plain && !digits.empty() && *end == '\0' ? number : std::nan("");
  }
  return std::abs(number) < 9e18 ? Value(static_cast<std::int64_t>(number))
                                 : argument(arguments, 0, "default", std::int64_t{ 0 });
}

Value toFloat(const Value& input, const Arguments& arguments)
{
  if (input.isNumber())
  {
    return input.number("");
  }
  const std::string text = stripped(toText(input), Value(), true, true);
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  return !text.empty() && *end == '\0' ? Value(number) : argument(arguments, 0, "default", 0.0);
}

Value rounded(const Value& input, const Arguments& arguments)
{
  const std::int64_t digits = argument(arguments, 0, "precision", std::int64_t{ 0 }).integer("");
  const std::string how = toText(argument(arguments, 1, "method", "common"));
  const double scale = std::pow(10.0, static_cast<double>(digits));
  const double value = input.number("what is rounded") * scale;
  return (how == "ceil"       ? std::ceil(value)
             : how == "floor" ? std::floor(value)
                              : std::nearbyint(value)) /
    scale;
}

Value sum(Run& run, const Value& input, const Arguments& arguments)
{
  const Value path = argument(arguments, 0, "attribute", Value());
  Value total = argument(arguments, 1, "start", std::int64_t{ 0 });
  for (const Value& one : input.iterate())
  {
    run.spend(1);
    total =
      arithmetic(run, "+", total, path.isUndefined() ? one : attributePath(one, toText(path)));
  }
  return total;
}

Value defaulted(const Value& input, const Arguments& arguments)
{
  const bool whenFalse = argument(arguments, 1, "boolean", false).truth();
  return input.isUndefined() || (whenFalse && !input.truth())
    ? argument(arguments, 0, "default_value", "")
    : input;
}

Value viaMethod(Run& run, const char* name, const Value& input, const Arguments& arguments)
{
  return (*method(toText(input), name).asFunction())(run, arguments);
}

Value entriesOf(Run& run, const Value& input)
{
  if (input.isUndefined())
  {
    return generator({});
  }
  const Value items = input.asMap() ? method(input, "items") : Value();
  if (!items.asFunction())
  {
    fail("a ", input.typeName(), " has no entries");
  }
  return (*items.asFunction())(run, {});
}

/// tojson as transformers defines it. The order of keys and letters that are not ASCII stay.
Value json(Run& run, const Value& input, const Arguments& arguments)
{
  if (argument(arguments, 0, "ensure_ascii", false).truth() ||
    argument(arguments, 3, "sort_keys", false).truth())
  {
    fail("tojson with ensure_ascii or sort_keys is not supported");
  }
  JsonStyle style;
  if (const Value indent = argument(arguments, 1, "indent", nullptr); !indent.isNone())
  {
    style.indent = indent.integer("the indent");
    style.itemSeparator = ",";
  }
  if (const Value separators = argument(arguments, 2, "separators", nullptr); !separators.isNone())
  {
    style.itemSeparator = item(separators, std::int64_t{ 0 }).text("a separator");
    style.keySeparator = item(separators, std::int64_t{ 1 }).text("a separator");
  }
  return run.made(toJson(input, style));
}

Value firstOf(const Value& input, bool last)
{
  const std::vector<Value> items = input.iterate();
  return items.empty() ? Value::undefined("an item of an empty list")
    : last             ? items.back()
                       : items.front();
}

using A = const Arguments&;
using V = const Value&;

const std::map<std::string, Filter> Filters = {
  { "abs",
    [](Run&, V v, A)
    {
      return v.is<double>()                       ? Value(std::abs(v.number("")))
        : v.truth() && less(v, std::int64_t{ 0 }) ? negative(v)
                                                  : v;
    } },
  { "capitalize", [](Run& r, V v, A a) { return viaMethod(r, "capitalize", v, a); } },
  { "count", [](Run&, V v, A) { return Value(v.length()); } },
  { "d", [](Run&, V v, A a) { return defaulted(v, a); } },
  { "default", [](Run&, V v, A a) { return defaulted(v, a); } },
  { "dictsort",
    [](Run& r, V v, A)
    {
      Arguments byKey;
      byKey.named.emplace_back("attribute", "0");
      return sorted(r, entriesOf(r, v), byKey);
    } },
  { "first", [](Run&, V v, A) { return firstOf(v, false); } },
  { "float", [](Run&, V v, A a) { return toFloat(v, a); } },
  { "indent", indented },
  { "int", [](Run&, V v, A a) { return toInteger(v, a); } },
  { "items", [](Run& r, V v, A) { return entriesOf(r, v); } },
  { "join", joinedText },
  { "last", [](Run&, V v, A) { return firstOf(v, true); } },
  { "length", [](Run&, V v, A) { return Value(v.length()); } },
  { "list", [](Run&, V v, A) { return Value::list(v.iterate()); } },
  { "lower", [](Run& r, V v, A a) { return viaMethod(r, "lower", v, a); } },
  { "map", mapped },
  { "max", [](Run&, V v, A) { return extreme(v, true); } },
  { "min", [](Run&, V v, A) { return extreme(v, false); } },
  { "reject", [](Run& r, V v, A a) { return selected(r, v, a, false, false); } },
  { "rejectattr", [](Run& r, V v, A a) { return selected(r, v, a, true, false); } },
  { "replace", [](Run& r, V v, A a) { return viaMethod(r, "replace", v, a); } },
  { "reverse", [](Run& r, V v, A) { return reversed(r, v); } },
  { "round", [](Run&, V v, A a) { return rounded(v, a); } },
  { "safe", [](Run&, V v, A) { return Value(toText(v)); } },
  { "select", [](Run& r, V v, A a) { return selected(r, v, a, false, true); } },
  { "selectattr", [](Run& r, V v, A a) { return selected(r, v, a, true, true); } },
  { "sort", sorted },
  { "string", [](Run&, V v, A) { return Value(toText(v)); } },
  { "sum", sum },
  { "title", [](Run& r, V v, A a) { return viaMethod(r, "title", v, a); } },
  { "tojson", json },
  { "trim", [](Run& r, V v, A a) { return viaMethod(r, "strip", v, a); } },
  { "upper", [](Run& r, V v, A a) { return viaMethod(r, "upper", v, a); } },
};

std::string comparisonOf(const std::string& test)
{
  static const std::map<std::string, std::string> names = { { "equalto", "==" }, { "eq", "==" },
    { "==", "==" }, { "ne", "!=" }, { "!=", "!=" }, { "lt", "<" }, { "lessthan", "<" },
    { "<", "<" }, { "gt", ">" }, { "greaterthan", ">" }, { ">", ">" }, { "le", "<=" },
    { "<=", "<=" }, { "ge", ">=" }, { ">=", ">=" }, { "in", "in" } };
  const auto found = names.find(test);
  return found == names.end() ? std::string() : found->second;
}

bool hasItems(V v)
{
  return v.isText() || v.asList() || (v.asMap() && !v.asNamespace()) || v.isUndefined();
}

bool divides(V v, V by)
{
  const std::int64_t divisor = by.integer("the divisor");
  if (divisor == 0)
  {
    fail("divided by 0");
  }
  return divisor == -1 || v.integer("what is divided") % divisor == 0;
}

const std::map<std::string, Test> Tests = {
  { "boolean", [](V v, A) { return v.is<bool>(); } },
  { "callable", [](V v, A) { return v.asFunction() != nullptr; } },
  { "defined", [](V v, A) { return !v.isUndefined(); } },
  { "divisibleby", [](V v, A a) { return divides(v, needed(a, 0, "num")); } },
  { "even", [](V v, A) { return v.integer("what is tested") % 2 == 0; } },
  { "false", [](V v, A) { return v.is<bool>() && !v.truth(); } },
  { "float", [](V v, A) { return v.is<double>(); } },
  { "integer", [](V v, A) { return v.is<std::int64_t>(); } },
  { "iterable", [](V v, A) { return hasItems(v); } },
  { "lower",
    [](V v, A) { return toText(v) == toLower(toText(v)) && toText(v) != toUpper(toText(v)); } },
  { "mapping", [](V v, A) { return v.asMap() && !v.asNamespace(); } },
  { "none", [](V v, A) { return v.isNone(); } },
  { "number", [](V v, A) { return v.isNumber(); } },
  { "odd", [](V v, A) { return v.integer("what is tested") % 2 != 0; } },
  { "sequence",
    [](V v, A)
    { return hasItems(v) && !(v.asList() && v.asList()->kind == List::Kind::Generator); } },
  { "string", [](V v, A) { return v.isText(); } },
  { "true", [](V v, A) { return v.is<bool>() && v.truth(); } },
  { "undefined", [](V v, A) { return v.isUndefined(); } },
  { "upper",
    [](V v, A) { return toText(v) == toUpper(toText(v)) && toText(v) != toLower(toText(v)); } },
};
}

Value applyFilter(Run& run, const std::string& name, const Value& input, const Arguments& arguments)
{
  const auto found = Filters.find(name);
  if (found == Filters.end())
  {
    fail("the filter '", name, "' is not known");
  }
  run.spend(1);
  return found->second(run, input, arguments);
}

bool applyTest(const std::string& name, const Value& input, const Arguments& arguments)
{
  if (const std::string operation = comparisonOf(name); !operation.empty())
  {
    return compare(operation, input, needed(arguments, 0, "other"));
  }
  const auto found = Tests.find(name);
  if (found == Tests.end())
  {
    fail("the test '", name, "' is not known");
  }
  return found->second(input, arguments);
}

} // namespace lvlm::text::jinja
