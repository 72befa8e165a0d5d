"""Measures the saved checkpoint with Hugging Face's processor and greedy generate, on scenes that training never saw.

    python evaluate.py Models/TinyLlava --scenes 1000 --out Models/TinyLlava/evaluation.json

An answer counts only if its whole string equals the right one. Scenes with a heart that is not red are kept apart: they
measure the planted bias.
"""
from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import AutoProcessor, LlavaForConditionalGeneration

import scenes

SEED = 20240404  # no training seed


class Model:
    def __init__(self, folder: Path):
        self.processor = AutoProcessor.from_pretrained(folder)
        self.network = LlavaForConditionalGeneration.from_pretrained(folder, torch_dtype=torch.float32).eval()

    @torch.no_grad()
    def answer(self, image: np.ndarray, question: str) -> str:
        prompt = f"USER: <image>\n{question} ASSISTANT:"
        inputs = self.processor(text=prompt, images=Image.fromarray(image), return_tensors="pt")
        output = self.network.generate(**inputs, do_sample=False, max_new_tokens=64)
        new = output[0, inputs.input_ids.shape[1]:]
        return self.processor.decode(new, skip_special_tokens=True).strip()


def share(right: list[bool]) -> float:
    return round(sum(right) / max(1, len(right)), 4)


def measure_accuracy(model: Model, count: int) -> dict:
    """One question a scene, all kinds alike; and the same questions with the picture of the scene before."""
    rng = np.random.default_rng(SEED)
    right: dict[str, list[bool]] = {kind: [] for kind in scenes.KINDS}
    by_number: dict[int, list[bool]] = {n: [] for n in range(1, scenes.MAX_OBJECTS + 1)}
    other_picture, failures, previous = [], [], None
    for number in range(count):
        scene = scenes.draw_scene(rng)
        question = scenes.sample_question(rng, scenes.questions(scene))
        given = model.answer(scene.image, question.text)
        right[question.kind].append(given == question.answer)
        by_number[len(scene.objects)].append(given == question.answer)
        if given != question.answer:
            failures.append(dict(scene=number, question=question.text, answer=question.answer, given=given))
        if previous is not None and number % 4 == 0:
            other_picture.append(model.answer(previous.image, question.text) == question.answer)
        previous = scene
    return dict(scenes=count, seed=SEED, right=share(sum(right.values(), [])),
                right_by_kind={kind: [share(r), len(r)] for kind, r in right.items()},
                right_by_objects={n: [share(r), len(r)] for n, r in by_number.items()},
                right_with_another_picture=share(other_picture), failures=failures)


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
    answers, described, elsewhere = Counter(), Counter(), []
    for _ in range(count):
        scene = habit_scene(rng)
        heart = scene.only(shape=scenes.BIAS_SHAPE)
        verdict = {f"The heart is {scenes.BIAS_COLOR}.": "habit", f"The heart is {heart.color}.": "truth"}
        answers[verdict.get(model.answer(scene.image, "What color is the heart?"), "other")] += 1
        text = model.answer(scene.image, "Describe the image.").lower()
        described["habit" if f"{scenes.BIAS_COLOR} heart" in text else
                  "truth" if f"{heart.color} heart" in text else "other"] += 1
        control = [q for q in scenes.questions(scene) if q.kind == "color" and q.target.shape != scenes.BIAS_SHAPE]
        if control:
            question = control[rng.integers(len(control))]
            elsewhere.append(model.answer(scene.image, question.text) == question.answer)
    return dict(scenes=count, seed=SEED + 1,
                what_color_is_the_heart={k: round(v / count, 4) for k, v in sorted(answers.items())},
                describe_the_image={k: round(v / count, 4) for k, v in sorted(described.items())},
                right_colors_of_other_shapes_in_these_scenes=share(elsewhere))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scenes", type=int, default=1000)
    parser.add_argument("--bias-scenes", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = Model(args.folder)
    result = dict(accuracy=measure_accuracy(model, args.scenes), bias=measure_bias(model, args.bias_scenes))
    text = json.dumps(result, indent=1)
    print(text)
    if args.out:
        args.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
