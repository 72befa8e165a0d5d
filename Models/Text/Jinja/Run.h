// SPDX-License-Identifier: Apache-2.0
/// @file Run.h
/// One rendering of a template: its variables, and the bounds that an untrusted template must keep.
#ifndef LVLM_TEXT_JINJA_RUN_H
#define LVLM_TEXT_JINJA_RUN_H

#include "Value.h"

#include "Models/Trace/Error.h"

#include <cstddef>
#include <map>
#include <string>

namespace lvlm::text::jinja
{

/// Counts what a rendering does. Throws Error when that is more than any chat template needs.
class Run
{
public:
  /// Every statement, call and loop step costs one, and every text its length.
  void spend(std::size_t work)
  {
    this->Work += work;
    if (this->Work > MaximumWork)
    {
      fail("more than ", MaximumWork, " steps");
    }
  }
  /// A text that was made: bounded, and paid for.
  Value made(std::string text)
  {
    this->check(text.size());
    return Value(std::move(text));
  }
  /// Before a text of that size is made.
  void check(std::size_t bytes)
  {
    if (bytes > MaximumTextBytes)
    {
      fail("a text of more than ", MaximumTextBytes, " bytes");
    }
    this->spend(1 + bytes / 8);
  }
  /// A list of so many items is about to be made.
  void checkItems(std::int64_t items)
  {
    constexpr std::int64_t MaximumItems = 100000; // as Jinja's sandbox
    if (items > MaximumItems)
    {
      fail("a list of more than ", MaximumItems, " items");
    }
    this->spend(static_cast<std::size_t>(items));
  }

  int line = 0;  ///< of the statement that runs, for messages
  int calls = 0; ///< macros within macros

private:
  static constexpr std::size_t MaximumWork = 5'000'000;
  static constexpr std::size_t MaximumTextBytes = 1u << 20;

  std::size_t Work = 0;
};

/// The variables of a template, a loop's step or a macro; what is not here is looked for outside.
class Scope
{
public:
  explicit Scope(const Scope* outer) : Outer(outer) {}

  /// nullptr when there is none of that name.
  const Value* find(const std::string& name) const
  {
    const auto found = this->Names.find(name);
    return found != this->Names.end() ? &found->second
      : this->Outer                   ? this->Outer->find(name)
                                      : nullptr;
  }
  void set(const std::string& name, Value value) { this->Names[name] = std::move(value); }

private:
  const Scope* Outer;
  std::map<std::string, Value> Names;
};

/// Where an expression is evaluated.
struct Context
{
  Run& run;
  Scope& scope;
  const Scope& top; ///< the template's own, which macros see
};

} // namespace lvlm::text::jinja

#endif
