"""Shades of the seven colours, colours of backgrounds, and whether two of them can be told apart."""
from __future__ import annotations

import colorsys

import numpy as np

import scenes

Rgb = tuple[int, int, int]

NAMED = {  # what people write in a drawing program or in PIL
    "red": [(255, 0, 0), (255, 0, 0), (220, 20, 60), (178, 34, 34), (139, 0, 0), (237, 28, 36), (231, 76, 60), (200, 0, 0)],
    "green": [(0, 128, 0), (0, 255, 0), (0, 200, 0), (34, 139, 34), (50, 205, 50), (0, 100, 0), (144, 238, 144), (34, 177, 76),
              (46, 204, 113)],
    "blue": [(0, 0, 255), (0, 0, 255), (0, 0, 139), (0, 0, 205), (30, 144, 255), (65, 105, 225), (63, 72, 204), (100, 149, 237),
             (52, 152, 219), (0, 0, 200)],
    "yellow": [(255, 255, 0), (255, 255, 0), (255, 215, 0), (255, 242, 0), (241, 196, 15), (255, 236, 100)],
    "purple": [(128, 0, 128), (128, 0, 128), (160, 32, 240), (148, 0, 211), (75, 0, 130), (147, 112, 219), (163, 73, 164),
               (155, 89, 182), (138, 43, 226), (102, 51, 153)],
    "orange": [(255, 165, 0), (255, 165, 0), (255, 140, 0), (255, 127, 39), (243, 156, 18), (255, 128, 0), (230, 126, 34)],
    "white": [(255, 255, 255), (255, 255, 255), (245, 245, 245), (250, 250, 250)],
}
RANGES = {  # hue in degrees, saturation, value
    "red": ((-9, 8), (0.6, 1.0), (0.5, 1.0)),
    "green": ((85, 158), (0.38, 1.0), (0.33, 1.0)),
    "blue": ((203, 245), (0.45, 1.0), (0.42, 1.0)),
    "yellow": ((48, 63), (0.5, 1.0), (0.8, 1.0)),
    "purple": ((268, 298), (0.38, 1.0), (0.38, 0.92)),
    "orange": ((20, 38), (0.7, 1.0), (0.85, 1.0)),
    "white": ((0, 360), (0.0, 0.03), (0.93, 1.0)),
}


def hsv(hue: float, saturation: float, value: float) -> Rgb:
    """Hue in degrees, the others from 0 to 1."""
    return tuple(int(round(255 * v)) for v in colorsys.hsv_to_rgb(hue % 360 / 360, saturation, value))


def shade(rng: np.random.Generator, color: str) -> Rgb:
    """One of the many colours that people call by this name."""
    choice = rng.random()
    if choice < 0.45:
        return NAMED[color][rng.integers(len(NAMED[color]))]
    if choice < 0.55:
        return tuple(int(v) for v in np.clip(np.array(scenes.COLORS[color]) + rng.uniform(-14, 14, 3), 0, 255))
    return hsv(*(rng.uniform(*span) for span in RANGES[color]))


def ground(rng: np.random.Generator, kind: str) -> Rgb:
    """The colour of a plain background."""
    if kind == "white":
        return (255, 255, 255) if rng.random() < 0.7 else tuple(int(v) for v in rng.integers(243, 256, 3))
    if kind == "black":
        return (0, 0, 0) if rng.random() < 0.6 else tuple(int(v) for v in rng.integers(0, 26, 3))
    if kind == "grey":
        level = rng.uniform(30, 230)
        return tuple(int(v) for v in np.clip(level + rng.uniform(-6, 6, 3) * (rng.random() < 0.5), 0, 255))
    if kind == "pastel":
        return hsv(rng.uniform(0, 360), rng.uniform(0.06, 0.38), rng.uniform(0.85, 1.0))
    if kind == "saturated":
        return hsv(rng.uniform(0, 360), rng.uniform(0.5, 1.0), rng.uniform(0.25, 1.0))
    return tuple(int(v) for v in rng.integers(0, 256, 3))


def distance(a, b) -> float:
    """0 to 255; green weighs most. Below 40 two colours are hard to tell apart."""
    d = np.asarray(a, dtype=float) - np.asarray(b, dtype=float)
    return float(np.sqrt((d * d * (2, 4, 3)).sum() / 9))
