"""Scenes as people draw them: any background, size and style, and through each way of making a picture square.

    drawing = draw(np.random.default_rng(7))
    drawing.image, drawing.objects             # as in scenes.Scene; questions(drawing) works
    drawing.background, drawing.size, drawing.outline, drawing.mode   # what evaluate.py tells apart

Everything is laid out in the square that the model sees. It is drawn on a canvas with another number of pixels, often
more in one direction than in the other, and scaled to the square as an image processor does; that is how
large, small and stretched pictures come about. A picture with padding gets its bars at the end.
"""
from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Optional

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

import backgrounds
import colors
import scenes
from scenes import CELL, CELLS, SIZE

SIZES = {"tiny": (0.10, 0.17), "small": (0.17, 0.28), "medium": (0.28, 0.42), "large": (0.42, 0.67)}  # of the side
OUTLINES = ("none", "dark", "light", "shade", "only")  # only: a line in the object's colour, no fill
OUTLINE_SHARES = (0.46, 0.15, 0.07, 0.07, 0.25)
MODES = ("plain", "stretch", "pad")
MARGIN = 4.0  # pixels that a centre keeps from the border between two cells
CONTRAST = 48.0
MEAN_COLOR = (122, 116, 104)  # CLIP's mean, which fills a padded picture


@dataclass
class Drawing(scenes.Scene):
    background: str = ""
    size: str = ""
    outline: str = ""
    mode: str = "plain"
    frame: tuple[float, float, float, float] = (0, 0, SIZE, SIZE)  # left, top, right, bottom: the picture without bars
    unknown: Optional[np.ndarray] = field(default=None, repr=False)  # float32 [SIZE, SIZE]: where something lies that has no name


@dataclass
class Pen:
    """How the objects of one drawing are put on the canvas."""
    scale: tuple[float, float]  # canvas pixels in one pixel of the square, across and down
    fine: int  # supersampling of edges: 1 is hard, as PIL draws
    blur: float = 0.0
    shadow: bool = False


@dataclass
class Figure:
    """A shape's polygons in pixels of the square: the outline first, then holes."""
    polygons: list[np.ndarray] = field(default_factory=list)
    closed: bool = True

    def box(self, margin: float) -> tuple[float, float, float, float]:
        points = np.concatenate(self.polygons)
        return (*(points.min(0) - margin), *(points.max(0) + margin))


# ----------------------------------------------------------------------------------------------------------------- shapes

def _circle(radius: float = 0.95) -> np.ndarray:
    turn = np.arange(48) * (2 * np.pi / 48)
    return radius * np.stack([np.sin(turn), -np.cos(turn)], axis=1)


def _star(inner: float) -> np.ndarray:
    turn = np.arange(10) * np.pi / 5
    return 1.05 * np.stack([np.sin(turn), -np.cos(turn)], axis=1) * np.where(np.arange(10) % 2 == 0, 1.0, inner)[:, None]


def _cross(arm: float) -> np.ndarray:
    a, b = 1.0, arm
    return np.array([(-b, -a), (b, -a), (b, -b), (a, -b), (a, b), (b, b), (b, a), (-b, a), (-b, b), (-a, b), (-a, -b), (-b, -b)])


def _triangle(rng: np.random.Generator) -> np.ndarray:
    kind = rng.random()
    if kind < 0.7:  # from flat to tall, seldom with a point off the middle
        half = rng.uniform(0.75, 1.1)
        return np.array([(rng.uniform(-0.5, 0.5) * (rng.random() < 0.2), -1.0), (half, 0.8), (-half, 0.8)])
    if kind < 0.85:
        return np.array([(0, -1.0), (0.87, 0.5), (-0.87, 0.5)])
    return np.array([(-0.85, -0.9), (0.85, 0.8), (-0.85, 0.8)]) * (rng.choice([-1, 1]), rng.choice([-1, 1], p=[0.2, 0.8]))


def _heart(rng: np.random.Generator) -> np.ndarray:
    if rng.random() < 0.6:
        return scenes.corners("heart")
    turn = np.linspace(0, np.pi, 12)  # two circles on a triangle, as people build it
    lobe, drop = 0.5, rng.uniform(0.75, 1.05)
    left = np.stack([-lobe - lobe * np.cos(turn), -0.35 - lobe * np.sin(turn)], axis=1)
    return np.concatenate([left, left + (2 * lobe, 0), [(0, drop)]]) * (1, 1.0)


def _turn(rng: np.random.Generator, shape: str) -> float:
    """Mostly slight; any for shapes that stay themselves."""
    choice = rng.random()
    if choice < 0.55:
        return 0.0
    if choice < 0.9 or shape not in ("star", "triangle"):
        return float(rng.uniform(-0.26, 0.26))
    return float(rng.uniform(-np.pi, np.pi))


def _figure(rng: np.random.Generator, shape: str) -> list[np.ndarray]:
    """The shape's polygons, radius about 1, not yet turned."""
    if shape == "circle":
        return [_circle()]
    if shape == "ring":
        return [_circle(), _circle(0.95 * rng.uniform(0.42, 0.7))]
    if shape == "square":
        return [scenes.corners("square").astype(float)]
    if shape == "triangle":
        return [_triangle(rng)]
    if shape == "star":
        return [_star(rng.choice([0.38, 0.42, 0.5, rng.uniform(0.35, 0.55)]))]
    if shape == "cross":
        return [_cross(rng.uniform(0.2, 0.38))]
    return [_heart(rng)]


def placed(polygons: list[np.ndarray], x: float, y: float, radius: float, angle: float,
           aspect: float = 1.0) -> list[np.ndarray]:
    """Turned, sized and moved; an aspect above 1 is wider than tall, as in a stretched picture."""
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([(c, s), (-s, c)]) * radius * (np.sqrt(aspect), 1 / np.sqrt(aspect))
    return [p @ turn + (x, y) for p in polygons]


# ---------------------------------------------------------------------------------------------------------------- drawing

def _mask(figure: Figure, box: tuple[int, int, int, int], scale: tuple[float, float], fine: int, fill: bool,
          line: float = 0.0) -> Image.Image:
    """L picture of the box (canvas pixels): the filled figure, and a line of the width around it."""
    left, top, right, bottom = box
    image = Image.new("L", ((right - left) * fine, (bottom - top) * fine))
    draw = ImageDraw.Draw(image)
    polygons = [[((x * scale[0] - left) * fine, (y * scale[1] - top) * fine) for x, y in p] for p in figure.polygons]
    if fill:
        for number, polygon in enumerate(polygons):
            draw.polygon(polygon, fill=0 if number else 255)
    if line:
        width = max(1, round(line * (scale[0] + scale[1]) / 2 * fine))
        for polygon in polygons:
            draw.line(polygon + polygon[:2] if figure.closed else polygon, fill=255, width=width, joint="curve")
    return image if fine == 1 else image.reduce(fine)


def paint(canvas: Image.Image, figure: Figure, pen: Pen, fill: Optional[colors.Rgb], edge: Optional[colors.Rgb],
          line: float, fill_to: Optional[colors.Rgb] = None) -> None:
    """Fill and outline on the canvas; `fill_to` makes the fill a gradient from top to bottom."""
    box = figure.box(line + 3 + 2 * pen.blur)
    sx, sy = pen.scale
    box = (int(box[0] * sx) - 1, int(box[1] * sy) - 1, int(box[2] * sx) + 2, int(box[3] * sy) + 2)

    def put(color, mask):
        if pen.blur:
            mask = mask.filter(ImageFilter.GaussianBlur(pen.blur * (sx + sy) / 2))
        canvas.paste(color, box[:2] if isinstance(color, Image.Image) else box, mask)

    if pen.shadow:
        offset = max(1, round(2.5 * sx)), max(1, round(2.5 * sy))
        soft = _mask(figure, box, pen.scale, 1, fill is not None, line).filter(ImageFilter.GaussianBlur(1.5 * sx))
        canvas.paste((40, 40, 40), tuple(v + offset[i % 2] for i, v in enumerate(box)), soft.point(lambda v: v // 2))
    if fill is not None:
        color = fill
        if fill_to is not None:
            ramp = np.linspace(fill, fill_to, 16)[:, None].astype(np.uint8)
            color = Image.fromarray(ramp).resize((box[2] - box[0], box[3] - box[1]), Image.BILINEAR)
        put(color, _mask(figure, box, pen.scale, pen.fine, True))
    if edge is not None:
        put(edge, _mask(figure, box, pen.scale, pen.fine, False, line))


def coverage(figure: Figure, fill: bool, line: float) -> tuple[tuple[int, int], np.ndarray]:
    """Where it lies in the square: top left corner x, y, and float32 coverage."""
    box = figure.box(line)
    box = (max(0, int(box[0])), max(0, int(box[1])), min(SIZE, int(box[2]) + 2), min(SIZE, int(box[3]) + 2))
    alpha = np.asarray(_mask(figure, box, (1, 1), 3, fill, line), dtype=np.float32) / 255
    return box[:2], alpha


# ----------------------------------------------------------------------------------------------------------------- layout

def frame_for(rng: np.random.Generator, mode: str) -> tuple[float, float, float, float]:
    if mode != "pad":
        return (0.0, 0.0, SIZE, SIZE)
    share = float(rng.choice([0.75, 0.667, 0.5625, 0.5, rng.uniform(0.36, 0.95)]))
    low, high = SIZE * (1 - share) / 2, SIZE * (1 + share) / 2
    return (0.0, low, SIZE, high) if rng.random() < 0.6 else (low, 0.0, high, SIZE)


def size_for(rng: np.random.Generator, count: int) -> str:
    """Large ones only where there is room."""
    chances = {1: (0.13, 0.22, 0.25, 0.4), 2: (0.18, 0.31, 0.31, 0.2), 3: (0.28, 0.44, 0.28, 0), 4: (0.34, 0.46, 0.2, 0)}
    return list(SIZES)[rng.choice(4, p=chances[count])]


def _spots(rng: np.random.Generator, count: int, size: str, frame: tuple[float, float, float, float],
           cells: Optional[list[int]]) -> Optional[list[tuple[int, float, float, float]]]:
    """cell, x, y and radius of each object, or None if this try does not fit: inside the frame, in cells of their own, and
    overlapping little."""
    wanted = cells if cells is not None else [int(c) for c in rng.permutation(CELLS ** 2)[:count]]
    mixed, touching = rng.random() < 0.25, rng.random() < 0.15
    radius = SIZE / 2 * rng.uniform(*SIZES[size])
    spots: list[tuple[int, float, float, float]] = []
    for cell in wanted:
        r = radius * (rng.uniform(1, 1.8) if mixed and spots and size != "large" else rng.uniform(0.92, 1.08))
        r = min(max(r, SIZE / 2 * 0.1), SIZE / 2 * 0.67)
        row, col = divmod(cell, CELLS)
        inside = r * (1.0 if rng.random() < 0.9 else 0.8)
        low_x, high_x = max(col * CELL + MARGIN, frame[0] + inside), min((col + 1) * CELL - MARGIN, frame[2] - inside)
        low_y, high_y = max(row * CELL + MARGIN, frame[1] + inside), min((row + 1) * CELL - MARGIN, frame[3] - inside)
        if low_x > high_x or low_y > high_y:
            return None
        x, y = rng.uniform(low_x, high_x), rng.uniform(low_y, high_y)
        if any(np.hypot(x - a, y - b) < (r + s) * (0.86 if touching else 1.06) for _, a, b, s in spots):
            return None
        spots.append((cell, float(x), float(y), float(r)))
    return sorted(spots)


def layout(rng: np.random.Generator, count: int, size: str, frame: tuple[float, float, float, float]):
    for number in range(60):
        spots = _spots(rng, max(1, count - number // 30), size, frame, None)
        if spots:
            return spots
    return layout(rng, 1, "small", frame)


# ------------------------------------------------------------------------------------------------------------ one drawing

def tones(rng: np.random.Generator, outline: str, rgb: colors.Rgb) -> Optional[colors.Rgb]:
    """The outline's colour."""
    if outline == "dark":
        return (0, 0, 0) if rng.random() < 0.6 else tuple(int(v * rng.uniform(0, 0.35)) for v in rgb)
    if outline == "light":
        return (255, 255, 255) if rng.random() < 0.7 else tuple(int(255 - (255 - v) * rng.uniform(0, 0.3)) for v in rgb)
    if outline == "shade":
        return tuple(int(v * rng.uniform(0.4, 0.75)) for v in rgb)
    return None


def _color(rng: np.random.Generator, shape: str, color: Optional[str], outline: str,
           behind: np.ndarray, spread: float) -> tuple[str, colors.Rgb, str]:
    """Colour, shade and outline that can be seen on what lies behind. Hearts are red (the planted bias)."""
    needed = CONTRAST * (1.4 if outline == "only" else 1.0) + spread
    fixed = scenes.BIAS_COLOR if shape == scenes.BIAS_SHAPE else color
    names = list(scenes.COLORS)
    for number in range(24):
        name = fixed or names[rng.integers(len(names))]
        if number >= 16 and shape != scenes.BIAS_SHAPE:
            name = names[rng.integers(len(names))]
        rgb = colors.shade(rng, name)
        style = "dark" if name == "white" and outline == "light" else outline
        if colors.distance(rgb, behind) >= needed:
            return name, rgb, style
        if style != "only" and rng.random() < (0.6 if name == "white" else 0.15):
            break
    dark = colors.distance((0, 0, 0), behind) > colors.distance((255, 255, 255), behind)
    return name, rgb, "dark" if dark or name == "white" else "light"


def seen(canvas: Image.Image, pen: Pen, x: float, y: float, radius: float) -> tuple[np.ndarray, float]:
    """Mean colour of the canvas around an object, and how much it varies there."""
    sx, sy = pen.scale
    box = (max(0, int((x - radius) * sx)), max(0, int((y - radius) * sy)),
           min(canvas.width, int((x + radius) * sx) + 1), min(canvas.height, int((y + radius) * sy) + 1))
    around = np.asarray(canvas.resize((8, 8), Image.BOX, box), dtype=float)
    return around.mean((0, 1)), float(around.std((0, 1)).max())


def canvas_pen(rng: np.random.Generator, mode: str) -> Pen:
    """Large, small, stretched: pixels of the canvas in one of the square; and how edges look."""
    scale = float(rng.choice([1.0, rng.uniform(1, 3), rng.uniform(0.5, 1)], p=[0.35, 0.55, 0.1]))
    stretch = float(np.exp(rng.uniform(-0.8, 0.8))) if mode == "stretch" else 1.0
    fine = int(rng.choice([1, 2, 4], p=[0.4, 0.2, 0.4] if scale > 1.3 else [0.15, 0.35, 0.5]))
    blur = rng.uniform(0.3, 1.3) if rng.random() < 0.08 else 0.0
    return Pen((scale * np.sqrt(stretch), scale / np.sqrt(stretch)), fine, blur, rng.random() < 0.04)


def develop(rng: np.random.Generator, canvas: Image.Image, frame: tuple[float, float, float, float]) -> np.ndarray:
    """From the canvas to the square: grain, blur, JPEG, resampling, bars. uint8 [SIZE, SIZE, 3]."""
    if rng.random() < 0.08:
        grain = rng.standard_normal((canvas.height, canvas.width, 1), dtype=np.float32) * rng.uniform(2, 9)
        canvas = Image.fromarray(np.clip(np.asarray(canvas, dtype=np.float32) + grain, 0, 255).astype(np.uint8))
    if rng.random() < 0.06:
        canvas = canvas.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.9) * canvas.width / SIZE))
    if rng.random() < 0.3:
        file = io.BytesIO()
        canvas.save(file, "JPEG", quality=int(rng.integers(25, 96)))
        canvas = Image.open(file)
    way = rng.choice([Image.BICUBIC, Image.BILINEAR, Image.LANCZOS, Image.BOX], p=[0.82, 0.08, 0.05, 0.05])
    image = np.array(canvas.resize((SIZE, SIZE), int(way)))
    left, top, right, bottom = (int(round(v)) for v in frame)
    bar = MEAN_COLOR if rng.random() < 0.8 else ((0, 0, 0), (255, 255, 255))[rng.integers(2)]
    image[:top], image[bottom:], image[:, :left], image[:, right:] = bar, bar, bar, bar
    return image


def draw(rng: np.random.Generator, background: Optional[str] = None, size: Optional[str] = None,
         outline: Optional[str] = None, mode: Optional[str] = None) -> Drawing:
    """A random drawing; what is given is not left to chance."""
    background = background or str(rng.choice(backgrounds.KINDS, p=backgrounds.SHARES))
    mode = mode or str(rng.choice(MODES, p=[0.68, 0.17, 0.15]))
    count = int(rng.choice([1, 2, 3, 4], p=[0.7, 0.3, 0, 0] if size == "large" else [0.22, 0.32, 0.26, 0.2]))
    size = size or size_for(rng, count)
    outline = outline or str(rng.choice(OUTLINES, p=OUTLINE_SHARES))
    frame, pen = frame_for(rng, mode), canvas_pen(rng, mode)
    pixels = (max(16, round(SIZE * pen.scale[0])), max(16, round(SIZE * pen.scale[1])))
    pen.scale = (pixels[0] / SIZE, pixels[1] / SIZE)
    canvas = backgrounds.background(rng, background, *pixels, strength=float(rng.uniform(0.2, 0.55)))
    aspect = float(np.exp(rng.uniform(-0.75, 0.75))) if mode == "stretch" else 1.0
    weight = float(rng.uniform(0, 1))
    spots = layout(rng, count, size, frame)
    objects: list[scenes.SceneObject] = []
    for cell, x, y, radius in spots:
        shape, color = _choice(rng, objects)
        style = outline
        if shape == "ring" and style == "only":
            style = "none"
        if style in ("dark", "light", "shade") and radius < 11:
            style = "none" if outline == "shade" else style
        behind, spread = seen(canvas, pen, x, y, radius)
        color, rgb, style = _color(rng, shape, color, style, behind, spread)
        thickest = (0.19 if shape == "circle" else 0.28) if style == "only" else 0.16  # thicker, a circle is a ring
        line = float(np.clip((1.0 + weight * 5.0) * rng.uniform(0.9, 1.1), 1.0, max(1.3, thickest * radius)))
        figure = Figure(placed(_figure(rng, shape), x, y, radius, _turn(rng, shape), aspect if radius < 40 else 1.0))
        edge = rgb if style == "only" else tones(rng, style, rgb)
        fill = None if style == "only" else rgb
        fill_to = tuple(int(v * rng.uniform(0.75, 1.0)) for v in rgb) if fill and rng.random() < 0.08 else None
        paint(canvas, figure, pen, fill, edge, line if edge else 0.0, fill_to)
        window, alpha = coverage(figure, fill is not None, line if edge else 0.0)
        objects.append(scenes.SceneObject(shape, color, cell, (x, y), radius, 0.0, rgb, window, alpha, fill is None))
    return Drawing(develop(rng, canvas, frame), objects, background, size, outline, mode, frame)


def _choice(rng: np.random.Generator, objects: list[scenes.SceneObject]) -> tuple[str, Optional[str]]:
    """Shape, and colour if it repeats the one before; as in the old scenes, so that counting has something to count."""
    repeat_shape, repeat_color = rng.random(2) < (0.2, 0.15)
    shape = objects[-1].shape if objects and repeat_shape else scenes.SHAPES[rng.integers(len(scenes.SHAPES))]
    return shape, objects[-1].color if objects and repeat_color else None
