#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the server-manager XML of the plugin.

Every proxy has short, long and full help; every property is documented; no name is declared twice;
every command is a method of the proxy's class.
"""
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Methods of VTK's own classes.
INHERITED = {"SetInputConnection", "AddInputConnection", "SetInputArrayToProcess", "Update", "Write"}
LONGEST_SHORT_HELP = 90


def help_of(element):
    documentation = element.find("Documentation")
    return None if documentation is None else documentation


def headers():
    """Class name: text of its header, for our own classes."""
    found = {}
    for folder in ("Readers", "Filters", "Plugin"):
        for file in (ROOT / folder).rglob("*.h"):
            found[file.stem] = file.read_text(encoding="utf-8")
    return found


def methods(name, known):
    """Methods that a class declares, its own superclasses included."""
    text = known.get(name)
    if text is None:
        return set()
    result = set(re.findall(r"\b(\w+)\s*\(", text))
    for macro, property_name in re.findall(r"\bvtk(Set|Get|Boolean)\w*Macro\((\w+)", text):
        prefixes = {"Set": ["Set"], "Get": ["Get"], "Boolean": []}[macro]
        result |= {prefix + property_name for prefix in prefixes}
    base = re.search(r"class\s+(?:\w+_EXPORT\s+)?%s\s*:\s*public\s+(\w+)" % name, text)
    return result | (methods(base.group(1), known) if base else set())


def proxy_offences(where, proxy, known):
    documentation = help_of(proxy)
    if documentation is None:
        yield "%s: no Documentation" % where
    else:
        for attribute in ("short_help", "long_help"):
            if not documentation.get(attribute, "").strip():
                yield "%s: no %s" % (where, attribute)
        if len(documentation.get("short_help", "")) > LONGEST_SHORT_HELP:
            yield "%s: short_help is longer than %d characters" % (where, LONGEST_SHORT_HELP)
        if not (documentation.text or "").strip():
            yield "%s: no help text" % where
    class_name = proxy.get("class")
    if class_name not in known and not proxy.get("base_proxyname"):
        yield "%s: no header of class %s" % (where, class_name)
    names = set()
    for prop in proxy:
        if not prop.tag.endswith("Property"):
            continue
        name = prop.get("name")
        if name in names:
            yield "%s: property %s is declared twice" % (where, name)
        names.add(name)
        documentation = help_of(prop)
        if documentation is None or not (documentation.text or "").strip():
            yield "%s: property %s is not documented" % (where, name)
        for attribute in ("command", "clean_command"):
            command = prop.get(attribute)
            if command and class_name in known and command not in INHERITED | methods(class_name, known):
                yield "%s: property %s calls %s, which %s does not have" % (where, name, command, class_name)


def check(documents, known):
    seen, found = set(), []
    for file, root in documents:
        for group in root.iter("ProxyGroup"):
            for proxy in group:
                if proxy.tag == "Extension":  # adds to a proxy of ParaView
                    continue
                where = "%s: %s.%s" % (file, group.get("name"), proxy.get("name"))
                key = (group.get("name"), proxy.get("name"))
                if key in seen:
                    found.append("%s is declared twice" % where)
                seen.add(key)
                found += proxy_offences(where, proxy, known)
    return found, len(seen)


def self_test(known):
    """The rules catch what they are there for."""
    text = """<S><ProxyGroup name="g"><SourceProxy name="a" class="vtkLVLMTokens">
      <Documentation short_help="s" long_help="l">t</Documentation>
      <IntVectorProperty name="p" command="AddLayer"><Documentation>d</Documentation></IntVectorProperty>
      %s</SourceProxy></ProxyGroup></S>"""
    good, _ = check([("test", ElementTree.fromstring(text % ""))], known)
    if good:
        sys.exit("check_xml: the rules refuse good XML: %s" % good)
    for bad in ('<IntVectorProperty name="q"/>',
                '<IntVectorProperty name="p"><Documentation>d</Documentation></IntVectorProperty>',
                '<IntVectorProperty name="q" command="Nope"><Documentation>d</Documentation></IntVectorProperty>'):
        if not check([("test", ElementTree.fromstring(text % bad))], known)[0]:
            sys.exit("check_xml: the rules missed %s" % bad)


def main():
    known = headers()
    self_test(known)
    files = [f for f in sorted((ROOT / "Plugin").rglob("*.xml")) if "ServerManagerConfiguration" in f.read_text("utf-8")]
    found, proxies = check([(f.relative_to(ROOT), ElementTree.parse(f).getroot()) for f in files], known)
    for offence in found:
        print(offence, file=sys.stderr)
    print("%d files, %d proxies, %d offences" % (len(files), proxies, len(found)))
    return 1 if found or not proxies else 0


if __name__ == "__main__":
    sys.exit(main())
