# SPDX-License-Identifier: Apache-2.0
"""Presets of what happens inside: where a token looked, which heads did, layer by layer, and what the patches say."""
from paraview import simple

from . import cameras, pipeline, traces, views
from .errors import Error

MOST_TICKS = 16  # of an axis
WORD_LINES = 2  # of an answer whose words are coloured
MOST_BARS = 9  # of half a column
DEPTH = 0.6  # of the layer volume, so that its maps stay near the picture


class Preset:
    """What the presets share: a trace, a tab, and the choice of an answer token as properties of a filter."""

    def __init__(self, title, trace, token):
        self.trace = traces.resolve(trace)
        self.name = pipeline.name_of(self.trace)
        pipeline.update(self.trace, "the trace %s" % self.name)  # a damaged file is told of as such
        self.follow = token is None
        self.token = None if self.follow else traces.check_token(self.trace, token)
        self.choice = {"FollowTime": int(self.follow), "AnswerTokens": [] if self.follow else [self.token]}
        self.title = title

    def open_tab(self, other=None):
        """Once all filters have run: a failing preset leaves the session as it was. other: name of a second trace."""
        self.tab = views.Tab("%s: %s" % (self.title, self.name if other is None else "%s | %s" % (self.name, other)))
        return self.tab

    def filter(self, proxy_name, name, what, port=0, **properties):
        """A filter on the trace, which has run. A new one that fails is taken away again."""
        label = "%s (%s)" % (name, self.name)
        new = not pipeline.below(self.trace, proxy_name, label)
        made = pipeline.attach(self.trace, proxy_name, label, **properties)
        try:
            pipeline.update(made, what, port)
        except Error:
            if new:
                simple.Delete(made)
            raise
        self.trace.UpdatePipelineInformation()  # its time steps are known now that it has run
        return made

    def caption(self, view, text, width=views.SIZE[0], about=None, **options):
        """about: the output that the text is about, whose own tokens it then names. width: of the view where the tab has the usual
        size."""
        width *= self.tab.area[0] / views.SIZE[0]
        choice = self.choice if about is None else None
        return views.show_caption(self.trace, view, text, choice, width=width, about=about, **options)


QUESTION = "Q: {question}   A: {answer}"
RANKINGS = ("Localization", "ImageShare", "Entropy", "ColumnScore")


def best_of(best_heads, best_by):
    """The choice of heads as properties of a filter; None leaves it as it is."""
    if best_by not in RANKINGS:
        raise Error("best_by: %r is none of %s" % (best_by, ", ".join(RANKINGS)))
    if best_heads is None:
        return {}
    if isinstance(best_heads, bool) or not isinstance(best_heads, int) or not 0 <= best_heads < 2**31:
        raise Error("best_heads: %r is no number of heads" % (best_heads,))
    return {"BestHeads": best_heads, "BestBy": best_by}


def show_attention(trace=None, token=None, best_heads=None, best_by="Localization"):
    """Where the model looked: the attention of an answer token to the picture, mean over layers and heads.

    trace: default: that of the active source, else the newest. token: an answer token, 0 is the first, -1 the last;
    default: that of the pipeline time, so that the VCR buttons step through the answer. best_heads: so many heads instead,
    the best by "Localization", "ImageShare", "Entropy" or "ColumnScore"; 0: all of them. Returns the layout.
    """
    best = best_of(best_heads, best_by)
    preset = Preset("Attention", trace, token)
    heat = preset.filter("LVLMAttentionMap", "Attention map", "the attention map", **preset.choice, **best)
    table = preset.filter("LVLMTokens", "Tokens", "the tokens", About=heat)
    back = preset.filter("LVLMPatchAttention", "Attention to patches", "the attention to patches")
    tab = preset.open_tab()
    left, right = tab.columns(0, 0.6, 0.4)
    right, below = tab.rows(right, 1, 1)
    view = tab.view(left)
    views.show_picture(preset.trace, view, under=heat)
    views.show_map(heat, view, "attention")
    preset.caption(view, "Where the model looked for \u201c{token}\u201d{late}: {heads}\n" + QUESTION, width=960, about=heat)
    chart = tab.view(right, shapes=True)
    bars = views.show_bars(table, chart, "Token probabilities (%s)" % preset.name, Labels="text", Values="probability",
                           Highlight="chosen", FullScale=1, MaximumBars=MOST_BARS)
    preset.caption(chart, "How sure the model was of each token\nProbability, given all before it", width=640)
    patches = tab.view(below, shapes=True)
    back_bars = views.show_bars(back, patches, "Attention to patches, as bars (%s)" % preset.name, Labels="text", Values="attention",
                                Percent=0, MaximumBars=MOST_BARS,
                                Order="Table" if len(traces.tokens(preset.trace)) <= MOST_BARS else "Descending")
    preset.caption(patches, "Who attends {patches}\nA click on a patch of the picture chooses it", width=640, about=back)
    tab.size()
    views.fit_picture(view, preset.trace)
    views.fit_bars(chart, bars, 2)
    views.fit_bars(patches, back_bars, 2)
    return tab.finish(heat)


def show_heads(trace=None, token=None):
    """Which heads look at the picture: a square for each layer and head, and the map of the head that looks most."""
    preset = Preset("Heads", trace, token)
    summary = preset.filter("LVLMHeadSummary", "Head summary", "the head summary", Source="Image", **preset.choice)
    heat = preset.filter("LVLMAttentionMap", "Map of the strongest head", "the attention map", Reduction="StrongestHead",
                         Layers=[], Heads=[], **preset.choice)
    tab = preset.open_tab()
    left, right = tab.columns(0, 0.5, 0.5)
    chart = tab.view(left)
    squares = pipeline.attach(
        summary, "Glyph", "Heads as squares (%s)" % preset.name, part=True, GlyphType="Box", GlyphMode="All Points",
        OrientationArray=["POINTS", "No orientation array"], ScaleArray=["POINTS", "No scale array"], ScaleFactor=0.94)
    shown = views.show_squares(squares, chart)
    views.color(shown, chart, "POINTS", "attention", views.legend_of(summary))
    layers, heads, _ = pipeline.counts(summary)
    show_axes(chart, "Layer", layers, "Head", heads)
    preset.caption(chart, "Which heads look at {source} for \u201c{token}\u201d{late}\n" + QUESTION, width=800, about=summary)
    view = tab.view(right)
    views.show_picture(preset.trace, view, under=heat)
    views.show_map(heat, view, "attention")
    preset.caption(view, "For \u201c{token}\u201d{late}: {heads}\nA click on a square shows its head", width=800, about=heat)
    tab.size()
    views.fit(chart, axes_bounds(layers, heads), views.caption_height(2), views.LEGEND_HEIGHT)
    views.fit_picture(view, preset.trace)
    return tab.finish(summary)


def ticks(count):
    step = -(-count // MOST_TICKS)
    return list(range(0, count, step))


def axes_bounds(columns, rows):
    """The squares, with room for the axes' numbers and titles."""
    size = max(columns, rows)
    return -0.5 - 0.2 * size, columns - 0.5 + 0.04 * size, -0.5 - 0.12 * size, rows - 0.5


def show_axes(view, x_title, columns, y_title, rows):
    """Axes with whole numbers at the squares' middles."""
    grid = view.AxesGrid
    grid.Visibility = 1
    grid.AxesToLabel = 3  # the lower and the left one
    grid.XTitle, grid.YTitle, grid.ZTitle = x_title, y_title, ""
    grid.XAxisUseCustomLabels = grid.YAxisUseCustomLabels = 1
    grid.XAxisLabels, grid.YAxisLabels = ticks(columns), ticks(rows)
    grid.XAxisNotation = grid.YAxisNotation = "Fixed"
    grid.XAxisPrecision = grid.YAxisPrecision = 0
    for axis in "XY":
        for part in ("Title", "Label"):
            setattr(grid, "%s%sFontSize" % (axis, part), views.LEGEND_SIZE + 1)
            setattr(grid, "%s%sFontFamily" % (axis, part), "Arial")
    grid.GridColor = [0.75, 0.75, 0.78]


def show_layers(trace=None, token=None):
    """Layer above layer: the maps of all layers as a volume in front of the picture."""
    preset = Preset("Layers 3D", trace, token)
    volume = preset.filter("LVLMLayerVolume", "Layer volume", "the layer volume", **preset.choice)
    tab = preset.open_tab()
    view = tab.view(0, flat=False)
    show_stack(preset, volume, simple.Show(volume, view), view, "attention")
    views.show_shapes(simple.OutputPort(volume, 1), view).Scale = [1, 1, DEPTH]
    preset.caption(view, "Attention for \u201c{token}\u201d{late}, {planes}\n" + QUESTION, about=volume)
    tab.size()
    cameras.look_aslant(view)
    return tab.finish(volume)


def show_stack(preset, volume, shown, view, array):
    """A stack of maps as a volume, in front of the picture."""
    shown.Representation = "Volume"
    views.color(shown, view, "POINTS", array, views.legend_of(volume))
    views.ramp(shown, [(0, 0), (0.25, 0), (0.5, 0.3), (1, 1)])  # no fog where little is
    shown.ScalarOpacityUnitDistance = 6
    outline = simple.Show(pipeline.attach(volume, "Outline", "Frame (%s)" % pipeline.name_of(volume), part=True), view, "LVLMShapesRepresentation")
    shown.Scale = outline.Scale = [1, 1, DEPTH]
    outline.AmbientColor = outline.DiffuseColor = [0.55, 0.55, 0.6]
    width, height = views.picture_size(preset.trace)
    views.lift(views.show_picture(preset.trace, view, under=volume), -0.06 * max(width, height))


def show_lens(trace=None, word=None, token=None):
    """Which word the patches of the picture say, layer by layer: the logit lens.

    word: one token of the model, such as "star"; default: the answer token `token`, or that of the pipeline time. Shows how
    probable it is as a volume over layers and as a map of its largest values, and the words that the picture says anywhere.
    """
    if word is not None and (not isinstance(word, str) or not word.strip()):
        raise Error("word: %r is no word" % (word,))
    preset = Preset("Lens", trace, token)
    lens = preset.filter("LVLMLogitLens", "Logit lens", "the logit lens", Word=word or "", **preset.choice)
    tab = preset.open_tab()
    left, right = tab.columns(0, 0.5, 0.5)
    above, below = tab.rows(right, 0.62, 0.38)
    view = tab.view(left, flat=False)
    shown = simple.Show(lens, view)
    show_stack(preset, lens, shown, view, "probability")
    preset.caption(view, "Where the picture says \u201c{word}\u201d, layer by layer:\nthe embeddings next to the picture, the last layer in front",
                   width=800, about=lens)
    heat = tab.view(above)
    views.show_picture(preset.trace, heat)
    views.show_map(simple.OutputPort(lens, 2), heat, "probability")
    preset.caption(heat, "\u201c{word}\u201d: {strongest}", size=views.LEGEND_SIZE + 1, width=800, about=lens)
    chart = tab.view(below, shapes=True)
    bars = views.show_bars(simple.OutputPort(lens, 3), chart, "Words of the picture (%s)" % preset.name, Labels="word",
                           Values="confidence", Order="Descending", FullScale=1, MaximumBars=8)
    preset.caption(chart, "Words that the picture says anywhere: their largest probability", size=views.LEGEND_SIZE + 1, width=800)
    tab.size()
    cameras.look_aslant(view)
    views.fit_picture(heat, preset.trace, lines=1, size=views.LEGEND_SIZE + 1)
    views.fit_bars(chart, bars, 1, size=views.LEGEND_SIZE + 1)
    return tab.finish(lens)


GALLERIES = {"Heads": "Heads gallery", "Layers": "Layers gallery", "AnswerTokens": "Words gallery"}  # what there is a map of: title
ORDERS = ("Index", "ImageShare", "Localization")


def show_words(trace=None, token=None):
    """The relevancy maps of all tokens of the answer side by side, on one scale, and the picture's share of each one's relevancy.

    token: means nothing here.
    """
    return show_gallery(trace, token, by="AnswerTokens", of="Relevancy")


def show_gallery(trace=None, token=None, by="Heads", order="Index", of="Attention", best_heads=None, best_by="Localization"):
    """The small maps of all heads, layers or words side by side, on one scale, each with its name.

    by: "Heads", "Layers" or "AnswerTokens". order: "Index", "ImageShare" (the one that looks at the picture most first) or
    "Localization" (those first that tell where something is). of: "Attention", or with "AnswerTokens" "Relevancy". With
    "AnswerTokens" `token` means nothing. best_heads, best_by: as of show_attention(), the best first in the order "Index".
    """
    best = best_of(best_heads, best_by)
    for name, value, known in (("by", by, GALLERIES), ("order", order, ORDERS), ("of", of, ("Attention", "Relevancy"))):
        if value not in known:
            raise Error("%s: %r is none of %s" % (name, value, ", ".join(known)))
    if of == "Relevancy" and by != "AnswerTokens":
        raise Error("of: relevancy has a map for each token, by must be AnswerTokens")
    title = GALLERIES[by] if of == "Attention" else "Words"
    preset = Preset(title, trace, token)
    gallery = preset.filter("LVLMMapGallery", title, "the gallery", By=by, Of=of, Order=order, **preset.choice, **best)
    tab = preset.open_tab()
    below, text = 0, None
    if by == "AnswerTokens":
        above, below = tab.rows(0, 0.2, 0.8)
        text = tab.view(above, shapes=True)
        lines = show_coloured_words(preset, text, gallery, of.lower(), width=1600)
    left, right = tab.columns(below, 0.68, 0.32)
    view = tab.view(left)
    shown = views.show_squares(gallery, view)
    views.color(shown, view, "CELLS", of.lower(), views.legend_of(gallery))
    labels = simple.OutputPort(gallery, 2)
    views.show_shapes(labels, view)
    preset.caption(view, "%s \u201c{token}\u201d{late}: {maps}\n%s" % ("Where the model looked for" if of == "Attention" else "What made", QUESTION), width=1088, about=gallery)
    chart = tab.view(right, shapes=True)
    bars = views.show_bars(simple.OutputPort(gallery, 1), chart, "Shares of the gallery (%s)" % preset.name, Labels="label",
                           Values="image_share", FullScale=1, MaximumBars=16, Order="Table" if order == "Localization" else "Descending")
    preset.caption(chart, "The picture's share of the %s" % of.lower(), width=512)
    tab.size()
    extent, above = (source.GetDataInformation().GetBounds() for source in (gallery, pipeline.compute(labels)))
    views.fit(view, (extent[0], extent[1], extent[2], above[3]), views.caption_height(2), views.LEGEND_HEIGHT)
    views.fit_bars(chart, bars, 1)
    if text is not None:
        fit_words(text, lines)
    return tab.finish(gallery)


def show_matrix(trace=None, token=None, words=False):
    """How much each token of the answer looks at each token before it, as a matrix; the picture is one column. Above it the answer,
    each word the stronger coloured the more of its look goes to the picture.

    words: tokens are joined to words. token: means nothing here.
    """
    preset = Preset("Matrix", trace, token)
    matrix = preset.filter("LVLMTokenMatrix", "Token matrix", "the token matrix", JoinWords=int(words))
    gallery, of = shares_of(preset.trace)
    tab = preset.open_tab()
    above, below = tab.rows(0, 0.22, 0.78)
    text = tab.view(above, shapes=True)
    lines = show_coloured_words(preset, text, gallery, of, width=1600)
    view = tab.view(below)
    shown = views.show_squares(matrix, view)
    views.color(shown, view, "CELLS", "attention", views.legend_of(matrix))
    labels = simple.OutputPort(matrix, 2)
    views.show_shapes(labels, view)
    preset.caption(view, "How much each %s of the answer (rows) looks at what comes before it (columns): {heads}"
                   % ("word" if words else "token"), about=matrix)
    tab.size()
    squares, words_around = (pipeline.compute(source).GetDataInformation().GetBounds() for source in (matrix, labels))
    views.fit(view, (words_around[0], squares[1], squares[2], words_around[3]), views.caption_height(1), views.LEGEND_HEIGHT)
    fit_words(text, lines)
    return tab.finish(matrix)


def picture_shares(trace=None):
    """How much of each token of the answer comes from the picture: a dictionary of `shares`, parts of 1, and of what they are,
    `of`: "relevancy" where show_words() has computed that, else "attention". Of a trace without that, nothing is known."""
    trace = traces.resolve(trace)
    known = _relevancy_gallery(trace)
    if known is not None:
        return {"of": "relevancy", "shares": [row["image_share"] for row in _in_order(pipeline.rows(known, 1))]}
    with pipeline.temporary("LVLMMapGallery", Input=trace, By="AnswerTokens") as gallery:
        try:
            pipeline.update(gallery, "the picture's shares")
        except Error as error:
            if "has no tensor 'attention.answer'" not in str(error):
                raise
            return {"of": "attention", "shares": []}
        return {"of": "attention", "shares": [row["image_share"] for row in pipeline.rows(gallery, 1)]}


def _in_order(rows):
    return sorted(rows, key=lambda row: row["answer_index"])


def _relevancy_gallery(trace):
    """The gallery that has the relevancy of all of the answer's tokens, or None."""
    return next((gallery for gallery in pipeline.below(trace, "LVLMMapGallery")
                 if gallery.By == "AnswerTokens" and gallery.Of == "Relevancy" and len(gallery.AnswerTokens) == 0), None)


def shares_of(trace):
    """A gallery of the answer's tokens, whose table says how much of each comes from the picture, and of what; see picture_shares()."""
    known = _relevancy_gallery(trace)
    if known is not None:
        return known, "relevancy"
    name = "Shares of the picture (%s)" % pipeline.name_of(trace)
    gallery = pipeline.attach(trace, "LVLMMapGallery", name, part=True, By="AnswerTokens", Of="Attention")
    pipeline.update(gallery, "the picture's shares")
    return gallery, "attention"


def show_coloured_words(preset, view, gallery, of, width):
    """The answer, each token on a box that is the stronger the more of it comes from the picture. Returns what has to fit."""
    lines = views.show_bars(simple.OutputPort(gallery, 1), view, "Answer by its shares of the picture (%s)" % preset.name, Arrangement="Text",
                            Labels="label", Values="image_share", FullScale=1, MaximumBars=WORD_LINES)
    preset.caption(view, "What comes from the picture: its share of each token\u2019s %s, from pale (nothing) to blue (all)" % of, width=width)
    return lines


def fit_words(view, lines):
    """Their view is low: in a window of 1000 pixels there are 90, of which the caption takes 38."""
    views.fit(view, pipeline.compute(lines).GetDataInformation().GetBounds()[:4], views.caption_height(1), margin=3, hang=True)
