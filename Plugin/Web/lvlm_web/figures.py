# SPDX-License-Identifier: Apache-2.0
"""Figures of a visitor's traces: the presets of the module `lvlm`, and the gallery, as PNG pictures of the size of the page.

One tab is alive at a time: windows of OpenGL are what takes a visitor's memory.
"""
import math
import os

from lvlm import pictures, pipeline, views
from lvlm.columns import grid
from lvlm.presets import Preset
from paraview import simple
from vtkmodules.vtkImagingCore import vtkImageResize
from vtkmodules.vtkIOImage import vtkPNGWriter

SMALLEST = (900, 520)  # pixels of a tab, which its words need: on a smaller page it is shown smaller
LARGEST = (2560, 1600)
GALLERIES = {"heads": ("Heads", "Every head of every layer: a row is a layer, a column a head"),
             "layers": ("Layers", "Every layer, mean over its heads: row by row from the first one"),
             "tokens": ("AnswerTokens", "Every token of the answer, mean over layers and heads: row by row from the first one")}


class Figures:
    def __init__(self, folder):
        self.path = os.path.join(folder, "figure.png")
        self.layout = None
        self.resize(*views.SIZE)

    def resize(self, width, height):
        """The size of the tabs that are made from now on: the page's, or in its proportions."""
        scale = max(1, SMALLEST[0] / width, SMALLEST[1] / height)
        views.SIZE = tuple(min(round(scale * value), most) for value, most in zip((width, height), LARGEST))

    def close(self):
        if self.layout is not None:
            views.close(self.layout)
            self.layout = None

    def draw(self, preset, *arguments, **options):
        """A preset's tab, in the place of the last one."""
        self.close()
        self.layout = preset(*arguments, **options)
        return self.layout

    def png(self):
        """The tab as it is now."""
        simple.SaveScreenshot(self.path, self.layout)
        with open(self.path, "rb") as file:
            return file.read()

    def point_at(self, x, y):
        """What is at a place of the tab's first view, which looks straight down: coordinates of the pipeline, or None. x, y: parts of
        the tab's width and height, from the lower left."""
        if self.layout is None:
            return None
        view = simple.GetViewsInLayout(self.layout)[0]
        width, height = view.ViewSize
        left = x * self.layout.GetSize()[0] - width / 2
        if abs(left) > width / 2 or not 0 <= y <= 1:
            return None
        unit = 2 * view.CameraParallelScale / height
        return view.CameraFocalPoint[0] + unit * left, view.CameraFocalPoint[1] + unit * (y - 0.5) * height


def head_at(point, layers, heads):
    """The layer and head of a square of lvlm.show_heads, or None."""
    layer, head = (int(round(value)) for value in point)
    return (layer, head) if 0 <= layer < layers and 0 <= head < heads else None


def map_at(trace, point):
    """The layer and head (-1: of all) of a map of the gallery, or None."""
    gallery = pipeline.below(trace, "LVLMMapGallery")[0]
    cells = grid(gallery, ["attention", "layer", "head"])
    rows, columns = cells["attention"].shape
    left, right, low, high = gallery.GetDataInformation().GetBounds()[:4]
    column, row = math.floor((point[0] - left) / (right - left) * columns), math.floor((high - point[1]) / (high - low) * rows)
    if not (0 <= column < columns and 0 <= row < rows):
        return None
    if math.isnan(cells["attention"][row, column]):  # between the maps
        return None
    return int(cells["layer"][row, column]), int(cells["head"][row, column])


def choose_heads(trace, layer, head):
    """Makes the trace's attention map, which the presets share, one of a layer and a head. None: the mean over all."""
    preset = Preset("", trace, None)
    preset.filter("LVLMAttentionMap", "Attention map", "the attention map", Layers=[] if layer is None else [layer],
                  Heads=[] if head is None else [head], **preset.choice)


def show_gallery(trace, kind):
    """Small maps side by side, on one scale."""
    by, caption = GALLERIES[kind]
    preset = Preset("Gallery", trace, None)
    gallery = preset.filter("LVLMMapGallery", "Gallery", "the gallery", By=by, **preset.choice)
    view = preset.open_tab().view(0)
    views.show_map(gallery, view, "attention", "Attention to each patch", stops=((0, 1), (1, 1)))
    token = "" if kind == "tokens" else " for \u201c{token}\u201d"
    preset.caption(view, "Where the model looked%s\n%s" % (token, caption))
    preset.tab.size()
    views.fit(view, gallery.GetDataInformation().GetBounds()[:4], views.caption_height(2), views.LEGEND_HEIGHT)
    return preset.tab.finish(gallery)


def layers_and_heads(trace):
    """How many layers the trace's attention has, and heads each."""
    with pipeline.temporary("LVLMHeadSummary", Input=trace) as summary:
        pipeline.update(summary, "the layers and heads")
        layers, heads, _ = pipeline.counts(summary)
    return layers, heads


def patches(trace):
    """The number of each patch, row by row from the top left, as LVLMPaintOver counts."""
    with pipeline.temporary("LVLMAttentionMap", Input=trace) as heat:
        pipeline.update(heat, "the patches")
        return grid(heat, ["patch"])["patch"].astype(int).tolist()


def size_of(source):
    """Width and height of a picture of the pipeline."""
    return pipeline.counts(pipeline.compute(source))[:2]


def picture_png(source, longest=None):
    """A picture of the pipeline, made smaller where its longer side has more pixels."""
    pipeline.compute(source)
    colors = pipeline.plain(source).GetDataInformation(source.Port).DataInformation.GetPointDataInformation().GetArrayInformation(0).GetName()
    image = pictures.image_of(pictures.pixels_of(source, colors))
    width, height, _ = image.GetDimensions()
    if longest is not None and max(width, height) > longest:
        smaller = vtkImageResize()
        smaller.SetInputData(image)
        smaller.SetOutputDimensions(*(max(1, side * longest // max(width, height)) for side in (width, height)), 1)
        smaller.Update()
        image = smaller.GetOutput()
    return pictures.written(vtkPNGWriter(), image)
