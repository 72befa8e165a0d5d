# SPDX-License-Identifier: Apache-2.0
"""Asking: from a picture and a question to a trace."""
import os
from contextlib import ExitStack

from paraview import servermanager, simple

from . import pipeline, traces
from .errors import Error

READER = "LVLMPictureReader"
LONGEST_NAME = 48


def ask(image, question, model="", image_mode="Default", temperature=0, top_p=1, seed=0, max_new_tokens=64,
        capture_vision=False, layout=True, settings=None):
    """Asks a LLaVA model about a picture and returns the trace of its answer (a LLaVAInference filter).

    image: a picture file on the server's disk, or a source of the pipeline; a list of these is several pictures of one question,
    such as the frames of a clip, and what is shown then is about the first (Region of the map filters picks another). A second question about the same picture keeps
    the first trace, which stays about the picture that it was asked about; a file that was overwritten is read anew. model: checkpoint folder on the server's disk; empty: the embedded one. layout: show where the model
    looked, in a tab of its own. The other arguments are properties of LLaVAInference; settings: further ones, by name, which
    count more.
    """
    if not isinstance(question, str) or not question.strip():
        raise Error("question: there is nothing to ask")
    if layout:
        from .views import require_screen
        require_screen()  # now, not after the model has run
    known = {source.SMProxy.GetGlobalID() for source in pipeline.all_sources()}
    with ExitStack() as stack:
        pictures = []
        for one in image if isinstance(image, (list, tuple)) else [image]:
            pictures.append(picture_source(one))
            if pipeline.plain(pictures[-1]).SMProxy.GetGlobalID() not in known:
                known.add(pipeline.plain(pictures[-1]).SMProxy.GetGlobalID())
                stack.enter_context(pipeline.deleted_on_error(pictures[-1]))
        if not pictures:
            raise Error("image: the list is empty")
        trace = pipeline.register(trace_name(question), "LLaVAInference", Input=pictures[0], FurtherPictures=pictures[1:], Prompt=question)
        stack.enter_context(pipeline.deleted_on_error(trace))
        pipeline.set_properties(trace, {
            "ModelDirectory": str(model), "ImageMode": image_mode, "Temperature": temperature, "TopP": top_p,
            "Seed": seed, "MaxNewTokens": max_new_tokens, "CaptureVision": int(capture_vision), **(settings or {})})
        pipeline.update(trace, "asking %r" % question)
    simple.SetActiveSource(trace)
    traces.step(traces.telling_token(trace), trace)
    if layout:
        from .presets import show_attention
        show_attention(trace)
    return trace


def trace_name(question):
    text = " ".join(question.split())
    return text if len(text) <= LONGEST_NAME else text[:LONGEST_NAME - 1] + "\u2026"


def _outdated(reader):
    reader.UpdatePropertyInformation()
    return bool(reader.Outdated)


def picture_source(image):
    """The source of a picture: of a file the one that reads it already, else a new reader. A reader whose file was overwritten
    since keeps its picture if something was made of that."""
    if isinstance(image, servermanager.Proxy):
        if pipeline.xml_name(image) != READER or not _outdated(image):
            return image
        return _reader(image.FileName)
    path = os.fspath(image) if isinstance(image, (str, os.PathLike)) else None
    if not path:
        raise Error("image: %r is neither a file name nor a source of the pipeline" % (image,))
    if not pipeline.is_remote():  # a server's disk and home are not ours to look at
        path = os.path.abspath(os.path.expanduser(path))
        if not os.path.isfile(path):
            raise Error("image: there is no file %s" % path)
    return _reader(path)


def _reader(path):
    """The source that reads the file as it is now."""
    readers = [source for source in pipeline.all_sources() if pipeline.xml_name(source) == READER and source.FileName == path]
    for source in readers:
        if not _outdated(source):
            return source
    for source in readers:
        if not pipeline.is_used(source):
            source.SMProxy.InvokeCommand("Reload")
            pipeline.update(source, "image: reading %s" % path)
            return source
    source = pipeline.register(os.path.basename(path), READER, FileName=path)
    with pipeline.deleted_on_error(source):
        pipeline.update(source, "image: reading %s" % path)
    return source
