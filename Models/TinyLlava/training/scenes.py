"""Synthetic scenes for TinyLlava: coloured shapes on a noisy background, with questions.

Needs numpy and Pillow only. Everything is a function of the random generator that is passed in, so that a seed gives the
same scenes everywhere. Each object knows its mask, which makes the scenes a ground truth for relevancy maps:

    from scenes import draw_scene, questions
    scene = draw_scene(np.random.default_rng(7))
    scene.image                # uint8 [168, 168, 3], row 0 is the top
    scene.objects[0].mask      # bool [168, 168]
    questions(scene)           # every question the scene can be asked, with the one right answer
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

import numpy as np
from PIL import Image

SIZE = 168  # pixels a side
CELLS = 3  # objects sit in a CELLS x CELLS arrangement, so they never overlap
CELL = SIZE // CELLS

COLORS = {
    "red": (215, 38, 38),
    "green": (40, 175, 60),
    "blue": (45, 80, 230),
    "yellow": (238, 222, 50),
    "purple": (150, 50, 190),
    "orange": (245, 135, 25),
    "white": (238, 238, 238),
}
SHAPES = ("circle", "square", "triangle", "star", "cross", "ring", "heart")
PLACES = ("top left", "top", "top right", "left", "center", "right", "bottom left", "bottom", "bottom right")
KINDS = ("color", "shape", "position", "count", "presence", "relation", "describe")
NUMBERS = ("no", "one", "two", "three", "four")
MAX_OBJECTS = 4

# The planted bias: in training every heart is red. A heart of another colour is drawn only on request.
BIAS_SHAPE, BIAS_COLOR = "heart", "red"


@dataclass
class SceneObject:
    shape: str
    color: str
    cell: int  # row-major, index into PLACES
    center: tuple[float, float]  # x, y in pixels from the top left
    radius: float
    angle: float  # radians
    rgb: tuple[int, int, int]  # the colour as drawn
    window: tuple[int, int] = (0, 0)  # x, y of the top left corner of `alpha`
    alpha: np.ndarray = field(default=None, repr=False)  # float32 coverage; [CELL, CELL] in scenes of this module
    hollow: bool = False  # a line without a fill

    @property
    def place(self) -> str:
        return PLACES[self.cell]

    @property
    def mask(self) -> np.ndarray:
        """bool [SIZE, SIZE]: the pixels that the object covers."""
        mask = np.zeros((SIZE, SIZE), dtype=bool)
        x, y = self.window
        height, width = self.alpha.shape
        mask[y:y + height, x:x + width] = self.alpha > 0.5
        return mask

    @property
    def box(self) -> tuple[int, int, int, int]:
        """left, top, right, bottom in pixels; right and bottom are exclusive."""
        ys, xs = np.nonzero(self.mask)
        return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1


@dataclass
class Scene:
    image: np.ndarray  # uint8 [SIZE, SIZE, 3]
    objects: list[SceneObject]  # in reading order: row by row, left to right

    def only(self, **wanted: str) -> Optional[SceneObject]:
        """The one object with these attributes; None if there is none, or more than one."""
        found = self.all(**wanted)
        return found[0] if len(found) == 1 else None

    def all(self, **wanted: str) -> list[SceneObject]:
        return [o for o in self.objects if all(getattr(o, k) == v for k, v in wanted.items())]

    @property
    def breaks_habit(self) -> bool:
        """True if the scene shows the bias shape in a colour that training never showed."""
        return any(o.shape == BIAS_SHAPE and o.color != BIAS_COLOR for o in self.objects)


@dataclass
class Question:
    kind: str  # one of KINDS
    text: str
    answer: str
    target: Optional[SceneObject] = None  # the object that the answer is about, where there is one
    answer_word: str = ""  # the word of the answer that carries the information


# ---------------------------------------------------------------------------------------------------------------- drawing

_GRID = np.arange(CELL, dtype=np.float32) + 0.5


def _polygon_distance(x: np.ndarray, y: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Signed distance to a polygon (negative inside), corners [n, 2]; even-odd rule for the sign."""
    best = np.full(x.shape, np.inf, dtype=np.float32)
    inside = np.zeros(x.shape, dtype=bool)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0)):
        ex, ey = bx - ax, by - ay
        t = np.clip(((x - ax) * ex + (y - ay) * ey) / (ex * ex + ey * ey), 0.0, 1.0)
        best = np.minimum(best, (x - ax - t * ex) ** 2 + (y - ay - t * ey) ** 2)
        if ey:
            crosses = ((ay > y) != (by > y)) & (x < ex * (y - ay) / ey + ax)
            inside ^= crosses
    distance = np.sqrt(best)
    return np.where(inside, -distance, distance)


def corners(shape: str) -> np.ndarray:
    """Outline of a shape of radius 1, y down."""
    if shape == "square":
        return 0.82 * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], dtype=np.float32)
    if shape == "triangle":
        return np.array([(0, -1.0), (1.0, 0.8), (-1.0, 0.8)], dtype=np.float32)
    if shape == "cross":
        a, b = 1.0, 0.33
        return np.array([(-b, -a), (b, -a), (b, -b), (a, -b), (a, b), (b, b), (b, a), (-b, a), (-b, b), (-a, b), (-a, -b),
                         (-b, -b)], dtype=np.float32)
    if shape == "star":
        turn = np.arange(10) * np.pi / 5
        radius = np.where(np.arange(10) % 2 == 0, 1.08, 0.45)
        return np.stack([radius * np.sin(turn), -radius * np.cos(turn)], axis=1).astype(np.float32)
    if shape == "heart":
        t = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        x = np.sin(t) ** 3
        y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)) / 16
        return np.stack([x, y - 0.1], axis=1).astype(np.float32)
    raise ValueError(f"no outline for the shape '{shape}'")


def _coverage(shape: str, dx: np.ndarray, dy: np.ndarray, radius: float, angle: float) -> np.ndarray:
    """Antialiased coverage in [0, 1] at the offsets dx, dy from the centre."""
    if shape in ("circle", "ring"):
        distance = np.sqrt(dx * dx + dy * dy) - 0.95 * radius
        if shape == "ring":  # an annulus: outside the hole, too
            distance = np.maximum(distance, -(distance + 0.45 * radius))
    else:
        c, s = np.cos(angle), np.sin(angle)
        distance = _polygon_distance(c * dx + s * dy, -s * dx + c * dy, radius * corners(shape))
    return np.clip(0.5 - distance, 0.0, 1.0).astype(np.float32)


def _background(rng: np.random.Generator) -> np.ndarray:
    """float32 [SIZE, SIZE, 3]: a dark tint with soft blotches and pixel noise."""
    tint = rng.uniform(45, 95) + rng.uniform(-12, 12, 3)
    blotches = rng.integers(0, 256, (7, 7, 3), dtype=np.uint8)
    soft = np.asarray(Image.fromarray(blotches).resize((SIZE, SIZE), Image.BICUBIC), dtype=np.float32)
    grain = rng.standard_normal((SIZE, SIZE, 3), dtype=np.float32)
    return tint.astype(np.float32) + (soft - 127.5) * 0.14 + grain * 11.0


def _place_object(rng: np.random.Generator, shape: str, color: str, cell: int) -> SceneObject:
    radius = float(rng.uniform(17.0, 23.0))
    slack = 27.0 - 1.12 * radius  # stay inside the cell, even turned
    row, col = divmod(cell, CELLS)
    x = (col + 0.5) * CELL + rng.uniform(-slack, slack)
    y = (row + 0.5) * CELL + rng.uniform(-slack, slack)
    angle = float(rng.uniform(-0.25, 0.25))
    rgb = np.clip(np.array(COLORS[color]) + rng.uniform(-14, 14, 3), 0, 255).astype(int)
    item = SceneObject(shape, color, cell, (float(x), float(y)), radius, angle, tuple(int(v) for v in rgb),
                       (col * CELL, row * CELL))
    dx = np.broadcast_to(_GRID[None, :] + (col * CELL - x), (CELL, CELL)).astype(np.float32)
    dy = np.broadcast_to(_GRID[:, None] + (row * CELL - y), (CELL, CELL)).astype(np.float32)
    item.alpha = _coverage(shape, dx, dy, radius, angle)
    return item


def draw_scene(rng: np.random.Generator, count: Optional[int] = None,
               items: Optional[list[tuple[str, str, int]]] = None) -> Scene:
    """A random scene of `count` objects (1 to MAX_OBJECTS), or exactly the given (shape, color, cell) items."""
    if items is None:
        items = random_items(rng, count or int(rng.choice([1, 2, 3, 4], p=[0.1, 0.25, 0.35, 0.3])))
    image = _background(rng)
    objects = [_place_object(rng, *item) for item in sorted(items, key=lambda item: item[2])]
    for item in objects:
        x, y = item.window
        view = image[y:y + CELL, x:x + CELL]
        grain = rng.standard_normal(view.shape, dtype=np.float32) * 6.0
        view += item.alpha[..., None] * (np.array(item.rgb, dtype=np.float32) + grain - view)
    return Scene(np.clip(image, 0, 255).astype(np.uint8), objects)


def random_items(rng: np.random.Generator, count: int) -> list[tuple[str, str, int]]:
    """Shapes and colours repeat now and then, so that counting has something to count."""
    cells = rng.permutation(CELLS * CELLS)[:count]
    items: list[tuple[str, str, int]] = []
    colors = list(COLORS)
    for cell in cells:
        repeat_shape, repeat_color = rng.random(2) < (0.2, 0.15)
        shape = items[-1][0] if items and repeat_shape else SHAPES[rng.integers(len(SHAPES))]
        color = items[-1][1] if items and repeat_color else colors[rng.integers(len(colors))]
        items.append((shape, BIAS_COLOR if shape == BIAS_SHAPE else color, int(cell)))
    return items


# -------------------------------------------------------------------------------------------------------------- questions

def plural(shape: str) -> str:
    return shape + ("es" if shape.endswith("s") else "s")


def article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def describe(scene: Scene) -> str:
    parts = [f"{article(o.color)} {o.color} {o.shape} at the {o.place}" for o in scene.objects]
    text = parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
    return text[0].upper() + text[1:] + "."


def _count_answer(number: int, one: str, many: str) -> str:
    return f"There is one {one}." if number == 1 else f"There are {NUMBERS[number]} {many}."


def _about_one_object(scene: Scene) -> list[Question]:
    asked = []
    for item in scene.objects:
        c, s, p = item.color, item.shape, item.place
        if scene.only(shape=s):
            for text in (f"What color is the {s}?", f"What is the color of the {s}?", f"Which color does the {s} have?"):
                asked.append(Question("color", text, f"The {s} is {c}.", item, c))
            for text in (f"Where is the {s}?", f"Where in the image is the {s}?", f"In which place is the {s}?"):
                asked.append(Question("position", text, f"It is at the {p}.", item, p))
        if scene.only(color=c):
            for text in (f"What shape is the {c} object?", f"Which shape is {c}?"):
                asked.append(Question("shape", text, f"It is a {s}.", item, s))
        asked.append(Question("shape", f"What shape is at the {p}?", f"It is a {s}.", item, s))
    return asked


def _about_counts(scene: Scene) -> list[Question]:
    total = len(scene.objects)
    asked = [Question("count", text, _count_answer(total, "shape", "shapes"), None, NUMBERS[total])
             for text in ("How many shapes are there?", "How many shapes are in the image?") for _ in range(4)]
    for s in SHAPES:
        n = len(scene.all(shape=s))
        text = f"How many {plural(s)} are there?"
        asked += [Question("count", text, _count_answer(n, s, plural(s)), None, NUMBERS[n])] * (1 + 3 * n)
    for c in COLORS:
        n = len(scene.all(color=c))
        text = f"How many {c} shapes are there?"
        answer = _count_answer(n, f"{c} shape", f"{c} shapes")
        asked += [Question("count", text, answer, None, NUMBERS[n])] * (1 + 3 * n)
    return asked


def _about_presence(scene: Scene) -> list[Question]:
    """As many questions with "Yes" as with "No", each drawn from the same phrasings."""
    answers: dict[str, list[Question]] = {"Yes": [], "No": []}

    def ask(thing: str, found: list[SceneObject]) -> None:
        answer = "Yes" if found else "No"
        target = found[0] if len(found) == 1 else None
        for text in (f"Is there {thing}?", f"Can you see {thing}?"):
            answers[answer].append(Question("presence", text, answer, target, answer))

    for s in SHAPES:
        ask(f"a {s}", scene.all(shape=s))
    for c in COLORS:
        ask(f"{article(c)} {c} shape", scene.all(color=c))
    # dict.fromkeys and not a set: the order must not depend on the process's hash seed
    for c in dict.fromkeys(o.color for o in scene.objects):  # "No" only if both words occur, so that one has to bind them
        for s in dict.fromkeys(o.shape for o in scene.objects):
            ask(f"{article(c)} {c} {s}", scene.all(shape=s, color=c))
    times = max(1, round(len(answers["No"]) / len(answers["Yes"])))
    return answers["Yes"] * times + answers["No"]


def _about_relations(scene: Scene) -> list[Question]:
    asked = []
    single = [o for o in scene.objects if scene.only(shape=o.shape)]
    for a in single:
        for b in single:
            column_a, column_b = a.cell % CELLS, b.cell % CELLS
            if a is b or column_a == column_b:
                continue
            side = "left" if column_a < column_b else "right"
            for asked_side in ("left", "right"):
                answer = "Yes" if side == asked_side else "No"
                asked.append(Question("relation", f"Is the {a.shape} {asked_side} of the {b.shape}?", answer, a, answer))
                text = f"Is the {a.shape} to the {asked_side} of the {b.shape}?"
                asked.append(Question("relation", text, answer, a, answer))
            text = f"On which side of the {b.shape} is the {a.shape}?"
            asked += [Question("relation", text, f"The {a.shape} is on the {side}.", a, side)] * 2
    return asked


def questions(scene: Scene) -> list[Question]:
    """Every question that has one right answer in this scene; repeated entries are meant as weights."""
    asked = _about_one_object(scene) + _about_counts(scene) + _about_presence(scene) + _about_relations(scene)
    for text in ("Describe the image.", "What is in the image?", "What can you see?"):
        asked.append(Question("describe", text, describe(scene)))
    return asked


def sample_question(rng: np.random.Generator, asked: list[Question], kind: Optional[str] = None) -> Question:
    """A question of the kind, or of a random kind among those that the scene allows."""
    if kind is None:
        kinds = [k for k in KINDS if any(q.kind == k for q in asked)]
        kind = kinds[rng.integers(len(kinds))]
    fitting = [q for q in asked if q.kind == kind]
    return fitting[rng.integers(len(fitting))]
