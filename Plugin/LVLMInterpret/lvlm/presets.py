# SPDX-License-Identifier: Apache-2.0
"""The presets: each a tab of linked views for a trace."""
from . import pipeline, traces, views


def start(preset, trace, token):
    """The trace, its tab and the properties that choose an answer token: the given one, or that of the time."""
    trace = traces.resolve(trace)
    if token is not None:
        token = traces.check_token(trace, token)
    choice = {"FollowTime": 1, "AnswerTokens": []} if token is None else {"FollowTime": 0, "AnswerTokens": [token]}
    return trace, views.Tab("%s: %s" % (preset, pipeline.name_of(trace))), choice


def heading(trace):
    return "%s  %s" % (views.quoted(traces.question(trace)), views.quoted(traces.answer(trace)))


def show_attention(trace=None, token=None):
    """Where the model looked: the attention of an answer token to the picture, mean over layers and heads.

    trace: default: that of the active source, else the newest. token: an answer token, 0 is the first, -1 the last;
    default: that of the pipeline time, so that the VCR buttons step through the answer. Returns the layout.
    """
    trace, tab, choice = start("Attention", trace, token)
    heat = pipeline.attach(trace, "LVLMAttentionMap", "Attention map of " + pipeline.name_of(trace), **choice)
    view = tab.view(0, "Where the model looked\n" + heading(trace))
    views.show_picture(trace, view)
    views.show_map(heat, view, "attention", "Attention to a patch, mean over layers and heads", follow=token is None)
    tab.finish()
    width, height = views.picture_size(trace)
    views.fit(view, (0, width, 0, height), views.title_height(2), views.LEGEND_HEIGHT)
    return tab.layout
