// SPDX-License-Identifier: Apache-2.0
#include "Template.h"

#include "Expression.h"

#include "Models/Trace/Error.h"
#include "Models/Trace/Utf8.h"

#include <algorithm>

namespace lvlm::text::jinja
{

namespace
{
constexpr std::size_t MaximumTemplateBytes = 256u << 10;
constexpr int MaximumNesting = 40;
constexpr int MaximumCalls = 30;

Flow runBlock(const Block& block, Context& context, std::string& out)
{
  for (const Statement& statement : block)
  {
    if (const Flow flow = statement(context, out); flow != Flow::Next)
    {
      return flow;
    }
  }
  return Flow::Next;
}

/// What `for` and `set` give a value to: a name, or several that share its items.
struct Target
{
  std::vector<std::string> names;
  std::string attribute; ///< of a namespace, if any

  void assign(Context& context, const Value& value) const
  {
    if (!this->attribute.empty())
    {
      const Value* space = context.scope.find(this->names[0]);
      if (!space || !space->asNamespace())
      {
        fail("'", this->names[0], "' is no namespace");
      }
      space->asNamespace()->set(this->attribute, value);
      return;
    }
    if (this->names.size() == 1)
    {
      context.scope.set(this->names[0], value);
      return;
    }
    const std::vector<Value> items = value.iterate();
    if (items.size() != this->names.size())
    {
      fail(items.size(), " items for ", this->names.size(), " names");
    }
    for (std::size_t i = 0; i < items.size(); ++i)
    {
      context.scope.set(this->names[i], items[i]);
    }
  }
};

struct Loop
{
  Target target;
  Expression items;
  Expression condition; ///< may be empty
  Block body;
  Block otherwise;

  Flow run(Context& context, std::string& out) const
  {
    const std::vector<Value> chosen = this->choose(context);
    for (std::size_t i = 0; i < chosen.size(); ++i)
    {
      context.run.spend(1);
      Scope scope(&context.scope);
      Context inside{ context.run, scope, context.top };
      scope.set("loop", state(chosen, i));
      this->target.assign(inside, chosen[i]);
      if (runBlock(this->body, inside, out) == Flow::Break)
      {
        break;
      }
    }
    return chosen.empty() ? runBlock(this->otherwise, context, out) : Flow::Next;
  }

private:
  std::vector<Value> choose(Context& context) const
  {
    std::vector<Value> all = this->items(context).iterate();
    if (!this->condition)
    {
      return all;
    }
    std::vector<Value> chosen;
    for (Value& one : all)
    {
      context.run.spend(1);
      Scope scope(&context.scope);
      Context inside{ context.run, scope, context.top };
      this->target.assign(inside, one);
      if (this->condition(inside).truth())
      {
        chosen.push_back(std::move(one));
      }
    }
    return chosen;
  }

  /// The variable `loop` of step i.
  static Value state(const std::vector<Value>& items, std::size_t i)
  {
    const auto at = static_cast<std::int64_t>(i), count = static_cast<std::int64_t>(items.size());
    Map loop;
    loop.entries = { { "index", at + 1 }, { "index0", at }, { "revindex", count - at },
      { "revindex0", count - at - 1 }, { "first", at == 0 }, { "last", at + 1 == count },
      { "length", count },
      { "previtem", i > 0 ? items[i - 1] : Value::undefined("the item before the first") },
      { "nextitem",
        i + 1 < items.size() ? items[i + 1] : Value::undefined("the item after the last") } };
    loop.entries.emplace_back("cycle",
      Function(
        [i](Run&, const Arguments& a)
        {
          return a.positional.empty() ? Value::undefined("an item to cycle through")
                                      : a.positional[i % a.positional.size()];
        }));
    return loop;
  }
};

struct Macro
{
  std::string name;
  std::vector<std::pair<std::string, Expression>> parameters; ///< the default may be empty
  Block body;

  /// `outer` has the variables that the body sees besides its arguments.
  Value call(Run& run, const Scope& outer, const Scope& top, const Arguments& arguments) const
  {
    if (++run.calls > MaximumCalls)
    {
      fail("macros call one another more than ", MaximumCalls, " deep");
    }
    Scope scope(&outer);
    Context context{ run, scope, top };
    this->bind(context, arguments);
    std::string out;
    runBlock(this->body, context, out);
    --run.calls;
    return run.made(std::move(out));
  }

private:
  void bind(Context& context, const Arguments& arguments) const
  {
    if (arguments.positional.size() > this->parameters.size())
    {
      fail("macro '", this->name, "' takes ", this->parameters.size(), " arguments");
    }
    for (const auto& named : arguments.named)
    {
      if (named.first == "caller") // of a call statement
      {
        context.scope.set(named.first, named.second);
      }
      else if (std::none_of(this->parameters.begin(), this->parameters.end(),
                 [&](const auto& parameter) { return parameter.first == named.first; }))
      {
        fail("macro '", this->name, "' has no argument '", named.first, "'");
      }
    }
    for (std::size_t i = 0; i < this->parameters.size(); ++i)
    {
      const auto& [parameter, otherwise] = this->parameters[i];
      const auto named = std::find_if(arguments.named.begin(), arguments.named.end(),
        [&name = parameter](const auto& one) { return one.first == name; });
      context.scope.set(parameter,
        i < arguments.positional.size()    ? arguments.positional[i]
          : named != arguments.named.end() ? named->second
          : otherwise                      ? otherwise(context)
                                           : Value::undefined(parameter));
    }
  }
};

class TemplateParser
{
public:
  explicit TemplateParser(std::string_view source)
    : Tokens(tokenize(source)), Expressions(this->Tokens)
  {
  }

  Block run()
  {
    Block body = this->parseBlock({});
    if (!this->Tokens.isNext(Token::Kind::End))
    {
      this->Tokens.unexpected();
    }
    return body;
  }

private:
  /// Up to a statement with one of these names, which stays: {% is passed.
  Block parseBlock(std::initializer_list<const char*> ends)
  {
    if (++this->Nesting > MaximumNesting)
    {
      fail("line ", this->Tokens.peek().line, ": statements nested deeper than ", MaximumNesting,
        " levels");
    }
    Block block;
    while (!this->Tokens.isNext(Token::Kind::End))
    {
      const Token token = this->Tokens.next();
      if (token.kind == Token::Kind::Data)
      {
        block.push_back(print([text = Value(token.text)](Context&) { return text; }, token.line));
      }
      else if (token.kind == Token::Kind::PrintBegin)
      {
        block.push_back(print(this->Expressions.parseTuple(), token.line));
        this->expect(Token::Kind::PrintEnd);
      }
      else if (std::any_of(ends.begin(), ends.end(),
                 [this](const char* end) { return this->Tokens.isName(end); }))
      {
        break;
      }
      else
      {
        block.push_back(this->parseStatement());
      }
    }
    --this->Nesting;
    return block;
  }

  void expect(Token::Kind kind)
  {
    if (!this->Tokens.isNext(kind))
    {
      this->Tokens.unexpected();
    }
    this->Tokens.next();
  }

  /// {% endif %} and its like, of which {% is passed.
  void expectEnd(const char* name)
  {
    if (!this->Tokens.takeName(name))
    {
      fail("line ", this->Tokens.peek().line, ": ", name, " is missing");
    }
    this->expect(Token::Kind::BlockEnd);
  }

  static Statement print(Expression value, int line)
  {
    return [value = std::move(value), line](Context& c, std::string& out)
    {
      c.run.line = line;
      out += toText(value(c));
      c.run.check(out.size() / 64); // each print pays a part of what it adds to
      checkOutput(out);
      return Flow::Next;
    };
  }

  static void checkOutput(const std::string& out)
  {
    if (out.size() > MaximumOutputBytes)
    {
      fail("more than ", MaximumOutputBytes, " bytes of text");
    }
  }

  Statement parseStatement()
  {
    const int line = this->Tokens.peek().line;
    const std::string name = this->Tokens.expectName();
    Statement statement = name == "if" ? this->parseIf()
      : name == "for"                  ? this->parseFor()
      : name == "set"                  ? this->parseSet()
      : name == "macro"                ? this->parseMacro()
      : name == "call"                 ? this->parseCall()
      : name == "generation"           ? this->parseGeneration()
      : name == "break"                ? this->parseFlow(Flow::Break)
      : name == "continue"             ? this->parseFlow(Flow::Continue)
                                       : Statement();
    if (!statement)
    {
      fail("line ", line, ": the statement '", name.substr(0, 40), "' is not supported");
    }
    return [statement, line](Context& c, std::string& out)
    {
      c.run.line = line;
      c.run.spend(1);
      return statement(c, out);
    };
  }

  Statement parseIf()
  {
    std::vector<std::pair<Expression, Block>> branches;
    Block otherwise;
    do
    {
      Expression condition = this->Expressions.parseNoCondition();
      this->expect(Token::Kind::BlockEnd);
      branches.emplace_back(std::move(condition), this->parseBlock({ "elif", "else", "endif" }));
    } while (this->Tokens.takeName("elif"));
    if (this->Tokens.takeName("else"))
    {
      this->expect(Token::Kind::BlockEnd);
      otherwise = this->parseBlock({ "endif" });
    }
    this->expectEnd("endif");
    return [branches, otherwise](Context& c, std::string& out)
    {
      for (const auto& [condition, block] : branches)
      {
        if (condition(c).truth())
        {
          return runBlock(block, c, out);
        }
      }
      return runBlock(otherwise, c, out);
    };
  }

  Target parseTarget(bool withAttribute)
  {
    Target target;
    const bool parenthesis = this->Tokens.takeOperator("(");
    do
    {
      target.names.push_back(this->Tokens.expectName());
    } while (this->Tokens.takeOperator(","));
    if (parenthesis)
    {
      this->Tokens.expectOperator(")");
    }
    if (withAttribute && target.names.size() == 1 && this->Tokens.takeOperator("."))
    {
      target.attribute = this->Tokens.expectName();
    }
    return target;
  }

  Statement parseFor()
  {
    Loop loop;
    loop.target = this->parseTarget(false);
    if (!this->Tokens.takeName("in"))
    {
      this->Tokens.unexpected();
    }
    loop.items = this->Expressions.parseNoCondition();
    if (this->Tokens.takeName("if"))
    {
      loop.condition = this->Expressions.parse();
    }
    this->expect(Token::Kind::BlockEnd);
    ++this->Loops;
    loop.body = this->parseBlock({ "else", "endfor" });
    --this->Loops;
    if (this->Tokens.takeName("else"))
    {
      this->expect(Token::Kind::BlockEnd);
      loop.otherwise = this->parseBlock({ "endfor" });
    }
    this->expectEnd("endfor");
    return [loop = std::move(loop)](Context& c, std::string& out) { return loop.run(c, out); };
  }

  Statement parseFlow(Flow flow)
  {
    if (this->Loops == 0)
    {
      fail("line ", this->Tokens.peek().line, ": break or continue outside of a loop");
    }
    this->expect(Token::Kind::BlockEnd);
    return [flow](Context&, std::string&) { return flow; };
  }

  Statement parseSet()
  {
    Target target = this->parseTarget(true);
    if (this->Tokens.takeOperator("="))
    {
      Expression value = this->Expressions.parseTuple();
      this->expect(Token::Kind::BlockEnd);
      return [target, value](Context& c, std::string&)
      {
        target.assign(c, value(c));
        return Flow::Next;
      };
    }
    this->expect(Token::Kind::BlockEnd);
    const Block block = this->parseBlock({ "endset" });
    this->expectEnd("endset");
    return [target, block](Context& c, std::string&)
    {
      Scope scope(&c.scope);
      Context inside{ c.run, scope, c.top };
      std::string text;
      runBlock(block, inside, text);
      target.assign(c, c.run.made(std::move(text)));
      return Flow::Next;
    };
  }

  Statement parseMacro()
  {
    Macro macro;
    macro.name = this->Tokens.expectName();
    this->Tokens.expectOperator("(");
    this->parseParameters(macro);
    this->parseBody(macro, "endmacro");
    return [macro = std::move(macro)](Context& c, std::string&)
    {
      // A rendering outlives the function only by its own scopes, and the statement both.
      c.scope.set(macro.name,
        Function([&macro, &top = c.top](Run& run, const Arguments& a)
          { return macro.call(run, top, top, a); }));
      return Flow::Next;
    };
  }

  /// Parameters, after their opening parenthesis, up to the closing one.
  void parseParameters(Macro& macro)
  {
    while (!this->Tokens.takeOperator(")"))
    {
      if (!macro.parameters.empty())
      {
        this->Tokens.expectOperator(",");
      }
      const std::string parameter = this->Tokens.expectName();
      macro.parameters.emplace_back(
        parameter, this->Tokens.takeOperator("=") ? this->Expressions.parse() : Expression());
    }
  }

  /// The body of a macro or call statement, up to its end.
  void parseBody(Macro& macro, const char* end)
  {
    this->expect(Token::Kind::BlockEnd);
    const int loops = this->Loops; // those around the body are none of its own
    this->Loops = 0;
    macro.body = this->parseBlock({ end });
    this->Loops = loops;
    this->expectEnd(end);
  }

  /// {% call(a) name(b) %}: a macro that gets what is between as the function `caller`.
  Statement parseCall()
  {
    Macro caller;
    caller.name = "caller";
    if (this->Tokens.takeOperator("("))
    {
      this->parseParameters(caller);
    }
    const std::string name = this->Tokens.expectName();
    const ArgumentList given = this->Expressions.parseArguments();
    this->parseBody(caller, "endcall");
    return [name, given, caller = std::move(caller)](Context& c, std::string& out)
    {
      const Value* callee = c.scope.find(name);
      if (!callee || !callee->asFunction())
      {
        fail("'", name, "' is no macro");
      }
      Arguments arguments = given.evaluate(c);
      arguments.named.emplace_back("caller",
        Function([&caller, &c](Run& run, const Arguments& a)
          { return caller.call(run, c.scope, c.top, a); }));
      out += toText((*callee->asFunction())(c.run, arguments));
      checkOutput(out);
      return Flow::Next;
    };
  }

  /// Hugging Face's mark of what the assistant says: its content, in a scope of its own.
  Statement parseGeneration()
  {
    this->expect(Token::Kind::BlockEnd);
    const Block block = this->parseBlock({ "endgeneration" });
    this->expectEnd("endgeneration");
    return [block](Context& c, std::string& out)
    {
      Scope scope(&c.scope);
      Context inside{ c.run, scope, c.top };
      return runBlock(block, inside, out);
    };
  }

  static constexpr std::size_t MaximumOutputBytes = 1u << 20;

  TokenStream Tokens;
  ExpressionParser Expressions;
  int Nesting = 0;
  int Loops = 0; ///< around the statement that is parsed
};
}

Template::Template(std::string_view source)
{
  if (source.size() > MaximumTemplateBytes)
  {
    fail("a template of ", source.size(), " bytes, more than ", MaximumTemplateBytes);
  }
  this->Body = TemplateParser(toValidUtf8(source)).run();
}

std::string Template::render(const Map& variables) const
{
  Run run;
  Scope top(nullptr);
  for (const auto& [name, value] : variables.entries)
  {
    top.set(name, value);
  }
  Context context{ run, top, top };
  std::string out;
  try
  {
    runBlock(this->Body, context, out);
  }
  catch (const Error& error)
  {
    fail("line ", run.line, ": ", error.what());
  }
  return out;
}

} // namespace lvlm::text::jinja
