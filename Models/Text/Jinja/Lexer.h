// SPDX-License-Identifier: Apache-2.0
/// @file Lexer.h
/// A template cut into plain text and the tokens of its {{ expressions }} and {% statements %},
/// with the white space rules that Hugging Face asks Jinja for (trim_blocks, lstrip_blocks).
#ifndef LVLM_TEXT_JINJA_LEXER_H
#define LVLM_TEXT_JINJA_LEXER_H

#include <string>
#include <string_view>
#include <vector>

namespace lvlm::text::jinja
{

struct Token
{
  enum class Kind
  {
    Data,       ///< text to print
    PrintBegin, ///< {{
    PrintEnd,   ///< }}
    BlockBegin, ///< {%
    BlockEnd,   ///< %}
    Name,
    Text, ///< a quoted text, its escapes resolved
    Integer,
    Float,
    Operator, ///< one of ( ) [ ] { } . , : | = == != < <= > >= + - * ** / // % ~
    End
  };
  Kind kind;
  std::string text;
  int line;
};

/// Throws Error that names the line. The last token is End.
std::vector<Token> tokenize(std::string_view source);

} // namespace lvlm::text::jinja

#endif
