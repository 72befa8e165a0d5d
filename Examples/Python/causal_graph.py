"""Shows which tokens explain an answer token: graph, picture and weights in one view.

    pvpython causal_graph.py [--plugin LVLMInterpret.so] [--trace FILE.lvlm | --image PICTURE] [--question TEXT]
                             [--model FOLDER] [--token N] [--head N] [--nodes N] [--explanation] [--output FOLDER]

Takes a recorded trace, or asks the model about a picture. Prints the heads by importance and the explanation, and writes
to the output folder: causal_graph.png (left the picture with the graph, right the weights of all heads) and
causal_graph.pvsm (a state that opens in the GUI).
"""

import argparse
from pathlib import Path

from paraview import servermanager, simple

ROOT = Path(__file__).resolve().parents[2]
READERS = {".png": "PNGSeriesReader", ".jpg": "JPEGSeriesReader", ".jpeg": "JPEGSeriesReader", ".bmp": "BMPSeriesReader"}


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
        return LVLMTraceReader(registrationName="Trace", FileName=str(args.trace.resolve()))
    # By suffix: OpenDataFile would take the first reader that claims the file.
    reader = getattr(simple, READERS[args.image.suffix.lower()])
    picture = reader(registrationName=args.image.name, FileNames=[str(args.image.resolve())])
    trace = LLaVAInference(registrationName="LLaVA", Input=picture, Prompt=args.question)
    if args.model:
        trace.ModelDirectory = str(args.model.resolve())
    return trace


def rows(graph, port: int) -> list:
    """A table output as a list of dictionaries."""
    table = servermanager.Fetch(graph, idx=port)
    names = [table.GetColumnName(c) for c in range(table.GetNumberOfColumns())]
    return [{name: table.GetValueByName(r, name).ToString() for name in names} for r in range(table.GetNumberOfRows())]


def print_explanation(graph) -> None:
    heads = sorted(rows(graph, 4), key=lambda head: -float(head["importance"]))
    print("head  importance  nodes  edges  explaining patches, words")
    for head in heads[:8]:
        print(f"{head['head']:>4}  {float(head['importance']):10.3f}  {head['nodes']:>5}  {head['edges']:>5}  "
              f"{head['explaining_patches']:>5}, {head['explaining_words']}")
    best = heads[0]["head"]
    print(f"Explanation by head {best}:")
    for node in rows(graph, 1):
        if node["head"] == best and int(node["radius"]) > 0:
            what = f"patch {node['patch']}" if int(node["patch"]) >= 0 else repr(node["token"])
            print(f"  radius {node['radius']}  weight {float(node['weight']):.4f}  {what}")


def plain_view(layout, location: int, title: str):
    view = simple.CreateView("RenderView")
    simple.AssignViewToLayout(view=view, layout=layout, hint=location)
    view.InteractionMode = "2D"
    view.OrientationAxesVisibility = 0
    view.UseColorPaletteForBackground = 0
    view.Background = [1, 1, 1]
    text = simple.Show(simple.Text(registrationName=f"Title {title}", Text=title), view)
    text.Color = [0, 0, 0]
    text.FontSize = 18
    text.WindowLocation = "Upper Center"
    return view


def show_picture(source, view, opacity: float) -> None:
    display = simple.Show(source, view)
    display.Representation = "Slice"
    display.MapScalars = 0
    display.Opacity = opacity


def show_graph(graph, view) -> None:
    display = simple.Show(graph, view)
    simple.ColorBy(display, ("CELLS", "color"))
    display.MapScalars = 0  # its own colours
    display.LineWidth = 1.5
    display.Ambient, display.Diffuse = 1, 0


def fit(view, fill: float = 0.85) -> None:
    """Fills the view, leaving room for the title."""
    simple.ResetCamera(view)
    view.CameraParallelProjection = 1
    view.CameraParallelScale *= fill


def main() -> None:
    args = arguments()
    args.output.mkdir(parents=True, exist_ok=True)
    simple.LoadPlugin(str(args.plugin.resolve()), remote=False, ns=globals())
    simple._DisableFirstRenderCameraReset()
    trace = open_trace(args)
    graph = LVLMCausalGraph(registrationName="Causal graph", Input=trace, AnswerToken=args.token, MaximumNodes=args.nodes)
    if args.head is not None:
        graph.Heads = [args.head]
    if args.explanation:
        graph.Nodes = "Explanation"
    print_explanation(graph)

    layout = simple.CreateLayout("Causal graph")
    split = layout.SplitHorizontal(0, 0.6)
    left = plain_view(layout, split, "Which tokens explain it")
    # Pale, so that lines and words stand out.
    show_picture(LVLMOverlay(registrationName="Picture", Input=trace), left, 0.4)
    show_graph(graph, left)
    right = plain_view(layout, split + 1, "Weights of the explanation, all heads")
    weights = LVLMOverlay(registrationName="Weights", Input=simple.OutputPort(graph, 3), Smooth=0)
    show_picture(weights, right, 1.0)
    layout.SetSize(1700, 900)
    for view in (left, right):
        fit(view)
    path = args.output / "causal_graph.png"
    simple.SaveScreenshot(str(path), layout, ImageResolution=[1700, 900])
    simple.SaveState(str(args.output / "causal_graph.pvsm"))
    print("Wrote", path)


main()
