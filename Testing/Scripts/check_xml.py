#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the server-manager XML of the plugin.

Every proxy has short, long and full help; every property is documented, and those that can be set have a domain and
a default; no name is declared twice; every command is a method of the proxy's class. What a proxy has from its base
proxies counts as its own.
"""
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Methods of VTK's own classes.
INHERITED = {"SetInputConnection", "AddInputConnection", "SetInputArrayToProcess", "Modified", "Update", "Write"}
PARAVIEWS_CLASSES = {"vtkPVCompositeRepresentation"}  # that a proxy is made of without a base
LONGEST_SHORT_HELP = 90


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


def is_property(element):
    return element.tag.endswith("Property")


def inherited(proxy, proxies):
    """Properties by name that a proxy has from its base proxies, as far as those are ours."""
    base = proxies.get((proxy.get("base_proxygroup"), proxy.get("base_proxyname")))
    if base is None:
        return {}
    return {**inherited(base, proxies), **{prop.get("name"): prop for prop in base if is_property(prop)}}


def has_domain(prop):
    """Whether a domain says which values a property can take. ParaView has none for a text that may be anything: there,
    a hint for the text's widget says that this is meant."""
    if any(child.tag.endswith("Domain") for child in prop):
        return True
    return prop.tag == "StringVectorProperty" and any(
        prop.find("Hints/" + hint) is not None for hint in ("Widget", "PlaceholderText"))


def has_default(prop):
    """Whether a property has a value from the start: an empty list is one, and an array's domain chooses one. Inputs and
    the files of readers and writers are for the user to give."""
    return (prop.tag == "InputProperty" or prop.get("default_values") is not None or prop.get("number_of_elements") == "0"
            or prop.find("ArrayListDomain") is not None
            or (prop.get("name") == "FileName" and prop.find("FileListDomain") is not None))


def property_offences(where, prop):
    documentation = prop.find("Documentation")
    if documentation is None or not (documentation.text or "").strip():
        yield "%s is not documented" % where
    if prop.get("information_only") == "1" or prop.tag == "Property":  # told by the server, or a command without a value
        return
    if not has_domain(prop):
        yield "%s has no domain" % where
    if not has_default(prop):
        yield "%s has no default" % where


def proxy_offences(where, proxy, proxies, known):
    documentation = proxy.find("Documentation")
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
    ours = class_name in known
    if class_name and not ours and class_name not in PARAVIEWS_CLASSES and not proxy.get("base_proxyname"):
        yield "%s: no header of class %s" % (where, class_name)
    properties = inherited(proxy, proxies)
    names = set()
    for prop in filter(is_property, proxy):
        name = prop.get("name")
        if name in names or (name in properties and not prop.get("override")):
            yield "%s: property %s is declared twice" % (where, name)
        names.add(name)
        properties[name] = prop
        yield from property_offences("%s: property %s" % (where, name), prop)
    for name, prop in properties.items():
        for attribute in ("command", "clean_command"):
            command = prop.get(attribute)
            if command and ours and command not in INHERITED | methods(class_name, known):
                yield "%s: property %s calls %s, which %s does not have" % (where, name, command, class_name)


def check(documents, known):
    found, declared = [], []
    for file, root in documents:
        for group in root.iter("ProxyGroup"):
            # An extension adds to a proxy of ParaView.
            declared += [(file, (group.get("name"), proxy.get("name")), proxy)
                         for proxy in group if proxy.tag != "Extension"]
    proxies = {key: proxy for _, key, proxy in declared}
    bases = {(proxy.get("base_proxygroup"), proxy.get("base_proxyname")) for proxy in proxies.values()}
    for file, key, proxy in declared:
        where = "%s: %s.%s" % ((file,) + key)
        if proxies[key] is not proxy:
            found.append("%s is declared twice" % where)
        if not proxy.get("class") and key not in bases:
            found.append("%s: neither a class nor a base of another proxy" % where)
        found += proxy_offences(where, proxy, proxies, known)
    return found, len(proxies)


def self_test(known):
    """The rules catch what they are there for."""
    text = """<S><ProxyGroup name="g">
      <SourceProxy name="base"><Documentation short_help="s" long_help="l">t</Documentation>
        <IntVectorProperty name="p" command="%s" default_values="0"><BooleanDomain name="b"/>
          <Documentation>d</Documentation></IntVectorProperty></SourceProxy>
      <SourceProxy name="a" class="vtkLVLMTokens" base_proxygroup="g" base_proxyname="base">
        <Documentation short_help="s" long_help="l">t</Documentation>%s</SourceProxy></ProxyGroup></S>"""
    good, _ = check([("test", ElementTree.fromstring(text % ("SetFollowTime", "")))], known)
    if good:
        sys.exit("check_xml: the rules refuse good XML: %s" % good)
    documented = '<%s name="%s" %s>%s<Documentation>d</Documentation></%s>'
    flag, domain = "IntVectorProperty", '<BooleanDomain name="b"/>'
    for command, bad in (
            ("Nope", ""),
            ("SetFollowTime", '<IntVectorProperty name="q" default_values="0"><BooleanDomain name="b"/></IntVectorProperty>'),
            ("SetFollowTime", documented % (flag, "p", 'default_values="0"', domain, flag)),
            ("SetFollowTime", documented % (flag, "q", 'default_values="0" command="Nope"', domain, flag)),
            ("SetFollowTime", documented % (flag, "q", 'default_values="0"', "", flag)),
            ("SetFollowTime", documented % (flag, "q", "", domain, flag))):
        if not check([("test", ElementTree.fromstring(text % (command, bad)))], known)[0]:
            sys.exit("check_xml: the rules missed %s %s" % (command, bad))


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
