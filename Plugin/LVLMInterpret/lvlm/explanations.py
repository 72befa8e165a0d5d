# SPDX-License-Identifier: Apache-2.0
"""Presets that explain a token: relevancy maps and causal graphs."""
from paraview import simple

from . import pipeline, traces, views
from .errors import Error
from .presets import QUESTION, Preset

MODES = ("Exact", "Compatible")
MAPS = ("decoder", "joint_token", "vision", "joint", "activation")  # arrays of LVLM Relevancy, the best ones first
SMALL = 14  # letters of a small view's caption
GRAPH_KEY = """Orange: the word. Blue: explains it. Gray: does not.
Numbers are patches, counted row by row.
Line ends: arrow: no cause; thick: a cause; circle: either."""


def show_relevancy(trace=None, token=None, mode="Exact"):
    """What made a token: relevancy maps of the picture, and the words that had most of it.

    mode: "Exact", or "Compatible" for the numbers that LVLM-Interpret computes.
    """
    if mode not in MODES:
        raise Error("mode: %r is none of %s" % (mode, ", ".join(MODES)))
    preset = Preset("Relevancy", trace, token)
    relevancy = preset.filter("LVLMRelevancy", "Relevancy", "the relevancy", Mode=mode, **preset.choice)
    found = [name for name in MAPS if relevancy.CellData.GetArray(name) is not None]
    tab = preset.open_tab()
    left, right = tab.columns(0, 0.64, 0.36)
    cells = [cell for row in (tab.rows(left, 1, 1) if len(found) > 2 else [left])
             for cell in tab.columns(row, *[1] * min(len(found), 2))][:len(found)]
    maps = [_relevancy_view(preset, tab, cell, relevancy, name) for cell, name in zip(cells, found)]
    chart = tab.view(right, shapes=True)
    bars = views.show_bars(simple.OutputPort(relevancy, 1), chart, "Most relevant words (%s)" % preset.name, Labels="word",
                           Values="share", Details="role", FirstBar="image_share", Order="Descending",
                           FirstLabel="the whole picture" if traces.pictures(preset.trace) == 1 else "all pictures",
                           MaximumBars=14, Percent=0, Note="A patch of the picture: mean {image_mean}, maximum {image_maximum}")
    preset.caption(chart, "What made \u201c{token}\u201d{late}: picture and words\nQ: {question}\nA: {answer}\nShare of the {method}",
                   width=576, about=simple.OutputPort(relevancy, 1))
    tab.size()
    for view in maps:
        views.fit_picture(view, preset.trace, lines=2, size=SMALL)
    tab.link(maps)
    views.fit_bars(chart, bars, 4)
    return tab.finish(relevancy)


def _relevancy_view(preset, tab, cell, relevancy, name):
    view = tab.view(cell)
    views.show_picture(preset.trace, view, under=relevancy)
    views.show_map(relevancy, view, name)
    preset.caption(view, "{%s_text}" % name, size=SMALL, width=512, about=relevancy)
    return view


def show_causality(trace=None, token=None, layer=-1, head=None, table=None):
    """Which tokens explain a token, and how they depend on each other: the graph on the picture, and the patches' weights.

    layer: one whose complete attention was captured; -1 is the last of those. head: default: all, of which the graph shows
    the one that looks most at the picture. table: whether to show the table of edges; default: in the GUI, which alone draws
    tables.
    """
    preset = Preset("Causality", trace, token)
    choice = {"FollowTime": int(preset.follow), "Layer": layer, "Heads": [] if head is None else [head]}
    if not preset.follow:
        choice["AnswerToken"] = preset.token
    graph = preset.filter("LVLMCausalGraph", "Causal graph", "the causal graph", port=1, **choice)
    tab = preset.open_tab()
    left, right = tab.columns(0, 0.56, 0.44)
    right, sheet = tab.rows(right, 0.68, 0.32) if (pipeline.in_gui() if table is None else table) else (right, None)
    view = tab.view(left, shapes=True)
    views.show_picture(preset.trace, view, opacity=0.4)  # pale, so that lines and words stand out
    shown = views.show_shapes(graph, view)
    shown.LineWidth = 1.5
    views.lift(shown, 1)
    preset.caption(view, "What \u201c{token}\u201d{late} depends on (%s)\n{explanation}\n%s" % ("{heads}", QUESTION), width=896, about=graph)
    views.show_key(preset.trace, view, GRAPH_KEY)
    weights = tab.view(right)
    views.show_picture(preset.trace, weights)
    views.show_map(simple.OutputPort(graph, 3), weights, "weight")
    preset.caption(weights, "Patches that explain \u201c{token}\u201d, by their weight\n{heads}", width=704, about=simple.OutputPort(graph, 3))
    if sheet is not None:
        views.show_sheet(tab, sheet, simple.OutputPort(graph, 2))
    tab.size()
    _fit_graph(view, graph, preset.trace)
    views.fit_picture(weights, preset.trace, hang=True)
    return tab.finish(graph)


def _fit_graph(view, graph, trace):
    """The picture and the words beside it."""
    width, height = views.picture_size(trace)
    left, right, low, high = graph.GetDataInformation().GetBounds()[:4]
    views.fit(view, (min(left, 0), max(right, width), min(low, 0), max(high, height)), views.caption_height(3),
              views.caption_height(3, views.LEGEND_SIZE), hang=True)
