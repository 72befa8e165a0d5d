# SPDX-License-Identifier: Apache-2.0
"""Editing the picture before asking again: what if this were not there?"""
import numbers

from paraview import servermanager, simple

from . import pipeline, traces, views
from .comparison import compare
from .errors import Error
from .presets import show_attention
from .questions import ask, picture_source

FILLS = ("Mean Color", "Black", "White", "Color")
MAPS = {"LVLMAttentionMap": 0, "LVLMRelevancy": 0, "LVLMCausalGraph": 3, "LVLMLogitLens": 2, "LVLMSinks": 0, "LVLMOcclusion": 0}  # and the port that the map comes from
# What a second question takes over from the first.
KEPT = ("ModelDirectory", "SystemPrompt", "ChatTemplate", "MaxNewTokens", "Temperature", "TopP", "Seed", "CaptureFull",
        "CaptureFullLayers", "CaptureVision", "CaptureHidden", "CaptureLens", "CaptureHiddenLayers", "Alternatives", "Precision", "Device", "Threads")


def paint_over(trace=None, patches=None, fill="Mean Color"):
    """The picture that the model saw, with patches painted over, as a source of the pipeline.

    patches: row-major from the top left, 0 is the first, -1 the last; default: the cells that are selected on a map of the
    trace. fill: "Mean Color", "Black" or "White".
    """
    trace = traces.resolve(trace)
    patches = selected_patches(trace) if patches is None else check_patches(trace, patches)
    if fill not in FILLS:
        raise Error("fill: %r is none of %s" % (fill, ", ".join(FILLS)))
    picture = pipeline.register("Painted over (%s)" % pipeline.name_of(trace), "LVLMPaintOver", Input=trace, Patches=patches,
                                Fill=fill)
    try:
        pipeline.update(picture, "painting over")
    except Error:
        simple.Delete(picture)
        raise
    simple.SetActiveSource(picture)
    return picture


def check_patches(trace, patches):
    """The patches as a list of whole numbers that the grid of the trace has."""
    patches = [patches] if isinstance(patches, numbers.Integral) else list(patches)
    count = grid_size(trace)
    for patch in patches:
        if not isinstance(patch, numbers.Integral) or not -count <= patch < count:
            raise Error("patches: %r is none of the picture's patches, 0 to %d" % (patch, count - 1))
    if not patches:
        raise Error("patches: the list is empty")
    return [int(patch) for patch in patches]


def grid_size(trace):
    """The number of patches."""
    rows, cols = traces.grid(trace)
    return rows * cols


def selected_patches(trace=None):
    """The patches whose cells are selected on maps of the trace."""
    trace = traces.resolve(trace)
    found = set()
    for source in pipeline.all_sources():
        port = MAPS.get(pipeline.xml_name(source))
        if port is None or pipeline.input_of(source).SMProxy != trace.SMProxy:
            continue
        selection = source.SMProxy.GetSelectionInput(port)
        if selection is not None and source.GetProperty("Region") is not None and int(source.Region) != -1:
            raise Error("the selected cells of %s are those of its region %d: select cells of all regions together (Region -1)"
                        % (pipeline.name_of(source), source.Region))
        if selection is not None:
            found.update(_patches_in(simple.OutputPort(source, port), servermanager._getPyProxy(selection)))
    if not found:
        raise Error("no patches: select cells on a map of %s first, or list patches" % pipeline.name_of(trace))
    return sorted(found)


def _patches_in(map_port, selection):
    with pipeline.temporary("ExtractSelection", Input=map_port, Selection=selection) as extract:
        pipeline.compute(extract)
        data = pipeline.fetch(extract)
    leaves = [data] if data.IsA("vtkDataSet") else [data.GetBlock(i) for i in range(data.GetNumberOfBlocks())]
    arrays = [leaf.GetCellData().GetArray("patch") for leaf in leaves if leaf is not None]
    return {int(array.GetTuple1(i)) for array in arrays if array is not None for i in range(array.GetNumberOfTuples())}


def ask_without(trace=None, patches=None, question=None, fill="Mean Color"):
    """Asks the same question about the picture without some patches, and shows both answers side by side.

    patches and fill: as of paint_over. question: another one. Returns the second trace.
    """
    trace = traces.resolve(trace)
    question = traces.question(trace) if question is None else question
    second = ask_again(trace, without_black(trace, paint_over(trace, patches, fill)), question)
    compare(trace, second)
    return second


def without_black(trace, painted):
    """The painted picture; of one that was read in tiles the part that the picture was, to be cut into tiles again."""
    box = traces.content(trace)
    if box is None:
        return painted
    extent = pipeline.plain(painted).GetDataInformation(painted.Port).DataInformation.GetExtent()
    left, top, right, bottom = box
    return pipeline.register("Painted over (%s)" % pipeline.name_of(trace), "ExtractSubset", Input=painted,
                             VOI=[left, right - 1, extent[3] + 1 - bottom, extent[3] - top, extent[4], extent[5]])


def crop_and_ask(trace, x0, x1, y0, y1, question=None):
    """Asks the same question about a part of the picture: its pixels x0 to x1 and y0 to y1, counted from the lower left.

    The pixels are those of the picture that the question was about, before the model's own scaling. Returns the new trace.
    """
    trace = traces.resolve(trace)
    picture = asked_picture(trace)
    pipeline.compute(picture)
    extent = pipeline.plain(picture).GetDataInformation(picture.Port).DataInformation.GetExtent()
    for name, low, high, first, last in (("x", x0, x1, extent[0], extent[1]), ("y", y0, y1, extent[2], extent[3])):
        if not first <= low <= high <= last:
            raise Error("%s0 = %r, %s1 = %r: the picture has the pixels %d to %d" % (name, low, name, high, first, last))
    part = pipeline.register("Part of the picture (%s)" % pipeline.name_of(trace), "ExtractSubset", Input=picture,
                             VOI=[x0, x1, y0, y1, extent[4], extent[5]])
    return ask_again(trace, part, traces.question(trace) if question is None else question, layout=True)


def asked_picture(trace):
    """The picture that a question is about, as it was given; of a recorded trace that has but what the model saw, that."""
    picture = pipeline.input_of(trace)
    return views.picture_of(trace) if picture is None else picture


def edit(picture, edits):
    """A picture with parts covered, and cropped, as a source of the pipeline.

    picture: a file, a source, or a trace, whose picture is meant. edits: lines, done one after the other; places are pixels that count
    from 0 at the lower left: "rectangle x0 y0 x1 y1 fill", "brush radius x y x y ... fill", "crop x0 y0 x1 y1", which is done last.
    fill: mean, surrounding, blur, noise, black or white.
    """
    if isinstance(picture, servermanager.Proxy) and traces.trace_of(picture) is not None and traces.is_trace(picture):
        picture = asked_picture(picture)
    picture = picture_source(picture)
    edited = pipeline.register("Edited (%s)" % pipeline.name_of(picture), "LVLMEditPicture", Input=picture, Edits=check_edits(edits))
    with pipeline.deleted_on_error(edited):
        pipeline.update(edited, "editing the picture")
    return edited


def check_edits(edits):
    """The edits as a list of lines."""
    edits = [edits] if isinstance(edits, str) else list(edits)
    if not edits:
        raise Error("edits: the list is empty")
    for line in edits:
        if not isinstance(line, str):
            raise Error("edits: %r is no line of text such as \"rectangle 10 10 60 40 mean\"" % (line,))
    return edits


def crops(edits):
    """Whether one of the edits leaves a part of the picture only."""
    return any(line.split()[:1] == ["crop"] for line in edits)


def edit_and_ask(trace=None, edits=(), question=None):
    """Asks the same question about the picture with edits, and shows both answers side by side.

    edits: as of edit(). question: another one. Returns the second trace.
    """
    trace = traces.resolve(trace)
    second = ask_edited(trace, edits, traces.question(trace) if question is None else question)
    if comparable(trace, second):
        compare(trace, second)
    else:
        show_attention(second)
    return second


def ask_edited(trace, edits, question):
    """A question about the picture with edits, in the way of the first one; shows nothing. Returns the second trace."""
    edits = check_edits(edits)
    edited = edit(trace, edits)
    with pipeline.deleted_on_error(edited):
        return ask_again(trace, edited, question, mode=mode_of(trace, edits))


def comparable(first, second):
    """Whether each patch has a counterpart: a part of a picture that is read in tiles may have others."""
    return traces.grid(first) == traces.grid(second)


def mode_of(trace, edits):
    """How an edited picture becomes the model's square: as the picture of the question did."""
    if pipeline.xml_name(trace) == "LLaVAInference":
        return trace.ImageMode
    # What a recorded trace has is of the size that the model works in.
    return "Default" if crops(edits) or traces.content(trace) is not None else "Resize"


def ask_again(trace, picture, question, layout=False, mode=None):
    """A question about an edited picture, in the place of the first one, with all other settings and pictures of the first question.
    mode: ImageMode; default: what fits the picture."""
    settings, others = {}, []
    if pipeline.xml_name(trace) == "LLaVAInference":
        settings = {name: property_value(getattr(trace, name)) for name in KEPT}
        others = list(trace.FurtherPictures)
    elif traces.pictures(trace) > 1:
        raise Error("the recorded trace is about %d pictures: ask about the pictures themselves" % traces.pictures(trace))
    if mode is None and others:  # a square of the size that the model works in stays as it is in each of the modes
        mode = trace.ImageMode
    elif mode is None:  # a picture that is painted over is not scaled or cut again: it has the size that the model works in
        mode = "Resize" if pipeline.xml_name(picture) == "LVLMPaintOver" else "Default"
    return ask([picture, *others], question, image_mode=mode, layout=layout, settings=settings)


def property_value(value):
    """A property's value without the proxy that it belongs to."""
    return value if isinstance(value, (str, int, float)) else list(value)
