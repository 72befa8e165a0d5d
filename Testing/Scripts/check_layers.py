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
ROOMS = ("Models/Trace", "Models/Text", "Models/Picture", "Models/Checkpoint", "Models/Ranks")
LAYERS = {
    "Models/Trace": ((), {"nlohmann"}),
    "Models/Text": (("Models/Trace",), {"nlohmann", "icu"}),
    "Models/Picture": (("Models/Trace",), {"nlohmann", "opencv"}),
    "Models/Checkpoint": (("Models/Trace",), {"nlohmann"}),
    "Models/Ranks": (("Models/Trace",), {"nlohmann"}),
    "Models/Causal": (("Models/Trace",), {"nlohmann"}),
    "Models/Llava/Network": (ROOMS, {"torch"}),
    "Models/Llava/Answer": (ROOMS + ("Models/Llava", "Models/Llava/Network"), {"torch"}),
    "Models/Llava/Relevancy": (ROOMS + ("Models/Llava", "Models/Llava/Network"), {"torch"}),
    "Readers": (ROOMS, {"vtk"}),
    "Filters/Common": (("Models/Trace", "Models/Ranks", "Readers"), {"vtk"}),
    "Filters/Drawing": (("Models/Trace", "Models/Picture", "Models/Causal", "Readers", "Filters/Common"), {"vtk", "opencv"}),
    "Filters/Analysis": (("Models/Trace", "Models/Ranks", "Models/Causal", "Readers", "Filters/Common", "Filters/Drawing"), {"vtk"}),
    "Filters/Inference": (
        ("Models/Trace", "Models/Picture", "Models/Checkpoint", "Models/Ranks", "Models/Llava", "Readers", "Filters/Common",
         "Filters/Analysis"), {"vtk"}),
    "Plugin": (("Models/Trace", "Readers", "Filters/Common", "Filters/Drawing", "Filters/Analysis"), {"vtk", "qt", "paraview"}),
}
# The public headers of Models/Llava stand on its parts.
LAYERS["Models/Llava"] = (ROOMS + tuple("Models/Llava/" + part for part in ("Network", "Answer", "Relevancy")), {"nlohmann", "torch"})
# Headers pass on what they include: these stay in the .cxx files of a layer.
IMPLEMENTATION_ONLY = {
    "Models/Text": {"icu"},
    "Models/Picture": {"opencv"},
    "Filters/Drawing": {"opencv"},
}
# Headers of Models/ that drag a library along.
CARRIERS = {"Models/Trace/Json.h": "nlohmann"}
LIBRARIES = (
    ("torch", re.compile(r"^(torch|ATen|c10|caffe2)/")),
    ("opencv", re.compile(r"^opencv2/")),
    ("icu", re.compile(r"^unicode/")),
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
        library = CARRIERS.get(include) if layer != "Models/Trace" else None
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
        "Models/Trace/A.h": "#include <vtkObject.h>",
        "Models/Trace/B.h": "#include <QWidget>",
        "Models/Trace/A.cxx": '#include "Models/Text/Unicode.h"',
        "Models/Text/A.h": "#include <unicode/regex.h>",
        "Models/Checkpoint/A.cxx": "#include <opencv2/core.hpp>",
        "Models/Causal/A.cxx": '#include "Models/Llava/LlavaModel.h"',
        "Models/Llava/A.cxx": '#include "Readers/TraceVTK.h"',
        "Models/Llava/Network/A.cxx": '#include "Models/Llava/Answer/Prompt.h"',
        "Models/Llava/Answer/A.cxx": '#include "Models/Llava/Relevancy/RelevancySweep.h"',
        "Readers/A.cxx": "#include <ATen/ATen.h>",
        "Filters/Common/A.cxx": '#include "Filters/Drawing/ShortText.h"',
        "Filters/Analysis/A.cxx": '#include "Models/Llava/LlavaModel.h"',
        "Filters/Inference/A.h": "#include <torch/torch.h>",
        "Plugin/A.cxx": '#include "Models/Llava/LlavaModel.h"',
        "Filters/Common/B.h": '#include "Models/Trace/Json.h"',
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
