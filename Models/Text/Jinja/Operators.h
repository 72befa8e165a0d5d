// SPDX-License-Identifier: Apache-2.0
/// @file Operators.h
/// Python's operators on template values.
#ifndef LVLM_TEXT_JINJA_OPERATORS_H
#define LVLM_TEXT_JINJA_OPERATORS_H

#include "Run.h"

#include <optional>
#include <string>

namespace lvlm::text::jinja
{

/// `a + b`, and so on for - * / // % **. Throws Error for operands that do not go together, for a
/// division by zero and for whole numbers beyond 64 bits.
Value arithmetic(Run& run, const std::string& operation, const Value& a, const Value& b);
/// `-a`.
Value negative(const Value& a);

/// `a == b`, and so on for != < <= > >= in, and "not in".
bool compare(const std::string& operation, const Value& a, const Value& b);

/// `object.name`: a method first, then an entry. Undefined when there is neither.
Value attribute(const Value& object, const std::string& name);
/// `object[key]`: an entry first, then a method. Undefined when there is neither.
Value item(const Value& object, const Value& key);

/// The bounds of `object[begin:end:step]`, each of which may be left out.
struct Slice
{
  std::optional<std::int64_t> begin, end, step;
};
Value slice(Run& run, const Value& object, const Slice& bounds);

} // namespace lvlm::text::jinja

#endif
