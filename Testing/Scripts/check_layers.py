#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that dependencies between layers go one way (DESIGN section 3).

Reads the #include lines of every source file. A layer may include itself and what its row lists.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = {".h", ".hpp", ".cxx", ".cpp", ".cu", ".txx"}

# Layer: (layers it may include, libraries it may include). The most specific folder counts.
LAYERS = {
    "Models/Core": ((), {"nlohmann", "opencv"}),
    "Models/Causal": (("Models/Core",), {"nlohmann", "opencv"}),
    "Models/Llava": (("Models/Core",), {"nlohmann", "opencv", "torch"}),
    "Readers": (("Models/Core",), {"vtk"}),
    "Filters": (("Models/Core", "Models/Causal", "Readers"), {"vtk", "opencv"}),
    "Filters/Inference": (("Models/Core", "Models/Llava", "Readers", "Filters"), {"vtk", "opencv", "torch"}),
    "Plugin": (("Models/Core", "Readers", "Filters"), {"vtk", "qt", "paraview"}),
}
# Headers pass on what they include: these stay in the .cxx files of a layer.
IMPLEMENTATION_ONLY = {
    "Models/Core": {"opencv"},
    "Models/Causal": {"opencv"},
    "Filters": {"opencv"},
    "Filters/Inference": {"torch", "opencv"},
}
# Headers of Models/ that drag a library along.
CARRIERS = {"Models/Core/Json.h": "nlohmann"}
LIBRARIES = (
    ("torch", re.compile(r"^(torch|ATen|c10|caffe2)/")),
    ("opencv", re.compile(r"^opencv2/")),
    ("nlohmann", re.compile(r"^(nlohmann/|vtk_nlohmannjson)")),
    ("paraview", re.compile(r"^(vtkSM|vtkPV|vtkSI|pq)\w*\.h$")),
    ("vtk", re.compile(r"^(vtk|lvlm\w+Module\.h)")),
    ("qt", re.compile(r"^(Qt\w+/|Q[A-Z]\w*$|ui_)")),
)
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)


def layer_of(path):
    """The most specific layer that the path (relative, with slashes) lies in, or None."""
    inside = [layer for layer in LAYERS if path.startswith(layer + "/")]
    return max(inside, key=len, default=None)


def library_of(include):
    own = include in {p.name for p in ROOT.glob("Filters/vtk*.h")} | {p.name for p in ROOT.glob("Readers/vtk*.h")}
    if own:
        return None
    return next((name for name, pattern in LIBRARIES if pattern.match(include)), None)


def offences(path, text):
    """What the file includes against the rules."""
    layer = layer_of(path)
    allowed_layers, allowed_libraries = LAYERS[layer]
    header = pathlib.PurePosixPath(path).suffix in {".h", ".hpp", ".txx"}
    for include in INCLUDE.findall(text):
        target = layer_of(include)
        if target and target != layer and target not in allowed_layers:
            yield "%s (layer %s) includes %s" % (path, layer, include)
        library = CARRIERS.get(include) if layer not in ("Models/Core",) else None
        library = library or library_of(include)
        if library is None:
            continue
        if library not in allowed_libraries and not (library == "nlohmann" and not header):
            yield "%s (layer %s) includes %s: no %s here" % (path, layer, include, library)
        elif header and library in IMPLEMENTATION_ONLY.get(layer, ()):
            yield "%s is a header and includes %s: keep %s in .cxx files" % (path, include, library)


def check(root):
    found, files = [], 0
    for folder in sorted({layer.split("/")[0] for layer in LAYERS}):
        for file in sorted((root / folder).rglob("*")):
            if file.suffix in SOURCES:
                path = file.relative_to(root).as_posix()
                if layer_of(path):
                    files += 1
                    found += offences(path, file.read_text(encoding="utf-8"))
    return found, files


def self_test():
    """The rules catch what they are there for."""
    bad = {
        "Models/Core/A.h": "#include <vtkObject.h>",
        "Models/Causal/A.cxx": '#include "Models/Llava/Decoder.h"',
        "Models/Llava/A.cxx": '#include "Readers/TraceVTK.h"',
        "Readers/A.cxx": "#include <ATen/ATen.h>",
        "Filters/A.cxx": '#include "Models/Llava/Model.h"',
        "Filters/Inference/A.h": "#include <torch/torch.h>",
        "Plugin/A.cxx": '#include "Models/Llava/Model.h"',
        "Models/Core/B.h": "#include <QWidget>",
        "Filters/B.h": '#include "Models/Core/Json.h"',
    }
    missed = [path for path, text in bad.items() if not list(offences(path, text))]
    if missed:
        sys.exit("check_layers: the rules missed %s" % missed)


def main():
    self_test()
    found, files = check(ROOT)
    for offence in found:
        print(offence, file=sys.stderr)
    print("%d files, %d offences" % (files, len(found)))
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main())
