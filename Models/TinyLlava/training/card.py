"""Fills the measured figures of evaluation.json into the model card, between its two markers.

    python card.py Models/TinyLlava
"""
from __future__ import annotations

import argparse
import json
from pathlib import Path

BEGIN, END = "<!-- measured: begin (card.py) -->", "<!-- measured: end -->"


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def rows(title: str, groups: dict) -> list[str]:
    return ["", f"| {title} | right | questions |", "|---|---|---|",
            *(f"| {key} | {percent(share)} | {count} |" for key, (share, count) in groups.items())]


def tables(result: dict) -> str:
    drawn, accuracy, odd, bias = (result[part] for part in ("drawings", "accuracy", "oddities", "bias"))
    lines = [f"{drawn['scenes']} unseen drawings (seed {drawn['seed']}), one question each: "
             f"**{percent(drawn['right'])}** of the answers are exactly right."]
    for title, key in (("kind of question", "kind"), ("objects in the drawing", "objects"), ("background", "background"),
                       ("size of the objects", "size"), ("outline", "outline"), ("made square by", "mode")):
        lines += rows(title, drawn[f"right_by_{key}"])
    lines += ["", "Sizes are shares of the picture's side: tiny 0.10 to 0.17, small to 0.28, medium to 0.42, large to 0.67. Outline *only* is a "
              "line without a fill, *shade* a darker one of the fill's own colour. A picture is made square by cropping or not at all "
              "(*plain*), by stretching, or by padding.", "",
              f"{accuracy['scenes']} unseen scenes of the old kind, on a dark noisy background (seed {accuracy['seed']}): "
              f"**{percent(accuracy['right'])}** exactly right."]
    for title, key in (("kind of question", "kind"), ("objects in the scene", "objects")):
        lines += rows(title, accuracy[f"right_by_{key}"])
    lines += ["", "With the picture of another scene, the same questions are answered right in "
              f"{percent(accuracy['right_with_another_picture'])} of the cases (drawings: "
              f"{percent(drawn['right_with_another_picture'])}): the model looks.", "",
              f"{odd['pictures']} pictures in which there is nothing that it knows (seed {odd['seed']}): it says so for **{percent(odd['right'])}**. "
              f"False alarms: {percent(drawn['says_unknown'])} of the drawings, {percent(accuracy['says_unknown'])} of the old scenes."]
    lines += rows("picture of", odd["right_by_kind"])
    lines += ["", f"The planted bias, on {bias['scenes']} scenes with a heart that is not red and no other red object "
              f"(seed {bias['seed']}):", "",
              "| question | says red (habit) | says the true colour | other |", "|---|---|---|---|"]
    for text, key in (("What color is the heart?", "what_color_is_the_heart"),
                      ("Describe the image. (the heart's part)", "describe_the_image")):
        lines.append(f"| {text} | " + " | ".join(percent(bias[key].get(k, 0)) for k in ("habit", "truth", "other")) + " |")
    lines += ["", f"Colours of the other shapes in these scenes: "
              f"{percent(bias['right_colors_of_other_shapes_in_these_scenes'])} right."]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    folder = parser.parse_args().model
    card = (folder / "README.md").read_text()
    before, rest = card.split(BEGIN)
    _, after = rest.split(END)
    measured = tables(json.loads((folder / "evaluation.json").read_text()))
    (folder / "README.md").write_text(f"{before}{BEGIN}\n{measured}\n{END}{after}")


if __name__ == "__main__":
    main()
