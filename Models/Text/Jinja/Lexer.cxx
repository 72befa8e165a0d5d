// SPDX-License-Identifier: Apache-2.0
#include "Lexer.h"

#include "Models/Trace/Error.h"
#include "Models/Trace/Utf8.h"

#include <algorithm>
#include <cstdint>

namespace lvlm::text::jinja
{

namespace
{
constexpr std::string_view Space = " \t\n\r\v\f";

bool isDigit(char c)
{
  return c >= '0' && c <= '9';
}

bool isNameStart(char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
    static_cast<unsigned char>(c) >= 0x80;
}

std::string withUnixLines(std::string_view text)
{
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i)
  {
    const bool pair = text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n';
    if (!pair)
    {
      result += text[i] == '\r' ? '\n' : text[i];
    }
  }
  if (!result.empty() && result.back() == '\n')
  {
    result.pop_back(); // Jinja drops one line feed at the end of a template
  }
  return result;
}

class Lexer
{
public:
  explicit Lexer(std::string_view source) : Source(withUnixLines(source)), Rest(Source) {}

  std::vector<Token> run()
  {
    while (!this->Rest.empty())
    {
      const std::size_t open = this->findOpening();
      this->data(open);
      if (open != std::string_view::npos)
      {
        this->tag();
      }
    }
    this->add(Token::Kind::End, "");
    return std::move(this->Tokens);
  }

private:
  /// The line that is read; counts on from where it was asked last.
  int line() const
  {
    const auto here =
      this->Source.begin() + static_cast<std::ptrdiff_t>(this->Source.size() - this->Rest.size());
    const auto counted = this->Source.begin() + this->CountedTo;
    this->CountedLines += static_cast<int>(
      here > counted ? std::count(counted, here, '\n') : -std::count(here, counted, '\n'));
    this->CountedTo = here - this->Source.begin();
    return 1 + this->CountedLines;
  }

  [[noreturn]] void stop(const std::string& what) const { fail("line ", this->line(), ": ", what); }

  void add(Token::Kind kind, std::string text)
  {
    this->Tokens.push_back({ kind, std::move(text), this->Line });
  }

  std::size_t findOpening() const
  {
    for (std::size_t at = this->Rest.find('{'); at != std::string_view::npos;
         at = this->Rest.find('{', at + 1))
    {
      const char next = at + 1 < this->Rest.size() ? this->Rest[at + 1] : ' ';
      if (next == '{' || next == '%' || next == '#')
      {
        return at;
      }
    }
    return std::string_view::npos;
  }

  char at(std::size_t offset) const
  {
    return offset < this->Rest.size() ? this->Rest[offset] : '\0';
  }

  /// The text before a tag at `open` (npos: before the end), less what the tag strips of it.
  void data(std::size_t open)
  {
    std::string_view text = this->Rest.substr(0, open);
    this->Line = this->line();
    if (open != std::string_view::npos)
    {
      const char kind = this->at(open + 1), sign = this->at(open + 2);
      if (sign == '-')
      {
        text = text.substr(0, text.find_last_not_of(Space) + 1);
      }
      else if (sign != '+' && kind != '{')
      {
        text = this->withoutIndent(text);
      }
    }
    if (!text.empty())
    {
      this->add(Token::Kind::Data, std::string(text));
    }
    this->Rest.remove_prefix(std::min(open, this->Rest.size()));
  }

  /// lstrip_blocks: white space alone between the line's start and a block goes.
  std::string_view withoutIndent(std::string_view text) const
  {
    const std::size_t feed = text.rfind('\n');
    const std::size_t begin = feed == std::string_view::npos ? 0 : feed + 1;
    const bool lineStart = begin > 0 || this->LineStart;
    const bool blank = text.find_first_not_of(Space, begin) == std::string_view::npos;
    return lineStart && blank ? text.substr(0, begin) : text;
  }

  /// Goes past `text` if it comes next.
  bool take(std::string_view text)
  {
    const bool here = this->Rest.substr(0, text.size()) == text;
    this->Rest.remove_prefix(here ? text.size() : 0);
    return here;
  }

  void skipSpace()
  {
    this->Rest.remove_prefix(std::min(this->Rest.find_first_not_of(Space), this->Rest.size()));
  }

  /// The end of a tag, such as "%}", with what it strips of the text after it. Blocks and comments
  /// eat a line feed (trim_blocks).
  bool takeClosing(std::string_view close, bool trims)
  {
    const std::size_t before = this->Rest.size();
    const std::string_view start = this->Rest;
    if (this->take("-" + std::string(close)))
    {
      this->skipSpace();
    }
    else if (!(trims && this->take("+" + std::string(close))))
    {
      if (!this->take(close))
      {
        return false;
      }
      if (trims)
      {
        this->take("\n");
      }
    }
    const std::size_t taken = before - this->Rest.size();
    this->LineStart = start[taken - 1] == '\n';
    return true;
  }

  void tag()
  {
    this->Line = this->line();
    const char kind = this->at(1);
    this->Rest.remove_prefix(2);
    const bool signedTag = this->at(0) == '-' || this->at(0) == '+';
    if (kind == '#')
    {
      this->comment();
      return;
    }
    this->Rest.remove_prefix(signedTag ? 1 : 0);
    if (kind == '%' && this->rawBlock())
    {
      return;
    }
    const bool print = kind == '{';
    this->add(print ? Token::Kind::PrintBegin : Token::Kind::BlockBegin, "");
    this->expression(print ? "}}" : "%}", !print);
    this->add(print ? Token::Kind::PrintEnd : Token::Kind::BlockEnd, "");
  }

  void comment()
  {
    const std::size_t end = this->Rest.find("#}");
    if (end == std::string_view::npos)
    {
      this->stop("a comment {# without its #}");
    }
    const std::size_t sign =
      end > 0 && (this->Rest[end - 1] == '-' || this->Rest[end - 1] == '+') ? 1 : 0;
    this->Rest.remove_prefix(end - sign);
    this->takeClosing("#}", true);
  }

  /// {% raw %} ... {% endraw %}: what is between is text.
  bool rawBlock()
  {
    const std::string_view before = this->Rest;
    this->skipSpace();
    if (this->take("raw"))
    {
      this->skipSpace();
      if (this->takeClosing("%}", false))
      {
        this->rawText();
        return true;
      }
    }
    this->Rest = before;
    return false;
  }

  void rawText()
  {
    for (std::size_t open = this->Rest.find("{%"); open != std::string_view::npos;
         open = this->Rest.find("{%", open + 2))
    {
      const std::string_view before = this->Rest;
      const char sign = this->at(open + 2);
      this->Rest.remove_prefix(open + 2 + (sign == '-' || sign == '+' ? 1 : 0));
      this->skipSpace();
      if (this->take("endraw"))
      {
        this->skipSpace();
        const std::string_view after = this->Rest;
        this->Rest = before;
        this->data(open);
        this->Rest = after;
        if (this->takeClosing("%}", true))
        {
          return;
        }
      }
      this->Rest = before;
    }
    this->stop("{% raw %} without its {% endraw %}");
  }

  void expression(std::string_view close, bool trims)
  {
    int depth = 0; // a "}}" inside braces closes these
    for (;;)
    {
      this->skipSpace();
      this->Line = this->line();
      if (depth == 0 && this->takeClosing(close, trims))
      {
        return;
      }
      const char c = this->at(0);
      if (this->Rest.empty())
      {
        this->stop("a tag without its end " + std::string(close));
      }
      if (c == '\'' || c == '"')
      {
        this->quoted(c);
      }
      else if (isDigit(c))
      {
        this->number();
      }
      else if (isNameStart(c))
      {
        const auto end = std::find_if_not(this->Rest.begin(), this->Rest.end(),
          [](char letter) { return isNameStart(letter) || isDigit(letter); });
        this->word(Token::Kind::Name, static_cast<std::size_t>(end - this->Rest.begin()));
      }
      else
      {
        depth += c == '{' || c == '[' || c == '(' ? 1 : c == '}' || c == ']' || c == ')' ? -1 : 0;
        this->operation();
      }
    }
  }

  void word(Token::Kind kind, std::size_t size)
  {
    this->add(kind, std::string(this->Rest.substr(0, size)));
    this->Rest.remove_prefix(size);
  }

  void operation()
  {
    for (const std::string_view two : { "==", "!=", "<=", ">=", "**", "//" })
    {
      if (this->Rest.substr(0, 2) == two)
      {
        this->word(Token::Kind::Operator, 2);
        return;
      }
    }
    if (std::string_view("()[]{}.,:|=<>+-*/%~").find(this->at(0)) == std::string_view::npos)
    {
      this->stop("a character that means nothing here: " + toValidUtf8(this->Rest.substr(0, 1)));
    }
    this->word(Token::Kind::Operator, 1);
  }

  /// 12, 1_000, 1.5, 1e3, 2.5E-3; not "1." nor the "1." of "1.attribute".
  void number()
  {
    const auto digits = [this](std::size_t at)
    {
      while (isDigit(this->at(at)) || (this->at(at) == '_' && isDigit(this->at(at + 1))))
      {
        ++at;
      }
      return at;
    };
    std::size_t end = digits(0);
    bool whole = true;
    if (this->at(end) == '.' && isDigit(this->at(end + 1)))
    {
      end = digits(end + 1);
      whole = false;
    }
    const std::size_t sign = this->at(end + 1) == '+' || this->at(end + 1) == '-' ? 2 : 1;
    if ((this->at(end) == 'e' || this->at(end) == 'E') && isDigit(this->at(end + sign)))
    {
      end = digits(end + sign);
      whole = false;
    }
    this->word(whole ? Token::Kind::Integer : Token::Kind::Float, end);
    std::string& text = this->Tokens.back().text;
    text.erase(std::remove(text.begin(), text.end(), '_'), text.end());
  }

  void quoted(char quote)
  {
    std::string text;
    std::size_t at = 1;
    while (this->at(at) != quote)
    {
      if (at >= this->Rest.size())
      {
        this->stop("a text without its closing quote");
      }
      if (this->Rest[at] == '\\')
      {
        this->escape(at, text);
      }
      else
      {
        text += this->Rest[at++];
      }
    }
    this->add(Token::Kind::Text, std::move(text));
    this->Rest.remove_prefix(at + 1);
  }

  /// Python's escapes; a backslash before anything else stays.
  void escape(std::size_t& at, std::string& text)
  {
    constexpr std::string_view Letters = "ntr\\'\"abfv", Meanings = "\n\t\r\\'\"\a\b\f\v";
    const char c = this->at(at + 1);
    const std::size_t found = c == '\0' ? std::string_view::npos : Letters.find(c);
    const std::size_t hex = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (found != std::string_view::npos)
    {
      text += Meanings[found];
      at += 2;
    }
    else if (c == '\n')
    {
      at += 2; // a line goes on
    }
    else if (hex > 0)
    {
      appendUtf8(text, this->codePoint(at + 2, hex, 16));
      at += 2 + hex;
    }
    else if (c >= '0' && c <= '7')
    {
      std::size_t digits = 1;
      while (digits < 3 && this->at(at + 1 + digits) >= '0' && this->at(at + 1 + digits) <= '7')
      {
        ++digits;
      }
      appendUtf8(text, this->codePoint(at + 1, digits, 8));
      at += 1 + digits;
    }
    else
    {
      text += this->Rest[at++];
    }
  }

  char32_t codePoint(std::size_t at, std::size_t digits, int base) const
  {
    std::uint32_t value = 0;
    for (std::size_t i = at; i < at + digits; ++i)
    {
      const char c = this->at(i);
      const int digit = isDigit(c) ? c - '0'
        : c >= 'a' && c <= 'f'     ? c - 'a' + 10
        : c >= 'A' && c <= 'F'     ? c - 'A' + 10
                                   : base;
      if (digit >= base)
      {
        this->stop("an escape that is not " + std::to_string(digits) + " digits");
      }
      value = value * static_cast<std::uint32_t>(base) + static_cast<std::uint32_t>(digit);
    }
    if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000))
    {
      this->stop("an escape that is no character");
    }
    return value;
  }

  std::string Source;
  std::string_view Rest;                ///< of Source
  mutable std::ptrdiff_t CountedTo = 0; ///< of Source, for line()
  mutable int CountedLines = 0;
  int Line = 1;          ///< of the token that is read
  bool LineStart = true; ///< whether the last tag ended with a line feed
  std::vector<Token> Tokens;
};
}

std::vector<Token> tokenize(std::string_view source)
{
  return Lexer(source).run();
}

} // namespace lvlm::text::jinja
