// SPDX-License-Identifier: Apache-2.0
#include "Value.h"

#include "Models/Trace/Error.h"
#include "Models/Trace/Utf8.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace lvlm::text::jinja
{

namespace
{
/// Texts nest lists in lists only as deep as a template builds them; this bounds the recursion.
constexpr int MaximumNesting = 64;

void checkNesting(int depth)
{
  if (depth > MaximumNesting)
  {
    fail("a value is nested deeper than ", MaximumNesting, " levels");
  }
}

std::int64_t sizeOf(std::size_t count)
{
  return static_cast<std::int64_t>(count);
}

/// As Python writes a float: the shortest digits that give it back, and always a point.
std::string floatText(double value)
{
  if (std::isnan(value))
  {
    return "nan";
  }
  if (std::isinf(value))
  {
    return value < 0 ? "-inf" : "inf";
  }
  return nlohmann::json(value).dump();
}

bool equal(const Value& a, const Value& b, int depth)
{
  checkNesting(depth);
  if (a.isNumber() && b.isNumber())
  {
    return a.isInteger() && b.isInteger() ? a.integer("") == b.integer("")
                                          : a.number("") == b.number("");
  }
  if (a.isText() || b.isText())
  {
    return a.isText() && b.isText() && *a.asText() == *b.asText();
  }
  if (a.asList() && b.asList())
  {
    return a.asList()->kind == b.asList()->kind &&
      std::equal(a.asList()->items.begin(), a.asList()->items.end(), b.asList()->items.begin(),
        b.asList()->items.end(),
        [depth](const Value& x, const Value& y) { return equal(x, y, depth + 1); });
  }
  if (a.asMap() && b.asMap() && !a.asNamespace() && !b.asNamespace())
  {
    const auto& entries = a.asMap()->entries;
    return entries.size() == b.asMap()->entries.size() &&
      std::all_of(entries.begin(), entries.end(),
        [&](const auto& entry)
        {
          const Value* other = b.asMap()->find(entry.first);
          return other && equal(entry.second, *other, depth + 1);
        });
  }
  return (a.isNone() && b.isNone()) || (a.isUndefined() && b.isUndefined()) ||
    (a.asMap() && a.asMap() == b.asMap()) || (a.asFunction() && a.asFunction() == b.asFunction());
}

std::string quoted(const std::string& text)
{
  const char quote =
    text.find('\'') != std::string::npos && text.find('"') == std::string::npos ? '"' : '\'';
  std::string result(1, quote);
  for (const char c : text)
  {
    switch (c)
    {
      case '\n':
        result += "\\n";
        break;
      case '\t':
        result += "\\t";
        break;
      case '\r':
        result += "\\r";
        break;
      default:
        if (c == quote || c == '\\')
        {
          result += '\\';
        }
        result += c;
    }
  }
  return result + quote;
}

std::string repr(const Value& value, int depth);

std::string listRepr(const List& list, int depth)
{
  std::string inside;
  for (const Value& item : list.items)
  {
    inside += (inside.empty() ? "" : ", ") + repr(item, depth + 1);
  }
  if (list.kind == List::Kind::Tuple)
  {
    return "(" + inside + (list.items.size() == 1 ? ",)" : ")");
  }
  return "[" + inside + "]";
}

std::string mapRepr(const Map& map, int depth)
{
  std::string inside;
  for (const auto& [key, item] : map.entries)
  {
    inside += (inside.empty() ? "" : ", ") + quoted(key) + ": " + repr(item, depth + 1);
  }
  return "{" + inside + "}";
}

std::string repr(const Value& value, int depth)
{
  checkNesting(depth);
  if (const std::string* text = value.asText())
  {
    return quoted(*text);
  }
  if (value.asList() && value.asList()->kind != List::Kind::Generator)
  {
    return listRepr(*value.asList(), depth);
  }
  if (value.asMap() && !value.asNamespace())
  {
    return mapRepr(*value.asMap(), depth);
  }
  if (value.isNumber() || value.isNone() || value.isUndefined())
  {
    return value.isUndefined() ? "Undefined" : toText(value);
  }
  fail("a ", value.typeName(), " cannot be printed");
}

/// The items of a list or the entries of a map, one by one, between brackets.
template <typename Items, typename Write>
std::string jsonItems(
  const Items& items, const char* brackets, const JsonStyle& style, int depth, Write&& write)
{
  if (items.empty())
  {
    return brackets;
  }
  const auto line = [&style](int level)
  {
    return style.indent < 0
      ? std::string()
      : "\n" + std::string(static_cast<std::size_t>(style.indent * level), ' ');
  };
  std::string result(1, brackets[0]);
  bool first = true;
  for (const auto& item : items)
  {
    result += (first ? "" : style.itemSeparator) + line(depth + 1) + write(item);
    first = false;
  }
  return result + line(depth) + brackets[1];
}

std::string json(const Value& value, const JsonStyle& style, int depth)
{
  checkNesting(depth);
  if (const std::string* text = value.asText())
  {
    return nlohmann::json(*text).dump();
  }
  if (value.is<bool>())
  {
    return value.truth() ? "true" : "false";
  }
  if (value.isNumber() || value.isNone())
  {
    return value.isNone() ? "null" : toText(value);
  }
  if (const List* list = value.asList())
  {
    return jsonItems(list->items, "[]", style, depth,
      [&](const Value& item) { return json(item, style, depth + 1); });
  }
  if (value.asMap() && !value.asNamespace())
  {
    return jsonItems(value.asMap()->entries, "{}", style, depth,
      [&](const auto& entry)
      {
        return nlohmann::json(entry.first).dump() + style.keySeparator +
          json(entry.second, style, depth + 1);
      });
  }
  fail("a ", value.typeName(), " cannot be written as JSON");
}
}

const Value* Map::find(std::string_view key) const
{
  const auto found = std::find_if(
    entries.begin(), entries.end(), [key](const auto& entry) { return entry.first == key; });
  return found == entries.end() ? nullptr : &found->second;
}

void Map::set(const std::string& key, Value value)
{
  const auto found = std::find_if(
    entries.begin(), entries.end(), [&key](const auto& entry) { return entry.first == key; });
  if (found == entries.end())
  {
    entries.emplace_back(key, std::move(value));
  }
  else
  {
    found->second = std::move(value);
  }
}

Value Value::undefined(std::string name)
{
  Value value;
  value.Content = Undefined{ std::move(name) };
  return value;
}

Value Value::list(std::vector<Value> items, List::Kind kind)
{
  return List{ std::move(items), kind };
}

std::string Value::undefinedName() const
{
  const auto* undefined = std::get_if<Undefined>(&this->Content);
  return undefined ? undefined->name : std::string();
}

const std::string* Value::asText() const
{
  const auto* text = std::get_if<std::shared_ptr<const std::string>>(&this->Content);
  return text ? text->get() : nullptr;
}

const List* Value::asList() const
{
  const auto* list = std::get_if<std::shared_ptr<List>>(&this->Content);
  return list ? list->get() : nullptr;
}

const Map* Value::asMap() const
{
  const auto* map = std::get_if<std::shared_ptr<Map>>(&this->Content);
  return map ? map->get() : nullptr;
}

Map* Value::asNamespace() const
{
  const auto* map = std::get_if<std::shared_ptr<Map>>(&this->Content);
  return map && (*map)->isNamespace ? map->get() : nullptr;
}

const Function* Value::asFunction() const
{
  const auto* function = std::get_if<std::shared_ptr<Function>>(&this->Content);
  return function ? function->get() : nullptr;
}

const std::string& Value::text(const char* what) const
{
  const std::string* text = this->asText();
  if (!text)
  {
    fail(what, " is a ", this->typeName(), ", not a text");
  }
  return *text;
}

std::int64_t Value::integer(const char* what) const
{
  if (const bool* value = std::get_if<bool>(&this->Content))
  {
    return *value ? 1 : 0;
  }
  const auto* value = std::get_if<std::int64_t>(&this->Content);
  if (!value)
  {
    fail(what, " is a ", this->typeName(), ", not a whole number");
  }
  return *value;
}

double Value::number(const char* what) const
{
  const double* value = std::get_if<double>(&this->Content);
  return value ? *value : static_cast<double>(this->integer(what));
}

bool Value::truth() const
{
  if (this->isNumber())
  {
    return this->number("") != 0;
  }
  if (const List* list = this->asList())
  {
    return list->kind == List::Kind::Generator || !list->items.empty();
  }
  return this->asNamespace() || this->asFunction() ||
    (this->isText() && !this->asText()->empty()) ||
    (this->asMap() && !this->asMap()->entries.empty());
}

std::int64_t Value::length() const
{
  if (const std::string* text = this->asText())
  {
    return sizeOf(static_cast<std::size_t>(std::count_if(text->begin(), text->end(),
      [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; })));
  }
  if (this->asList() && this->asList()->kind != List::Kind::Generator)
  {
    return sizeOf(this->asList()->items.size());
  }
  if (this->asMap() && !this->asNamespace())
  {
    return sizeOf(this->asMap()->entries.size());
  }
  if (this->isUndefined())
  {
    return 0;
  }
  fail("a ", this->typeName(), " has no length");
}

std::vector<Value> Value::iterate() const
{
  std::vector<Value> items;
  if (const List* list = this->asList())
  {
    return list->items;
  }
  if (this->asMap() && !this->asNamespace())
  {
    for (const auto& entry : this->asMap()->entries)
    {
      items.emplace_back(entry.first);
    }
  }
  else if (const std::string* text = this->asText())
  {
    for (std::size_t at = 0; at < text->size();)
    {
      const std::size_t begin = at;
      nextCodePoint(*text, at);
      items.emplace_back(text->substr(begin, at - begin));
    }
  }
  else if (!this->isUndefined())
  {
    fail("a ", this->typeName(), " has no items");
  }
  return items;
}

const char* Value::typeName() const
{
  if (this->asNamespace())
  {
    return "namespace";
  }
  if (const List* list = this->asList())
  {
    constexpr const char* Kinds[] = { "list", "tuple", "generator" };
    return Kinds[static_cast<int>(list->kind)];
  }
  constexpr const char* Names[] = { "undefined", "none", "boolean", "whole number", "number",
    "text", "list", "map", "function" };
  return Names[this->Content.index()];
}

bool equal(const Value& a, const Value& b)
{
  return equal(a, b, 0);
}

bool less(const Value& a, const Value& b)
{
  if (a.isNumber() && b.isNumber())
  {
    return a.isInteger() && b.isInteger() ? a.integer("") < b.integer("")
                                          : a.number("") < b.number("");
  }
  if (a.isText() && b.isText())
  {
    return *a.asText() < *b.asText(); // UTF-8 sorts as code points do
  }
  if (a.asList() && b.asList())
  {
    return std::lexicographical_compare(a.asList()->items.begin(), a.asList()->items.end(),
      b.asList()->items.begin(), b.asList()->items.end(),
      [](const Value& x, const Value& y) { return less(x, y); });
  }
  fail("a ", a.typeName(), " and a ", b.typeName(), " have no order");
}

bool contains(const Value& container, const Value& item)
{
  if (const std::string* text = container.asText())
  {
    return text->find(item.text("what is looked for in a text")) != std::string::npos;
  }
  if (container.asMap() && !container.asNamespace())
  {
    return item.isText() && container.asMap()->find(*item.asText());
  }
  const std::vector<Value> items = container.iterate();
  return std::any_of(
    items.begin(), items.end(), [&item](const Value& one) { return equal(one, item); });
}

std::string toText(const Value& value)
{
  if (const std::string* text = value.asText())
  {
    return *text;
  }
  if (value.isUndefined())
  {
    return {};
  }
  if (value.isNone())
  {
    return "None";
  }
  if (value.is<bool>())
  {
    return value.truth() ? "True" : "False";
  }
  if (value.isNumber())
  {
    return value.isInteger() ? std::to_string(value.integer("")) : floatText(value.number(""));
  }
  return toRepr(value);
}

std::string toRepr(const Value& value)
{
  return repr(value, 0);
}

std::string toJson(const Value& value, const JsonStyle& style)
{
  constexpr std::int64_t MaximumIndent = 16;
  if (style.indent > MaximumIndent)
  {
    fail("tojson with an indent of ", style.indent, " spaces");
  }
  return json(value, style, 0);
}

} // namespace lvlm::text::jinja
