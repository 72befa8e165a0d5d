// SPDX-License-Identifier: Apache-2.0
/// @file Value.h
/// What a template computes with: Python's values as far as chat templates see them. Texts, lists
/// and maps are shared and never changed, as in Jinja's immutable sandbox; only a namespace is.
#ifndef LVLM_TEXT_JINJA_VALUE_H
#define LVLM_TEXT_JINJA_VALUE_H

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace lvlm::text::jinja
{

class Value;
class Run;

/// What a call is given: `f(1, name=2)`.
struct Arguments
{
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

/// A macro, a method bound to its object, or a global function.
using Function = std::function<Value(Run&, const Arguments&)>;

/// Jinja's undefined: prints as nothing, is false, has no attributes. Knows what was missing.
struct Undefined
{
  std::string name;
};

struct List
{
  enum class Kind
  {
    List,
    Tuple,
    Generator ///< what map() and its kin give: true whatever is in it, and without a length
  };
  std::vector<Value> items;
  Kind kind = Kind::List;
};

/// Entries in the order in which they were made. Keys are texts: templates need no others.
struct Map
{
  std::vector<std::pair<std::string, Value>> entries;
  bool isNamespace = false;

  const Value* find(std::string_view key) const;
  void set(const std::string& key, Value value);
};

class Value
{
public:
  using Storage = std::variant<Undefined, std::nullptr_t, bool, std::int64_t, double,
    std::shared_ptr<const std::string>, std::shared_ptr<List>, std::shared_ptr<Map>,
    std::shared_ptr<Function>>;

  Value() = default;
  Value(std::nullptr_t) : Content(nullptr) {}
  Value(bool value) : Content(value) {}
  Value(std::int64_t value) : Content(value) {}
  Value(double value) : Content(value) {}
  Value(std::string value) : Content(std::make_shared<const std::string>(std::move(value))) {}
  Value(const char* value) : Value(std::string(value)) {}
  Value(List list) : Content(std::make_shared<List>(std::move(list))) {}
  Value(Map map) : Content(std::make_shared<Map>(std::move(map))) {}
  Value(Function function) : Content(std::make_shared<Function>(std::move(function))) {}
  static Value undefined(std::string name);
  static Value list(std::vector<Value> items, List::Kind kind = List::Kind::List);

  template <typename T>
  bool is() const
  {
    return std::holds_alternative<T>(this->Content);
  }
  bool isUndefined() const { return this->is<Undefined>(); }
  /// What was looked for; empty for any other value.
  std::string undefinedName() const;
  bool isNone() const { return this->is<std::nullptr_t>(); }
  bool isText() const { return this->is<std::shared_ptr<const std::string>>(); }
  bool isInteger() const { return this->is<std::int64_t>() || this->is<bool>(); }
  bool isNumber() const { return this->isInteger() || this->is<double>(); }
  const List* asList() const;
  const Map* asMap() const;
  Map* asNamespace() const; ///< nullptr for anything else
  const Function* asFunction() const;
  const std::string* asText() const;

  ///@{
  /// Throw Error, with `what` for the value's part in it, when it is of another kind.
  const std::string& text(const char* what) const;
  std::int64_t integer(const char* what) const; ///< bool counts as 0 or 1
  double number(const char* what) const;
  ///@}

  bool truth() const; ///< Python's bool()
  /// Python's len(). Throws Error for what has none.
  std::int64_t length() const;
  /// What a `for` goes through: items, keys of a map, letters of a text. Throws Error for the rest.
  std::vector<Value> iterate() const;
  /// What Python calls the type, for messages.
  const char* typeName() const;

private:
  Storage Content;
};

/// Python's ==.
bool equal(const Value& a, const Value& b);
/// Python's <, for numbers, texts and lists. Throws Error for others.
bool less(const Value& a, const Value& b);
/// Python's `a in b`. Throws Error where b is no container.
bool contains(const Value& container, const Value& item);

/// Python's str(): what `{{ }}` prints.
std::string toText(const Value& value);
/// Python's repr().
std::string toRepr(const Value& value);
/// How toJson() writes: Python's json.dumps arguments.
struct JsonStyle
{
  std::int64_t indent = -1; ///< spaces a level, -1: all on one line
  std::string itemSeparator = ", ";
  std::string keySeparator = ": ";
};
/// Python's json.dumps(..., ensure_ascii=False). Throws Error for a function or undefined.
std::string toJson(const Value& value, const JsonStyle& style);

} // namespace lvlm::text::jinja

#endif
