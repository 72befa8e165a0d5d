#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that dependencies between layers go one way (DESIGN section 3).

Reads the #include lines of every source file. A layer may include itself and what its row lists; no files and no
folders, those of Testing included, include each other in a circle.
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
    "Models/Text": (("Models/Trace",), {"nlohmann", "icu", "oniguruma"}),
    "Models/Picture": (("Models/Trace",), {"nlohmann", "codecs"}),
    "Models/Checkpoint": (("Models/Trace",), {"nlohmann"}),
    "Models/Ranks": (("Models/Trace",), {"nlohmann"}),
    "Models/Causal": (("Models/Trace",), {"nlohmann"}),
    "Models/Llava": (ROOMS, set()),
    "Models/Llava/Network": (ROOMS + ("Models/Llava",), {"torch"}),
    "Models/Llava/Answer": (ROOMS + ("Models/Llava", "Models/Llava/Network"), {"torch"}),
    "Models/Llava/Relevancy": (ROOMS + ("Models/Llava", "Models/Llava/Network"), {"torch"}),
    "Models/Llava/Lens": (ROOMS + ("Models/Llava", "Models/Llava/Network", "Models/Llava/Answer", "Models/Llava/Relevancy"), {"torch"}),
    "Models/Llava/Intervention": (ROOMS + ("Models/Llava", "Models/Llava/Network", "Models/Llava/Answer", "Models/Llava/Relevancy"), {"torch"}),
    "Models/Llava/Weighting": (ROOMS + ("Models/Llava", "Models/Llava/Network", "Models/Llava/Answer", "Models/Llava/Relevancy"), {"torch"}),
    "Readers": (("Models/Trace", "Models/Ranks"), {"vtk"}),
    "Readers/Picture": (("Models/Trace", "Models/Picture", "Readers"), {"vtk"}),
    "Filters/Common": (("Models/Trace", "Models/Ranks", "Readers"), {"vtk"}),
    "Filters/Drawing": (("Models/Trace", "Models/Causal", "Readers", "Filters/Common"), {"vtk"}),
    "Filters/Overlay": (("Models/Trace", "Models/Picture", "Readers", "Filters/Common"), {"vtk", "opencv"}),
    "Filters/Analysis": (("Models/Trace", "Models/Ranks", "Models/Causal", "Readers", "Filters/Common", "Filters/Drawing"), {"vtk"}),
    "Filters/Inference": (
        ("Models/Trace", "Models/Picture", "Models/Checkpoint", "Models/Ranks", "Models/Llava", "Readers", "Filters/Common",
         "Filters/Analysis"), {"vtk"}),
    "Plugin": (("Models/Trace", "Readers", "Filters/Common", "Filters/Drawing", "Filters/Overlay", "Filters/Analysis"),
               {"vtk", "qt", "paraview"}),
}
# Headers pass on what they include: these stay in the .cxx files of a layer.
IMPLEMENTATION_ONLY = {
    "Models/Text": {"icu", "oniguruma"},
    "Models/Picture": {"codecs"},
    "Filters/Overlay": {"opencv"},
}
# Headers of Models/ that drag a library along.
CARRIERS = {"Models/Trace/Json.h": "nlohmann", "Models/Ranks/MessageHead.h": "nlohmann"}
LIBRARIES = (
    ("torch", re.compile(r"^(torch|ATen|c10|caffe2)/")),
    ("opencv", re.compile(r"^opencv2/")),
    ("codecs", re.compile(r"^(gif_lib|jerror|jpeglib|lcms2|png|tiffio|webp/\w+)\.h$")),
    ("icu", re.compile(r"^unicode/")),
    ("oniguruma", re.compile(r"^oniguruma\.h")),
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


def include_graph(texts):
    """Path: the paths that the file includes. An include without a folder is of the same folder, or of the only file
    of that name."""
    places = {}
    for path in texts:
        places.setdefault(pathlib.PurePosixPath(path).name, []).append(path)
    graph = {}
    for path, text in texts.items():
        graph[path] = targets = set()
        for include in INCLUDE.findall(text):
            near = (pathlib.PurePosixPath(path).parent / include).as_posix()
            alone = places.get(include, [])
            targets |= {near} & texts.keys() or {include} & texts.keys() or set(alone if len(alone) == 1 else ())
    return graph


def folder_graph(graph):
    folders = {}
    for path, targets in graph.items():
        folder = pathlib.PurePosixPath(path).parent.as_posix()
        others = {pathlib.PurePosixPath(target).parent.as_posix() for target in targets}
        folders.setdefault(folder, set()).update(others - {folder})
    return folders


def circle(graph):
    """Nodes that lead to each other, the first again at the end; an empty list when there are none."""
    done, way = set(), []

    def search(node):
        if node in way:
            return way[way.index(node):] + [node]
        if node in done:
            return []
        way.append(node)
        found = next(filter(None, map(search, sorted(graph.get(node, ())))), [])
        way.pop()
        done.add(node)
        return found

    return next(filter(None, map(search, sorted(graph))), [])


def two_json_libraries(texts):
    """VTK 9.3 and later have a nlohmann of their own: no file may see both, through whatever it includes."""
    graph = include_graph(texts)

    def reached(path, seen):
        seen.add(path)
        for target in graph[path] - seen:
            reached(target, seen)
        return seen

    for path in sorted(texts):
        libraries = {library_of(include) for other in reached(path, set()) for include in INCLUDE.findall(texts[other])}
        if {"vtk", "nlohmann"} <= libraries:
            yield "%s sees VTK and nlohmann" % path


def circles(texts):
    files = include_graph(texts)
    for kind, graph in (("files", files), ("folders", folder_graph(files))):
        found = circle(graph)
        if found:
            yield "%s include each other: %s" % (kind, " -> ".join(found))


def check(root):
    texts = {}
    for folder in sorted({layer.split("/")[0] for layer in LAYERS} | {"Testing"}):
        for file in sorted((root / folder).rglob("*")):
            if file.suffix in SOURCES:
                texts[file.relative_to(root).as_posix()] = file.read_text(encoding="utf-8")
    found = list(circles(texts)) + list(two_json_libraries(texts))
    layered = [path for path in texts if layer_of(path)]
    for path in layered:
        found += offences(path, texts[path])
    return found, len(layered)


def self_test():
    """The rules catch what they are there for."""
    bad = {
        "Models/Trace/A.h": "#include <vtkObject.h>",
        "Models/Trace/B.h": "#include <QWidget>",
        "Models/Trace/A.cxx": '#include "Models/Text/Unicode.h"',
        "Models/Text/A.h": "#include <unicode/regex.h>",
        "Models/Checkpoint/A.cxx": "#include <opencv2/core.hpp>",
        "Models/Causal/A.cxx": '#include "Models/Llava/LlavaModel.h"',
        "Models/Llava/A.cxx": '#include "Readers/vtkLVLMTrace.h"',
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
    for ring in ({"A/a.h": '#include "b.h"', "A/b.h": "#include <c.h>", "B/c.h": '#include "A/a.h"'},
                 {"A/a.h": '#include "B/b.h"', "A/c.h": "", "B/b.h": '#include "A/c.h"'}):
        if not list(circles(ring)):
            sys.exit("check_layers: missed the circle of %s" % ring)
    if not list(two_json_libraries({"A/a.h": "#include <nlohmann/json.hpp>", "B/b.cxx": '#include "A/a.h"\n#include "vtkTable.h"'})):
        sys.exit("check_layers: missed a file that sees VTK and nlohmann")
    if list(circles({"A/a.h": '#include "b.h"', "A/b.h": '#include "B/c.h"', "B/c.h": ""})):
        sys.exit("check_layers: sees a circle where there is none")


def main():
    self_test()
    found, files = check(ROOT)
    for offence in found:
        print(offence, file=sys.stderr)
    print("%d files, %d offences" % (files, len(found)))
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main())
