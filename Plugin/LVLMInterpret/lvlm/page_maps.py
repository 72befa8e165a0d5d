# SPDX-License-Identifier: Apache-2.0
"""The maps that a page carries: fetched from the filters, a byte a number, as many as fit.

A chunk of maps [count, size] is stored deflated: for each map its highest value as a float32, then a byte for each number, 255
times the square root of its part of that. Attention spans several powers of ten within a map, and the root keeps them apart.
"""
import base64
import zlib
from contextlib import ExitStack, contextmanager

import numpy as np
from paraview import servermanager
from vtkmodules.util.numpy_support import vtk_to_numpy

from . import pipeline
from .columns import Columns
from .errors import Error

RELEVANCY = ("decoder", "joint_token", "vision", "joint")  # arrays of LVLM Relevancy, the best ones first
LAYER_PART = 0.6  # of the room, what maps of single layers may take before those of single heads
SOURCES, LEAST_SOURCE = 8, 0.001  # words named as what made a token, and the least share of one


class TraceMaps:
    """What the filters say about a trace, as arrays; all of it through the server manager."""

    def __init__(self, stack, trace, tokens):
        self.trace, self.tokens = trace, tokens
        self.gallery = stack.enter_context(pipeline.temporary("LVLMMapGallery", Input=trace))
        self.cells = Columns(stack, self.gallery, ["attention"])
        self.places = Columns(stack, self.gallery, ["patch", "head", "answer_index"])
        self.known = {}
        self.summary = stack.enter_context(pipeline.temporary("LVLMHeadSummary", Input=trace))
        with pipeline.temporary("LVLMAttentionMap", Input=trace) as heat:
            pipeline.update(heat, "the attention map")
            information = heat.GetDataInformation().DataInformation
            x0, x1, y0, y1 = information.GetExtent()[:4]
            self.grid = y1 - y0, x1 - x0
            self.bounds = information.GetBounds()[:4]
        pipeline.update(self.summary, "the head summary")
        self.layers, self.heads = (last + 1 for last in self.summary.GetDataInformation().DataInformation.GetExtent()[1:4:2])

    @property
    def patches(self):
        return self.grid[0] * self.grid[1]

    def _maps(self, key, count, **properties):
        pipeline.set_properties(self.gallery, properties)
        if key not in self.known:  # the same in every gallery of the kind
            places = self.places.fetch("the maps")
            shown = places["patch"] >= 0  # the others lie between maps
            self.known[key] = shown, places[key][shown], places["patch"][shown]
        shown, which, patch = self.known[key]
        maps = np.zeros((count, self.patches), "f4")
        maps[which, patch] = self.cells.fetch("the maps")["attention"][shown]
        return maps

    def by_token(self, layers=(), heads=()):
        """[answer tokens, patches], mean over the layers and heads (none: all)."""
        return self._maps("answer_index", self.tokens, By="AnswerTokens", Layers=list(layers), Heads=list(heads))

    def by_head(self, layer):
        """[heads, patches] of a layer, mean over the answer."""
        return self._maps("head", self.heads, By="Heads", Layers=[layer], Heads=[])

    def shares(self):
        """[answer tokens, layers * heads]: how much of the attention goes to the picture."""
        found = []
        for token in range(self.tokens):
            self.summary.AnswerTokens = [token]
            pipeline.update(self.summary, "the head summary")
            table = pipeline.fetch(self.summary, 1)
            found.append(vtk_to_numpy(table.GetColumnByName("attention")) * self.patches)
        return np.asarray(found)


@contextmanager
def relevancy_filter(trace, wanted):
    """What gives the relevancy maps of a page, or None. wanted: True: of all tokens; None: where the trace has it recorded; False;
    or an LVLMRelevancy, whose settings are taken over."""
    if wanted is None:
        wanted = trace.PointData.GetArray("relevancy.decoder") is not None
    if isinstance(wanted, servermanager.Proxy):
        if pipeline.xml_name(wanted) != "LVLMRelevancy":
            raise Error("relevancy: %s is no LVLM Relevancy" % (pipeline.name_of(wanted) or wanted))
        settings = {name: getattr(wanted, name) for name in ("Words", "Method", "Mode", "Normalize", "ModelDirectory", "Device")}
    elif isinstance(wanted, bool):
        settings = {}
    else:
        raise Error("relevancy: %r is neither True, False, None nor an LVLM Relevancy" % (wanted,))
    if wanted is False:
        yield None
        return
    with pipeline.temporary("LVLMRelevancy", Input=trace, **settings) as relevancy:
        yield relevancy


def relevancy_maps(relevancy, tokens, patches):
    """{array: [answer tokens, patches]}, and for each token the words that it comes from as (text, share), the largest first."""
    maps, sources = {}, []
    for token in range(tokens):
        relevancy.AnswerTokens = [token]
        pipeline.update(relevancy, "the relevancy of token %d" % token)
        names = [name for name in RELEVANCY if relevancy.CellData.GetArray(name) is not None]
        with ExitStack() as stack:
            cells = Columns(stack, relevancy, [*names, "patch"]).fetch("the relevancy")
        for name in names:
            maps.setdefault(name, np.zeros((tokens, patches), "f4"))[token, cells["patch"]] = cells[name]
        words = pipeline.rows(relevancy, 1)
        found = [(row["word"], row["share"]) for row in words if row["word"].strip() and row["share"] >= LEAST_SOURCE]
        best = sorted(found, key=lambda word: -word[1])[:SOURCES]
        image_share = words[0]["image_share"] if words else np.nan
        sources.append([("the picture", image_share), *best] if np.isfinite(image_share) else [])
    return maps, sources


class Chunks:
    """Chunks by name for the page's script, up to a number of bytes."""

    def __init__(self, room):
        self.room, self.used, self.found = room, 0, {}
        self.error, self.relative = {}, 0.0

    def add(self, name, maps):
        """Whether there was room for the maps [count, size]. Raises Error for numbers that are not finite."""
        if not np.isfinite(maps).all():
            raise Error("the maps %s of the trace have numbers that are not finite" % name)
        tops, numbers, worst, relative = quantized(maps)
        deflated = base64.b64encode(zlib.compress(tops.tobytes() + numbers.tobytes(), 9)).decode("ascii")
        size = len(deflated) + len(name) + 40
        if self.used + size > self.room:
            return False
        self.used += size
        self.found[name] = {"count": len(maps), "deflated": deflated}
        kind = name.partition(".")[0]
        self.error[kind] = max(worst, self.error.get(kind, 0))
        self.relative = max(relative, self.relative)
        return True


def quantized(maps):
    """Highest values [count] and bytes [count, size] of maps; the worst error, as it is and as a part of its map's highest value."""
    maps = np.asarray(maps, "f4")
    tops = maps.max(axis=1, initial=0)
    parts = np.divide(maps, tops[:, None], out=np.zeros_like(maps), where=tops[:, None] > 0)
    numbers = np.rint(255 * np.sqrt(np.clip(parts, 0, 1))).astype("u1")
    errors = np.abs((numbers / 255.0) ** 2 * tops[:, None] - maps).max(axis=1, initial=0)
    relative = np.divide(errors, tops, out=np.zeros_like(errors), where=tops > 0)
    return tops.astype("<f4"), numbers, float(errors.max(initial=0)), float(relative.max(initial=0))


def spread(count):
    """0 to count - 1 in an order whose beginnings are spread over all: the last, the first, the middle, ..."""
    found, step = [count - 1], count
    while len(found) < count:
        step = max(step // 2, 1)
        found += [at for at in range(0, count, step) if at not in found]
    return found


def add_layers_and_heads(chunks, maps):
    """Fills the room: single heads for the whole answer, single layers for each word, single heads for each word, the strongest
    ones first. Returns the numbers of layers and of heads that are there for each word."""
    strength = {}
    for layer in range(maps.layers):
        heads = maps.by_head(layer)
        if not chunks.add("answer.%d" % layer, heads):
            raise Error("megabytes: there is no room for a map of every head")
        strength.update({(layer, head): float(heads[head].sum()) for head in range(maps.heads)})
    limit = chunks.used + LAYER_PART * (chunks.room - chunks.used)
    layers = 0
    for layer in spread(maps.layers):
        if chunks.used > limit or not chunks.add("layer.%d" % layer, maps.by_token([layer])):
            break
        layers += 1
    heads = 0
    for layer, head in by_strength(strength):
        if not chunks.add("head.%d.%d" % (layer, head), maps.by_token([layer], [head])):
            break
        heads += 1
    return layers, heads


def by_strength(strength):
    """(layer, head) of {(layer, head): share}: the strongest of each layer, then the others; of both the strongest first."""
    order = sorted(strength, key=lambda key: -strength[key])
    leaders = {}
    for layer, head in order:
        leaders.setdefault(layer, (layer, head))
    return [*leaders.values(), *(key for key in order if leaders[key[0]] != key)]
