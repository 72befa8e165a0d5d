# SPDX-License-Identifier: Apache-2.0
"""What a model will see of a picture, before anything is asked: for the window, the page in the browser, and scripts."""
import json
import os
from contextlib import ExitStack

from paraview import servermanager, simple

from . import pipeline, traces
from .editing import asked_picture, check_edits, crops, mode_of
from .errors import Error, numpy_module
from .questions import READER

LONGEST = 512  # pixels of the longer edge of a small picture


class Preview:
    """seen: what the model will see; small: the picture with its edits, uncropped; both RGB [height, width, 3], top row first. text: what of
    the picture that is, in a sentence. part: left, right, bottom, top of it in pixels of the picture, size: its width and height."""

    def __init__(self, seen, small, text, part, size):
        self.seen, self.small, self.text, self.part, self.size = seen, small, text, part, size


def _pictures():
    return numpy_module("pictures", "previews are")


def preview(picture, edits=(), model="", image_mode="Default", longest=LONGEST):
    """What a model will see of a picture: a Preview. Nothing stays in the pipeline.

    picture: a file on the server's disk, or a source. edits: as of edit(). model, image_mode: as of ask().
    """
    pictures = _pictures()
    with ExitStack() as stack:
        source = _source(stack, picture)
        pipeline.update(source, "reading the picture")  # step by step: each tells its own errors
        edited = _edited(stack, source, edits)
        seen = stack.enter_context(pipeline.temporary("LVLMSeenPicture", Input=edited, ModelDirectory=model, LongestEdge=longest))
        pipeline.set_properties(seen, {"ImageMode": image_mode})
        pipeline.update(seen, "the preview")
        fields = seen.GetDataInformation(0).DataInformation.GetFieldDataInformation()
        part, size = _numbers(fields, "seen_part"), [int(number) for number in _numbers(fields, "picture_size")]
        small = seen
        if crops(edits):  # where the crop lies is seen in the whole picture
            whole = _edited(stack, source, [line for line in edits if not crops([line])])
            small = stack.enter_context(pipeline.temporary("LVLMSeenPicture", Input=whole, LongestEdge=longest))
            pipeline.update(small, "the preview")
            part = _moved(part, edits)
            size = [int(number) for number in _numbers(small.GetDataInformation(0).DataInformation.GetFieldDataInformation(), "picture_size")]
        text = fields.GetArrayInformation("seen").GetStringValue(0)
        return Preview(pictures.pixels_of(seen), pictures.pixels_of(simple.OutputPort(small, 1)), text, part, size)


def _source(stack, picture):
    if isinstance(picture, servermanager.Proxy):
        return picture
    path = os.fspath(picture) if isinstance(picture, (str, os.PathLike)) else None
    if not path:
        raise Error("picture: %r is neither a file name nor a source of the pipeline" % (picture,))
    pipeline.require_text("picture", path)
    return stack.enter_context(pipeline.temporary(READER, FileName=path))


def _edited(stack, source, edits):
    if not edits:
        return source
    edited = stack.enter_context(pipeline.temporary("LVLMEditPicture", Input=source, Edits=check_edits(edits)))
    pipeline.update(edited, "editing the picture")
    return edited


def _numbers(fields, name):
    array = fields.GetArrayInformation(name)
    return [array.GetComponentRange(component)[0] for component in range(array.GetNumberOfComponents())]


def _moved(part, edits):
    """The part of a cropped picture in pixels of the whole."""
    left, bottom = [int(word) for word in next(line for line in reversed(edits) if crops([line])).split()[1:3]]
    return [part[0] + left, part[1] + left, part[2] + bottom, part[3] + bottom]


def preview_edits(trace, edits, longest=LONGEST):
    """The preview of the edited picture of a question, as edit_and_ask() would have the model see it."""
    return preview(*_of_question(trace, edits), longest)


def write_edited(folder, trace, edits, longest=LONGEST):
    """The same as write_preview() does it."""
    return write_preview(folder, *_of_question(trace, edits), longest)


def _of_question(trace, edits):
    trace = traces.resolve(trace)
    model = trace.ModelDirectory if pipeline.xml_name(trace) == "LLaVAInference" else ""
    return asked_picture(trace), edits, model, mode_of(trace, edits)


def write_preview(folder, picture, edits=(), model="", image_mode="Default", longest=LONGEST):
    """For the window: seen.png and small.png in a folder of this machine, and what there is to say, as JSON: text, part, size; or error.

    With an error of the model or of an edit there is small.png nevertheless, where the picture itself can be read.
    """
    try:
        made = preview(picture, edits, model, image_mode, longest)
        told = {"text": made.text, "part": made.part, "size": made.size}
    except Error as error:
        told = {"error": str(error)}
        try:
            made = preview(picture, longest=longest)
        except Error:
            return json.dumps(told)
        made.seen, told["size"] = None, made.size
    for name, pixels in (("seen", made.seen), ("small", made.small)):
        if pixels is not None:
            with open(os.path.join(folder, name + ".png"), "wb") as file:
                file.write(_pictures().png(pixels))
    return json.dumps(told)
