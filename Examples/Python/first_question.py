"""Asks the embedded model about a picture and shows where it looked.

    pvpython first_question.py [--plugin LVLMInterpret.so] [--image PICTURE] [--question TEXT]
                               [--model FOLDER] [--output FOLDER]

Prints the answer with its tokens' probabilities and writes to the output folder:
overlay.png (attention map over the picture), heads.png (layers x heads), layers.png (the map of each layer as a volume),
first_question.lvlm (the trace) and first_question.pvsm (a state that opens in the GUI).
"""

import argparse
from pathlib import Path

from paraview import simple

from whole_files import replacing

ROOT = Path(__file__).resolve().parents[2]


def arguments() -> argparse.Namespace:
    scenes = ROOT / "Models" / "TinyLlava" / "scenes"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plugin", type=Path, default=ROOT / "build/lib/LVLMInterpret/LVLMInterpret.so")
    parser.add_argument("--image", type=Path, default=scenes / "star_left_of_circle.png")
    parser.add_argument("--question", default="What color is the star?")
    parser.add_argument("--model", type=Path, default=None, help="checkpoint folder; default: the embedded model")
    parser.add_argument("--output", type=Path, default=Path("first_question"))
    return parser.parse_args()


def main() -> None:
    args = arguments()
    args.output.mkdir(parents=True, exist_ok=True)
    simple.LoadPlugin(str(args.plugin.resolve()), remote=False)
    import lvlm  # carried by the plugin

    trace = lvlm.ask(args.image, args.question, model=args.model.resolve() if args.model else "", layout=False)
    print("Model:", trace.ModelInformation)
    print("Question:", args.question)
    print("Answer:", trace.Answer)
    for token in lvlm.tokens(trace):
        others = ", ".join(f"{text} {probability:.1%}" for text, probability in token["alternatives"][:3])
        print(f"  {token['token']:>12}  {token['probability']:6.1%}   best: {others}")

    for name, preset in (("overlay", lvlm.show_attention), ("heads", lvlm.show_heads), ("layers", lvlm.show_layers)):
        path = args.output / f"{name}.png"
        with replacing(path) as partial:
            simple.SaveScreenshot(str(partial), preset(trace))
        print("Wrote", path)
    simple.SaveData(str(args.output / "first_question.lvlm"), proxy=trace)
    with replacing(args.output / "first_question.pvsm") as partial:
        simple.SaveState(str(partial))
    print("Wrote", args.output / "first_question.lvlm", "and", args.output / "first_question.pvsm")
    for view in simple.GetRenderViews():  # while the display is there: at exit, drivers may complain
        simple.Delete(view)


main()
