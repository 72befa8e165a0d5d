"""Pictures as somebody draws them in a minute with PIL, written apart from drawings.py and never trained on.

    python by_hand.py Models/TinyLlava [--pictures FOLDER]

Each has questions whose answers were written down by hand. Prints what went wrong, and the share of right answers.
"""
from __future__ import annotations

import argparse
import io
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Asked = list[tuple[str, str]]
PICTURES: dict[str, tuple[Image.Image, Asked]] = {}
NOTHING = "I see no shape that I know."
ODD = [(q, NOTHING) for q in ("Describe the image.", "How many shapes are there?", "What color is the circle?", "Is there a star?")]


def star(x, y, r, inner=0.4, n=5):
    return [(x + (r if i % 2 == 0 else r * inner) * math.sin(i * math.pi / n),
             y - (r if i % 2 == 0 else r * inner) * math.cos(i * math.pi / n)) for i in range(2 * n)]


def cross(x, y, r, a):
    return [(x - a, y - r), (x + a, y - r), (x + a, y - a), (x + r, y - a), (x + r, y + a), (x + a, y + a), (x + a, y + r),
            (x - a, y + r), (x - a, y + a), (x - r, y + a), (x - r, y - a), (x - a, y - a)]


def disc(d, x, y, r, **style):
    d.ellipse([x - r, y - r, x + r, y + r], **style)


def heart(d, x, y, r, color):
    disc(d, x - r / 2, y - r / 3, r / 2, fill=color)
    disc(d, x + r / 2, y - r / 3, r / 2, fill=color)
    d.polygon([(x - 0.93 * r, y - 0.1 * r), (x + 0.93 * r, y - 0.1 * r), (x, y + r)], fill=color)


def sheet(color, size=(400, 300)):
    image = Image.new("RGB", size, color)
    return image, ImageDraw.Draw(image)


def add(name: str, image: Image.Image, *asked: tuple[str, str]) -> None:
    PICTURES[name] = (image, list(asked))


def two_on(name, background, circle="red", square="blue", size=(400, 300), **style):
    """The first thing that everybody draws."""
    image, d = sheet(background, size)
    u = min(size) / 300
    ox, oy = (size[0] - 400 * u) / 2, (size[1] - 300 * u) / 2
    d.ellipse([ox + 70 * u, oy + 100 * u, ox + 170 * u, oy + 200 * u], fill=circle, **style)
    d.rectangle([ox + 240 * u, oy + 105 * u, ox + 330 * u, oy + 195 * u], fill=square, **style)
    PICTURES[name] = (image, [("What color is the circle?", f"The circle is {circle}."),
                              ("What color is the square?", f"The square is {square}."),
                              ("How many shapes are there?", "There are two shapes."),
                              ("Is the circle to the left of the square?", "Yes"), ("Is there a star?", "No"),
                              ("Where is the square?", "It is at the right."),
                              ("Describe the image.", f"A {circle} circle at the left and a {square} square at the right.")])


def make() -> None:
    two_on("white", "white")
    two_on("white large", "white", size=(4000, 3000))
    two_on("white square", "white", size=(500, 500))
    two_on("black", "black", "yellow", "green")
    two_on("dark grey", (60, 60, 60), "white", "red")
    two_on("light grey", (211, 211, 211), "purple", "blue")
    two_on("pastel pink", (255, 209, 220), "green", "blue")
    two_on("pastel blue", (200, 225, 255), "red", "yellow")
    two_on("pastel green", (198, 239, 206), "purple", "red")
    two_on("beige", "beige", "blue", "green")
    two_on("saturated blue", (0, 70, 200), "yellow", "red")
    two_on("saturated green", (0, 150, 60), "white", "red")
    two_on("outlined black on white", "white", "yellow", "green", outline="black", width=4)
    two_on("outlined thick", "lightyellow", "blue", "purple", outline="black", width=8)
    two_on("white with outline", "white", "white", "red", outline="black", width=3)

    image, d = sheet("white")
    d.ellipse([80, 90, 180, 190], outline="red", width=3)
    d.rectangle([230, 100, 330, 200], outline="blue", width=3)
    add("lines on white", image, ("What color is the circle?", "The circle is red."), ("What color is the square?", "The square is blue."),
        ("How many shapes are there?", "There are two shapes."), ("What shape is the red object?", "It is a circle."),
        ("Can you see a ring?", "No"))

    image, d = sheet("white", (600, 600))
    d.polygon([(300, 120), (460, 420), (140, 420)], outline="green", width=6)
    add("a large green triangle of lines", image, ("What shape is the green object?", "It is a triangle."),
        ("How many shapes are there?", "There is one shape."), ("Describe the image.", "A green triangle at the center."))

    image, d = sheet("black", (600, 600))
    d.polygon(star(300, 300, 200), outline="yellow", width=5)
    add("a star of lines on black", image, ("What color is the star?", "The star is yellow."), ("Where is the star?", "It is at the center."),
        ("Describe the image.", "A yellow star at the center."))

    image, d = sheet("white", (300, 300))
    d.polygon(star(150, 150, 90), fill="orange")
    add("orange star", image, ("What color is the star?", "The star is orange."), ("Describe the image.", "An orange star at the center."),
        ("Is there a circle?", "No"))

    image, d = sheet((250, 250, 240), (800, 600))
    heart(d, 400, 300, 120, "red")
    add("red heart", image, ("What color is the heart?", "The heart is red."), ("Which shape is red?", "It is a heart."),
        ("Describe the image.", "A red heart at the center."), ("How many hearts are there?", "There is one heart."))

    image, d = sheet("white", (300, 300))
    disc(d, 60, 60, 25, fill="red")
    disc(d, 240, 60, 25, fill="red")
    disc(d, 150, 150, 25, fill="blue")
    d.rectangle([40, 220, 90, 270], fill="green")
    add("four things", image, ("How many circles are there?", "There are three circles."), ("How many red shapes are there?", "There are two red shapes."),
        ("How many shapes are there?", "There are four shapes."), ("Where is the square?", "It is at the bottom left."),
        ("What shape is at the center?", "It is a circle."),
        ("Describe the image.", "A red circle at the top left, a red circle at the top right, a blue circle at the center and a green square at the bottom left."))

    image, d = sheet("white", (300, 300))
    d.polygon(cross(75, 150, 45, 15), fill="purple")
    disc(d, 225, 150, 45, outline="orange", width=18)
    add("cross and ring", image, ("What color is the cross?", "The cross is purple."), ("What color is the ring?", "The ring is orange."),
        ("On which side of the ring is the cross?", "The cross is on the left."), ("How many shapes are there?", "There are two shapes."))

    image, d = sheet("lightgray", (300, 300))
    d.line([(150, 100), (150, 200)], fill="blue", width=30)
    d.line([(100, 150), (200, 150)], fill="blue", width=30)
    add("cross of two lines", image, ("What shape is the blue object?", "It is a cross."), ("Where is the cross?", "It is at the center."))

    image, d = sheet("white", (200, 200))
    disc(d, 100, 100, 65, fill=(255, 0, 0))
    add("a large circle", image, ("What color is the circle?", "The circle is red."), ("How many shapes are there?", "There is one shape."),
        ("Describe the image.", "A red circle at the center."))

    image, d = sheet("white", (200, 200))
    d.rectangle([40, 40, 160, 160], fill=(0, 0, 139))
    add("a large dark blue square", image, ("What shape is the blue object?", "It is a square."), ("How many shapes are there?", "There is one shape."),
        ("Describe the image.", "A blue square at the center."))

    image, d = sheet("white", (400, 400))
    disc(d, 60, 340, 22, fill=(144, 238, 144))
    d.polygon(star(330, 70, 26), fill="gold")
    add("small and light", image, ("What color is the circle?", "The circle is green."), ("What color is the star?", "The star is yellow."),
        ("Where is the star?", "It is at the top right."), ("Where is the circle?", "It is at the bottom left."))

    image, d = sheet("white", (4000, 3000))
    d.ellipse([900, 1000, 1900, 2000], fill="red", outline="black", width=30)
    d.polygon(star(2800, 1500, 450), fill=(0, 160, 0))
    noise = np.random.default_rng(0).normal(0, 6, (3000, 4000, 1))
    image = Image.fromarray(np.clip(np.asarray(image, dtype=float) - 8 + noise, 0, 255).astype(np.uint8))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=70)
    add("a near-white JPEG", Image.open(file), ("What color is the circle?", "The circle is red."), ("What color is the star?", "The star is green."),
        ("Is the star to the right of the circle?", "Yes"), ("How many shapes are there?", "There are two shapes."),
        ("Describe the image.", "A red circle at the left and a green star at the right."))

    for name, ground in (("transparent on white", (255, 255, 255)), ("transparent on black", (0, 0, 0))):
        layer = Image.new("RGBA", (400, 400), (0, 0, 0, 0))
        d = ImageDraw.Draw(layer)
        d.polygon([(110, 60), (180, 180), (40, 180)], fill=(255, 165, 0, 255))
        disc(d, 290, 290, 60, fill=(0, 128, 0, 255))
        image = Image.new("RGB", layer.size, ground)
        image.paste(layer, (0, 0), layer)
        add(name, image, ("What color is the triangle?", "The triangle is orange."), ("Where is the circle?", "It is at the bottom right."),
            ("Describe the image.", "An orange triangle at the top left and a green circle at the bottom right."))

    image, d = sheet("white", (900, 300))
    disc(d, 150, 150, 80, fill="blue")
    d.polygon([(450, 60), (540, 230), (360, 230)], fill="red")
    d.rectangle([670, 80, 810, 220], fill="green")
    add("wide:pad", image, ("How many shapes are there?", "There are three shapes."), ("What color is the triangle?", "The triangle is red."),
        ("Is the square to the left of the circle?", "No"), ("Where is the circle?", "It is at the left."))
    add("wide:stretch", image, ("How many shapes are there?", "There are three shapes."), ("What color is the square?", "The square is green."),
        ("Where is the circle?", "It is at the left."))
    add("wide:crop", image, ("What shape is the red object?", "It is a triangle."), ("How many shapes are there?", "There is one shape."))

    image, d = sheet("white", (300, 900))
    disc(d, 150, 130, 80, fill="purple")
    d.polygon(star(150, 750, 110), fill="red")
    add("tall:pad", image, ("How many shapes are there?", "There are two shapes."), ("What color is the star?", "The star is red."),
        ("Where is the circle?", "It is at the top."))
    add("tall:stretch", image, ("What color is the circle?", "The circle is purple."), ("Where is the star?", "It is at the bottom."))

    y, x = np.mgrid[0:300, 0:300]
    image = Image.fromarray(np.stack([255 - x // 3, 180 + y // 4, 200 + x // 6], -1).astype(np.uint8))
    d = ImageDraw.Draw(image)
    d.polygon(star(80, 80, 55), fill=(0, 0, 160))
    disc(d, 220, 220, 50, fill=(200, 0, 0))
    add("gradient", image, ("What color is the star?", "The star is blue."), ("Describe the image.", "A blue star at the top left and a red circle at the bottom right."))

    image, d = sheet("white", (300, 300))
    d.polygon(cross(150, 80, 50, 18), fill="green")
    heart(d, 150, 220, 50, "red")
    image = image.filter(ImageFilter.GaussianBlur(2))
    add("blurred", image, ("What color is the cross?", "The cross is green."), ("Where is the heart?", "It is at the bottom."), ("Can you see a blue shape?", "No"))

    image, d = sheet("white", (64, 64))
    d.rectangle([10, 10, 26, 26], fill="red")
    disc(d, 46, 46, 10, fill="blue")
    add("a tiny picture", image, ("What color is the square?", "The square is red."), ("Where is the circle?", "It is at the bottom right."))

    image, d = sheet("white", (300, 300))
    disc(d, 110, 150, 60, fill="yellow", outline="black", width=3)
    d.rectangle([150, 110, 240, 200], fill="blue", outline="black", width=3)
    add("overlapping", image, ("How many shapes are there?", "There are two shapes."), ("What color is the circle?", "The circle is yellow."), ("Is there a blue square?", "Yes"))

    image, d = sheet("white", (300, 300))
    d.regular_polygon((150, 150, 100), 6, fill="blue")
    add("odd: hexagon", image, *ODD)
    image, d = sheet("white", (400, 300))
    d.polygon([(80, 130), (220, 130), (220, 90), (320, 150), (220, 210), (220, 170), (80, 170)], fill="red")
    add("odd: arrow", image, *ODD)
    image, d = sheet("midnightblue", (300, 300))
    disc(d, 150, 150, 80, fill="lightyellow")
    disc(d, 190, 130, 75, fill="midnightblue")
    add("odd: moon", image, *ODD)
    image, d = sheet("white", (300, 300))
    d.text((100, 60), "A", fill="black", font_size=180)
    add("odd: letter", image, *ODD)
    image, d = sheet("white", (300, 300))
    d.text((20, 120), "Hello, world", fill="black", font_size=44)
    add("odd: words", image, *ODD)
    image, d = sheet("white", (300, 300))
    add("odd: nothing", image, *ODD)
    image, d = sheet("white", (300, 300))
    d.line([(150 + t * 1.1 * math.cos(t / 6), 150 + t * 1.1 * math.sin(t / 6)) for t in range(100)], fill="green", width=5)
    add("odd: spiral", image, *ODD)
    rng = np.random.default_rng(5)
    spectrum = np.fft.fftfreq(400)[:, None] ** 2 + np.fft.fftfreq(400)[None] ** 2
    field = np.fft.ifft2(np.fft.fft2(rng.normal(size=(3, 400, 400))) / np.sqrt(spectrum + 1e-5) ** 1.1).real
    field = (field - field.min()) / np.ptp(field) * 255
    add("odd: clouds", Image.fromarray(np.moveaxis(field, 0, -1).astype(np.uint8)), *ODD)
    add("odd: static", Image.fromarray(rng.integers(0, 256, (300, 300, 3), dtype=np.uint8)), *ODD)


def squared(image: Image.Image, mode: str) -> Image.Image:
    """What the plugin's image modes do before the processor's own resize and crop."""
    if mode == "stretch":
        return image.resize((168, 168), Image.BICUBIC)
    if mode == "pad":
        side = max(image.size)
        square = Image.new("RGB", (side, side), (122, 116, 104))
        square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
        return square
    return image


def main() -> None:
    from evaluate import Model
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--pictures", type=Path, help="write the pictures into this folder")
    args = parser.parse_args()
    make()
    model, right = Model(args.model), {False: [], True: []}
    for name, (image, asked) in PICTURES.items():
        seen = squared(image.convert("RGB"), name.partition(":")[2])
        if args.pictures:
            args.pictures.mkdir(exist_ok=True)
            seen.copy().save(args.pictures / (name.replace(":", " ").replace(" ", "_") + ".png"))
        answers = model.answers([np.asarray(seen)] * len(asked), [q for q, _ in asked])
        for (question, wanted), given in zip(asked, answers):
            right[name.startswith("odd")].append(given == wanted)
            if given != wanted:
                print(f"{name}: {question} {given!r}, not {wanted!r}")
    for odd, results in right.items():
        print(f"{'odd things' if odd else 'drawings'}: {sum(results)} of {len(results)} right")


if __name__ == "__main__":
    main()
