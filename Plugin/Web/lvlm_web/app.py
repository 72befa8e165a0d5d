# SPDX-License-Identifier: Apache-2.0
"""What a visitor does on the page, as calls of the module `lvlm`; and the page's state."""
import base64
import functools
import logging
import os

import lvlm
from lvlm import editing, pipeline, views
from paraview import simple

from . import figures
from .figures import Figures
from .work import Work

MOST_TRACES = 24  # of a visitor, who otherwise fills the memory
LONGEST_QUESTION = 4000  # letters
LONGEST_ANSWER = 4096  # tokens
TABS = ("attention", "heads", "layers", "relevancy", "causality", "edit", "compare")
PREVIEW = 480  # pixels of the longer side
CANVAS = 1600  # of the picture that is drawn on
TOOLS = ("patches", "rectangle", "brush", "crop")
FILLS = ("mean", "surrounding", "blur", "noise", "black", "white")
MOST_EDITS, MOST_POINTS = 200, 2000  # of a picture, and of a brush's line
MOST_BRUSHED = 40  # times the picture that a brush may go over


def url_of(png):
    return "data:image/png;base64," + base64.b64encode(png).decode()


def action(method):
    """Something that the visitor does. What goes wrong becomes a line on the page."""
    @functools.wraps(method)
    def guarded(self, *arguments):
        self.state.error = ""
        try:
            method(self, *arguments)
        except lvlm.Error as error:
            self.state.error = self.readable(str(error))
        except Exception:  # the page must go on, whatever a browser sends
            logging.exception("lvlm-web: %s%r", method.__name__, arguments)
            self.state.error = "This did not work: the page sent something unexpected."
        self.state.flush()
    return guarded


def whole(value, low, high, what):
    """A number from the browser, which may send anything."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value) or not low <= value <= high:
        raise lvlm.Error("%s: %r is not one of %d to %d" % (what, value, low, high))
    return int(value)


class App:
    def __init__(self, server, channel, settings):
        """settings: what the front was started with, and this visitor's folder."""
        self.server, self.state, self.settings = server, server.state, settings
        self.work = Work(channel)
        self.figures = Figures(settings["folder"])
        self.sources = {}  # of pictures, by file
        self.picture = None  # file of the chosen one
        self.edits, self.canvas_size = [], None  # of the picture of the current question; the page has copies
        self.traces = []
        self.token = 0
        self.drawn = None  # what the tab was made of
        self.shown = None  # and the word that the page has of it
        self.turned = None  # the page's view that can be turned
        self._fill_state()
        for name in ("choose_example", "use_upload", "ask", "choose_trace", "choose_token", "ask_without", "compare", "pick",
                     "add_edit", "undo_edit", "clear_edits", "ask_edited"):
            server.trigger(name)(getattr(self, name))
        self.state.change("tab", "layer", "head", "gallery", "mode", "area", "tool")(lambda **_: self.show())
        self.choose_example(0)

    def _fill_state(self):
        self.state.update({
            "error": "", "examples": [title for title, _, _ in self.settings["examples"]], "picture": "", "picture_name": "",
            "question": "", "longest": 64, "temperature": 0, "image_mode": "Default",
            "questions": [], "current": -1, "words": [], "token": 0, "answer": "", "asked": "",
            "tab": "attention", "layer": -1, "head": -1, "layers": 1, "heads": 1, "gallery": "map", "mode": "Exact",
            "area": [0, 0], "figure": "", "shown_tab": "", "pictures": 0, "seen": "", "patches": [], "chosen": [],
            "fill": "Mean Color", "tool": "patches", "cover": "mean", "brush": 5, "edits": [], "canvas": "",
            "canvas_size": [1, 1], "second": -1, "model": self.settings["model_name"], "model_information": self.settings["model_information"]})

    def readable(self, message):
        """A message for someone who knows no file of this machine: without the names of uploaded pictures."""
        for number in range(self.settings["uploads"]):
            message = message.replace(self._upload(number) + ": ", "").replace(self._upload(number), "your picture")
        return message

    @property
    def trace(self):
        return self.traces[self.state.current] if self.traces else None

    # Pictures

    def _upload(self, number):
        return os.path.join(self.settings["folder"], "upload-%d" % number)

    @action
    def choose_example(self, index):
        title, path, question = self.settings["examples"][whole(index, 0, len(self.settings["examples"]) - 1, "example")]
        self._choose(path, title)
        self.state.question = question

    @action
    def use_upload(self, number):
        path = self._upload(whole(number, 0, self.settings["uploads"] - 1, "picture"))
        try:
            self._choose(path, "your picture")
        except lvlm.Error:
            if os.path.exists(path) and path not in self.sources:
                os.unlink(path)
            raise

    def _choose(self, path, name):
        if path not in self.sources:
            source = pipeline.register(name, "LVLMPictureReader", FileName=path, MaximumPixels=self.settings["pixels"])
            with pipeline.deleted_on_error(source):
                pipeline.update(source, name)
            self.sources[path] = source
        self.picture = path
        self.state.picture, self.state.picture_name = url_of(figures.picture_png(self.sources[path], PREVIEW)), name

    # Questions

    @action
    def ask(self):
        if self.picture is None:
            raise lvlm.Error("Choose a picture first.")
        options = {"model": self.settings["model"], "max_new_tokens": whole(self.state.longest, 1, LONGEST_ANSWER, "longest answer"),
                   "temperature": self._temperature(), "image_mode": str(self.state.image_mode), "layout": False}
        self._add(lambda question: lvlm.ask(self.sources[self.picture], question, **options))
        self.state.tab = self.state.tab if self.state.tab not in ("edit", "compare") else "attention"
        self.show()

    def _temperature(self):
        value = self.state.temperature
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 2:
            raise lvlm.Error("temperature: %r is not between 0 and 2" % (value,))
        return value

    def _question(self):
        question = self.state.question
        if not isinstance(question, str) or not question.strip():
            raise lvlm.Error("Write a question first.")
        if len(question) > LONGEST_QUESTION:
            raise lvlm.Error("The question has %d letters: at most %d are taken." % (len(question), LONGEST_QUESTION))
        return question

    def _add(self, asked):
        """Asks, and makes the new trace the current one."""
        question = self._question()
        if len(self.traces) >= MOST_TRACES:
            raise lvlm.Error("This page holds %d questions: open a new one for more." % MOST_TRACES)
        with self.work.turn("Asking"):
            trace = asked(question)
        self.traces.append(trace)
        self._make_current(len(self.traces) - 1)

    def _make_current(self, index):
        state, self.state.current = self.state, index
        trace = self.trace
        tokens = lvlm.tokens(trace)
        state.questions = [{"title": pipeline.name_of(each), "value": n} for n, each in enumerate(self.traces)]
        state.words = [word_of(token) for token in tokens]
        state.asked, state.answer = lvlm.question(trace), lvlm.answer(trace)
        state.layers, state.heads = figures.layers_and_heads(trace)
        state.layer, state.head = min(state.layer, state.layers - 1), min(state.head, state.heads - 1)
        state.patches, state.chosen = figures.patches(trace), []
        state.seen = url_of(figures.picture_png(views.picture_of(trace)))
        self.edits = state.edits = []
        self.canvas_size, state.canvas = None, ""
        self.token = state.token = lvlm.telling_token(trace)

    @action
    def choose_trace(self, index):
        self._make_current(whole(index, 0, len(self.traces) - 1, "question"))
        self.show()

    @action
    def choose_token(self, index):
        self.token = self.state.token = whole(index, 0, len(self.state.words) - 1, "word")
        self.show()

    @action
    def ask_without(self):
        """The same question, or another, about the picture without the chosen patches; then both side by side."""
        if self.trace is None:
            raise lvlm.Error("Ask a question first.")
        if not isinstance(self.state.chosen, list) or not self.state.chosen:
            raise lvlm.Error("Choose patches first: click on the picture, or draw a rectangle on it.")
        first, before = self.trace, self.state.current
        painted = lvlm.paint_over(first, self.state.chosen, self.state.fill)
        self._add(lambda question: editing.ask_again(first, painted, question))
        self.state.second = before
        self.state.tab = "compare"
        self.show()

    # Edits of the picture as it was given, which the server does: what is shown is what the model will be asked about

    @action
    def add_edit(self, question, points):
        """What was drawn with the tool that is chosen on the picture of a question: pixels [x, y] that count from the lower left."""
        if self.trace is None or self.canvas_size is None or self.state.tool not in TOOLS[1:]:
            raise lvlm.Error("Ask a question first, and choose a tool.")
        if question != self.state.current:
            raise lvlm.Error("The picture is another one now: draw again.")
        if len(self.edits) >= MOST_EDITS:
            raise lvlm.Error("The picture has %d edits: no more are taken." % MOST_EDITS)
        self._edit(self.edits + [edit_line(self.state.tool, points, self.canvas_size, self.state.brush, self.state.cover)])

    @action
    def undo_edit(self):
        self._edit(self.edits[:-1])

    @action
    def clear_edits(self):
        self._edit([])

    def _edit(self, edits):
        """Shows the picture with them; what is cut away still stands there, the page makes it dark."""
        if self.trace is None:
            raise lvlm.Error("Ask a question first.")
        painted = [line for line in edits if not editing.crops([line])]
        with self.work.drawing():
            source = editing.asked_picture(self.trace)
            size = figures.size_of(source)
            edited = editing.edit(source, painted) if painted else source
            try:
                self.state.canvas = url_of(figures.picture_png(edited, CANVAS))
            finally:
                if painted:
                    simple.Delete(edited)
        self.edits = self.state.edits = edits
        self.canvas_size = self.state.canvas_size = size

    @action
    def ask_edited(self):
        """The same question, or another, about the picture with the edits; then both side by side."""
        edits = self.edits
        if self.trace is None or not edits:
            raise lvlm.Error("Draw on the picture first.")
        first, before = self.trace, self.state.current
        self._add(lambda question: editing.ask_edited(first, edits, question))
        self.state.second = before
        self.state.tab = "compare" if editing.comparable(first, self.trace) else "attention"
        self.show()

    @action
    def compare(self, index):
        self.state.second = whole(index, 0, len(self.traces) - 1, "question")
        self.show()

    # Figures

    @action
    def show(self):
        """Draws what the page's tab asks for. A word alone needs no new tab: all presets follow the time."""
        if self.trace is None or self.state.tab not in TABS:
            return
        if self.state.tab == "edit":
            if self.state.tool != "patches" and self.canvas_size is None:
                self._edit([])
            return
        self._resize()
        wanted = self._wanted()
        if self.shown == (wanted, self.token):
            return
        self.shown, self.state.shown_tab = None, ""  # should drawing fail
        with self.work.drawing():
            lvlm.step(self.token, self.trace)
            if wanted != self.drawn:
                self.drawn = None
                self._draw(self.state.tab)
                self.drawn = self._wanted()
            if self.state.tab == "layers" and self.turned is not None:
                self.turned.update()
            else:
                self.state.figure = url_of(self.figures.png())
        self.shown, self.state.shown_tab = (self.drawn, self.token), self.state.tab
        self.state.pictures += 1

    @action
    def pick(self, x, y):
        """A click on the figure, at parts of its width and height from the lower left: on a head's square, or on a map of the
        gallery, it chooses that layer and head."""
        point = self.figures.point_at(x, y)
        if point is None:
            return
        if self.state.tab == "heads":
            found = figures.head_at(point, self.state.layers, self.state.heads)
        elif self.state.tab == "attention" and self.state.gallery in ("heads", "layers"):
            found = figures.map_at(self.trace, point)
        else:
            return
        if found is not None:
            self.state.layer, self.state.head = found
            self.state.tab, self.state.gallery = "attention", "map"
            self.show()

    def _resize(self):
        width, height = self.state.area
        if width and height:
            self.figures.resize(whole(width, 1, 1 << 14, "width"), whole(height, 1, 1 << 14, "height"))

    def _wanted(self):
        """Everything that a tab is made of, but the word."""
        state = self.state
        chosen = {"attention": (state.layer, state.head, state.gallery), "relevancy": (state.mode,),
                  "compare": (state.layer, state.head, state.second), "causality": (state.head,)}
        return state.tab, state.current, views.SIZE, chosen.get(state.tab)

    def _draw(self, tab):
        getattr(self, "_draw_" + tab)(self.trace)

    def _choose_heads(self, *traces):
        layer = whole(self.state.layer, -1, self.state.layers - 1, "layer")
        head = whole(self.state.head, -1, self.state.heads - 1, "head")
        for trace in traces:
            figures.choose_heads(trace, None if layer < 0 else layer, None if head < 0 else head)

    def _draw_attention(self, trace):
        if self.state.gallery in figures.GALLERIES:
            self.figures.draw(figures.show_gallery, trace, self.state.gallery)
        else:
            self._choose_heads(trace)
            self.figures.draw(lvlm.show_attention, trace)

    def _draw_heads(self, trace):
        self.figures.draw(lvlm.show_heads, trace)

    def _draw_layers(self, trace):
        layout = self.figures.draw(lvlm.show_layers, trace)
        if self.turned is not None:
            self.turned.replace_view(simple.GetViewsInLayout(layout)[0])

    def _draw_relevancy(self, trace):
        with self.work.turn("Relevancy"):
            self.figures.draw(lvlm.show_relevancy, trace, mode=str(self.state.mode))

    def _draw_causality(self, trace):
        head = whole(self.state.head, -1, self.state.heads - 1, "head")
        with self.work.turn("Causal graph"):
            self.figures.draw(lvlm.show_causality, trace, head=None if head < 0 else head, table=False)

    def _draw_compare(self, trace):
        if len(self.traces) < 2:
            raise lvlm.Error("Compare: ask a second question first.")
        if self.state.second in (-1, self.state.current):
            self.state.second = self.state.current - 1 if self.state.current else 1
        first = self.traces[whole(self.state.second, 0, len(self.traces) - 1, "question")]
        self._choose_heads(first, trace)
        self.figures.draw(lvlm.compare, first, trace)


def word_of(token):
    """A token of the answer for the page."""
    probability = token["probability"]
    others = ["%s %.1f %%" % (text.strip() or repr(text), 100 * value) for text, value in token["alternatives"][:5]]
    return {"text": token["text"].strip() or token["token"], "percent": None if probability is None else round(100 * probability, 1),
            "others": others}


def edit_line(tool, points, size, brush, fill):
    """A line of lvlm.edit() from what the browser sends, which may be anything."""
    if not isinstance(points, list) or not 1 < len(points) <= MOST_POINTS or not all(isinstance(p, list) and len(p) == 2 for p in points):
        raise lvlm.Error("The drawing has no points, or more than %d." % MOST_POINTS)
    points = [[whole(value, 0, side - 1, "place") for value, side in zip(point, size)] for point in points]
    if tool != "crop" and fill not in FILLS:
        raise lvlm.Error("%r is none of %s" % (fill, ", ".join(FILLS)))
    if tool == "brush":
        radius = max(1, whole(brush, 1, 25, "width") * max(size) // 200)
        brushed = sum((abs(x1 - x0) + 2 * radius) * (abs(y1 - y0) + 2 * radius) for (x0, y0), (x1, y1) in zip(points, points[1:]))
        if brushed > MOST_BRUSHED * size[0] * size[1]:
            raise lvlm.Error("The brush goes over the picture too often: draw less at a time.")
        return "brush %d %s %s" % (radius, " ".join("%d %d" % tuple(point) for point in points), fill)
    corners = [pick(point[axis] for point in points) for pick in (min, max) for axis in (0, 1)]
    return "%s %d %d %d %d" % (tool, *corners) + ("" if tool == "crop" else " " + fill)
