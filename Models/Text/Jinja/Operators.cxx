// SPDX-License-Identifier: Apache-2.0
#include "Operators.h"

#include "Builtins.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lvlm::text::jinja
{

namespace
{
[[noreturn]] void mismatch(const std::string& operation, const Value& a, const Value& b)
{
  fail("a ", a.typeName(), " ", operation, " a ", b.typeName());
}

/// Python rounds towards minus infinity.
std::int64_t floorDivide(std::int64_t a, std::int64_t b)
{
  if (b == 0 || (b == -1 && a == std::numeric_limits<std::int64_t>::min()))
  {
    fail(a, " divided by ", b);
  }
  return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

std::int64_t power(std::int64_t base, std::int64_t exponent)
{
  std::int64_t result = 1;
  for (std::int64_t i = 0; i < exponent; ++i)
  {
    if (__builtin_mul_overflow(result, base, &result) || i > 64 * 64)
    {
      fail(base, " ** ", exponent, " is too large");
    }
  }
  return result;
}

Value wholeNumbers(const std::string& operation, std::int64_t a, std::int64_t b)
{
  std::int64_t result = 0;
  bool overflow = false;
  if (operation == "/")
  {
    if (b == 0)
    {
      fail(a, " divided by 0");
    }
    return static_cast<double>(a) / static_cast<double>(b);
  }
  if (operation == "//" || operation == "%")
  {
    const std::int64_t quotient = floorDivide(a, b);
    return operation == "//" ? quotient : a - quotient * b;
  }
  if (operation == "**")
  {
    return b < 0 ? Value(std::pow(static_cast<double>(a), static_cast<double>(b)))
                 : Value(power(a, b));
  }
  overflow = operation == "+" ? __builtin_add_overflow(a, b, &result)
    : operation == "-"        ? __builtin_sub_overflow(a, b, &result)
                              : __builtin_mul_overflow(a, b, &result);
  if (overflow)
  {
    fail(a, " ", operation, " ", b, " is too large");
  }
  return result;
}

Value numbers(const std::string& operation, double a, double b)
{
  if (operation == "+" || operation == "-")
  {
    return operation == "+" ? a + b : a - b;
  }
  if (operation == "*" || operation == "**")
  {
    return operation == "*" ? a * b : std::pow(a, b);
  }
  if (b == 0)
  {
    fail(a, " divided by 0");
  }
  const double quotient = std::floor(a / b);
  return operation == "/" ? a / b : operation == "//" ? quotient : a - quotient * b;
}

/// `a * n` of a text or list.
Value repeated(Run& run, const Value& a, std::int64_t n)
{
  n = std::max<std::int64_t>(n, 0);
  if (const std::string* text = a.asText())
  {
    run.checkItems(n);
    run.check(text->size() * static_cast<std::size_t>(n));
    std::string result;
    for (std::int64_t i = 0; i < n; ++i)
    {
      result += *text;
    }
    return result;
  }
  const std::vector<Value>& items = a.asList()->items;
  run.checkItems(n);
  run.checkItems(static_cast<std::int64_t>(items.size()) * n);
  std::vector<Value> result;
  for (std::int64_t i = 0; i < n; ++i)
  {
    result.insert(result.end(), items.begin(), items.end());
  }
  return Value::list(std::move(result), a.asList()->kind);
}

Value joined(Run& run, const Value& a, const Value& b)
{
  if (a.isText() && b.isText())
  {
    run.check(a.asText()->size() + b.asText()->size());
    return *a.asText() + *b.asText();
  }
  if (!a.asList() || !b.asList() || a.asList()->kind != b.asList()->kind ||
    a.asList()->kind == List::Kind::Generator)
  {
    mismatch("+", a, b);
  }
  std::vector<Value> items = a.asList()->items;
  const std::vector<Value>& more = b.asList()->items;
  run.checkItems(static_cast<std::int64_t>(items.size() + more.size()));
  items.insert(items.end(), more.begin(), more.end());
  return Value::list(std::move(items), a.asList()->kind);
}

bool isSequence(const Value& value)
{
  return value.isText() || (value.asList() && value.asList()->kind != List::Kind::Generator);
}
}

Value arithmetic(Run& run, const std::string& operation, const Value& a, const Value& b)
{
  if (a.isNumber() && b.isNumber())
  {
    return a.isInteger() && b.isInteger() ? wholeNumbers(operation, a.integer(""), b.integer(""))
                                          : numbers(operation, a.number(""), b.number(""));
  }
  if (operation == "+")
  {
    return joined(run, a, b);
  }
  if (operation == "*" && isSequence(a) && b.isInteger())
  {
    return repeated(run, a, b.integer(""));
  }
  if (operation == "*" && a.isInteger() && isSequence(b))
  {
    return repeated(run, b, a.integer(""));
  }
  mismatch(operation, a, b);
}

Value negative(const Value& a)
{
  if (a.is<double>())
  {
    return -a.number("");
  }
  return wholeNumbers("-", 0, a.integer("what follows -"));
}

bool compare(const std::string& operation, const Value& a, const Value& b)
{
  if (operation == "==" || operation == "!=")
  {
    return equal(a, b) == (operation == "==");
  }
  if (operation == "in" || operation == "not in")
  {
    return contains(b, a) == (operation == "in");
  }
  if (operation == "<" || operation == ">")
  {
    return operation == "<" ? less(a, b) : less(b, a);
  }
  return (operation == "<=" ? less(a, b) : less(b, a)) || equal(a, b);
}

Value attribute(const Value& object, const std::string& name)
{
  if (object.isUndefined())
  {
    fail("'", object.undefinedName(), "' is undefined");
  }
  if (const Value bound = method(object, name); !bound.isUndefined())
  {
    return bound;
  }
  const Value* entry = object.asMap() ? object.asMap()->find(name) : nullptr;
  return entry ? *entry : Value::undefined(name);
}

Value item(const Value& object, const Value& key)
{
  if (object.isUndefined())
  {
    fail("'", object.undefinedName(), "' is undefined");
  }
  if (isSequence(object) && key.isInteger())
  {
    const std::int64_t count = object.length();
    const std::int64_t index = key.integer("") + (key.integer("") < 0 ? count : 0);
    if (index < 0 || index >= count)
    {
      return Value::undefined("item " + std::to_string(key.integer("")));
    }
    return object.asList() ? object.asList()->items[static_cast<std::size_t>(index)]
                           : object.iterate()[static_cast<std::size_t>(index)];
  }
  if (!key.isText())
  {
    return Value::undefined("item " + toText(key));
  }
  const Value* entry = object.asMap() ? object.asMap()->find(*key.asText()) : nullptr;
  return entry ? *entry : method(object, *key.asText());
}

Value slice(Run& run, const Value& object, const Slice& bounds)
{
  if (object.isUndefined())
  {
    fail("'", object.undefinedName(), "' is undefined");
  }
  if (!isSequence(object))
  {
    fail("a slice of a ", object.typeName());
  }
  const std::vector<Value> items = object.iterate();
  const auto count = static_cast<std::int64_t>(items.size());
  const std::int64_t step = bounds.step.value_or(1);
  if (step == 0)
  {
    fail("a slice with step 0");
  }
  const std::int64_t lowest = step > 0 ? 0 : -1, highest = step > 0 ? count : count - 1;
  const auto clamped = [&](const std::optional<std::int64_t>& bound, std::int64_t otherwise) {
    return !bound ? otherwise : std::clamp(*bound < 0 ? *bound + count : *bound, lowest, highest);
  };
  const std::int64_t end = clamped(bounds.end, step > 0 ? highest : lowest);
  run.checkItems(count);
  std::vector<Value> chosen;
  // A step beyond the ends comes to the same as one over all items, and cannot overflow.
  const std::int64_t stride = std::clamp(step, -count - 1, count + 1);
  for (std::int64_t i = clamped(bounds.begin, step > 0 ? lowest : highest);
       step > 0 ? i < end : i > end; i += stride)
  {
    chosen.push_back(items[static_cast<std::size_t>(i)]);
  }
  if (object.asList())
  {
    return Value::list(std::move(chosen), object.asList()->kind);
  }
  std::string text;
  for (const Value& letter : chosen)
  {
    text += *letter.asText();
  }
  return run.made(std::move(text));
}

} // namespace lvlm::text::jinja
