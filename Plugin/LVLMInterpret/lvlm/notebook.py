# SPDX-License-Identifier: Apache-2.0
"""Traces and layouts show themselves in a Jupyter notebook. Elsewhere nothing changes: ParaView's proxies stay what they are."""
import html
import os
import sys
import tempfile

from paraview import servermanager, simple

from . import pipeline, traces
from .errors import Error

PICTURE_LIMIT = 400000  # bytes of a PNG; a larger one becomes a JPEG
PICTURE_WIDTH, LAYOUT_WIDTH = 336, 800  # pixels on the notebook's page
WORD = "display:inline-block;margin:1px;padding:0 4px;border-radius:4px;white-space:pre;background-color:rgba(21,101,178,%.2f);%s"
CHOSEN = "border:2px solid #e87722;"


def register():
    """Tells a notebook's kernel how to show traces and layouts; does nothing where there is none."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None:
        shell.display_formatter.formatters["text/html"].for_type(servermanager.SourceProxy, trace_html)
        shell.display_formatter.formatters["image/png"].for_type(servermanager.Proxy, layout_png)


def trace_html(source):
    """Picture, the words of the answer and where the model looked for the telling one; None for what is no trace, or has not run."""
    if pipeline.xml_name(source) not in traces.SOURCES or not source.GetDataInformation().DataInformation.GetNumberOfDataSets():
        return None
    try:
        return _trace_html(source)
    except Error as error:
        return "<p>%s</p>" % html.escape(str(error))


def _trace_html(trace):
    from . import pictures  # needs numpy, which all else of lvlm does without
    tokens, first = traces.tokens(trace), traces.telling_token(trace)
    pixels = pictures.picture_pixels(trace), pictures.heat_picture(trace, first)
    shown = '<img src="%s" width="%d" alt="%s" style="display:inline-block;margin:4px 8px 4px 0">'
    texts = "the picture", "where the model looked for \u201c%s\u201d" % _text(tokens[first])
    return "".join([
        '<div><p><b dir="auto">%s</b></p><p dir="auto">' % html.escape(traces.question(trace)),
        *(_word(token, token["index"] == first) for token in tokens),
        "</p>",
        *(shown % (pictures.data_url(picture, PICTURE_LIMIT), PICTURE_WIDTH, html.escape(text)) for picture, text in zip(pixels, texts)),
        "<p>Left: the picture; right: %s, mean over all layers and heads. A word's color is its probability. Answered by %s.</p></div>" % (
            html.escape(texts[1]), html.escape(traces.model(trace)))])


def _text(token):
    return token["text"].strip() or token["token"]


def _word(token, chosen):
    known = token["probability"] is not None
    return '<span title="%s" style="%s">%s</span>' % (
        "%.3g %%" % (100 * token["probability"]) if known else "", WORD % (token["probability"] / 2 if known else 0, CHOSEN if chosen else ""),
        html.escape(_text(token)))


def layout_png(proxy):
    """A layout tab as a PNG, at half its size; None for other proxies."""
    if pipeline.xml_name(proxy) != "ViewLayout":
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "layout.png")
        simple.SaveScreenshot(path, proxy)
        with open(path, "rb") as file:
            return file.read(), {"width": LAYOUT_WIDTH}
