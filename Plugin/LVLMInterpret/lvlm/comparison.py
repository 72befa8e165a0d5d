# SPDX-License-Identifier: Apache-2.0
"""Two traces side by side on one scale, and their difference."""
from paraview import simple

from . import pipeline, traces, views
from .errors import Error
from .presets import Preset

SMALL = 14


def compare(first=None, second=None, token=None):
    """The attention of two traces to their pictures on one color scale, and the second's minus the first's.

    Default: the two newest traces. token: in both answers; default: that of the pipeline time. Pictures may differ, their
    grids of patches must not.
    """
    first, second = pair_of(first, second, "compare")
    before, after = Preset("Compare", first, token), Preset("Compare", second, token)
    heats = [p.filter("LVLMAttentionMap", "Attention map", "the attention map", **p.choice) for p in (before, after)]
    tables = [p.filter("LVLMTokens", "Tokens", "the tokens", About=heat) for p, heat in zip((before, after), heats)]
    _check_grids(heats, (before, after))
    difference = _difference(heats, (before, after))
    times = _times((before, after))
    low, high = _range(heats, times, "attention")
    most = max(abs(value) for value in _range([difference], times, "difference"))
    tab = after.tab = before.open_tab(after.name)
    upper, lower = tab.rows(0, 0.64, 0.36)
    cells = tab.columns(upper, 1, 1, 1)
    pictures = []
    scale = "%d and %d" % tuple(heat.SMProxy.GetGlobalID() for heat in heats)
    for cell, preset, heat, which in zip(cells, (before, after), heats, ("First", "Second")):
        view = tab.view(cell)
        views.show_picture(preset.trace, view, under=heat)
        views.show_map(heat, view, "attention", low=low, high=high, scale=scale)
        preset.caption(view, which + " question: {question}\nAnswer: {answer}", size=SMALL, width=533, about=heat)
        pictures.append(view)
    hint = _difference_hint((before, after))
    view = tab.view(cells[2])
    views.show_picture(second, view, gray=True, under=heats[1])
    views.show_map(difference, view, "difference", "Attention, second minus first", low=-most or -1e-6, high=most or 1e-6,
                   preset=views.DIFFERENCE, stops=[(0, 0.9), (0.5, 0), (1, 0.9)], scale="symmetric " + scale)
    after.caption(view, "Difference\nRed: the second looks more; blue: less" + hint, size=SMALL,
                  width=533)
    pictures.append(view)
    charts = []
    for cell, preset, table, which in zip(tab.columns(lower, 1, 1), (before, after), tables, ("first", "second")):
        chart = tab.view(cell, shapes=True)
        bars = views.show_bars(table, chart, "Token probabilities (%s)" % preset.name, Labels="text", Values="probability",
                               Highlight="chosen", FullScale=1, MaximumBars=8)
        preset.caption(chart, "How sure the model was of each token, %s" % which, size=SMALL, width=800)
        charts.append((chart, bars))
    tab.size()
    for view in pictures:
        views.fit_picture(view, first, lines=3 if hint else 2, size=SMALL)
    tab.link(pictures)
    for chart, bars in charts:
        views.fit_bars(chart, bars, 1, SMALL)
    return tab.finish(heats[1])


def pair_of(first, second, what):
    """Two different traces; those that are not given are the newest. what: for an error's message."""
    every = traces.find_traces()
    if first is not None and second is None:  # the newest other one
        others = [trace for trace in every if trace.SMProxy != traces.resolve(first).SMProxy]
        second = others[-1] if others else _raise_single(what)
    second = traces.resolve(second if second is not None else every[-1] if every else None)
    if first is None:
        others = [trace for trace in every if trace.SMProxy != second.SMProxy]
        first = others[-1] if others else _raise_single(what)
    first = traces.resolve(first)
    if first.SMProxy == second.SMProxy:
        raise Error("%s: first and second are the same trace, %s" % (what, pipeline.name_of(first)))
    return first, second


def _raise_single(what):
    raise Error("%s: there is one trace only; ask a second question first" % what)


def _check_grids(heats, presets):
    sizes = [tuple(heat.GetDataInformation().DataInformation.GetExtent()) for heat in heats]
    if sizes[0] != sizes[1]:
        raise Error("compare: %s has %d x %d patches, %s has %d x %d: only equal grids can be subtracted" % (
            presets[0].name, sizes[0][1], sizes[0][3], presets[1].name, sizes[1][1], sizes[1][3]))


def _difference(heats, presets):
    """The second map minus the first, cell by cell."""
    name = "%s and %s" % tuple(preset.name for preset in presets)
    both = [source for source in simple.GetSources().values()
            if pipeline.name_of(source) == "Both maps (%s)" % name and pipeline.xml_name(source) == "AppendAttributes"]
    both = both[0] if both else pipeline.register("Both maps (%s)" % name, "AppendAttributes", Input=heats)
    difference = pipeline.attach(both, "Calculator", "Difference (%s)" % name, AttributeType="Cell Data",
                                 Function="attention_input_1 - attention", ResultArrayName="difference")
    pipeline.update(difference, "the difference")
    return difference


def _difference_hint(presets):
    """Patches and tokens are paired by their place, which may show another part of a picture, and may be different words."""
    pictures = [pipeline.input_of(preset.trace) for preset in presets]
    if any(picture is not None and pipeline.xml_name(picture) == "LVLMEditPicture" and any(line.split()[:1] == ["crop"] for line in picture.Edits)
           for picture in pictures):
        return "\nThey show another part of the picture each"
    answers = [[token["token"] for token in traces.tokens(preset.trace)] for preset in presets]
    return "" if answers[0] == answers[1] else "\nSame place in both, maybe another word"


def _times(presets):
    """All time steps of both traces where these are followed, else none. The session's own list may lack those of a trace that
    has just run, and may have those of other sources."""
    return sorted({time for preset in presets for time in preset.trace.TimestepValues}) if presets[0].follow else []


def _range(sources, times, array):
    """Lowest and highest value of a cell array in any of the sources at any of the times."""
    values = []
    for source in sources:
        for time in times or [None]:
            source.UpdatePipeline(time)
            values += source.CellData.GetArray(array).GetRange()
    return min(values), max(values)
