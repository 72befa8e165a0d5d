# SPDX-License-Identifier: Apache-2.0
"""Makes the tutorial's pictures again (not the photographs of windows):

    xvfb-run -a pvpython Plugin/Documentation/make_pictures.py PLUGIN FOLDER

They are the tabs that the tutorial's code makes, as PNG files; the pages hold them as JPEG files of 1200 x 675 pixels.
"""
import pathlib
import sys

from paraview import simple

simple.LoadPlugin(sys.argv[1], remote=False)
simple.LoadPalette("WhiteBackground")  # as paper
import lvlm  # noqa: E402: it comes with the plugin

FOLDER = pathlib.Path(sys.argv[2])
STAR = pathlib.Path(__file__).resolve().parents[2] / "Models" / "TinyLlava" / "scenes" / "star_left_of_circle.png"
STAR_PATCHES = [50, 61, 62, 63, 72, 73, 74, 75, 85, 86, 87]


def save(name, layout):
    simple.SaveScreenshot(str(FOLDER / ("tutorial_%s.png" % name)), layout, ImageResolution=[1600, 900])


trace = lvlm.ask(STAR, "What color is the star?")
save("attention", simple.GetLayout())
for name in ("heads", "layers", "relevancy", "causality"):
    save(name, getattr(lvlm, "show_" + name)(trace))
save("lens", lvlm.show_lens(trace, "star"))
is_there = lvlm.ask(STAR, "Is there a star?", layout=False)
lvlm.ask_without(is_there, STAR_PATCHES)
save("without", simple.GetLayoutByName("Compare: Is there a star? | Is there a star? (2)"))
