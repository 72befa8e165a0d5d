# SPDX-License-Identifier: Apache-2.0
"""The case study of the LVLM-Interpret paper, on the embedded model: one answer from the picture, one from habit.

    pvpython relevancy_case_study.py [--plugin LVLMInterpret.so] [--model FOLDER] [--output case_study.png]

The embedded model has only ever seen red hearts (Models/TinyLlava/README.md). Shown a picture without a red heart, it is
asked for the colour of another shape, which it gets right, and for that of the heart, which it calls red. The picture that
is written has a row for each question: the picture, where the colour word's relevancy lies on it, and how the relevancy
is divided between the image and the words.

How to read it. The first row is the control: a tenth of the relevancy of "green" falls on the image, and there on the
circle that was asked about; the rest on the words that say that a colour is wanted, "color" and "is". In the second row
the image's share drops to 1.6 %, spread over the star and the edge of the heart, and the words "heart" and "color" carry
nearly all: "red" was made from the question. The third row asks the same question where a red heart is shown. Its words
are the control's again, its share is a tenth, and the map lies on the heart: there the same answer was taken from the
picture.

What it does not show. Each map has its own colour scale, so a bright map need not be an important one: read it
together with the image's share. And relevancy is a first-order reading of one forward pass
(Plugin/Documentation/reading.md). What confirms this reading is to intervene: the heart of the second row is purple and
that of the third is red, and the answer does not follow (the two scenes differ in more than that; for a clean test
change the heart alone). The percentile, after LVLM-Interpret's number for "looks at the image", is 0 for the habit and
a quarter for the two others.
"""
import argparse
import json
from pathlib import Path

import numpy as np
from paraview import servermanager, simple
from PIL import Image, ImageDraw, ImageFont
from vtkmodules.util.numpy_support import vtk_to_numpy

from whole_files import replacing

ROOT = Path(__file__).resolve().parents[2]
SCENES = ROOT / "Models" / "TinyLlava" / "scenes"
# picture, question, what is true
CASES = (("purple_heart.png", "What color is the {other}?", "from the picture"),
         ("purple_heart.png", "What color is the heart?", "from habit"),
         ("red_heart.png", "What color is the heart?", "the same question, habit and picture agree"))
SIZE = 336  # of a panel, pixels
LINE = 22


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plugin", type=Path, default=ROOT / "build/lib/LVLMInterpret/LVLMInterpret.so")
    parser.add_argument("--model", type=Path, default=None, help="checkpoint folder; default: the embedded model")
    parser.add_argument("--other", default=None, help="the other shape; default: the first one of the picture")
    parser.add_argument("--output", type=Path, default=Path("case_study.png"))
    return parser.parse_args()


def other_shape() -> str:
    """A shape in the picture of the purple heart that occurs once and is no heart."""
    listed = json.loads((SCENES / "scenes.json").read_text())["scenes"]
    scene = next(s for s in listed if s["image"] == CASES[0][0])
    shapes = [o["shape"] for o in scene["objects"]]
    return next(s for s in shapes if s != "heart" and shapes.count(s) == 1)


def pixels(image) -> np.ndarray:
    """u8 [height, width, 3] of an overlay, row 0 at the top."""
    width, height, _ = image.GetDimensions()
    return vtk_to_numpy(image.GetPointData().GetArray("overlay")).reshape(height, width, 3)[::-1]


def ask(picture: Path, question: str, model) -> dict:
    """The answer, the overlays and the words of its colour token."""
    trace = lvlm.ask(picture, question, model=model.resolve() if model else "", layout=False)
    token = lvlm.telling_token(trace)  # "red" of "The heart is red."
    relevancy = LVLMRelevancy(registrationName="Relevancy: " + question, Input=trace, AnswerTokens=[token])
    shown = [pixels(servermanager.Fetch(LVLMOverlay(Input=trace)))]  # a trace alone: its picture
    for name in ("decoder", "joint_token"):
        shown.append(pixels(servermanager.Fetch(LVLMOverlay(Input=relevancy, Array=["CELLS", name]))))
    words = lvlm.rows(simple.OutputPort(relevancy, 1))
    return {
        "question": question, "answer": lvlm.answer(trace), "panels": shown,
        "image_share": words[0]["image_share"], "image_percentile": words[0]["image_percentile"],
        "words": [(row["word"].strip() + (" (answer)" if row["role"] == "answer" else ""), row["share"]) for row in words],
    }


def draw_bars(draw, font, left: int, top: int, case: dict) -> None:
    """Shares of the image and of the words that have most."""
    best = sorted(case["words"], key=lambda word: -word[1])[:9]
    for row, (word, share) in enumerate([("image", case["image_share"]), *best]):
        y = top + 24 + row * (LINE + 4)
        draw.text((left, y), word or "(blank)", fill="black", font=font)
        draw.rectangle((left + 130, y, left + 130 + int(130 * max(share, 0)), y + LINE - 4),
                       fill="#d95f02" if word == "image" and row == 0 else "#1b6ca8")
        draw.text((left + 265, y), f"{share:6.1%}", fill="black", font=font)


def figure(cases: list) -> Image.Image:
    font = ImageFont.load_default()
    try:
        font = ImageFont.truetype("DejaVuSans.ttf", 15)
    except OSError:
        pass  # the small built-in font does as well
    panel, head = SIZE + 12, 56
    sheet = Image.new("RGB", (4 * panel + 12, len(cases) * (SIZE + head) + 12), "white")
    draw = ImageDraw.Draw(sheet)
    for row, case in enumerate(cases):
        top = row * (SIZE + head) + 8
        draw.text((12, top), f"{case['question']}   {case['answer']}   ({case['note']})", fill="black", font=font)
        titles = ("what the model saw", "relevancy, decoder", "relevancy, joint_token", "share of the relevancy")
        for number, title in enumerate(titles):
            draw.text((12 + number * panel, top + 24), title, fill="#555555", font=font)
        for number, values in enumerate(case["panels"]):
            scaled = Image.fromarray(np.ascontiguousarray(values)).resize((SIZE, SIZE), Image.BICUBIC)
            sheet.paste(scaled, (12 + number * panel, top + head - 10))
        draw_bars(draw, font, 12 + 3 * panel, top + head - 30, case)
    return sheet


def main() -> None:
    global lvlm
    args = arguments()
    simple.LoadPlugin(str(args.plugin.resolve()), remote=False, ns=globals())
    import lvlm  # carried by the plugin
    other = args.other or other_shape()
    cases = []
    for name, question, note in CASES:
        case = ask(SCENES / name, question.format(other=other), args.model)
        case["note"] = note
        cases.append(case)
        text = ", ".join(f"{word} {share:.1%}" for word, share in sorted(case["words"], key=lambda w: -w[1])[:4])
        print(f"{name}: {case['question']} {case['answer']}  image {case['image_share']:.1%} "
              f"(percentile {case['image_percentile']:.2f}); words: {text}")
    args.output.parent.mkdir(parents=True, exist_ok=True)
    with replacing(args.output) as partial:
        figure(cases).save(partial)
    print("Wrote", args.output)


if __name__ == "__main__":
    main()
