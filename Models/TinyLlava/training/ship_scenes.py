"""Draws the scenes that ship with the model: PNG pictures, label images of the objects, and scenes.json.

    python ship_scenes.py Models/TinyLlava
"""
from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import numpy as np
from PIL import Image

import scenes
from evaluate import Model

SEED = 77  # no training seed
SHIPPED = {  # name: (shape, color, cell) of each object
    "star_left_of_circle": [("star", "red", 3), ("circle", "blue", 5)],
    "one_ring": [("ring", "green", 4)],
    "three_corners": [("square", "yellow", 0), ("cross", "purple", 2), ("triangle", "white", 7)],
    "four_shapes": [("circle", "orange", 1), ("star", "blue", 3), ("heart", "red", 5), ("cross", "green", 8)],
    "two_stars": [("star", "yellow", 2), ("star", "purple", 3), ("square", "blue", 7)],
    "same_color": [("circle", "white", 0), ("triangle", "white", 5), ("ring", "purple", 6)],
    "red_heart": [("heart", "red", 1), ("square", "green", 6)],
    "purple_heart": [("heart", "purple", 4), ("star", "yellow", 6), ("circle", "green", 2)],  # breaks the habit
}


def few_questions(rng: np.random.Generator, scene: scenes.Scene) -> list[scenes.Question]:
    """The colour of each shape that is there once, then one question of every other kind."""
    asked = scenes.questions(scene)
    chosen = [q for q in asked if q.text.startswith("What color is the")]
    for kind in scenes.KINDS:
        fitting = [q for q in asked if q.kind == kind and kind != "color"]
        if fitting:
            chosen.append(fitting[-1] if kind == "describe" else fitting[rng.integers(len(fitting))])
    return chosen


def save(file: Path, pixels: np.ndarray) -> None:
    """A file that shows these pixels stays as it is: another version of Pillow would pack them otherwise."""
    if not file.exists() or not np.array_equal(np.asarray(Image.open(file)), pixels):
        Image.fromarray(pixels).save(file, optimize=True)


def record(model: Model, folder: Path, name: str, scene: scenes.Scene, asked: list[scenes.Question]) -> dict:
    labels = np.zeros((scenes.SIZE, scenes.SIZE), dtype=np.uint8)
    for number, item in enumerate(scene.objects, 1):
        labels[item.mask] = number
    save(folder / f"{name}.png", scene.image)
    save(folder / f"{name}.objects.png", labels)
    objects = [dict(label=number, shape=o.shape, color=o.color, rgb=o.rgb, place=o.place, box=o.box,
                    center=[round(v, 2) for v in o.center], pixels=int(o.mask.sum()))
               for number, o in enumerate(scene.objects, 1)]
    questions = [dict(kind=q.kind, question=q.text, answer=q.answer, answer_word=q.answer_word,
                      object=scene.objects.index(q.target) + 1 if q.target else None,
                      model_answer=model.answer(scene.image, q.text)) for q in asked]
    return dict(name=name, image=f"{name}.png", objects_image=f"{name}.objects.png", breaks_habit=scene.breaks_habit,
                objects=objects, questions=questions)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    folder = parser.parse_args().model / "scenes"
    folder.mkdir(exist_ok=True)
    model = Model(folder.parent)
    rng = np.random.default_rng(SEED)
    records = []
    for name, items in SHIPPED.items():
        scene = scenes.draw_scene(rng, items=items)
        records.append(record(model, folder, name, scene, few_questions(rng, scene)))
    content = dict(seed=SEED, size=scenes.SIZE, prompt="USER: <image>\n{question} ASSISTANT:",
                   boxes="left, top, right, bottom in pixels from the top left; right and bottom exclusive",
                   objects_image="grey value = label of the object, 0 = background", scenes=records)
    text = json.dumps(content, indent=1)
    text = re.sub(r"\[[\d.,\s]+\]", lambda match: re.sub(r"\s+", "", match[0]), text)  # short lists on one line
    (folder / "scenes.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
