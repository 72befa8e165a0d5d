# SPDX-License-Identifier: Apache-2.0
"""Through which layers does what the model knows reach its answer? Attention is cut, and the model answers again."""
from paraview import simple

from . import editing, pipeline, traces, views
from .errors import Error
from .faithfulness import COLORS, label_axis, show_lines
from .presets import QUESTION, Preset, ticks

PLACES = ("Image", "Question", "System", "Answer")
# What is shown when nobody says what to cut: the flows of Zhang et al., arXiv 2411.18620. The first one's answer is asked for.
FLOWS = (("Image", "Answer"), ("Image", "Question"), ("Question", "Answer"))
SMALL = 14


def knock_out(trace=None, token=None, hidden=None, readers=None, layers=None, window=0, layout=True):
    """Cuts attention: how far an answer token's probability changes, layer by layer, and what the model answers instead.

    hidden: what is not seen any more, "Image", "Question", "System" or "Answer", or a list of patches; readers: who does not see it,
    one of the same; default "Answer". With neither: the patches that are selected on a map of the trace, else the picture to the
    answer, to the question, and the question to the answer. layers: in which all at once for the new answer; default: all. window: of
    how many layers around each layer the curve is; 0: 9 of 32. Returns the layout, or without one the LVLM Knockout filter: its
    output 1 is the trace of the new answer.
    """
    preset = Preset("Intervene", trace, token)
    flows = _flows(preset.trace, hidden, readers)
    knocked = [_filter(preset, flow, layers, window) for flow in (flows if layout else flows[:1])]
    return _show(preset, knocked, flows, layers) if layout else knocked[0]


def _flows(trace, hidden, readers):
    """Pairs of what is hidden and who does not see it: a place, or a list of patches."""
    if hidden is None and readers is None:
        selected = _selected(trace)
        return [(selected, "Answer")] if selected else list(FLOWS)
    return [(_place(trace, "hidden", "Image" if hidden is None else hidden),
             _place(trace, "readers", "Answer" if readers is None else readers))]


def _place(trace, name, given):
    if not isinstance(given, str):
        return editing.check_patches(trace, given)
    if given not in PLACES:
        raise Error("%s: %r is none of %s, nor a list of patches" % (name, given, ", ".join(PLACES)))
    return given


def _selected(trace):
    try:
        return editing.selected_patches(trace)
    except Error:
        return []


def _filter(preset, flow, layers, window):
    hidden, readers = flow
    patches = [place for place in flow if not isinstance(place, str)]
    if len(patches) == 2 and patches[0] != patches[1]:
        raise Error("hidden and readers: both are patches, and not the same ones")
    name = "Knockout, %s" % _name(flow)
    return preset.filter("LVLMKnockout", name, "the knockout", From=_kind(hidden), To=_kind(readers), Patches=patches[0] if patches else [],
                         Layers=[] if layers is None else list(layers), WindowSize=window, **preset.choice)


def _kind(place):
    return place if isinstance(place, str) else "Patches"


def _name(flow):
    return " to ".join(place.lower() if isinstance(place, str) else "%d patches" % len(place) for place in flow)


def _show(preset, knocked, flows, layers):
    answered = simple.OutputPort(knocked[0], 1)
    tab = preset.open_tab()
    left, right = tab.columns(0, 0.56, 0.44)
    chart, below = tab.rows(left, 0.9, 0.1)
    names = [_name(flow) for flow in flows]
    _chart(tab, chart, knocked, names)
    preset.caption(tab.view(below, shapes=True), "How the probability of \u201c{token}\u201d changes\n" + QUESTION, size=SMALL, width=896)
    where = "all layers" if layers is None else "layers " + ", ".join(map(str, layers))
    bars = []
    for cell, trace, name, text in zip(tab.rows(right, 1, 1), (preset.trace, answered), ("Token probabilities", "Token probabilities, knockout"), (
            "What the model answers\nA: {answer}", "What it answers when %s is cut in %s\nA: {answer}" % (names[0], where))):
        view = tab.view(cell, shapes=True)
        table = pipeline.attach(trace, "LVLMTokens", "%s (%s)" % (name.replace("Token probabilities", "Tokens"), preset.name))
        shown = views.show_bars(table, view, "%s (%s)" % (name, preset.name), Labels="text", Values="probability", FullScale=1, MaximumBars=10)
        views.show_caption(trace, view, text, size=SMALL, width=704 * tab.area[0] / views.SIZE[0])
        bars.append((view, shown))
    tab.size()
    for view, shown in bars:
        views.fit_bars(view, shown, 2, SMALL)
    return tab.finish(knocked[0])


def _chart(tab, cell, knocked, names):
    """The curves of all flows, a line each."""
    view = show_lines(tab, cell, "Attention is cut in the layers around each layer", "Layer in the middle", "Change of the probability, percent")
    for source, name, color in zip(knocked, names, COLORS):
        shown = simple.Show(source, view)
        shown.UseIndexForXAxis, shown.XArrayName = 0, "layer"
        shown.SeriesVisibility = ["change"]
        shown.SeriesLabel = ["change", name]
        shown.SeriesColor = ["change", *color.split()]
        shown.SeriesMarkerStyle = ["change", "4"]
    label_axis(view, ticks(len(pipeline.rows(knocked[0]))))
