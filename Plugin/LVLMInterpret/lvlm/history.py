# SPDX-License-Identifier: Apache-2.0
"""Taking questions away."""
from paraview import simple

from . import pipeline, questions, traces, views

PICTURES = (questions.READER, "LVLMPaintOver", "LVLMEditPicture", "ExtractSubset")  # what the module makes of pictures; the user's own ones stay


def remove(trace=None):
    """Takes a question away: its tabs, everything that was made of its answer, and its pictures where nothing else needs them."""
    trace = traces.resolve(trace)
    pictures = pipeline.inputs_of(trace)
    made = _made_of(trace)
    for layout in list(simple.GetLayouts().values()):
        if any(pipeline.plain(shown.Input).SMProxy in made for view in simple.GetViewsInLayout(layout)
               for shown in view.Representations if shown.SMProxy.GetProperty("Input") and shown.Input is not None):
            views.close(layout)
    for source in reversed(pipeline.all_sources()):  # what a filter takes is older than the filter
        if source.SMProxy in made:
            simple.Delete(source)
    for picture in pictures:
        _remove_unused(picture, made)


def _remove_unused(picture, made):
    """A picture, and what it was made of, as far as the module made them and nothing needs them."""
    while picture is not None and pipeline.xml_name(picture) in PICTURES and not pipeline.is_used(pipeline.plain(picture)):
        unused, picture = pipeline.plain(picture), pipeline.input_of(picture)  # an edited picture was made of another one
        if unused.SMProxy not in made:
            made.append(unused.SMProxy)
            simple.Delete(unused)


def _made_of(trace):
    """The proxies of the trace and of everything below it, by any of its inputs."""
    made = [trace.SMProxy]
    for source in pipeline.all_sources():
        if source.SMProxy not in made and any(taken.SMProxy in made for taken in pipeline.inputs_of(source)):
            made.append(source.SMProxy)
    return made
