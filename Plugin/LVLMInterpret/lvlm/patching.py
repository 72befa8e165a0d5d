# SPDX-License-Identifier: Apache-2.0
"""Where is the answer carried? States of one question are put into another, layer by position."""
from paraview import simple

from . import pipeline, views
from .comparison import pair_of
from .presets import Preset, axes_bounds, show_axes

SMALL = 14


def patch(clean=None, corrupted=None, token=None, positions="Words", what="Hidden", layers=None, layout=True):
    """Where the clean answer is carried: the model reads the corrupted question with states of the clean one put in.

    Default: the two newest traces, the older one clean, as lvlm.ask_without leaves them. token: of the clean answer. positions: what is
    put in at a time, "Roles", "Words", "Patches" or "Each" position; what: "Hidden" states after a layer, or what "Attention" or "Feed
    Forward" adds in it. Returns the layout, or without one the LVLM Patching filter: lvlm.rows(filter, 1) is the table.
    """
    clean, corrupted = pair_of(clean, corrupted, "patch")
    preset = Preset("Patching", clean, token)
    patched = preset.filter("LVLMPatching", "Patching, %s" % positions.lower(), "the patching", port=1, Corrupted=corrupted,
                            Positions=positions, What=what, Layers=[] if layers is None else list(layers), **preset.choice)
    return _show(preset, patched, pipeline.name_of(corrupted), positions) if layout else patched


def _show(preset, patched, other, positions):
    tab = preset.open_tab(other)
    left, right = tab.columns(0, 0.5, 0.5)
    chart = tab.view(left)
    squares = pipeline.attach(
        patched, "Glyph", "Places as squares (%s)" % pipeline.name_of(patched), GlyphType="Box", GlyphMode="All Points",
        OrientationArray=["POINTS", "No orientation array"], ScaleArray=["POINTS", "No scale array"], ScaleFactor=0.94)
    shown = views.show_squares(squares, chart)
    views.color(shown, chart, "POINTS", "restored", "Restored part of the probability", low=0, high=1)
    count, places, _ = pipeline.counts(patched)
    show_axes(chart, "Layer", count, "Place", places)
    preset.caption(chart, "Where \u201c{token}\u201d is carried: clean states put in, layer by place\nQ: {question}   A: {answer}", width=800)
    above, below = tab.rows(right, 0.5, 0.5)
    view = tab.view(above)
    views.show_picture(preset.trace, view)
    views.show_map(simple.OutputPort(patched, 2), view, "restored", "Largest over the layers", low=0, high=1)
    preset.caption(view, "By %s" % positions.lower(), size=SMALL, width=800)
    bars_view = tab.view(below, shapes=True)
    bars = views.show_bars(simple.OutputPort(patched, 1), bars_view, "Restored (%s)" % preset.name, Labels="name", Values="restored",
                           Order="Descending", FullScale=1, MaximumBars=10)
    preset.caption(bars_view, "What restores most", size=SMALL, width=800)
    tab.size()
    views.fit(chart, axes_bounds(count, places), views.caption_height(2), views.LEGEND_HEIGHT)
    views.fit_picture(view, preset.trace, lines=1, size=SMALL)
    views.fit_bars(bars_view, bars, 1, SMALL)
    return tab.finish(patched)
