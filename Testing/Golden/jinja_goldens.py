# SPDX-License-Identifier: Apache-2.0
"""Writes Testing/Data/tokenizer/jinja.json: what jinja2, set up as transformers sets it up, makes of templates.

    pip install transformers jinja2 torch
    git clone https://github.com/chujiezheng/chat_templates; git clone https://github.com/huggingface/huggingface.js
    node -e '...'                                  # the strings named chat_template of packages/jinja/test/e2e.test.js
    python jinja_goldens.py --real REAL.json ../Data/tokenizer/jinja.json

REAL.json is a list of [name, template]. Two kinds of entries come out: `constructs`, small templates of our own, one for
each rule of the language that chat templates rely on, and `real`, published chat templates, each with several
conversations. An entry has the template, and for each case the variables (or the number of a conversation) and either
`text` or `error`: true.
"""
from __future__ import annotations

import argparse
import json
from pathlib import Path

from transformers.utils.chat_template_utils import _compile_jinja_template

IMAGE_FIRST = [dict(type="image"), dict(type="text", text="What is “this”?\n ")]
CONVERSATIONS = [
    dict(messages=[dict(role="user", content="  What colour is the star?\n")], add_generation_prompt=True),
    dict(messages=[dict(role="system", content="Be brief."), dict(role="user", content="<image>\nWhy, naïve 你好?")],
         add_generation_prompt=True),
    dict(messages=[dict(role="user", content="Hi"), dict(role="assistant", content="Hello <b>"), dict(role="user", content="Go on")],
         add_generation_prompt=False),
    dict(messages=[dict(role="user", content=IMAGE_FIRST)], add_generation_prompt=True),
    dict(messages=[dict(role="system", content=[dict(type="text", text="Be kind.")]), dict(role="user", content=IMAGE_FIRST)],
         add_generation_prompt=True),
    dict(messages=[dict(role="user", content="a"), dict(role="user", content="b")], add_generation_prompt=True),
]
TOOLS = [dict(type="function", function=dict(name="colour", description="Tells a colour.", parameters=dict(
    type="object", properties=dict(place=dict(type="string", enum=["top", "left"])), required=["place"])))]
CONVERSATIONS.append(dict(messages=CONVERSATIONS[1]["messages"], tools=TOOLS, add_generation_prompt=True))
SPECIAL = dict(bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>")

V = dict(t="abc", n=7, f=2.5, b=True, z=None, l=[3, 1, 2], e=[], m=dict(one=1, two="zwei"), s="  x y \n",
         rows=[dict(a=1, b="x"), dict(a=2, b="y"), dict(a=1, b="Z")], u="naïve ß 你好")
CONSTRUCTS = r"""
{{ t }}{{ n }}{{ f }}{{ b }}{{ z }}{{ l }}{{ m }}{{ missing }}
{{ 'it\'s' }}{{ "a\n\tb\\c" }}{{ '\x41\u00e9\q' }}{{ "a" 'b' }}
{{ 1_000 + 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 1e3 }} {{ 4.0 }}
{{ -2 ** 2 }} {{ 2 + 3 * 4 }} {{ (2 + 3) * 4 }} {{ 1 ~ 2 ~ 'x' ~ none ~ missing }} {{ 'a' * 3 }} {{ [1] * 2 + [3] }} {{ 'a' + 'b' ~ 'c' }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 }} {{ 1 == true }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }} {{ none == none }} {{ missing == other }}
{{ 'b' in t }} {{ 'one' in m }} {{ 3 in l }} {{ 9 not in l }} {{ not 3 in l }} {{ 'x' in missing }}
{{ t and n }} {{ '' or 'else' }} {{ not t }} {{ e or z }} {{ 0 and 1 or 2 }}
{{ 'yes' if b else 'no' }} {{ 'yes' if not b }} {{ 1 if z else 2 if b else 3 }}
{{ t[0] }}{{ t[-1] }}{{ t[5] }}{{ l[1:] }}{{ l[::-1] }}{{ t[::-1] }}{{ t[:2] }}{{ u[0:3] }}{{ l[-2:] }}{{ l[5:] }}{{ t[10:1:-1] }}
{{ m.one }}{{ m['two'] }}{{ m.three }}{{ m['three'] is defined }}{{ m.get('one') }}{{ m.get('x', 'd') }}{{ m.get('x') }}
{{ m.items() | list }} {{ m.keys() | list }} {{ m.values() | list }} {{ m | length }} {{ m | dictsort }}
{{ (1, 2) }} {{ (1,) }} {{ () }} {{ {'a': [1, none, 'q"', "it's"]} }} {{ [] }} {{ {} }}
{{ s | trim }}|{{ s.strip() }}|{{ s.lstrip() }}|{{ s.rstrip() }}|{{ 'xxaxx'.strip('x') }}|{{ 'xyaxy' | trim('xy') }}|
{{ 'a,b,,c'.split(',') }} {{ ' a  b '.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ 'a b c'.split(none, 1) }} {{ 'x\ny\n'.splitlines() }}
{{ 'a-b-a'.replace('a', 'X') }} {{ 'aaa'.replace('a', 'b', 2) }} {{ 'aaa' | replace('a', '') }} {{ 'abc'.startswith('ab') }} {{ 'abc'.endswith(('x', 'c')) }}
{{ u | upper }} {{ 'ÀB' | lower }} {{ 'hello wORLD' | title }} {{ 'hELLO world' | capitalize }} {{ u | length }} {{ 'abcb'.find('b') }} {{ 'abcb'.rfind('b') }} {{ 'abc'.find('z') }} {{ 'abab'.count('ab') }}
{{ ', '.join(['a', 'b']) }} {{ [1, 2] | join('-') }} {{ rows | join(',', attribute='b') }} {{ 'abc' | join('.') }}
{{ l | first }} {{ l | last }} {{ l | sort }} {{ l | sort(reverse=true) }} {{ l | reverse | list }} {{ t | reverse }} {{ l | sum }} {{ l | min }} {{ l | max }} {{ e | first }}
{{ rows | map(attribute='a') | list }} {{ ['a', 'b'] | map('upper') | list }} {{ rows | map(attribute='c', default='-') | list }}
{{ rows | selectattr('a', 'equalto', 1) | map(attribute='b') | list }} {{ rows | rejectattr('a', '==', 1) | list | length }} {{ [0, 1, 2] | select | list }} {{ [1, 2, 3] | select('odd') | list }} {{ [1, 2, 3] | reject('odd') | list }}
{{ 'gen' if (e | map('upper')) else 'empty' }} {{ rows | selectattr('missing') | list }} {{ rows | selectattr('b', 'in', ['x', 'y']) | list | length }}
{{ missing | default('d') }} {{ '' | default('d') }} {{ '' | d('d', true) }} {{ z | default('d') }} {{ missing | length }} {{ missing | list }}
{{ m | tojson }} {{ 'ä"\n' | tojson }} {{ [1, 2.5, none, true] | tojson }} {{ {'a': [1, {'b': 2}], 'c': [], 'd': {}} | tojson(indent=2) }}
{{ '12' | int }} {{ 'x' | int }} {{ '2.7' | int }} {{ 'x' | int(5) }} {{ 3 | float }} {{ 2.5 | round }} {{ 2.567 | round(2) }} {{ 2.1 | round(0, 'ceil') }} {{ -3 | abs }} {{ 5 | string + 'x' }} {{ 2.7 | int }}
{{ 'a\nb\n\nc' | indent }} {{ 'a\nb' | indent(2, true) }} {{ 'a\nb\n' | indent(width=1) }}|
{{ t is defined }} {{ missing is undefined }} {{ z is none }} {{ t is string }} {{ n is number }} {{ f is float }} {{ n is integer }} {{ b is boolean }} {{ b is integer }} {{ b is number }} {{ b is true }} {{ n is true }} {{ b is false }}
{{ m is mapping }} {{ l is sequence }} {{ t is sequence }} {{ m is sequence }} {{ l is iterable }} {{ n is iterable }} {{ missing is iterable }} {{ n is sequence }} {{ range is callable }} {{ t is not string }} {{ not t is string }}
{{ 4 is even }} {{ 4 is odd }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(2) }} {{ 1 is eq 1 }} {{ 1 is ne(2) }} {{ 1 is lt 2 }} {{ 2 is in [1, 2] }} {{ 'a' is in('abc') }} {{ 'ab' is lower }} {{ 'AB' is upper }} {{ 1 is gt 0 and true }}
{{ range(3) | list }} {{ range(1, 4) | list }} {{ range(5, 0, -2) | list }} {{ range(0) | list }} {{ dict(a=1, b='x') }} {{ dict(m, c=3)['c'] }}
{% for x in l %}{{ x }}{% if not loop.last %},{% endif %}{% endfor %}
{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('a', 'b') }};{% endfor %}
{% for x in l if x > 1 %}{{ loop.index }}:{{ x }} {% endfor %}{% for x in e %}{{ x }}{% else %}none{% endfor %}{% for x in l if x > 9 %}{% else %}nothing{% endfor %}
{% for k, v in m.items() %}{{ k }}={{ v }};{% endfor %}{% for (k, v) in m | items %}{{ k }}{% endfor %}{% for k in m %}{{ k }}{% endfor %}{% for c in 'añ' %}[{{ c }}]{% endfor %}{% for x in missing %}{% endfor %}
{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% if x == 2 %}{% break %}{% endif %}{% endfor %}{% for x in range(9) %}{% if x > 2 %}{% break %}{% endif %}{{ x }}{% endfor %}
{% for a in [1, 2] %}{% for b in [3, 4] %}{{ a }}{{ b }}{{ loop.index }} {% endfor %}{{ loop.index }}{% endfor %}
{% set x = 1 %}{% for i in l %}{% set x = i %}{{ x }}{% endfor %}{{ x }}{% if true %}{% set x = 5 %}{% endif %}{{ x }}
{% set ns = namespace(found=false, n=0) %}{% for i in l %}{% if i > 1 %}{% set ns.found = true %}{% set ns.n = ns.n + i %}{% endif %}{% endfor %}{{ ns.found }}{{ ns.n }}{{ ns.other }}
{% set a, b = 1, 'two' %}{{ a }}{{ b }}{% set c = 1, 2 %}{{ c }}{% set block %} in {{ a }} {% endset %}[{{ block }}]{{ block is string }}
{% if false %}a{% elif 0 %}b{% elif 'x' %}c{% else %}d{% endif %}{% if missing %}x{% endif %}{% if missing is defined and missing.attribute %}x{% else %}y{% endif %}
{% macro say(what, to='you', n=2) %}{{ what }} {{ to }}{{ n }}{% endmacro %}{{ say('hi') }}{{ say('yo', n=3) }}{{ say(to='me', what='a') | upper }}{{ say() }}
{% macro down(n) %}{{ n }}{% if n > 0 %}{{ down(n - 1) }}{% endif %}{% endmacro %}{{ down(3) }}{{ t }}{% macro top() %}{{ t }}{% endmacro %}{{ top() }}
{% macro box(a) %}[{{ a }}:{{ caller() }}]{% endmacro %}{% set q = 3 %}{% call box('x') %}in {{ q }}{% endcall %}{% macro each(l) %}{% for i in l %}{{ caller(i) }}{% endfor %}{% endmacro %}{% call(i) each([1, 2]) %}<{{ i }}>{% endcall %}
{%- set x = 1 -%}   a   {%- if true -%}  b  {%- endif -%}  c  {{- 'd' -}}  e {#- comment -#}  f
  {% if true %}
    line
  {% endif %}
after
  {%+ if true %} kept{% endif +%}
end
a {# comment #} b
  {# comment alone #}
c
{% raw %}{{ not }} {% this %}{% endraw %}|{%- raw -%}  x  {%- endraw -%}  y
{% generation %}{{ t }}{% set inner = 1 %}{% endgeneration %}{{ inner is defined }}
{{ "}}" }}{{ '{%' }}{{ {'a': {'b': 1}}['a']['b'] }}{{ {'a': 1}.a }}{{ [[1, 2], [3]][0][1] }}{{ rows[0].b }}{{ rows.0.a }}{{ (rows | first).b }}
{{ true and false or not none }} {{ True }} {{ None }} {{ 1 if 2 > 1 else 0 }} {{ 'a' if 'a' in ['a'] and not false else 'b' }} {{ [1, 2,] }} {{ {'a': 1,} }}
{{ t.upper().lower().title() }}{{ t | upper | lower }}{{ (t ~ 'x') | upper }}{{ t ~ 'x' | upper }}{{ -n | abs }}{{ 'a' 'b' | upper }}
{{ "%02d" }}{{ 'trailing' }}	tab {{ "é" }}

two lines end

{{ missing.attribute }}
{{ missing['x'] }}
{{ missing + 1 }}
{{ 1 + 'a' }}
{{ 'a' < 1 }}
{{ none.x.y }}
{{ t.nosuch() }}
{{ nosuch() }}
{{ raise_exception('no') }}
{{ l.append(1) }}
{{ 1 // 0 }}
{{ n | length }}
{{ t | nosuch }}
{{ t is nosuch }}
{% for x in 5 %}{% endfor %}
{% for a, b in [[1]] %}{% endfor %}
{% set t.x = 1 %}
{{ (e | map('upper')) | length }}
{% if %}{% endif %}
{% for x in l %}
{{ 'open }}
{{ 1 + }}
{% nosuch %}
{% endif %}
{{ t
{# open
{{ range(1000000) | list }}
""".split("\n")


def outcome(template: str, variables: dict) -> dict:
    try:
        return dict(text=_compile_jinja_template(template).render(**variables, strftime_now=lambda form: "{now:%s}" % form))
    except Exception:
        return dict(error=True)


def join_multiline(lines: list[str]) -> list[str]:
    """White space rules need templates of several lines: those from the first line that starts with two spaces on."""
    first = next(i for i, line in enumerate(lines) if line == "  {% if true %}")
    last = next(i for i, line in enumerate(lines) if line == "c")
    block = ["\n".join(lines[first:first + 6]), "\n".join(lines[first + 5:last + 1]), "\n".join(lines[first:last + 1]) + "\n\n"]
    return [line for line in lines[:first] + block + lines[last + 1:] if line]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, required=True)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    constructs = [dict(template=t, cases=[outcome(t, V)]) for t in join_multiline(CONSTRUCTS)]
    real = [dict(name=name, template=t, cases=[outcome(t, {**SPECIAL, **c}) for c in CONVERSATIONS])
            for name, t in json.loads(args.real.read_text())]
    golden = dict(variables=V, conversations=[{**SPECIAL, **c} for c in CONVERSATIONS], constructs=constructs, real=real)
    args.out.write_text(json.dumps(golden, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    print(len(constructs), "constructs,", sum("error" in e["cases"][0] for e in constructs), "of them errors;", len(real), "real")


if __name__ == "__main__":
    main()
