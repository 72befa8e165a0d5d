// SPDX-License-Identifier: Apache-2.0
#include "Expression.h"

#include "Builtins.h"
#include "Operators.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace lvlm::text::jinja
{

namespace
{
/// A template's nesting is the depth of the stack that evaluates it.
constexpr int MaximumNesting = 50;
constexpr int MaximumLinks = 500; // of `a + b + c ...` or `a.b.c ...`

Expression constant(Value value)
{
  return [value](Context&) { return value; };
}

Value call(Context& context, const Value& function, const Arguments& arguments)
{
  const Function* work = function.asFunction();
  if (!work)
  {
    fail(function.isUndefined() ? "'" + function.undefinedName() + "' is undefined"
                                : std::string("a ") + function.typeName() + " is no function");
  }
  context.run.spend(1);
  return (*work)(context.run, arguments);
}

Value lookUp(Context& context, const std::string& name)
{
  context.run.spend(1);
  const Value* found = context.scope.find(name);
  return found ? *found : globalFunction(name);
}
}

Arguments ArgumentList::evaluate(Context& context) const
{
  Arguments arguments;
  for (const Expression& one : this->positional)
  {
    arguments.positional.push_back(one(context));
  }
  for (const auto& [name, one] : this->named)
  {
    arguments.named.emplace_back(name, one(context));
  }
  return arguments;
}

Token TokenStream::next()
{
  Token token = this->peek();
  this->At = std::min(this->At + 1, this->Tokens.size() - 1);
  return token;
}

bool TokenStream::take(Token::Kind kind, std::string_view text)
{
  const bool here = this->isNext(kind, text);
  if (here)
  {
    this->next();
  }
  return here;
}

void TokenStream::expectOperator(std::string_view text)
{
  if (!this->takeOperator(text))
  {
    this->unexpected();
  }
}

std::string TokenStream::expectName()
{
  if (!this->isNext(Token::Kind::Name))
  {
    this->unexpected();
  }
  return this->next().text;
}

void TokenStream::unexpected() const
{
  const Token& token = this->peek();
  constexpr const char* Kinds[] = { "text", "{{", "}}", "{%", "%}" };
  const auto kind = static_cast<std::size_t>(token.kind);
  const std::string what = token.kind == Token::Kind::End ? "the end"
    : kind < std::size(Kinds)                             ? Kinds[kind]
                                                          : "'" + token.text.substr(0, 40) + "'";
  fail("line ", token.line, ": unexpected ", what);
}

/// Counts how deep the parser is in itself.
class ExpressionParser::Depth
{
public:
  explicit Depth(ExpressionParser& parser) : Parser(parser)
  {
    if (++this->Parser.Nesting > MaximumNesting)
    {
      --this->Parser.Nesting;
      fail("line ", parser.Tokens.peek().line, ": an expression nested deeper than ",
        MaximumNesting, " levels");
    }
  }
  ~Depth() { --this->Parser.Nesting; }
  Depth(const Depth&) = delete;
  Depth& operator=(const Depth&) = delete;

private:
  ExpressionParser& Parser;
};

void ExpressionParser::checkLength(int links) const
{
  if (links > MaximumLinks)
  {
    fail(
      "line ", this->Tokens.peek().line, ": an expression of more than ", MaximumLinks, " parts");
  }
}

Expression ExpressionParser::parse()
{
  const Depth depth(*this);
  Expression value = this->parseNoCondition();
  for (int links = 0; this->Tokens.takeName("if"); this->checkLength(++links))
  {
    const Expression condition = this->parseNoCondition();
    const Expression otherwise = this->Tokens.takeName("else")
      ? this->parse()
      : constant(Value::undefined("a value without its else"));
    value = [value, condition, otherwise](Context& c)
    { return condition(c).truth() ? value(c) : otherwise(c); };
  }
  return value;
}

Expression ExpressionParser::parseTuple()
{
  const Expression first = this->parse();
  if (!this->Tokens.isNext(Token::Kind::Operator, ","))
  {
    return first;
  }
  std::vector<Expression> items{ first };
  while (this->Tokens.takeOperator(",") && !this->Tokens.isNext(Token::Kind::BlockEnd) &&
    !this->Tokens.isNext(Token::Kind::PrintEnd) && !this->Tokens.isNext(Token::Kind::Operator, ")"))
  {
    items.push_back(this->parse());
  }
  return [items](Context& c)
  {
    std::vector<Value> values;
    for (const Expression& one : items)
    {
      values.push_back(one(c));
    }
    return Value::list(std::move(values), List::Kind::Tuple);
  };
}

Expression ExpressionParser::parseNoCondition()
{
  Expression left = this->parseAnd();
  for (int links = 0; this->Tokens.takeName("or"); this->checkLength(++links))
  {
    left = [left, right = this->parseAnd()](Context& c)
    {
      const Value value = left(c);
      return value.truth() ? value : right(c);
    };
  }
  return left;
}

Expression ExpressionParser::parseAnd()
{
  Expression left = this->parseNot();
  for (int links = 0; this->Tokens.takeName("and"); this->checkLength(++links))
  {
    left = [left, right = this->parseNot()](Context& c)
    {
      const Value value = left(c);
      return value.truth() ? right(c) : value;
    };
  }
  return left;
}

Expression ExpressionParser::parseNot()
{
  if (!this->Tokens.takeName("not"))
  {
    return this->parseComparison();
  }
  const Depth depth(*this);
  return [operand = this->parseNot()](Context& c) { return Value(!operand(c).truth()); };
}

std::string ExpressionParser::comparison()
{
  for (const char* operation : { "==", "!=", "<=", ">=", "<", ">" })
  {
    if (this->Tokens.takeOperator(operation))
    {
      return operation;
    }
  }
  if (this->Tokens.takeName("in"))
  {
    return "in";
  }
  if (this->Tokens.isName("not") && this->Tokens.peek(1).kind == Token::Kind::Name &&
    this->Tokens.peek(1).text == "in")
  {
    this->Tokens.next();
    this->Tokens.next();
    return "not in";
  }
  return {};
}

Expression ExpressionParser::parseComparison()
{
  const Expression first = this->parseSum();
  std::vector<std::pair<std::string, Expression>> links;
  for (std::string operation = this->comparison(); !operation.empty();
       operation = this->comparison())
  {
    links.emplace_back(operation, this->parseSum());
  }
  if (links.empty())
  {
    return first;
  }
  return [first, links](Context& c) // a < b < c: each with its neighbour
  {
    Value left = first(c);
    for (const auto& [operation, operand] : links)
    {
      Value right = operand(c);
      c.run.spend(1);
      if (!compare(operation, left, right))
      {
        return Value(false);
      }
      left = std::move(right);
    }
    return Value(true);
  };
}

Expression ExpressionParser::leftToRight(
  Level operand, std::initializer_list<const char*> operators)
{
  Expression left = (this->*operand)();
  for (int links = 0;; this->checkLength(++links))
  {
    const auto found = std::find_if(operators.begin(), operators.end(),
      [this](const char* operation) { return this->Tokens.takeOperator(operation); });
    if (found == operators.end())
    {
      return left;
    }
    left = [left, right = (this->*operand)(), operation = std::string(*found)](Context& c)
    {
      const Value a = left(c);
      return arithmetic(c.run, operation, a, right(c));
    };
  }
}

Expression ExpressionParser::parseSum()
{
  return this->leftToRight(&ExpressionParser::parseConcatenation, { "+", "-" });
}

Expression ExpressionParser::parseConcatenation()
{
  Expression left = this->parseProduct();
  for (int links = 0; this->Tokens.takeOperator("~"); this->checkLength(++links))
  {
    left = [left, right = this->parseProduct()](Context& c)
    {
      std::string text = toText(left(c));
      return c.run.made(text += toText(right(c)));
    };
  }
  return left;
}

Expression ExpressionParser::parseProduct()
{
  return this->leftToRight(&ExpressionParser::parsePower, { "*", "//", "/", "%" });
}

Expression ExpressionParser::parsePower()
{
  return this->leftToRight(&ExpressionParser::parseUnary, { "**" });
}

Expression ExpressionParser::parseUnary()
{
  return this->parseSigned(true);
}

Expression ExpressionParser::parseSigned(bool withFilters)
{
  const Depth depth(*this);
  Expression value;
  if (this->Tokens.takeOperator("-"))
  {
    value = [operand = this->parseSigned(false)](Context& c) { return negative(operand(c)); };
  }
  else
  {
    value = this->Tokens.takeOperator("+") ? this->parseSigned(false) : this->parsePrimary();
  }
  value = this->parsePostfix(std::move(value));
  return withFilters ? this->parseFiltersAndTests(std::move(value)) : value;
}

Expression ExpressionParser::parsePrimary()
{
  const Token token = this->Tokens.peek();
  switch (token.kind)
  {
    case Token::Kind::Name:
      this->Tokens.next();
      return this->parseName(token);
    case Token::Kind::Text:
    {
      std::string text;
      while (this->Tokens.isNext(Token::Kind::Text)) // "a" "b" is one text
      {
        text += this->Tokens.next().text;
      }
      return constant(text);
    }
    case Token::Kind::Integer:
    case Token::Kind::Float:
      this->Tokens.next();
      return this->parseNumber(token);
    default:
      return this->Tokens.takeOperator("(") ? this->parseParenthesis()
        : this->Tokens.takeOperator("[")    ? this->parseList()
                                            : this->parseMap();
  }
}

Expression ExpressionParser::parseNumber(const Token& token)
{
  if (token.kind == Token::Kind::Float)
  {
    return constant(std::strtod(token.text.c_str(), nullptr));
  }
  std::int64_t number = 0;
  const char* end = token.text.data() + token.text.size();
  if (std::from_chars(token.text.data(), end, number).ec != std::errc())
  {
    fail("line ", token.line, ": the number ", token.text.substr(0, 40), " is too large");
  }
  return constant(number);
}

Expression ExpressionParser::parseName(const Token& token)
{
  const std::string& name = token.text;
  if (name == "true" || name == "True" || name == "false" || name == "False")
  {
    return constant(name[0] == 't' || name[0] == 'T');
  }
  if (name == "none" || name == "None")
  {
    return constant(nullptr);
  }
  return [name](Context& c) { return lookUp(c, name); };
}

Expression ExpressionParser::parseParenthesis()
{
  if (this->Tokens.takeOperator(")"))
  {
    return constant(Value::list({}, List::Kind::Tuple));
  }
  Expression inside = this->parseTuple();
  this->Tokens.expectOperator(")");
  return inside;
}

Expression ExpressionParser::parseList()
{
  std::vector<Expression> items;
  while (!this->Tokens.takeOperator("]"))
  {
    if (!items.empty())
    {
      this->Tokens.expectOperator(",");
      if (this->Tokens.takeOperator("]"))
      {
        break;
      }
    }
    items.push_back(this->parse());
  }
  return [items](Context& c)
  {
    std::vector<Value> values;
    for (const Expression& one : items)
    {
      values.push_back(one(c));
    }
    c.run.spend(values.size());
    return Value::list(std::move(values));
  };
}

Expression ExpressionParser::parseMap()
{
  this->Tokens.expectOperator("{");
  std::vector<std::pair<Expression, Expression>> entries;
  while (!this->Tokens.takeOperator("}"))
  {
    if (!entries.empty())
    {
      this->Tokens.expectOperator(",");
      if (this->Tokens.takeOperator("}"))
      {
        break;
      }
    }
    Expression key = this->parse();
    this->Tokens.expectOperator(":");
    entries.emplace_back(std::move(key), this->parse());
  }
  return [entries](Context& c)
  {
    Map map;
    for (const auto& [key, value] : entries)
    {
      map.set(key(c).text("a key"), value(c));
    }
    c.run.spend(entries.size());
    return Value(std::move(map));
  };
}

Expression ExpressionParser::parsePostfix(Expression object)
{
  for (int links = 0;; this->checkLength(++links))
  {
    if (this->Tokens.takeOperator("."))
    {
      if (this->Tokens.isNext(Token::Kind::Integer))
      {
        const Expression index = this->parseNumber(this->Tokens.next());
        object = [object, index](Context& c) { return item(object(c), index(c)); };
        continue;
      }
      object = [object, name = this->Tokens.expectName()](Context& c)
      { return attribute(object(c), name); };
    }
    else if (this->Tokens.takeOperator("["))
    {
      object = this->parseSubscript(std::move(object));
    }
    else if (this->Tokens.isNext(Token::Kind::Operator, "("))
    {
      object = this->parseCall(std::move(object));
    }
    else
    {
      return object;
    }
  }
}

Expression ExpressionParser::parseSubscript(Expression object)
{
  Expression bounds[3];
  int place = 0;
  bool sliced = false;
  while (!this->Tokens.takeOperator("]"))
  {
    if (this->Tokens.takeOperator(":"))
    {
      sliced = true;
      if (++place > 2)
      {
        this->Tokens.unexpected();
      }
    }
    else if (bounds[place])
    {
      this->Tokens.unexpected();
    }
    else
    {
      bounds[place] = this->parse();
    }
  }
  if (!sliced && !bounds[0])
  {
    this->Tokens.unexpected();
  }
  if (!sliced)
  {
    return [object, key = bounds[0]](Context& c)
    {
      const Value whole = object(c);
      return item(whole, key(c));
    };
  }
  return [object, begin = bounds[0], end = bounds[1], step = bounds[2]](Context& c)
  {
    const Value whole = object(c);
    const auto bound = [&c](const Expression& one)
    {
      const Value value = one ? one(c) : Value(nullptr);
      return value.isNone() ? std::nullopt
                            : std::optional<std::int64_t>(value.integer("a bound of a slice"));
    };
    return slice(c.run, whole, { bound(begin), bound(end), bound(step) });
  };
}

ArgumentList ExpressionParser::parseArguments()
{
  this->Tokens.expectOperator("(");
  ArgumentList arguments;
  bool first = true;
  while (!this->Tokens.takeOperator(")"))
  {
    if (!first)
    {
      this->Tokens.expectOperator(",");
      if (this->Tokens.takeOperator(")"))
      {
        break;
      }
    }
    first = false;
    const Token& after = this->Tokens.peek(1);
    if (this->Tokens.isNext(Token::Kind::Name) && after.kind == Token::Kind::Operator &&
      after.text == "=")
    {
      const std::string name = this->Tokens.next().text;
      this->Tokens.next();
      arguments.named.emplace_back(name, this->parse());
    }
    else
    {
      arguments.positional.push_back(this->parse());
    }
  }
  return arguments;
}

Expression ExpressionParser::parseCall(Expression function)
{
  return [function, arguments = this->parseArguments()](Context& c)
  {
    const Value callee = function(c);
    return call(c, callee, arguments.evaluate(c));
  };
}

Expression ExpressionParser::parseFiltersAndTests(Expression input)
{
  for (int links = 0;; this->checkLength(++links))
  {
    if (this->Tokens.takeOperator("|"))
    {
      input = this->parseFilter(std::move(input));
    }
    else if (this->Tokens.takeName("is"))
    {
      input = this->parseTest(std::move(input));
    }
    else if (this->Tokens.isNext(Token::Kind::Operator, "("))
    {
      input = this->parseCall(std::move(input)); // of what a filter gave
    }
    else
    {
      return input;
    }
  }
}

Expression ExpressionParser::parseFilter(Expression input)
{
  const std::string name = this->Tokens.expectName();
  const ArgumentList arguments =
    this->Tokens.isNext(Token::Kind::Operator, "(") ? this->parseArguments() : ArgumentList();
  return [input, name, arguments](Context& c)
  {
    const Value value = input(c);
    return applyFilter(c.run, name, value, arguments.evaluate(c));
  };
}

Expression ExpressionParser::parseTest(Expression input)
{
  const bool negated = this->Tokens.takeName("not");
  const std::string name = this->Tokens.expectName();
  ArgumentList arguments;
  if (this->Tokens.isNext(Token::Kind::Operator, "("))
  {
    arguments = this->parseArguments();
  }
  else if (const Token& next = this->Tokens.peek(); next.kind == Token::Kind::Text ||
           next.kind == Token::Kind::Integer || next.kind == Token::Kind::Float ||
           (next.kind == Token::Kind::Operator && (next.text == "[" || next.text == "{")) ||
           (next.kind == Token::Kind::Name && next.text != "else" && next.text != "or" &&
             next.text != "and" && next.text != "is" && next.text != "if" && next.text != "not" &&
             next.text != "in"))
  {
    arguments.positional.push_back(this->parsePostfix(this->parsePrimary()));
  }
  return [input, name, arguments, negated](Context& c)
  {
    const Value value = input(c);
    c.run.spend(1);
    return Value(applyTest(name, value, arguments.evaluate(c)) != negated);
  };
}

} // namespace lvlm::text::jinja
