# SPDX-License-Identifier: Apache-2.0
"""Is it true what a map says? What it names is taken away, and the model reads again."""
from paraview import simple

from . import pipeline, traces, views
from .editing import MAPS
from .errors import Error
from .presets import QUESTION, Preset

COLORS = ("0.85 0.33 0.1", "0 0.45 0.74", "0.47 0.67 0.19", "0.49 0.18 0.56", "0.93 0.69 0.13", "0.3 0.75 0.93")
GREY = "0.6 0.6 0.6"
KINDS = {"deletion": ("The picture is hidden, each map's first patches first", "A true map falls fast: its area is small"),
         "insertion": ("The picture is shown, each map's first patches first", "A true map rises fast: its area is large")}


def test(maps=None, token=None, fill="Mean Color", steps=10, random=5, seed=0, layout=True):
    """Whether maps name what an answer token depends on: the picture is hidden, and shown, in each map's order and in random ones.

    maps: a map, a list of maps of one trace, or the trace: all of its maps, or where there are none its attention, relevancy and
    occlusion; default: the trace of the active source, else the newest. token: an answer token, 0 is the first, -1 the last; default:
    that of the pipeline time. fill: what takes the place of hidden patches: "Mean Color", "Black", "Blur", "Mean Embedding" or "Zero
    Embedding". steps: into how many parts the picture is cut. random: how many random orders. layout: whether to show it. Returns
    the layout, or without one the LVLM Faithfulness filter; its scores are lvlm.rows(filter, 1).
    """
    listed = list(maps) if isinstance(maps, (list, tuple)) else [] if maps is None else [maps]
    given = [traces.source_of(source, "maps") for source in listed]
    preset = Preset("Test", _trace_of(given), token)
    if not given or traces.is_trace(given[0]):
        tested_maps = _maps_of(preset.trace) or _made(preset)
    else:
        tested_maps = [_port(source) for source in given]
    tested = preset.filter("LVLMFaithfulness", "Faithfulness", "the test", Maps=tested_maps, Arrays=[], Fill=fill, Steps=steps,
                           Names=", ".join(_name(source, preset.name) for source in tested_maps), Random=random, Seed=seed,
                           **preset.choice)
    return _show(preset, tested) if layout else tested


def _trace_of(maps):
    """The one trace that all maps are of; None where no map tells."""
    found = None
    for source in maps:
        trace = traces.trace_of(source)
        if found is not None and trace is not None and trace.SMProxy != found.SMProxy:
            raise Error("maps: %s and %s are of different traces" % (pipeline.name_of(maps[0]), pipeline.name_of(source)))
        found = found or trace
    return found


def _maps_of(trace):
    return [simple.OutputPort(source, MAPS[kind]) for kind in MAPS for source in pipeline.below(trace, kind)]


def _port(source):
    """The output of a source that is its map."""
    port = MAPS.get(pipeline.xml_name(source))
    return source if port is None else simple.OutputPort(pipeline.plain(source), port)


def _made(preset):
    """The maps that a trace is tested with when it has none."""
    return [preset.filter(proxy_name, name, what, **preset.choice) for proxy_name, name, what in (
        ("LVLMAttentionMap", "Attention map", "the attention map"), ("LVLMRelevancy", "Relevancy", "the relevancy"),
        ("LVLMOcclusion", "Occlusion", "the occlusion"))]


def _name(source, trace_name):
    """As in the pipeline browser, without the trace's name."""
    return pipeline.name_of(pipeline.plain(source)).replace(" (%s)" % trace_name, "").replace(",", "")


def _show(preset, tested):
    scores = simple.OutputPort(tested, 1)
    names = [row["map"] for row in pipeline.rows(scores)]
    shown = names[:-1] if names[-1].startswith("random,") else names
    tab = preset.open_tab()
    left, right = tab.columns(0, 0.56, 0.44)
    for cell, kind in zip(tab.rows(left, 1, 1), KINDS):
        _chart(tab, cell, tested, kind, shown)
    right, sheet = tab.rows(right, 0.7, 0.3) if pipeline.in_gui() else (right, None)
    charts = []
    for cell, kind in zip(tab.rows(right, 1, 1), KINDS):
        view = tab.view(cell, shapes=True)
        bars = views.show_bars(scores, view, "Area, %s (%s)" % (kind, preset.name), Labels="map", Values=kind, FullScale=1,
                               MaximumBars=len(shown))
        preset.caption(view, "\u201c{token}\u201d, %s. %s\n%s" % (kind, KINDS[kind][1], QUESTION), size=14, width=704,
                       about=scores)
        charts.append((view, bars))
    if sheet is not None:
        views.show_sheet(tab, sheet, scores)
    tab.size()
    for view, bars in charts:
        views.fit_bars(view, bars, 2)
    return tab.finish(tested)


def _chart(tab, cell, tested, kind, names):
    """The curves of one kind, a line a map."""
    view = show_lines(tab, cell, KINDS[kind][0], "Part of the picture that is " + ("hidden" if kind == "deletion" else "shown"),
                      "Probability of the answer")
    view.LeftAxisUseCustomRange = view.BottomAxisUseCustomRange = 1
    view.LeftAxisRangeMinimum = view.BottomAxisRangeMinimum = 0
    view.LeftAxisRangeMaximum = view.BottomAxisRangeMaximum = 1
    shown = simple.Show(tested, view)
    shown.UseIndexForXAxis, shown.XArrayName = 0, "fraction"
    lines = {"%s %s" % (kind, name): (name, COLORS[i % len(COLORS)]) for i, name in enumerate(names) if name != "random"}
    if "random" in names:
        lines.update({"%s random%s" % (kind, end): (label, GREY) for end, label in (
            ("", "random"), (" low", "random - deviation"), (" high", "random + deviation"))})
    shown.SeriesVisibility = list(lines)
    shown.SeriesLabel = [text for column, (label, _) in lines.items() for text in (column, label)]
    shown.SeriesColor = [text for column, (_, rgb) in lines.items() for text in (column, *rgb.split())]
    shown.SeriesLineStyle = [text for column in lines for text in (column, "2" if column.endswith((" low", " high")) else "1")]


def show_lines(tab, cell, title, x_title, y_title):
    """An empty line chart in a cell of a tab."""
    view = tab.chart(cell)
    view.ChartTitle, view.BottomAxisTitle, view.LeftAxisTitle = title, x_title, y_title
    return view


def label_axis(view, numbers):
    """Numbers at the bottom of a line chart: whole ones, where ParaView would put fractions between."""
    view.BottomAxisUseCustomLabels = 1
    view.BottomAxisLabels = [str(number) for number in numbers for _ in range(2)]  # pairs: a place, and what is there
