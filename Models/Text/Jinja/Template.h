// SPDX-License-Identifier: Apache-2.0
/// @file Template.h
/// Jinja as Hugging Face's chat templates use it (jinja.palletsprojects.com, 3.1): an interpreter
/// without access to anything, for templates that nobody has looked at.
///
/// Statements: if, for (with if and else), set, macro, call, break, continue, raw, generation. What
/// expressions know is in Builtins.h. Where Jinja would do something else than is done here, it is
/// an Error: include, import, extends, filter, with, recursive loops, changing a list.
#ifndef LVLM_TEXT_JINJA_TEMPLATE_H
#define LVLM_TEXT_JINJA_TEMPLATE_H

#include "Value.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace lvlm::text::jinja
{

struct Context;

enum class Flow
{
  Next,
  Break,
  Continue
};
/// Appends to the text what it prints.
using Statement = std::function<Flow(Context&, std::string&)>;
using Block = std::vector<Statement>;

class Template
{
public:
  /// Throws Error that names the line for what is malformed or not supported, and for a template
  /// of more than 256 KiB. Ill-formed UTF-8 becomes U+FFFD.
  explicit Template(std::string_view source);

  /// The text for these variables. Throws Error that names the line: for what the template refuses
  /// (raise_exception), for operations that Jinja refuses, and for one that takes more steps or
  /// makes larger texts than chat templates do.
  std::string render(const Map& variables) const;

private:
  Block Body;
};

} // namespace lvlm::text::jinja

#endif
