"""Pictures in which there is nothing that the model knows: empty ones, textures, and shapes that it has never heard of.

The answer to every question about them is UNKNOWN.
"""
from __future__ import annotations

from typing import Optional

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import backgrounds
import colors
import drawings
import scenes
from scenes import SIZE

UNKNOWN = "I see no shape that I know."
KINDS = ("empty", "texture", "shapes", "letters", "scribble")
SHARES = (0.1, 0.28, 0.38, 0.12, 0.12)
LETTERS = "ABEFGHJKMNRSWZabdefghkmnrs23456789&?!#%"  # neither round, nor a cross, nor a triangle


def _regular(corners: int) -> np.ndarray:
    turn = np.arange(corners) * 2 * np.pi / corners
    return np.stack([np.sin(turn), -np.cos(turn)], axis=1)


def _arc(start: float, end: float, radius: float = 1.0, points: int = 16) -> np.ndarray:
    turn = np.linspace(start, end, points) * np.pi
    return radius * np.stack([np.cos(turn), np.sin(turn)], axis=1)


def _moon(rng: np.random.Generator) -> np.ndarray:
    inner = _arc(0.42, -0.42, 0.85) * (rng.uniform(0.3, 0.8), 1.0)
    return np.concatenate([_arc(-0.42, 0.42), inner])[:, ::-1]


def _gear(rng: np.random.Generator) -> np.ndarray:
    teeth = int(rng.integers(8, 15))
    turn = np.arange(4 * teeth) * np.pi / (2 * teeth)
    reach = np.where(np.arange(4 * teeth) % 4 < 2, 1.0, 0.72)
    return reach[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)


def _spiral(rng: np.random.Generator) -> np.ndarray:
    t = np.linspace(0.08, 1, 60)
    turn = t * rng.uniform(4, 7) * np.pi
    return t[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)


def _wave(rng: np.random.Generator) -> np.ndarray:
    x = np.linspace(-1, 1, 40)
    return np.stack([x, rng.uniform(0.2, 0.5) * np.sin(x * rng.uniform(5, 14))], axis=1)


def _zigzag(rng: np.random.Generator) -> np.ndarray:
    n = int(rng.integers(4, 9))
    return np.stack([np.linspace(-1, 1, n), np.where(np.arange(n) % 2, 0.5, -0.5) * rng.uniform(0.5, 1.2)], axis=1)


def _line(rng: np.random.Generator) -> np.ndarray:
    return np.array([(-1, 0), (1, 0)]) @ np.array([(1, rng.uniform(-1, 1)), (0, 1)])


def _drop(rng: np.random.Generator) -> np.ndarray:
    return np.concatenate([_arc(-0.1, 1.1, 0.62) + (0, 0.35), [(0, -1.1)]])


def _cloud(rng: np.random.Generator) -> np.ndarray:
    lobes = [_arc(1.0, 2.0, r, 10) * (1, 1.2) + (x, 0) for x, r in ((-0.68, 0.3), (-0.1, rng.uniform(0.4, 0.55)), (0.6, 0.34))]
    return np.concatenate([*lobes, [(0.95, 0.4), (-0.95, 0.4)]])


CLOSED = {  # outlines of radius about 1
    "pentagon": lambda rng: _regular(5),
    "hexagon": lambda rng: _regular(6),
    "arrow": lambda rng: np.array([(-1, -0.25), (0.1, -0.25), (0.1, -0.7), (1, 0), (0.1, 0.7), (0.1, 0.25), (-1, 0.25)]),
    "moon": _moon,
    "half": lambda rng: np.concatenate([_arc(0, 1)]) - (0, 0.4),
    "bolt": lambda rng: np.array([(0.2, -1), (-0.6, 0.15), (-0.05, 0.15), (-0.3, 1), (0.6, -0.25), (0.05, -0.25), (0.5, -1)]),
    "trapezoid": lambda rng: np.array([(-rng.uniform(0.3, 0.55), -0.55), (rng.uniform(0.3, 0.55), -0.55), (1, 0.55), (-1, 0.55)]),
    "slanted": lambda rng: np.array([(-0.15, -0.4), (1, -0.4), (0.15, 0.4), (-1, 0.4)]),
    "bar": lambda rng: np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (1, rng.uniform(0.1, 0.3)),
    "drop": _drop,
    "leaf": lambda rng: np.concatenate([_arc(1.2, 1.8, 1.25) + (0, 0.75), _arc(0.2, 0.8, 1.25) - (0, 0.75)]),
    "gear": _gear,
    "cloud": _cloud,
    "house": lambda rng: np.array([(0, -1), (0.9, -0.2), (0.65, -0.2), (0.65, 0.9), (-0.65, 0.9), (-0.65, -0.2), (-0.9, -0.2)]),
    "tree": lambda rng: np.array([(0, -1), (0.5, -0.35), (0.25, -0.35), (0.75, 0.4), (0.15, 0.4), (0.15, 1), (-0.15, 1),
                                  (-0.15, 0.4), (-0.75, 0.4), (-0.25, -0.35), (-0.5, -0.35)]),
    "fish": lambda rng: np.concatenate([_arc(1.15, 2.85, 0.6, 20) * (1.2, 0.75) + (0.25, 0), [(-1, 0.5), (-1, -0.5)]]),
    "corner": lambda rng: np.array([(-0.8, -1), (-0.3, -1), (-0.3, 0.5), (0.8, 0.5), (0.8, 1), (-0.8, 1)]),
    "tee": lambda rng: np.array([(-0.9, -0.9), (0.9, -0.9), (0.9, -0.4), (0.25, -0.4), (0.25, 1), (-0.25, 1), (-0.25, -0.4),
                                 (-0.9, -0.4)]),
    "sector": lambda rng: np.concatenate([_arc(0.2, 1.8 - rng.uniform(0, 0.3), 1, 24), [(0, 0)]]),
    "chevron": lambda rng: np.array([(-0.7, -1), (0, -1), (0.8, 0), (0, 1), (-0.7, 1), (0.1, 0)]),
    "hourglass": lambda rng: np.array([(-0.7, -1), (0.7, -1), (0.12, 0), (0.7, 1), (-0.7, 1), (-0.12, 0)]),
    "burst": lambda rng: np.stack([np.where(np.arange(24) % 2, 0.6, 1.0) * f(np.arange(24) * np.pi / 12) for f in (np.sin, np.cos)], 1),
    "blob": lambda rng: np.array(backgrounds.blob(rng, 0, 0, 1.0)),
}
OPEN = {"spiral": _spiral, "wave": _wave, "zigzag": _zigzag, "line": _line, "arc": lambda rng: _arc(0, rng.uniform(0.5, 1.1))}


def _odd_figure(rng: np.random.Generator) -> tuple[list[np.ndarray], bool]:
    """Polygons of an unknown shape, and whether it is closed."""
    if rng.random() < 0.76:
        name = list(CLOSED)[rng.integers(len(CLOSED))]
        return [np.asarray(CLOSED[name](rng), dtype=float)], True
    name = list(OPEN)[rng.integers(len(OPEN))]
    return [np.asarray(OPEN[name](rng), dtype=float)], False


def _visible(rng: np.random.Generator, behind: np.ndarray) -> colors.Rgb:
    for _ in range(20):
        names = list(scenes.COLORS)
        rgb = colors.shade(rng, names[rng.integers(7)]) if rng.random() < 0.75 else colors.ground(rng, "any")
        if colors.distance(rgb, behind) > drawings.CONTRAST:
            break
    return rgb


def _draw_shapes(rng: np.random.Generator, canvas: Image.Image, pen: drawings.Pen,
                 frame: tuple[float, float, float, float]) -> None:
    """As drawings.draw does, with other shapes."""
    count = int(rng.choice([1, 2, 3, 4], p=[0.45, 0.3, 0.15, 0.1]))
    style = str(rng.choice(drawings.OUTLINES, p=drawings.OUTLINE_SHARES))
    for _, x, y, radius in drawings.layout(rng, count, drawings.size_for(rng, count), frame):
        radius = max(radius, 11.0)
        polygons, closed = _odd_figure(rng)
        behind, _ = drawings.seen(canvas, pen, x, y, radius)
        rgb = _visible(rng, behind)
        only = style == "only" or not closed
        edge = rgb if only else drawings.tones(rng, style, rgb)
        line = float(np.clip(rng.uniform(1, 6), 1, max(1.3, 0.25 * radius)))
        turn = rng.uniform(-np.pi, np.pi) if rng.random() < 0.4 else 0.0
        figure = drawings.Figure(drawings.placed(polygons, x, y, radius, turn), closed)
        drawings.paint(canvas, figure, pen, None if only else rgb, edge, line if edge else 0.0)


def _draw_letters(rng: np.random.Generator, canvas: Image.Image) -> None:
    """One large letter, or a word or lines of text."""
    draw, scale = ImageDraw.Draw(canvas), canvas.height / SIZE
    big = rng.random() < 0.5
    for _ in range(int(rng.integers(1, 4))):
        size = (rng.uniform(25, 110) if big else rng.uniform(12, 30)) * scale
        text = "".join(LETTERS[i] for i in rng.integers(0, len(LETTERS), 1 if big else int(rng.integers(3, 9))))
        x, y = rng.uniform(0.05, 0.6) * canvas.width, rng.uniform(0.05, 0.65) * canvas.height
        rgb = _visible(rng, np.asarray(canvas.resize((1, 1), Image.BOX), dtype=float)[0, 0])
        draw.text((x, y), text, fill=rgb, font=ImageFont.load_default(size))


def _scribble(rng: np.random.Generator, canvas: Image.Image) -> None:
    """Lines that go somewhere."""
    draw = ImageDraw.Draw(canvas)
    for _ in range(int(rng.integers(1, 6))):
        steps = rng.standard_normal((int(rng.integers(3, 30)), 2))
        for _ in range(int(rng.integers(0, 3))):
            steps[1:] = 0.5 * steps[1:] + 0.5 * steps[:-1]
        path = np.cumsum(steps, axis=0) * canvas.height * rng.uniform(0.03, 0.12)
        path += np.array([canvas.width, canvas.height]) * rng.uniform(0.2, 0.8, 2)
        rgb = _visible(rng, np.asarray(canvas.resize((1, 1), Image.BOX), dtype=float)[0, 0])
        draw.line([tuple(p) for p in path], fill=rgb, width=max(1, round(canvas.height / SIZE * rng.uniform(1, 6))), joint="curve")


def draw(rng: np.random.Generator, kind: Optional[str] = None) -> drawings.Drawing:
    """A picture without objects."""
    kind = kind or str(rng.choice(KINDS, p=SHARES))
    mode = str(rng.choice(drawings.MODES, p=[0.75, 0.1, 0.15]))
    frame, pen = drawings.frame_for(rng, mode), drawings.canvas_pen(rng, mode)
    pixels = (max(16, round(SIZE * pen.scale[0])), max(16, round(SIZE * pen.scale[1])))
    pen.scale = (pixels[0] / SIZE, pixels[1] / SIZE)
    background = "texture" if kind == "texture" else str(rng.choice(backgrounds.KINDS, p=backgrounds.SHARES))
    strength = float(rng.uniform(0.5, 1.2)) if kind == "texture" else float(rng.uniform(0.2, 0.6))
    canvas = backgrounds.background(rng, background, *pixels, strength=strength)
    before = np.asarray(canvas, dtype=np.int16)
    if kind == "shapes":
        _draw_shapes(rng, canvas, pen, frame)
    elif kind == "letters":
        _draw_letters(rng, canvas)
    elif kind == "scribble":
        _scribble(rng, canvas)
    changed = np.abs(np.asarray(canvas, dtype=np.int16) - before).max(axis=-1) > 12
    unknown = np.asarray(Image.fromarray(np.uint8(255) * changed).resize((SIZE, SIZE), Image.BOX), dtype=np.float32) / 255
    return drawings.Drawing(drawings.develop(rng, canvas, frame), [], background, "", kind, mode, frame, unknown)


def questions(rng: np.random.Generator) -> list[scenes.Question]:
    """What could be asked about a scene, with the answer that fits a picture without one."""
    items = scenes.random_items(rng, int(rng.integers(1, scenes.MAX_OBJECTS + 1)))
    pretended = [scenes.SceneObject(*item, (0, 0), 0, 0, (0, 0, 0)) for item in sorted(items, key=lambda item: item[2])]
    return [scenes.Question(q.kind, q.text, UNKNOWN, None, "no") for q in scenes.questions(scenes.Scene(None, pretended))]
