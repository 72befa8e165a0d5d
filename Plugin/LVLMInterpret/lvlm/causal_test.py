# SPDX-License-Identifier: Apache-2.0
"""Does the answer depend on what explains it? The nodes of a causal graph's explanation are hidden, and random ones."""
from paraview import simple

from . import pipeline, traces, views
from .errors import Error
from .faithfulness import COLORS, GREY, label_axis, show_lines
from .presets import QUESTION, Preset


def test_causality(trace=None, token=None, layer=-1, head=None, draws=20, seed=0, layout=True):
    """Whether an answer token becomes less probable when the nodes that a causal graph explains it by are hidden than with random ones.

    token: default: that of the pipeline time as it is now. layer, head: of the graph; default: the head of the last recorded layer that looks most at the picture and explains something.
    draws: how many sets of as many random patches and words of the same graph. Returns the layout, or without one the LVLM Node Test
    filter: lvlm.rows(filter) is the table by radius.
    """
    trace = traces.resolve(trace)
    preset = Preset("Node test", trace, _current_token(trace) if token is None else token)
    choice = {"FollowTime": 0, "AnswerToken": preset.token, "Layer": layer}
    if head is None:
        head = _telling_head(preset, choice)
    graph = preset.filter("LVLMCausalGraph", "Causal graph, tested head", "the causal graph", port=1, Heads=[head], **choice)
    tested = preset.filter("LVLMNodeTest", "Node test", "the test of nodes", Nodes=simple.OutputPort(graph, 1), Draws=draws, Seed=seed)
    return _show(preset, graph, tested) if layout else tested


def _current_token(trace):
    """Not the time itself: to step through the answer would ask the model again at each step."""
    return min(max(int(simple.GetAnimationScene().AnimationTime), 0), len(traces.tokens(trace)) - 1)


def _telling_head(preset, choice):
    graph = preset.filter("LVLMCausalGraph", "Causal graph, all heads", "the causal graph", port=1, Heads=[], **choice)
    heads = [row for row in pipeline.rows(simple.OutputPort(graph, 4)) if row["explaining_patches"] + row["explaining_words"] > 0]
    if not heads:
        raise Error("test_causality: no head of the layer explains this token")
    return max(heads, key=lambda row: row["importance"])["head"]


def _show(preset, graph, tested):
    tab = preset.open_tab()
    left, right = tab.columns(0, 0.5, 0.5)
    above, below = tab.rows(left, 0.75, 0.25) if pipeline.in_gui() else (left, None)
    _chart(tab, above, tested)
    view = tab.view(right)
    views.show_picture(preset.trace, view)
    views.show_map(simple.OutputPort(graph, 3), view, "weight", "Weight in the explanation")
    preset.caption(view, "Patches that explain \u201c{token}\u201d: head %d\n%s" % (list(graph.Heads)[0], QUESTION), width=800)
    tab.size()
    views.fit_picture(view, preset.trace)
    if below is not None:
        views.show_sheet(tab, below, tested)
    return tab.finish(tested)


def _chart(tab, cell, tested):
    view = show_lines(tab, cell, "Nodes of the explanation are hidden, up to a radius", "Radius", "Fall of the log-probability")
    lines = {"drop": ("nodes of the explanation", COLORS[0]), "random_drop": ("as many random nodes", GREY),
             "random_low": ("random - deviation", GREY), "random_high": ("random + deviation", GREY)}
    shown = simple.Show(tested, view)
    shown.UseIndexForXAxis, shown.XArrayName = 0, "radius"
    shown.SeriesVisibility = list(lines)
    shown.SeriesLabel = [text for column, (label, _) in lines.items() for text in (column, label)]
    shown.SeriesColor = [text for column, (_, rgb) in lines.items() for text in (column, *rgb.split())]
    shown.SeriesLineStyle = [text for column in lines for text in (column, "2" if column.endswith(("low", "high")) else "1")]
    shown.SeriesMarkerStyle = ["drop", "4", "random_drop", "4"]
    label_axis(view, [row["radius"] for row in pipeline.rows(tested)])
