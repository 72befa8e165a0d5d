"""Backgrounds of every kind: plain, gradients, paper, noise, and textures that remind of photographs."""
from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

import colors

PLAIN = ("white", "black", "grey", "pastel", "saturated")
KINDS = PLAIN + ("gradient", "paper", "noise", "texture")
SHARES = (0.26, 0.10, 0.10, 0.12, 0.10, 0.10, 0.08, 0.07, 0.07)
FINE = 252  # textures are made no larger than this and then resized


def _soft(rng: np.random.Generator, cells: int, width: int, height: int, channels: int = 3) -> np.ndarray:
    """float32 [height, width, channels] from -1 to 1: random values on a coarse grid, smoothly between."""
    coarse = rng.integers(0, 256, (max(2, cells), max(2, cells), channels), dtype=np.uint8)
    image = Image.fromarray(coarse if channels == 3 else coarse[..., 0]).resize((width, height), Image.BICUBIC)
    return np.asarray(image, dtype=np.float32).reshape(height, width, channels) / 127.5 - 1


def _picture(values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def _ramp(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """float32 [height, width, 1] from 0 to 1, along a line or from a point."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = x / width - 0.5, y / height - 0.5
    if rng.random() < 0.75:
        turn = rng.choice([0, 0.5, 1, 1.5, rng.uniform(0, 2)]) * np.pi
        t = 0.5 + (x * np.cos(turn) + y * np.sin(turn)) / (abs(np.cos(turn)) + abs(np.sin(turn)))
    else:
        t = np.hypot(x - rng.uniform(-0.4, 0.4), y - rng.uniform(-0.4, 0.4)) / 0.9
    return np.clip(t, 0, 1)[..., None]


def gradient(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    first = np.array(colors.ground(rng, PLAIN[rng.integers(len(PLAIN))]), dtype=np.float32)
    second = np.array(colors.ground(rng, PLAIN[rng.integers(len(PLAIN))]), dtype=np.float32)
    return _picture(first + (second - first) * _ramp(rng, width, height))


def paper(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Near white with fibres and uneven light; sometimes ruled or squared, as in an exercise book."""
    tint = rng.uniform(205, 252) + rng.uniform(0, 1) * np.array([4, 0, rng.uniform(-26, 2)])
    values = tint + _soft(rng, 3, width, height, 1) * rng.uniform(0, 14)
    values = values + rng.standard_normal((height, width, 1), dtype=np.float32) * rng.uniform(1, 6)
    image = _picture(np.broadcast_to(values, (height, width, 3)))
    if rng.random() < 0.4:
        draw, step = ImageDraw.Draw(image), max(4, int(height * rng.uniform(0.05, 0.16)))
        line = (int(rng.integers(150, 215)),) * 2 + (int(rng.integers(200, 245)),)
        for y in range(step // 2, height, step):
            draw.line([(0, y), (width, y)], fill=line)
        if rng.random() < 0.5:
            for x in range(step // 2, width, step):
                draw.line([(x, 0), (x, height)], fill=line)
    return image


def noise(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Grainy, with soft blotches; the old kind of scene is one of these."""
    base = np.array(colors.ground(rng, ("grey", "grey", "pastel", "saturated", "black", "white")[rng.integers(6)]))
    grain = rng.standard_normal((height, width, rng.choice([1, 3])), dtype=np.float32) * rng.uniform(6, 32)
    return _picture(base.astype(np.float32) + grain + _soft(rng, 7, width, height) * rng.uniform(0, 22))


def _clouds(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Fractal noise between two or three colours, with one light for all channels."""
    light = sum(_soft(rng, cells, width, height, 1) * cells ** -rng.uniform(0.4, 0.9) for cells in (2, 4, 8, 16, 32, 64))
    light = (light - light.min()) / (np.ptp(light) + 1e-6)
    first, second, third = (np.array(colors.ground(rng, "any"), dtype=np.float32) for _ in range(3))
    mix = np.where(light < 0.5, first + (second - first) * 2 * light, second + (third - second) * (2 * light - 1))
    return mix + _soft(rng, 5, width, height) * rng.uniform(0, 30)


def _stripes(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Wood, cloth, blinds, water."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / max(width, height)
    turn = rng.choice([0, 0.5, rng.uniform(0, 1)]) * np.pi
    along = x * np.cos(turn) + y * np.sin(turn) + _soft(rng, 4, width, height, 1)[..., 0] * rng.choice([0, 0.02, 0.08])
    wave = np.sin(along * rng.uniform(20, 160))
    if rng.random() < 0.3:
        across = -x * np.sin(turn) + y * np.cos(turn)
        wave = wave * np.sin(across * rng.uniform(20, 160))
    wave = np.clip(wave * rng.choice([1, 4]), -1, 1)[..., None]
    first, second = (np.array(colors.ground(rng, "any"), dtype=np.float32) for _ in range(2))
    return first + (second - first) * (0.5 + 0.5 * wave) + _soft(rng, 9, width, height) * 10


def blob(rng: np.random.Generator, x: float, y: float, radius: float) -> list[tuple[float, float]]:
    """An irregular outline, smooth or ragged."""
    corners = int(rng.integers(7, 22))
    turn = np.sort(rng.uniform(0, 2 * np.pi, corners))
    reach = radius * rng.uniform(0.35, 1.0, corners)
    stretch = rng.uniform(0.4, 1.0)
    return [(x + r * np.cos(t), y + stretch * r * np.sin(t)) for t, r in zip(turn, reach)]


def _things(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Irregular things in front of one another, each with light and shadow, out of focus here and there."""
    image = _picture(_clouds(rng, width, height))
    side = max(width, height)
    for _ in range(int(rng.integers(4, 40))):
        top = Image.new("L", (width, height))
        radius = side * min(0.6, 0.06 / rng.uniform(0.08, 1))
        ImageDraw.Draw(top).polygon(blob(rng, rng.uniform(0, width), rng.uniform(0, height), radius), fill=255)
        if rng.random() < 0.5:
            top = top.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 4)))
        light = _ramp(rng, 24, 24) * rng.uniform(10, 120) - 60
        texture = np.array(colors.ground(rng, "any"), dtype=np.float32) * rng.uniform(0.5, 1) + light
        image.paste(_picture(texture).resize((width, height), Image.BILINEAR), (0, 0), top)
    return np.asarray(image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.5))), dtype=np.float32)


def _landscape(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """A sky and ridges in front of one another."""
    image = gradient(rng, width, height)
    draw, levels = ImageDraw.Draw(image), int(rng.integers(1, 6))
    for level in range(levels):
        x = np.linspace(0, width, 24)
        y = height * (0.25 + 0.7 * (level + rng.uniform(0, 1)) / levels) + np.cumsum(rng.uniform(-1, 1, 24)) * height * 0.025
        draw.polygon([(0, height), *zip(x, y), (width, height)], fill=colors.ground(rng, "any"))
    return np.asarray(image, dtype=np.float32) + rng.standard_normal((height, width, 1), dtype=np.float32) * rng.uniform(0, 12)


def texture(rng: np.random.Generator, width: int, height: int, strength: float = 1.0) -> Image.Image:
    """Like a photograph of no particular thing; a strength below 1 draws it towards its mean colour."""
    make = (_clouds, _stripes, _things, _landscape)[rng.integers(4)]
    values = make(rng, width, height)
    mean = values.mean((0, 1), keepdims=True)
    return _picture(mean + (values - mean) * strength)


def background(rng: np.random.Generator, kind: str, width: int, height: int, strength: float = 0.5) -> Image.Image:
    """RGB picture of the size; anything else than a plain one is made at no more than FINE pixels a side."""
    if kind in PLAIN:
        return Image.new("RGB", (width, height), colors.ground(rng, kind))
    shrink = min(1.0, FINE / max(width, height))
    size = (max(8, round(width * shrink)), max(8, round(height * shrink)))
    if kind == "texture":
        image = texture(rng, *size, strength=strength)
    else:
        image = {"gradient": gradient, "paper": paper, "noise": noise}[kind](rng, *size)
    return image if shrink == 1 else image.resize((width, height), Image.BICUBIC)
