# SPDX-License-Identifier: Apache-2.0
"""Do the maps of the colour word point at the object that was asked about?

    pvpython pointing_game.py [--plugin LVLMInterpret.so] [--model FOLDER] [--scenes 200] [--seed 20240505]

Draws scenes that training never saw (Models/TinyLlava/training/scenes.py), asks the embedded model "What color is the ...?"
and takes the map of the answer's colour word, for raw and weighted attention, single heads, the logit lens, token activation,
attention rollout and relevancy. Answers that are wrong,
and hearts, whose colour the model knows without looking, are left out, until there are as many scenes as asked for.

Pointing game: the share of scenes whose highest patch lies on the object, that is, has at least a quarter of its pixels
inside the object's mask. Energy: the share of the map's sum that falls inside the mask, patches on its border by their part.
Chance: what a random patch, and a map that is the same everywhere, would score. "Best layer" is chosen afterwards, by its
own score on these scenes: an upper bound for one that is chosen in advance. "First localization head": the head that ranks first
in LVLM Head Summary's table, for each answer anew and without the mask. The last two columns are differences to exact relevancy's decoder map on the same scenes. Errors are one standard error over scenes.
Needs Pillow in ParaView's Python (Debian: python3-pil).
"""
import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "Models" / "TinyLlava" / "training"))
import scenes  # noqa: E402
from paraview import servermanager, simple  # noqa: E402
from vtkmodules.util.numpy_support import vtk_to_numpy  # noqa: E402

WEIGHTINGS = {
    "attention": dict(Weighting="None"),
    "attention x gradient": dict(Weighting="Gradient"),
    "relative attention": dict(Weighting="Relative"),
    "attention relative to a question of the training": dict(Weighting="Relative", GenericQuestion="Describe the image."),
}
REFERENCE = "relevancy, exact: decoder"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plugin", type=Path, default=ROOT / "build/lib/LVLMInterpret/LVLMInterpret.so")
    parser.add_argument("--model", type=Path, default=None, help="checkpoint folder; default: the embedded model")
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--seed", type=int, default=20240505, help="no seed of the training")
    return parser.parse_args()


def colour_questions(rng: np.random.Generator):
    """Endless scenes with an object and the question for its colour."""
    while True:
        scene = scenes.draw_scene(rng)
        asked = [q for q in scenes.questions(scene)
                 if q.text.startswith("What color is the ") and q.target.shape != scenes.BIAS_SHAPE]
        if asked:
            yield scene, asked[rng.integers(len(asked))]


class Pipeline:
    """From a picture and a question to the maps of one answer token."""

    def __init__(self, folder: str, model):
        self.file = str(Path(folder) / "scene.png")
        self.reader = None
        self.model = model
        self.trace = self.filters = None  # they need a first scene

    def ask(self, image: np.ndarray, question: str) -> str:
        Image.fromarray(image).save(self.file)
        old, self.reader = self.reader, simple.PNGSeriesReader(FileNames=[self.file])
        if self.trace is None:
            self.trace = LLaVAInference(Input=self.reader, MaxNewTokens=16)
            if self.model:
                self.trace.ModelDirectory = str(self.model.resolve())
        self.trace.Input = self.reader
        self.trace.Prompt = question
        self.trace.UpdatePipeline()
        if old:
            simple.Delete(old)
        if self.filters is None:
            self.build()
        self.trace.UpdatePipelineInformation()
        return self.trace.Answer

    def build(self) -> None:
        layers = servermanager.Fetch(self.trace).GetFieldData().GetArray("layer_total").GetValue(0)
        self.trace.CaptureFullLayers = list(range(layers))
        self.trace.UpdatePipeline()
        self.tokens = LVLMTokens(Input=self.trace)
        self.choices = {"mean of layers": [], **{f"layer {layer}": [layer] for layer in range(layers)}}
        self.weighted = {name: LVLMAttentionMap(Input=self.trace, **how) for name, how in WEIGHTINGS.items()}
        self.heads = LVLMHeadSummary(Input=self.trace)
        self.head = LVLMAttentionMap(Input=self.trace)
        self.filters = {
            "attention, the head that looks most": (LVLMAttentionMap(Input=self.trace, Reduction="StrongestHead"), 0),
            "logit lens, largest over the layers": (LVLMLogitLens(Input=self.trace), 2),
            "token activation map": (LVLMRelevancy(Input=self.trace, Method="TokenActivation"), 0),
            "rollout, mean": (LVLMRelevancy(Input=self.trace, Method="RolloutMean"), 0),
            "rollout, maximum": (LVLMRelevancy(Input=self.trace, Method="RolloutMax"), 0),
        }
        self.relevancy = {f"relevancy, {mode.lower()}": LVLMRelevancy(Input=self.trace, Mode=mode) for mode in ("Exact", "Compatible")}

    def token_of(self, word: str) -> int:
        """Index of the answer token that is the word."""
        table = servermanager.Fetch(self.tokens)
        for row in range(table.GetNumberOfRows()):
            index = table.GetValueByName(row, "answer_index").ToInt()
            if index >= 0 and table.GetValueByName(row, "token").ToString().strip("▁Ġ") == word:
                return index
        raise ValueError(f"the answer has no token '{word}'")

    def first_head(self, token: int) -> tuple[int, int]:
        """Layer and head that rank first among those that localize."""
        self.heads.AnswerTokens = [token]
        table = servermanager.Fetch(self.heads, idx=2)
        return tuple(table.GetValueByName(0, name).ToInt() for name in ("layer", "head"))

    def maps(self, token: int) -> dict[str, np.ndarray]:
        """[rows, cols] each, row 0 at the top."""
        found = {}
        for name, source in self.weighted.items():
            source.AnswerTokens = [token]
            for choice, layers in self.choices.items():
                source.Layers = layers
                found[f"{name}, {choice}"] = cells_of(servermanager.Fetch(source), 0)
        layer, head = self.first_head(token)
        self.head.AnswerTokens, self.head.Layers, self.head.Heads = [token], [layer], [head]
        found["attention, first localization head"] = cells_of(servermanager.Fetch(self.head), 0)
        for name, (source, port) in self.filters.items():
            source.AnswerTokens = [token]
            found[name] = cells_of(servermanager.Fetch(source, idx=port), 0)
        for name, source in self.relevancy.items():
            source.AnswerTokens = [token]
            image = servermanager.Fetch(source)
            for i in range(image.GetCellData().GetNumberOfArrays()):
                array = image.GetCellData().GetArrayName(i)
                if not array.startswith("patch"):  # where a cell is, not a map
                    found[f"{name}: {array}"] = cells_of(image, i)
        return found


def cells_of(image, index: int) -> np.ndarray:
    cols, rows = (n - 1 for n in image.GetDimensions()[:2])
    return vtk_to_numpy(image.GetCellData().GetArray(index)).reshape(rows, cols)[::-1].astype(float)


def coverage(mask: np.ndarray, shape) -> np.ndarray:
    """[rows, cols]: the part of each patch that the mask covers."""
    rows, cols = shape
    height, width = mask.shape[0] // rows, mask.shape[1] // cols
    if (height * rows, width * cols) != mask.shape:
        raise ValueError(f"{mask.shape} pixels do not fall into {shape} patches")
    return mask.reshape(rows, height, cols, width).mean(axis=(1, 3))


def average(values: np.ndarray) -> tuple:
    """Means over the scenes, and their standard errors."""
    return values.mean(axis=0), values.std(axis=0) / np.sqrt(len(values))


def table(scores: dict[str, list]) -> str:
    means = {name: np.mean(pairs, axis=0) for name, pairs in scores.items()}
    lines = ["| map | pointing game | energy in the mask | hits against relevancy | energy against relevancy |", "|---|---|---|---|---|"]
    for name in means:
        label, kind = name, name.split(", layer ")[0]
        if kind != name:
            rivals = [other for other in means if other.startswith(kind + ", layer ")]
            if name != max(rivals, key=lambda other: tuple(means[other])):
                continue
            label = f"{kind}, best layer ({name.split()[-1]})"
        values = np.array(scores[name], float)
        cells = [f"{mean:.1%} ± {error:.1%}" for mean, error in zip(*average(values))]
        cells += [f"{mean:+.1%} ± {error:.1%}" for mean, error in zip(*average(values - np.array(scores[REFERENCE], float)))]
        lines.append(" | ".join(["| " + label, *cells]) + " |")
    return "\n".join(lines)


def main() -> None:
    args = arguments()
    simple.LoadPlugin(str(args.plugin.resolve()), remote=False, ns=globals())
    rng = np.random.default_rng(args.seed)
    scores: dict[str, list] = {}
    used = asked = 0
    with tempfile.TemporaryDirectory() as folder:
        pipeline = Pipeline(folder, args.model)
        for scene, question in colour_questions(rng):
            if used == args.scenes:
                break
            asked += 1
            if asked > 20 * args.scenes:
                sys.exit(f"the model gave only {used} right answers to {asked} questions")
            if pipeline.ask(scene.image, question.text).strip() != question.answer:
                continue
            used += 1
            if used % 20 == 0:
                print(f"{used} scenes", file=sys.stderr, flush=True)
            maps = pipeline.maps(pipeline.token_of(question.answer_word))
            part = coverage(question.target.mask, next(iter(maps.values())).shape)
            scores.setdefault("chance", []).append((np.mean(part >= 0.25), part.mean()))
            for name, values in maps.items():
                hit = part.ravel()[values.argmax()] >= 0.25
                scores.setdefault(name, []).append((hit, (values * part).sum() / max(values.sum(), 1e-300)))
    print(f"{used} scenes, seed {args.seed}, of {asked} questions; model: {pipeline.trace.ModelInformation}")
    print(table(scores))


if __name__ == "__main__":
    main()
