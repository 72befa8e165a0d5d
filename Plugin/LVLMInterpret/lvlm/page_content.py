# SPDX-License-Identifier: Apache-2.0
"""What is in a page of lvlm.save_page: its texts, its data, and the template that holds them."""
import base64
import hashlib
import html
import json
import re
import time
from contextlib import ExitStack

from paraview import servermanager

from . import __version__, pictures, pipeline, traces
from .errors import Error
from .page_maps import Chunks, TraceMaps, add_layers_and_heads, relevancy_filter, relevancy_maps

PICTURE_PART = 0.05  # of the file: a larger PNG of the picture becomes a JPEG
SPARE = 4096  # bytes for what is written last, the sentence on the contents and the names in the data


def page(trace, room, relevancy):
    """The file's bytes, `room` of them at most. relevancy: as in save_page."""
    words = [_word(token) for token in traces.tokens(trace)]
    if not words:
        raise Error("the answer of %s has no tokens" % pipeline.name_of(trace))
    first = traces.telling_token(trace)
    with ExitStack() as stack:
        maps = TraceMaps(stack, trace, len(words))
        fields = {"words": words, "first": first, "grid": maps.grid, "layers": maps.layers, "heads": maps.heads}
        texts, fields["box"] = _texts(trace, words, first, maps, room)
        chunks = Chunks(room - len(_filled(texts, fields)) - SPARE)
        fields["relevancy"] = _add_basics(chunks, maps, words, stack.enter_context(relevancy_filter(trace, relevancy)))
        counts = add_layers_and_heads(chunks, maps)
    texts["contents"] = html.escape(_contents(chunks, maps, counts, len(words)))
    return _filled(texts, {**fields, "chunks": chunks.found})


def _word(token):
    return {"text": token["text"], "token": token["token"], "p": token["probability"], "others": token["alternatives"]}


def _texts(trace, words, first, maps, room):
    """What stands in the page without its script, as HTML by placeholder; and where the map lies, as parts of the picture."""
    pixels = pictures.picture_pixels(trace)
    height, width, _ = pixels.shape
    left, right, low, high = maps.bounds
    plain = {"question": traces.question(trace), "answer": traces.answer(trace), "model": traces.model(trace),
             "saved": time.strftime("%Y-%m-%d %H:%M"), "version": __version__, "first": _shown(words[first])}
    texts = {name: html.escape(text) for name, text in plain.items()}
    texts.update(width=str(width), height=str(height), contents="", picture=pictures.data_url(pixels, PICTURE_PART * room),
                 still=pictures.data_url(pictures.heat_picture(trace, first)),
                 table="\n".join(_table_row(index, word) for index, word in enumerate(words)))
    return texts, [left / width, 1 - high / height, right / width, 1 - low / height]


def _shown(word):
    """A token to read: what it says, or the tokenizer's own piece where that is nothing."""
    return word["text"].strip() or word["token"]


def _table_row(index, word):
    def percent(probability):
        return "" if probability is None else "%.3g %%" % (100 * probability)
    others = ", ".join("<bdi>%s</bdi> %s" % (html.escape(text.strip() or "\u00b7"), percent(p)) for text, p in word["others"])
    return "<tr><td>%d</td><td><bdi>%s</bdi></td><td>%s</td><td>%s</td></tr>" % (
        index, html.escape(_shown(word)), percent(word["p"]), others)


def _add_basics(chunks, maps, words, relevancy):
    """What every page has; relevancy's sources go into the words. Returns the names of the relevancy maps."""
    basics, sources = {"mean": maps.by_token(), "summary": maps.shares()}, []
    if relevancy is not None:
        found, sources = relevancy_maps(relevancy, len(words), maps.patches)
        basics.update({"relevancy.%s" % name: values for name, values in found.items()})
    for word, source in zip(words, sources):
        word["sources"] = source
    chunks.room -= len(_json(sources)) if sources else 0
    for name, values in basics.items():
        if not chunks.add(name, values):
            raise Error("megabytes: picture and words of this trace and a map for each take more")
    return [name.partition(".")[2] for name in basics if "." in name]


def _contents(chunks, maps, counts, words):
    """What the page has and how exact it is, in words."""
    layers, heads = counts
    every = maps.layers * maps.heads
    worst = max(chunks.error.get(kind, 0) for kind in ("mean", "answer", "layer", "head"))
    text = "This page has, for each of the %d words, the mean map of all layers and heads, %s, %s; and the map of every head for the whole answer." % (
        words, "that of every layer" if layers == maps.layers else "those of %d of %d layers" % (layers, maps.layers),
        "and that of every head" if heads == every else "and those of %d of %d heads (the strongest of each layer first)" % (heads, every))
    text += " Numbers are rounded to a byte each: the worst error of an attention is %.2g" % worst
    if "relevancy" in chunks.error:
        text += ", of a relevancy %.2g" % chunks.error["relevancy"]
    return text + "; none is more than %.2g %% of the highest value of its map." % (100 * chunks.relative)


def _source(name):
    """A file that the plugin carries beside this module."""
    return servermanager.finder.find_spec("lvlm." + name, None).loader.get_source("lvlm." + name)


def _json(value):
    """JSON that may stand in a script element: nothing in it ends the element or begins a comment."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _hash(text):
    """How a Content-Security-Policy names a script or style that may be there."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _filled(texts, fields):
    """The file's bytes. Only what the template asks for is replaced, never what takes its place."""
    script, style = _source("page_script"), _source("page_style")
    every = {**texts, "script": script, "style": style, "script_hash": _hash(script), "style_hash": _hash(style), "data": _json(fields)}
    return re.sub(r"@(\w+)@", lambda found: every[found.group(1)], _source("page_view")).encode("utf-8", "replace")
