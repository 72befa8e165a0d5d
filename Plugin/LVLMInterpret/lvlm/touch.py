# SPDX-License-Identifier: Apache-2.0
"""Pointing at what is drawn: which token, patch or head it is, and choosing that one everywhere."""
from contextlib import contextmanager

from paraview import servermanager, simple
from vtkmodules.vtkCommonCore import vtkCollection

from . import editing, pipeline, presets, traces, views

PLACES = ("answer_index", "patch", "layer", "head")  # arrays that say what something is
UNSAID = ("color", "row", "label", "kind", "patch", "heads", "source", "target", "is_target", "vtkGhostType", "vtkOriginalCellIds",
          "vtkOriginalPointIds")  # not told while hovering


def choose_token(trace=None, token=0):
    """Shows an answer token in all filters of the trace: the time steps to it, and those that do not follow the time take it."""
    trace = traces.resolve(trace)
    token = traces.step(token, trace)
    for source in _filters(trace):
        follow, many, single = (source.GetProperty(name) for name in ("FollowTime", "AnswerTokens", "AnswerToken"))
        if follow is None or follow[0] or pipeline.xml_name(source) == "LVLMCaption":
            continue
        if many is not None:
            source.AnswerTokens = [token]
        elif single is not None:
            source.AnswerToken = token
    simple.RenderAllViews()
    return token


def choose_patch(trace=None, patch=0):
    """Shows how much each token looked at a patch, in the Attention tab; where there is none, it is made."""
    trace = traces.resolve(trace)
    patch = editing.check_patches(trace, patch)[0]
    if not pipeline.below(trace, "LVLMPatchAttention"):
        presets.show_attention(trace)
    for source in pipeline.below(trace, "LVLMPatchAttention"):
        source.Selection, source.Patches = None, [patch]
    _show_bars(trace)
    simple.RenderAllViews()
    return patch


def choose_head(trace=None, layer=0, head=None):
    """Shows the map of a head, or without one the mean of a layer's heads, in the Heads tab; where there is none, it is made."""
    trace = traces.resolve(trace)
    name = "Map of the strongest head (%s)" % pipeline.name_of(trace)
    shown = simple.GetLayoutByName("Heads: %s" % pipeline.name_of(trace))
    if shown is None or not pipeline.below(trace, "LVLMAttentionMap", name):
        presets.show_heads(trace)
        shown = simple.GetLayoutByName("Heads: %s" % pipeline.name_of(trace))
    heat = pipeline.below(trace, "LVLMAttentionMap", name)[0]
    pipeline.set_properties(heat, {"Layers": [layer], "Heads": [] if head is None else [head],
                                   "Reduction": "Mean" if head is None else "StrongestHead"})
    pipeline.update(heat, "the attention map")
    simple.SetActiveSource(heat)
    _come_forward(simple.GetViewsInLayout(shown))
    simple.RenderAllViews()


def _filters(trace):
    return [source for source in pipeline.all_sources() if not traces.is_trace(source) and traces.trace_of(source) is not None
            and traces.trace_of(source).SMProxy == trace.SMProxy]


def _come_forward(shown):
    """Brings the views' tab to the front, unless one of them is the active one."""
    active = simple.GetActiveView()
    if shown and all(active is None or view.SMProxy != active.SMProxy for view in shown):
        simple.SetActiveView(shown[0])


def _show_bars(trace):
    """Brings the tab to the front that shows how much each token looked at patches."""
    for layout in simple.GetLayouts().values():
        shown = simple.GetViewsInLayout(layout)
        for view in shown:
            for representation in view.Representations:
                source = getattr(representation, "Input", None)
                above = None if source is None else pipeline.input_of(pipeline.plain(source))
                if above is not None and pipeline.xml_name(above) == "LVLMPatchAttention" and traces.trace_of(above).SMProxy == trace.SMProxy:
                    _come_forward(shown)
                    return


def view_of(global_id):
    """The view of that global id."""
    return next((view for view in simple.GetRenderViews() if view.SMProxy.GetGlobalID() == global_id), None)


@contextmanager
def _without_axes(view):
    """ParaView 6.1 crashes where cells are selected in a view that shows an axes grid (vtkGridAxesActor2D::UpdateTextActors)."""
    grid = view.AxesGrid if servermanager.vtkSMProxyManager.GetVersionMajor() >= 6 else None
    if not grid or not grid.Visibility:
        yield
        return
    with pipeline.unrecorded():
        grid.Visibility = 0
        try:
            yield
        finally:
            grid.Visibility = 1


def pick(x, y, view=None):
    """What is drawn at a pixel of a view, counted from its lower left: its source and its numbers by name; (None, {}) for nothing."""
    view = view or simple.GetActiveView()
    found, selections = vtkCollection(), vtkCollection()
    with _without_axes(view):
        picked = view.SMProxy.SelectSurfaceCells([int(x), int(y), int(x), int(y)], found, selections, False, 0, False)
    if not picked:
        return None, {}
    representation = servermanager._getPyProxy(found.GetItemAsObject(0))
    source = representation.Input
    if traces.trace_of(source) is None:
        return None, {}
    selection = servermanager._getPyProxy(selections.GetItemAsObject(0))
    with pipeline.temporary("ExtractSelection", Input=source, Selection=selection) as extract:
        pipeline.compute(extract)
        data = pipeline.fetch(extract)
    leaf = data if data.IsA("vtkDataSet") else next((data.GetBlock(i) for i in range(data.GetNumberOfBlocks()) if data.GetBlock(i)), None)
    return (source, _numbers(leaf)) if leaf is not None and leaf.GetNumberOfCells() else (None, {})


def _numbers(leaf):
    """Of the first cell, and where it says nothing of its first point."""
    numbers = {}
    for data in (leaf.GetCellData(), leaf.GetPointData()):
        for index in range(data.GetNumberOfArrays()):
            array = data.GetArray(index)
            if array is not None and array.GetNumberOfComponents() == 1 and array.GetName() not in numbers:
                numbers[array.GetName()] = array.GetTuple1(0)
    return numbers


def call_at(x, y, view=None):
    """The call that chooses what is drawn at a pixel, as text; "" where that is nothing to choose."""
    source, numbers = pick(x, y, view)
    place = {name: int(numbers[name]) for name in PLACES if numbers.get(name, -1) >= 0}
    if source is None or not place:
        return ""
    trace = '"%s"' % pipeline.name_of(traces.trace_of(source)).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    if "layer" in place:
        return "choose_head(%s, layer=%d%s)" % (trace, place["layer"], ", head=%d" % place["head"] if "head" in place else "")
    if "answer_index" in place:
        return "choose_token(%s, token=%d)" % (trace, place["answer_index"])
    # A patch of one region alone has another number, or is of another picture.
    whole = source.GetProperty("Region") is None or int(source.Region) == -1
    return "choose_patch(%s, patch=%d)" % (trace, place["patch"]) if "patch" in place and whole else ""


def text_at(x, y, view=None):
    """What is drawn at a pixel, in lines of names and values; "" for nothing."""
    source, numbers = pick(x, y, view)
    if source is None:
        return ""
    lines = ["%s: %s" % (name.replace("_", " "), "%d" % value if float(value).is_integer() and abs(value) < 1e9 else "%.4g" % value)
             for name, value in numbers.items() if name not in UNSAID and value == value and not (name in PLACES and value < 0)]
    return "\n".join(lines)
