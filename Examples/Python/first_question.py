"""Asks the embedded model about a picture and shows where it looked.

    pvpython first_question.py [--plugin LVLMInterpret.so] [--image PICTURE] [--question TEXT]
                               [--model FOLDER] [--output FOLDER]

Prints the answer with its tokens' probabilities and writes to the output folder:
overlay.png (heat map over the picture), heads.png (layers x heads), layers.png (the map of each layer as a volume),
first_question.lvlm (the trace) and first_question.pvsm (a state that opens in the GUI).
"""

import argparse
import math
from pathlib import Path

from paraview import servermanager, simple

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


def open_picture(path: Path):
    """By suffix: OpenDataFile would take the first reader that claims the file, for PNG a raster-map reader."""
    readers = {".png": simple.PNGSeriesReader, ".jpg": simple.JPEGSeriesReader, ".jpeg": simple.JPEGSeriesReader,
               ".tif": simple.TIFFSeriesReader, ".tiff": simple.TIFFSeriesReader}
    return readers[path.suffix.lower()](registrationName=path.name, FileNames=[str(path.resolve())])


def print_answer(trace) -> None:
    """The answer and, for each of its tokens, the probability and the best alternatives."""
    tokens = servermanager.Fetch(LVLMTokens(Input=trace))
    print("Answer:", trace.Answer)
    for row in range(tokens.GetNumberOfRows()):
        if tokens.GetValueByName(row, "answer_index").ToInt() < 0:
            continue
        probability = math.exp(tokens.GetValueByName(row, "logprob").ToFloat())
        others = []
        for k in (1, 2, 3):
            token = tokens.GetValueByName(row, f"top{k}_token").ToString()
            others.append(f"{token} {math.exp(tokens.GetValueByName(row, f'top{k}_logprob').ToFloat()):.1%}")
        print(f"  {tokens.GetValueByName(row, 'token').ToString():>12}  {probability:6.1%}   best: {', '.join(others)}")


def flat_view(title: str):
    """A view that looks straight down on the picture plane, with a title."""
    view = simple.CreateRenderView()
    view.InteractionMode = "2D"
    view.OrientationAxesVisibility = 0
    view.UseColorPaletteForBackground = 0
    view.Background = [1, 1, 1]
    view.ViewSize = [800, 700]
    text = simple.Text(registrationName=f"Title {title}", Text=title)
    shown = simple.Show(text, view)
    shown.Color = [0, 0, 0]
    shown.FontSize = 20
    shown.WindowLocation = "Upper Center"
    return view


def color_by(display, view, array: str, association: str, title: str, preset: str) -> None:
    simple.ColorBy(display, (association, array), separate=True)
    display.RescaleTransferFunctionToDataRange(False, True)
    colors = simple.GetColorTransferFunction(array, display, separate=True)
    colors.ApplyPreset(preset, True)
    bar = simple.GetScalarBar(colors, view)
    bar.Title = title
    bar.ComponentTitle = ""
    bar.TitleColor = [0, 0, 0]
    bar.LabelColor = [0, 0, 0]
    bar.TitleFontSize = 16
    bar.LabelFontSize = 14
    display.SetScalarBarVisibility(view, True)


def show_picture(source, view):
    """An RGB picture in its own colours."""
    display = simple.Show(source, view)
    display.Representation = "Surface"
    simple.ColorBy(display, ("POINTS", source.PointData.GetArray(0).Name))
    display.MapScalars = 0
    return display


def overlay_view(trace, answer_tokens):
    """The heat map of the answer's tokens over the picture."""
    heat = LVLMAttentionMap(registrationName="Attention map", Input=trace, AnswerTokens=answer_tokens)
    overlay = LVLMOverlay(registrationName="Overlay", Input=heat)
    view = flat_view("Where the model looked")
    show_picture(overlay, view)
    simple.ResetCamera(view)
    view.CameraParallelScale *= 0.78
    return view


def heads_view(trace):
    """One square a head: layers to the right, heads upwards."""
    heads = LVLMHeadSummary(registrationName="Head summary", Input=trace, Source="Image")
    squares = simple.Glyph(registrationName="Squares", Input=heads, GlyphType="Box", GlyphMode="All Points",
                           OrientationArray=["POINTS", "No orientation array"], ScaleArray=["POINTS", "No scale array"],
                           ScaleFactor=0.94)
    view = flat_view("Mean attention to the image")
    display = simple.Show(squares, view)
    display.Representation = "Surface"
    display.Ambient, display.Diffuse = 1, 0
    color_by(display, view, "attention", "POINTS", "attention", "Inferno (matplotlib)")
    grid = view.AxesGrid
    grid.Visibility = 1
    grid.XTitle, grid.YTitle = "layer", "head"
    layers, count, _ = servermanager.Fetch(heads).GetDimensions()
    grid.XAxisUseCustomLabels = grid.YAxisUseCustomLabels = 1
    grid.XAxisLabels, grid.YAxisLabels = list(range(layers)), list(range(count))
    for name in ("XTitleColor", "YTitleColor", "XLabelColor", "YLabelColor", "GridColor"):
        setattr(grid, name, [0, 0, 0])
    grid.XTitleFontSize = grid.YTitleFontSize = grid.XLabelFontSize = grid.YLabelFontSize = 16
    simple.ResetCamera(view)
    return view


def layers_view(trace, answer_tokens):
    """The map of each layer in front of the picture, the last layer nearest to the viewer."""
    volume = LVLMLayerVolume(registrationName="Layer volume", Input=trace, AnswerTokens=answer_tokens)
    view = flat_view("Attention to the patches, layer in front of layer")
    view.InteractionMode = "3D"
    view.Background = [0.12, 0.12, 0.14]
    display = simple.Show(volume, view)
    display.Representation = "Volume"
    color_by(display, view, "attention", "POINTS", "attention", "Inferno (matplotlib)")
    outline = simple.Show(simple.Outline(registrationName="Outline", Input=volume), view)
    outline.AmbientColor = outline.DiffuseColor = [0.7, 0.7, 0.7]
    low, high = volume.PointData["attention"].GetRange()
    opacity = simple.GetOpacityTransferFunction("attention", display, separate=True)
    opacity.Points = [low, 0, 0.5, 0, low + 0.05 * (high - low), 0.02, 0.5, 0, low + 0.3 * (high - low), 0.6, 0.5, 0,
                      high, 1, 0.5, 0]
    display.ScalarOpacityUnitDistance = 6
    show_picture(LVLMOverlay(registrationName="Picture", Input=trace), view).Position = [0, 0, -20]
    light_text(view)
    simple.ResetCamera(view)
    camera = view.GetActiveCamera()
    camera.Azimuth(-32)
    camera.Elevation(16)
    simple.ResetCamera(view)
    return view


def light_text(view) -> None:
    """White letters for a dark view: its title and its colour legend."""
    for representation in view.Representations:
        for name in ("Color", "TitleColor", "LabelColor"):
            if name in representation.ListProperties() and "FontSize" in "".join(representation.ListProperties()):
                setattr(representation, name, [1, 1, 1])


def main() -> None:
    args = arguments()
    args.output.mkdir(parents=True, exist_ok=True)
    simple.LoadPlugin(str(args.plugin.resolve()), remote=False, ns=globals())
    simple._DisableFirstRenderCameraReset()

    picture = open_picture(args.image)
    trace = LLaVAInference(registrationName="LLaVA", Input=picture, Prompt=args.question)
    if args.model:
        trace.ModelDirectory = str(args.model.resolve())
    trace.UpdatePipeline()
    trace.UpdatePipelineInformation()  # refreshes Answer and TimestepValues, known only now
    print("Model:", trace.ModelInformation)
    print("Question:", args.question)
    print_answer(trace)

    # Every token of the answer but the end token, which looks at nothing in particular.
    words = list(range(max(1, len(trace.TimestepValues) - 1)))
    for name, view in (("overlay", overlay_view(trace, words)), ("heads", heads_view(trace)),
                       ("layers", layers_view(trace, words))):
        path = args.output / f"{name}.png"
        simple.SaveScreenshot(str(path), view, ImageResolution=[800, 700])
        print("Wrote", path)
    simple.SaveData(str(args.output / "first_question.lvlm"), proxy=trace)
    simple.SaveState(str(args.output / "first_question.pvsm"))
    print("Wrote", args.output / "first_question.lvlm", "and", args.output / "first_question.pvsm")
    for view in simple.GetRenderViews():  # while the display is there: at exit, drivers may complain
        simple.Delete(view)


main()
