#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that no class, enumeration or function is defined in two files under one qualified name.

Such a pair compiles, and often runs: the linker keeps one of the two at random. Reads the sources themselves, so that names
in libraries and programs that never meet count too. Two programs of Testing may use a name each for itself, none that the
product has. Unnamed namespaces, `static` functions and what stands inside of functions belong to their file, and are not
looked at.
"""
import collections
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PRODUCT = ("Models", "Readers", "Filters", "Plugin")
SOURCES = {".h", ".hpp", ".txx", ".cxx", ".cpp"}

NOISE = re.compile(
    r'//[^\n]*|/\*.*?\*/'                                # comments
    r'|R"([^()\s]*)\(.*?\)\1"'                           # raw strings
    r'|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\''       # strings, characters
    r'|^[ \t]*#(?:\\\n|[^\n])*', re.DOTALL | re.MULTILINE)
TOKEN = re.compile(r"[A-Za-z_]\w*|\d[\w.']*|::|\[\[|\]\]|->|&&|[^\s\w]")
WORD = re.compile(r"[A-Za-z_]\w*$")
KEYS = {"class", "struct", "union", "enum"}


def tokens_of(text):
    digits = re.sub(r"(?<=\d)'(?=\d)", "", text)
    return TOKEN.findall(NOISE.sub(lambda found: '""' if found.group()[0] in 'R"' else " ", digits))


def after_template(head):
    """The head without `template <...>` in front."""
    while head[:1] == ["template"]:
        depth, at = 0, 1
        while at < len(head):
            depth += {"<": 1, ">": -1}.get(head[at], 0)
            at += 1
            if depth == 0:
                break
        head = head[at:]
    return head


def class_name(head):
    """Of the head of a class or enumeration: its name as written, without attributes and export macros."""
    at = next(n for n, token in enumerate(head) if token in KEYS)
    rest = head[at + 1:]
    while rest and (rest[0] in KEYS or rest[0] == "[["):
        rest = rest[rest.index("]]") + 1:] if rest[0] == "[[" else rest[1:]
    if len(rest) > 1 and WORD.match(rest[0]) and WORD.match(rest[1]) and rest[1] != "final":
        rest = rest[1:]
    name, depth = [], 0
    for token in rest:
        if depth == 0 and token in (":", "final"):
            break
        depth += {"<": 1, ">": -1}.get(token, 0)
        name.append(token)
    return "".join(name)


def parameters(inside):
    """The types of a parameter list: default values and names left out."""
    depth, parts, part = 0, [], []
    for token in inside + [","]:
        depth += {"<": 1, "(": 1, "{": 1, "[": 1, ">": -1, ")": -1, "}": -1, "]": -1}.get(token, 0)
        if token == "," and depth == 0:
            part = part[:part.index("=")] if "=" in part else part
            if len(part) > 1 and WORD.match(part[-1]) and part[-2] not in ("::", "const"):
                part = part[:-1]
            parts.append(" ".join(part))
            part = []
        else:
            part.append(token)
    return ", ".join(part for part in parts if part)


def function_name(head):
    """Of the head of a function definition: name and parameter types; None for what is none."""
    opening = head.index("(")
    if "operator" in head[:opening + 1]:
        start = head.index("operator")
        opening = head.index("(", start + 1 if head[start + 1] != "(" else start + 2)
    if "=" in head[:opening] and "operator" not in head[:opening] or "static" in head[:opening]:
        return None
    start = opening
    while start > 0 and (head[start - 1] in ("::", "~") or (WORD.match(head[start - 1]) and
                         (start == opening or head[start] in ("::", "~")))):
        start -= 1
    if "operator" in head[:opening]:
        start = min(start, head.index("operator"))
    depth, closing = 0, opening
    for closing in range(opening, len(head)):
        depth += {"(": 1, ")": -1}.get(head[closing], 0)
        if depth == 0:
            break
    name = "".join(head[start:opening])
    const = " const" if "const" in head[closing:closing + 3] else ""
    return "%s(%s)%s" % (name, parameters(head[opening + 1:closing]), const) if name else None


def end_of_block(tokens, at):
    """Behind the brace that closes the one at `at`."""
    depth = 0
    for n in range(at, len(tokens)):
        depth += {"{": 1, "}": -1}.get(tokens[n], 0)
        if depth == 0:
            return n + 1
    return len(tokens)


def definitions(text):
    """The qualified names that the text defines for others."""
    tokens = tokens_of(text)
    scopes, head, at = [], [], 0  # a scope: its name, and whether it is a class

    def qualified(name):
        return "::".join([scope for scope, _ in scopes if scope] + [name])

    while at < len(tokens):
        token = tokens[at]
        if token == "{" and head.count("(") > head.count(")"):  # a default argument
            at = end_of_block(tokens, at)
            continue
        if token == "{":
            plain = after_template(head)
            words = [word for word in plain if word != "inline"]
            if words[:1] == ["namespace"]:
                if len(words) == 1:
                    at, head = end_of_block(tokens, at), []
                    continue
                scopes.append(("".join(words[1:]), False))
            elif words[:1] == ["extern"] and '"' in "".join(words[1:2]):
                scopes.append(("", False))
            elif KEYS & set(words) and "(" not in words and "=" not in words:
                name = class_name(words)
                if name:
                    yield qualified(name)
                scopes.append((name, True))
            else:
                if "(" in words and not (scopes and scopes[-1][1]):
                    name = function_name(words)
                    if name:
                        yield qualified(name)
                at, head = end_of_block(tokens, at), []
                continue
            head = []
        elif token == "}":
            if scopes:
                scopes.pop()
            head = []
        elif token == ";":
            head = []
        elif token == ":" and head[-1:] in (["public"], ["private"], ["protected"]):
            head = []
        else:
            head.append(token)
        at += 1


def offences(files):
    """files: path -> text. What is defined twice, as one line each."""
    places = collections.defaultdict(set)
    for path, text in files.items():
        for name in definitions(text):
            places[name].add(path)
    for name, where in sorted(places.items()):
        if name != "main()" and len(where) > 1 and any(path.split("/")[0] in PRODUCT for path in where):
            yield "%s is defined in %s" % (name, " and ".join(sorted(where)))


def self_test():
    """Finds what it is there for, and nothing else."""
    first = """#include "Own.h"
        namespace lvlm { int d(Options options = {}); int d(Options options) {} struct Word { int a = 1; }; inline int f(const Word& w, int n = 2) { return n; }
        namespace { struct Own {}; void g() {} } static void h() {} template <class T> struct S {}; enum class E : int { A };
        class LVLM_EXPORT K final : public Word { struct Inner { }; void m() {} }; void K::m(int a) const { struct L {}; } }"""
    found = set(definitions(first))
    expected = {"lvlm::" + name for name in
                ("d(Options)", "Word", "f(const Word &, int)", "S", "E", "K", "K::Inner", "K::m(int) const")}
    same = {"Models/A.h": first, "Models/B.h": "namespace lvlm { class Word { char* /* { */ b; }; }",
            "Models/C.h": "namespace lvlm::text { struct Word { }; } struct K; namespace lvlm { int f(long w, int n) { } }",
            "Testing/A.cxx": "struct Case {};  int main() {}", "Testing/B.cxx": "struct Case {};  int main() {}"}
    reported = list(offences(same))
    if found != expected or reported != ["lvlm::Word is defined in Models/A.h and Models/B.h"]:
        sys.exit("check_names: it found %s, reported %s" % (sorted(found ^ expected), reported))


def main():
    self_test()
    files = {file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8")
             for folder in PRODUCT + ("Testing",) for file in sorted((ROOT / folder).rglob("*")) if file.suffix in SOURCES}
    found = list(offences(files))
    for offence in found:
        print(offence, file=sys.stderr)
    print("%d files, %d names defined twice" % (len(files), len(found)))
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main())
