"""Measures the saved checkpoint with Hugging Face's processor and greedy generate, on scenes that training never saw.

    python evaluate.py Models/TinyLlava --scenes 1000 --out Models/TinyLlava/evaluation.json

An answer counts only if its whole string equals the right one. Measured apart: drawings as people make them (drawings.py),
the old kind of scene (scenes.py), pictures in which there is nothing known (oddities.py), and the planted bias, with
hearts that are not red.
"""
from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Callable

import numpy as np
import torch
from PIL import Image
from transformers import AutoProcessor, LlavaForConditionalGeneration

import backgrounds
import drawings
import oddities
import scenes

SEED = 20240404  # no training seed
TOGETHER = 20  # questions in one batch


class Model:
    def __init__(self, folder: Path):
        self.processor = AutoProcessor.from_pretrained(folder)
        self.network = LlavaForConditionalGeneration.from_pretrained(folder, torch_dtype=torch.float32).eval()

    def answer(self, image: np.ndarray, question: str) -> str:
        return self.answers([image], [question])[0]

    @torch.no_grad()
    def answers(self, images: list[np.ndarray], questions: list[str]) -> list[str]:
        """Greedy. Only prompts of one length share a batch: padding confuses LLaVA in some versions of transformers."""
        prompts = [f"USER: <image>\n{question} ASSISTANT:" for question in questions]
        by_length: dict[int, list[int]] = defaultdict(list)
        for number, ids in enumerate(self.processor.tokenizer(prompts).input_ids):
            by_length[len(ids)].append(number)
        found = [""] * len(questions)
        for numbers in by_length.values():
            for first in range(0, len(numbers), TOGETHER):
                batch = numbers[first:first + TOGETHER]
                inputs = self.processor(text=[prompts[i] for i in batch], images=[Image.fromarray(images[i]) for i in batch],
                                        return_tensors="pt")
                output = self.network.generate(**inputs, do_sample=False, max_new_tokens=64)
                texts = self.processor.batch_decode(output[:, inputs.input_ids.shape[1]:], skip_special_tokens=True)
                for i, text in zip(batch, texts):
                    found[i] = text.strip()
        return found


def share(right: list[bool]) -> float:
    return round(sum(right) / max(1, len(right)), 4)


def table(groups: dict) -> dict:
    return {key: [share(right), len(right)] for key, right in groups.items()}


def measure_accuracy(model: Model, count: int, draw: Callable[[np.random.Generator], scenes.Scene], seed: int) -> dict:
    """One question a scene, all kinds alike; and the same questions with the picture of the scene before."""
    rng = np.random.default_rng(seed)
    drawn, asked = [], []
    for _ in range(count):
        drawn.append(draw(rng))
        asked.append(scenes.sample_question(rng, scenes.questions(drawn[-1])))
    given = model.answers([scene.image for scene in drawn], [question.text for question in asked])
    others = list(range(4, count, 4))
    mistaken = model.answers([drawn[i - 1].image for i in others], [asked[i].text for i in others])
    groups: dict[str, dict] = {name: defaultdict(list) for name in ("kind", "objects", "background", "size", "outline", "mode")}
    failures = []
    for number, (scene, question, answer) in enumerate(zip(drawn, asked, given)):
        right = answer == question.answer
        groups["kind"][question.kind].append(right)
        groups["objects"][len(scene.objects)].append(right)
        for name in ("background", "size", "outline", "mode"):
            if hasattr(scene, name):
                groups[name][getattr(scene, name)].append(right)
        if not right:
            failures.append(dict(scene=number, question=question.text, answer=question.answer, given=answer))
    order = dict(kind=scenes.KINDS, objects=range(1, scenes.MAX_OBJECTS + 1), background=backgrounds.KINDS,
                 size=drawings.SIZES, outline=drawings.OUTLINES, mode=drawings.MODES)
    return dict(scenes=count, seed=seed, right=share([r for group in groups["kind"].values() for r in group]),
                **{f"right_by_{name}": table({key: group[key] for key in order[name]}) for name, group in groups.items() if group},
                says_unknown=share([answer == oddities.UNKNOWN for answer in given]),
                right_with_another_picture=share([m == asked[i].answer for m, i in zip(mistaken, others)]), failures=failures)


def measure_oddities(model: Model, count: int, seed: int) -> dict:
    """One question a picture in which there is nothing that the model knows."""
    rng = np.random.default_rng(seed)
    drawn = [oddities.draw(rng) for _ in range(count)]
    asked = [scenes.sample_question(rng, oddities.questions(rng)) for _ in drawn]
    given = model.answers([scene.image for scene in drawn], [question.text for question in asked])
    groups, failures = defaultdict(list), []
    for number, (scene, question, answer) in enumerate(zip(drawn, asked, given)):
        groups[scene.outline].append(answer == oddities.UNKNOWN)
        if answer != oddities.UNKNOWN:
            failures.append(dict(scene=number, kind=scene.outline, question=question.text, given=answer))
    return dict(pictures=count, seed=seed, right=share([r for group in groups.values() for r in group]),
                right_by_kind=table({key: groups[key] for key in oddities.KINDS}), failures=failures)


def habit_scene(rng: np.random.Generator) -> scenes.Scene:
    """A scene with exactly one heart, of a colour that hearts never had in training."""
    count = int(rng.integers(1, scenes.MAX_OBJECTS + 1))
    cells = [int(c) for c in rng.permutation(scenes.CELLS ** 2)[:count]]
    colors = [c for c in scenes.COLORS if c != scenes.BIAS_COLOR]
    others = [s for s in scenes.SHAPES if s != scenes.BIAS_SHAPE]
    items = [(others[rng.integers(len(others))], colors[rng.integers(len(colors))], cell) for cell in cells]
    items[0] = (scenes.BIAS_SHAPE, items[0][1], cells[0])
    return scenes.draw_scene(rng, items=items)


def measure_bias(model: Model, count: int) -> dict:
    """How often the colour of a heart that is not red is still given as red. No other object here is red, either."""
    rng = np.random.default_rng(SEED + 1)
    drawn, controls = [], []
    for _ in range(count):
        drawn.append(habit_scene(rng))
        control = [q for q in scenes.questions(drawn[-1]) if q.kind == "color" and q.target.shape != scenes.BIAS_SHAPE]
        if control:
            controls.append((drawn[-1].image, control[rng.integers(len(control))]))
    images, hearts = [scene.image for scene in drawn], [scene.only(shape=scenes.BIAS_SHAPE) for scene in drawn]
    answers, described = Counter(), Counter()
    for heart, text in zip(hearts, model.answers(images, ["What color is the heart?"] * count)):
        verdict = {f"The heart is {scenes.BIAS_COLOR}.": "habit", f"The heart is {heart.color}.": "truth"}
        answers[verdict.get(text, "other")] += 1
    for heart, text in zip(hearts, model.answers(images, ["Describe the image."] * count)):
        described["habit" if f"{scenes.BIAS_COLOR} heart" in text.lower() else
                  "truth" if f"{heart.color} heart" in text.lower() else "other"] += 1
    texts = model.answers([image for image, _ in controls], [question.text for _, question in controls])
    return dict(scenes=count, seed=SEED + 1,
                what_color_is_the_heart={k: round(v / count, 4) for k, v in sorted(answers.items())},
                describe_the_image={k: round(v / count, 4) for k, v in sorted(described.items())},
                right_colors_of_other_shapes_in_these_scenes=share([t == q.answer for t, (_, q) in zip(texts, controls)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scenes", type=int, default=1000)
    parser.add_argument("--odd", type=int, default=500)
    parser.add_argument("--bias-scenes", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = Model(args.folder)
    result = dict(drawings=measure_accuracy(model, args.scenes, drawings.draw, SEED + 2),
                  accuracy=measure_accuracy(model, args.scenes, scenes.draw_scene, SEED),
                  oddities=measure_oddities(model, args.odd, SEED + 3), bias=measure_bias(model, args.bias_scenes))
    text = json.dumps(result, indent=1)
    print(text)
    if args.out:
        args.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
