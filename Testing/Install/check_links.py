#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks what each library of a build folder links: a reader of traces drags in no Unicode, picture or tensor library.

Arguments: the folder of the libraries, the plugin. Looks at the names that the dynamic loader will be asked for (NEEDED),
and follows those of our own libraries.
"""
import pathlib
import re
import subprocess
import sys

# Library of ours: outside libraries that it may need, itself or through others of ours.
ALLOWED = {
    "lvlmTrace": set(),
    "lvlmRanks": set(),
    "lvlmCheckpoint": set(),
    "lvlmCausal": set(),
    "lvlmText": {"text"},
    "lvlmPicture": {"picture"},
    "lvlmLlava": {"text", "picture", "torch", "products"},
    "lvlmReaders": {"vtk"},
    "lvlmReadersPicture": {"vtk", "picture"},
    "lvlmFiltersCommon": {"vtk"},
    "lvlmFiltersDrawing": {"vtk"},
    "lvlmFiltersOverlay": {"vtk", "picture", "opencv"},
    "lvlmFiltersAnalysis": {"vtk"},
    "lvlmFiltersInference": {"vtk", "picture"},  # loads lvlmLlava when a model is asked for
    "lvlmServer": {"vtk"},
}
# The libraries that talk to them themselves; the plugin to none.
DIRECT = {"text": {"lvlmText"}, "picture": {"lvlmPicture"}, "opencv": {"lvlmFiltersOverlay"}, "torch": {"lvlmLlava"},
          "products": {"lvlmLlava"}}
KINDS = {"text": r"lib(icu|onig)", "picture": r"lib(png|jpeg|tiff|webp|gif|lcms)", "opencv": r"libopencv",
         "torch": r"lib(torch|c10)", "products": r"libdnnl", "vtk": r"libvtk"}


def needed(file):
    text = subprocess.run(["readelf", "-d", str(file)], check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout
    return re.findall(r"\(NEEDED\).*\[(.+)\]", text)


def kinds_of(names):
    return {kind for kind, pattern in KINDS.items() for name in names if re.match(pattern, name)}


def main():
    folder, plugin = map(pathlib.Path, sys.argv[1:])
    names = {file.name[3:-3]: needed(file) for file in sorted(folder.glob("liblvlm*.so"))}
    wrong = ["%s is no library that this check knows" % name for name in names if name not in ALLOWED]

    def reach(name, seen):
        """All that the library needs, through our own libraries."""
        kinds = kinds_of(names[name])
        for other in names:
            if other not in seen and any(entry.startswith("lib%s.so" % other) for entry in names[name]):
                kinds |= reach(other, seen | {other})
        return kinds

    for name in names:
        surplus = reach(name, {name}) - ALLOWED.get(name, set())
        wrong += ["%s reaches %s" % (name, kind) for kind in sorted(surplus)]
        direct = {kind for kind in kinds_of(names[name]) & set(DIRECT) if name not in DIRECT[kind]}
        wrong += ["%s links %s itself" % (name, kind) for kind in sorted(direct)]
    wrong += ["the plugin links %s itself" % kind for kind in sorted(kinds_of(needed(plugin)) & set(DIRECT))]
    for line in wrong:
        print(line, file=sys.stderr)
    print("%d libraries, %d offences" % (len(names), len(wrong)))
    return 1 if wrong or len(names) < 9 else 0


if __name__ == "__main__":
    sys.exit(main())
