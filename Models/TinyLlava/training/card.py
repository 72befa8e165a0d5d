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


def tables(result: dict) -> str:
    accuracy, bias = result["accuracy"], result["bias"]
    lines = [f"{accuracy['scenes']} unseen scenes (seed {accuracy['seed']}), one question each: "
             f"**{percent(accuracy['right'])}** of the answers are exactly right.", "",
             "| kind of question | right | questions |", "|---|---|---|"]
    lines += [f"| {kind} | {percent(share)} | {count} |" for kind, (share, count) in accuracy["right_by_kind"].items()]
    lines += ["", "| objects in the scene | right | questions |", "|---|---|---|"]
    lines += [f"| {number} | {percent(share)} | {count} |"
              for number, (share, count) in accuracy["right_by_objects"].items()]
    lines += ["", f"With the picture of another scene, the same questions are answered right in "
              f"{percent(accuracy['right_with_another_picture'])} of the cases: the model looks.", "",
              f"The planted bias, on {bias['scenes']} scenes with a heart that is not red and no other red object "
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
