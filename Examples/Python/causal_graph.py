"""Shows which tokens explain an answer token: graph, picture and weights in one view.

    pvpython causal_graph.py [--plugin LVLMInterpret.so] [--trace FILE.lvlm | --image PICTURE] [--question TEXT]
                             [--model FOLDER] [--token N] [--head N] [--nodes N] [--explanation] [--output FOLDER]

Takes a recorded trace, or asks the model about a picture. Prints the heads by importance and the explanation, and writes
to the output folder: causal_graph.png (left the picture with the graph, right the weights of all heads) and
causal_graph.pvsm (a state that opens in the GUI).
"""

import argparse
from pathlib import Path

from paraview import simple

from whole_files import replacing

ROOT = Path(__file__).resolve().parents[2]


def arguments() -> argparse.Namespace:
    scenes = sorted((ROOT / "Models" / "TinyLlava" / "scenes").glob("*.png"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plugin", type=Path, default=ROOT / "build/lib/LVLMInterpret/LVLMInterpret.so")
    parser.add_argument("--trace", type=Path, default=None, help="recorded trace with complete attention")
    parser.add_argument("--image", type=Path, default=scenes[0] if scenes else None)
    parser.add_argument("--question", default="What color is the star?")
    parser.add_argument("--model", type=Path, default=None, help="checkpoint folder; default: the embedded model")
    parser.add_argument("--token", type=int, default=0, help="answer token to explain, 0 is the first")
    parser.add_argument("--head", type=int, default=None, help="head to draw; default: the most important one")
    parser.add_argument("--nodes", type=int, default=50, help="image tokens that take part at most")
    parser.add_argument("--explanation", action="store_true", help="draw only what explains the token")
    parser.add_argument("--output", type=Path, default=Path("causal_graph"))
    return parser.parse_args()


def open_trace(args: argparse.Namespace):
    if args.trace:
        return simple.OpenDataFile(str(args.trace.resolve()))
    return lvlm.ask(args.image, args.question, model=args.model.resolve() if args.model else "", layout=False)


def rows(graph, port: int) -> list:
    """A table output as a list of dictionaries."""
    return lvlm.rows(simple.OutputPort(graph, port))


def print_explanation(graph) -> None:
    heads = sorted(rows(graph, 4), key=lambda head: -head["importance"])
    print("head  importance  nodes  edges  explaining patches, words")
    for head in heads[:8]:
        print(f"{head['head']:>4}  {head['importance']:10.3f}  {head['nodes']:>5}  {head['edges']:>5}  "
              f"{head['explaining_patches']:>5}, {head['explaining_words']}")
    best = heads[0]["head"]
    print(f"Explanation by head {best}:")
    for node in rows(graph, 1):
        if node["head"] == best and node["radius"] > 0:
            what = f"patch {node['patch']}" if node["patch"] >= 0 else repr(node["token"])
            print(f"  radius {node['radius']}  weight {node['weight']:.4f}  {what}")


def main() -> None:
    global lvlm
    args = arguments()
    args.output.mkdir(parents=True, exist_ok=True)
    simple.LoadPlugin(str(args.plugin.resolve()), remote=False)
    import lvlm  # carried by the plugin

    trace = open_trace(args)
    layout = lvlm.show_causality(trace, token=args.token, head=args.head)
    graph = next(s for s in simple.GetSources().values() if s.GetXMLName() == "LVLMCausalGraph")
    graph.MaximumNodes = args.nodes
    graph.Nodes = "Explanation" if args.explanation else "All"
    print_explanation(graph)
    path = args.output / "causal_graph.png"
    with replacing(path) as partial:
        simple.SaveScreenshot(str(partial), layout)
    with replacing(args.output / "causal_graph.pvsm") as partial:
        simple.SaveState(str(partial))
    print("Wrote", path)


main()
