// SPDX-License-Identifier: Apache-2.0
/// @file Expression.h
/// What stands in {{ }} and in statements: parsed once, into functions that evaluate it.
#ifndef LVLM_TEXT_JINJA_EXPRESSION_H
#define LVLM_TEXT_JINJA_EXPRESSION_H

#include "Lexer.h"
#include "Run.h"

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <vector>

namespace lvlm::text::jinja
{

using Expression = std::function<Value(Context&)>;

/// Calls that are still to be evaluated.
struct ArgumentList
{
  std::vector<Expression> positional;
  std::vector<std::pair<std::string, Expression>> named;

  Arguments evaluate(Context& context) const;
};

/// The tokens of a template, from front to back.
class TokenStream
{
public:
  explicit TokenStream(std::vector<Token> tokens) : Tokens(std::move(tokens)) {}

  const Token& peek(std::size_t ahead = 0) const
  {
    return this->Tokens[std::min(this->At + ahead, this->Tokens.size() - 1)];
  }
  bool isNext(Token::Kind kind) const { return this->peek().kind == kind; }
  bool isNext(Token::Kind kind, std::string_view text) const
  {
    return this->isNext(kind) && this->peek().text == text;
  }
  bool isName(std::string_view text) const { return this->isNext(Token::Kind::Name, text); }
  Token next();
  /// Goes past the token if it comes next.
  bool take(Token::Kind kind, std::string_view text);
  bool takeOperator(std::string_view text) { return this->take(Token::Kind::Operator, text); }
  bool takeName(std::string_view text) { return this->take(Token::Kind::Name, text); }
  /// Throws Error when another token comes next.
  void expectOperator(std::string_view text);
  std::string expectName();
  /// Throws Error that tells the line and what was found.
  [[noreturn]] void unexpected() const;

private:
  std::vector<Token> Tokens;
  std::size_t At = 0;
};

/// Recursive descent with Jinja's own precedence. Throws Error for what is no expression, and for
/// one nested too deeply or too long for the stack.
class ExpressionParser
{
public:
  explicit ExpressionParser(TokenStream& tokens) : Tokens(tokens) {}

  Expression parse();            ///< with `a if b else c`
  Expression parseTuple();       ///< the same, or several with commas between
  Expression parseNoCondition(); ///< without `if`, as in `for x in HERE if ...`
  /// From the opening parenthesis to the closing one.
  ArgumentList parseArguments();

private:
  class Depth;

  using Level = Expression (ExpressionParser::*)();
  Expression leftToRight(Level operand, std::initializer_list<const char*> operators);
  Expression parseAnd();
  Expression parseNot();
  Expression parseComparison();
  Expression parseSum();
  Expression parseConcatenation();
  Expression parseProduct();
  Expression parsePower();
  Expression parseUnary();
  Expression parseSigned(bool withFilters);
  Expression parsePrimary();
  Expression parseNumber(const Token& token);
  Expression parseName(const Token& token);
  Expression parseParenthesis();
  Expression parseList();
  Expression parseMap();
  Expression parsePostfix(Expression object);
  Expression parseSubscript(Expression object);
  Expression parseCall(Expression function);
  Expression parseFiltersAndTests(Expression input);
  Expression parseFilter(Expression input);
  Expression parseTest(Expression input);
  std::string comparison();
  void checkLength(int links) const;

  TokenStream& Tokens;
  int Nesting = 0;
};

} // namespace lvlm::text::jinja

#endif
