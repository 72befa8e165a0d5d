// SPDX-License-Identifier: Apache-2.0
/// @file Builtins.h
/// The filters, tests, methods and functions that chat templates may use.
#ifndef LVLM_TEXT_JINJA_BUILTINS_H
#define LVLM_TEXT_JINJA_BUILTINS_H

#include "Run.h"

#include <string>

namespace lvlm::text::jinja
{

/// `input | name(arguments)`. Throws Error for a filter that is not known, and for bad arguments.
Value applyFilter(
  Run& run, const std::string& name, const Value& input, const Arguments& arguments);

/// `input is name(arguments)`. Throws Error for a test that is not known.
bool applyTest(const std::string& name, const Value& input, const Arguments& arguments);

/// The method of a text, list or map, bound to it; undefined when it has none of that name.
Value method(const Value& object, const std::string& name);

/// Python's str.strip(): white space, or the given letters, from the left and right end.
std::string stripped(const std::string& text, const Value& letters, bool left, bool right);

/// range, namespace, dict, raise_exception, strftime_now; undefined for another name.
Value globalFunction(const std::string& name);

/// The argument at a place or of a name; `otherwise` when it is not given.
Value argument(
  const Arguments& arguments, std::size_t place, const char* name, const Value& otherwise);
/// The same; throws Error when it is not given.
Value needed(const Arguments& arguments, std::size_t place, const char* name);

} // namespace lvlm::text::jinja

#endif
