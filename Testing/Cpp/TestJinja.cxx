// SPDX-License-Identifier: Apache-2.0
/// Templates rendered as jinja2 renders them the way transformers sets it up:
/// Testing/Golden/jinja_goldens.py wrote what comes out. Equality is exact; where jinja2 refuses,
/// so must we.
#include "Check.h"
#include "TokenizerFiles.h"

#include "Models/Text/Jinja/Template.h"
#include "Models/Trace/Error.h"

#include <ctime>
#include <string>

using lvlm::text::jinja::List;
using lvlm::text::jinja::Map;
using lvlm::text::jinja::Template;
using lvlm::text::jinja::Value;

namespace
{
Value valueOf(const nlohmann::ordered_json& json)
{
  if (json.is_array())
  {
    std::vector<Value> items;
    for (const auto& item : json)
    {
      items.push_back(valueOf(item));
    }
    return Value::list(std::move(items));
  }
  if (json.is_object())
  {
    Map map;
    for (const auto& [key, item] : json.items())
    {
      map.set(key, valueOf(item));
    }
    return map;
  }
  return json.is_string()      ? Value(json.get<std::string>())
    : json.is_boolean()        ? Value(json.get<bool>())
    : json.is_number_integer() ? Value(json.get<std::int64_t>())
    : json.is_number()         ? Value(json.get<double>())
                               : Value(nullptr);
}

/// The golden text with today's date where it has {now:FORMAT}.
std::string today(std::string text)
{
  const std::time_t now = std::time(nullptr);
  for (std::size_t begin = text.find("{now:"); begin != std::string::npos;
       begin = text.find("{now:"))
  {
    const std::size_t end = text.find('}', begin);
    const std::string format = text.substr(begin + 5, end - begin - 5);
    char date[64];
    const std::size_t size = std::strftime(date, sizeof date, format.c_str(), std::localtime(&now));
    text.replace(begin, end + 1 - begin, date, size);
  }
  return text;
}

void testCase(const std::string& source, const nlohmann::ordered_json& variables,
  const nlohmann::ordered_json& golden)
{
  std::string ours, problem;
  try
  {
    ours = Template(source).render(*valueOf(variables).asMap());
  }
  catch (const lvlm::Error& error)
  {
    problem = error.what();
  }
  const bool refused = golden.contains("error");
  if (!CHECK(refused == !problem.empty()) || !CHECK(refused || ours == today(golden["text"])))
  {
    std::cerr << source.substr(0, 1500) << "\n  ours   " << nlohmann::json(ours).dump() << " "
              << problem << "\n  theirs " << golden.dump() << std::endl;
  }
}

void testGoldens()
{
  const auto goldens = nlohmann::ordered_json::parse(
    lvlm_test::readFile(std::string(LVLM_TEST_DATA) + "/tokenizer/jinja.json"));
  CHECK(goldens["constructs"].size() > 70 && goldens["real"].size() > 60);
  for (const auto& entry : goldens["constructs"])
  {
    testCase(entry["template"], goldens["variables"], entry["cases"][0]);
  }
  for (const auto& entry : goldens["real"])
  {
    for (std::size_t i = 0; i < entry["cases"].size(); ++i)
    {
      testCase(entry["template"], goldens["conversations"][i], entry["cases"][i]);
    }
  }
}

std::string rendered(const std::string& source)
{
  return Template(source).render({});
}

std::string repeated(const std::string& text, int times)
{
  std::string result;
  for (int i = 0; i < times; ++i)
  {
    result += text;
  }
  return result;
}

/// A template that nobody looked at ends, in bounded time, memory and stack.
void testBounds()
{
  CHECK_THROWS(
    rendered("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}"),
    "steps");
  CHECK_THROWS(
    rendered("{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}"),
    "more than");
  CHECK_THROWS(
    rendered("{% set n = namespace(s='x') %}{% for a in range(99) %}{% set n.s = n.s + n.s "
             "%}{% endfor %}"),
    "a text of more than");
  CHECK_THROWS(rendered("{{ 'x' * 999999999 }}"), "more than");
  CHECK_THROWS(rendered("{{ [[1] * 1000] * 100000 }}"), "more than");
  CHECK_THROWS(rendered("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"), "deep");
  CHECK_THROWS(rendered("{{ " + repeated("(", 5000) + "1" + repeated(")", 5000) + " }}"), "nested");
  CHECK_THROWS(rendered("{{ " + repeated("[", 5000) + repeated("]", 5000) + " }}"), "nested");
  CHECK_THROWS(rendered("{{ " + repeated("not ", 5000) + "1 }}"), "nested");
  CHECK_THROWS(rendered("{{ " + repeated("-", 5000) + "1 }}"), "nested");
  CHECK_THROWS(rendered(repeated("{% if true %}", 5000)), "nested");
  CHECK_THROWS(rendered("{{ 1" + repeated(" + 1", 5000) + " }}"), "parts");
  CHECK_THROWS(rendered("{{ 'a'" + repeated(" | upper", 5000) + " }}"), "parts");
  CHECK_THROWS(rendered("{{ a" + repeated(".b", 5000) + " }}"), "parts");
  CHECK_THROWS(rendered("{% set n = namespace(v=[]) %}{% for i in range(500) %}{% set n.v = [n.v] "
                        "%}{% endfor %}{{ n.v }}"),
    "nested");
  CHECK_THROWS(Template(std::string(300 << 10, 'x')), "bytes");
  CHECK_THROWS(rendered("{{ 9223372036854775807 + 1 }}"), "too large");
  CHECK_THROWS(rendered("{{ -9223372036854775807 - 2 }}"), "too large");
  CHECK_THROWS(rendered("{{ 9999999999999999999 }}"), "too large");
  CHECK_THROWS(rendered("{{ 7 ** 100 }}"), "too large");
  CHECK(rendered("{{ 'abc'[:9223372036854775807:9223372036854775807] }}") == "a");
  CHECK(rendered("{{ 'abc'[-9223372036854775807:] }}") == "abc");
}

void testMessages()
{
  CHECK_THROWS(rendered("a\n{{ x.y }}"), "line 2: 'x' is undefined");
  CHECK_THROWS(rendered("{% include 'x' %}"), "line 1: the statement 'include' is not supported");
  CHECK_THROWS(rendered("\n\n{{ raise_exception('only users') }}"),
    "line 3: the template refuses: only users");
  CHECK_THROWS(rendered("{{ 'a' | pprint }}"), "the filter 'pprint' is not known");
  CHECK_THROWS(rendered("{{ [].append(1) }}"), "'append' would change a list");
  CHECK_THROWS(rendered("{% if 1 %}"), "endif is missing");
  CHECK_THROWS(rendered("{% break %}"), "outside of a loop");
  CHECK(rendered("{{ strftime_now('%Y') }}").size() == 4);
  CHECK(rendered("{{ {'\xff': 'a\xe4\xbd'} | tojson }}") ==
    "{\"\xef\xbf\xbd\": \"a\xef\xbf\xbd\"}"); // a template that is no UTF-8
}
}

int main()
{
  testGoldens();
  testBounds();
  testMessages();
  return lvlm_test::checkResult();
}
