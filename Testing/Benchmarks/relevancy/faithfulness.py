# SPDX-License-Identifier: Apache-2.0
"""Which explanation is faithful? LVLM Faithfulness on all maps of the word that answers, for several kinds of questions.

    pvpython faithfulness.py [--scenes 200] [--kinds color shape position relation habit] [--steps 10] [--random 5] [--write]
                             [--plugin LVLMInterpret.so] [--model FOLDER] [--seed 20240505] [--fill "Mean Color"] [--keep FOLDER]

For each kind as many scenes as asked for, which training never saw (Models/TinyLlava/training/scenes.py), with a question of that kind that
the model answers right; of several words that answer ("upper left") the mean counts. Color leaves hearts out, whose colour the model knows
without looking. Habit is the planted bias: hearts that are not red, of which the model says all the same that they are.

Of each map the areas under the curves of hiding (deletion) and showing (insertion) the picture in its order, comprehensiveness and
sufficiency; means over scenes with one standard error. The first table has deletion less that of random orders on the same scene: below 0 the
answer falls sooner than at random. Bold is the best map of a kind, and whatever is not told apart from it by two errors on the same scenes;
none where the best is not told apart from random orders.
`--write` puts both tables into Plugin/Documentation/relevancy.md, in place of the last ones. A scene takes some ten seconds of a core; with
`--keep` the numbers of each are written to a file for its kind at once, and a run with the same settings goes on where the last one ended.
"""
import argparse
import json
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pointing_game
from paraview import servermanager, simple
from pointing_game import ROOT, scenes

COLUMNS = ("deletion", "insertion", "comprehensiveness", "sufficiency")
KINDS = {"color": "colour", "shape": "shape", "position": "place", "relation": "relation", "habit": "habit (bias)"}
RANDOM = "random orders"
LEAST = 0.001  # that a table shows
PAGE = ROOT / "Plugin" / "Documentation" / "relevancy.md"
MARKS = "<!-- verdict: faithfulness.py --write makes this -->", "<!-- verdict: end -->"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plugin", type=Path, default=ROOT / "build/lib/LVLMInterpret/LVLMInterpret.so")
    parser.add_argument("--model", type=Path, default=None, help="checkpoint folder; default: the embedded model")
    parser.add_argument("--scenes", type=int, default=20, help="for each kind")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--random", type=int, default=5, help="random orders for each scene, two at least")
    parser.add_argument("--seed", type=int, default=20240505, help="no seed of the training")
    parser.add_argument("--fill", default="Mean Color")
    parser.add_argument("--keep", type=Path, default=None, help="folder for the numbers of each scene")
    parser.add_argument("--write", action="store_true", help="into the documentation, too")
    return parser.parse_args()


def unusual_heart(rng: np.random.Generator) -> tuple:
    """A heart in a colour that training never showed, alone or among others, and the answer from habit."""
    shape, color = scenes.BIAS_SHAPE, rng.choice([c for c in scenes.COLORS if c != scenes.BIAS_COLOR])
    others = [item for item in scenes.random_items(rng, int(rng.integers(1, 4))) if item[0] != shape]
    free = [cell for cell in range(scenes.CELLS ** 2) if cell not in {item[2] for item in others}]
    scene = scenes.draw_scene(rng, items=[*others, (shape, str(color), int(rng.choice(free)))])
    return scene, scenes.Question("color", f"What color is the {shape}?", f"The {shape} is {scenes.BIAS_COLOR}.", None, scenes.BIAS_COLOR)


def asked(rng: np.random.Generator, kind: str) -> Iterator[tuple]:
    """Endless scenes with a question of the kind."""
    if kind == "color":
        yield from pointing_game.colour_questions(rng)
    while True:
        if kind == "habit":
            yield unusual_heart(rng)
            continue
        scene = scenes.draw_scene(rng)
        fitting = [question for question in scenes.questions(scene) if question.kind == kind]
        if fitting:
            yield scene, fitting[rng.integers(len(fitting))]


class Test:
    """LVLMFaithfulness on all maps of a pipeline's trace."""

    def __init__(self, pipeline: pointing_game.Pipeline, args: argparse.Namespace):
        trace, settings = pipeline.trace, dict(Fill=args.fill, Steps=args.steps)
        self.graph = pointing_game.LVLMCausalGraph(Input=trace)
        plain = {
            "attention, mean of layers": pipeline.weighted["attention"],
            "attention · gradient, mean of layers": pipeline.weighted["attention x gradient"],
            "rollout, mean": pipeline.filters["rollout, mean"][0],
            "token activation map": pipeline.filters["token activation map"][0],
            "logit lens, largest over the layers": simple.OutputPort(*pipeline.filters["logit lens, largest over the layers"]),
            "occlusion, windows of 3 x 3": pointing_game.LVLMOcclusion(Input=trace, Fill=args.fill),
            "causal graph, weights": simple.OutputPort(self.graph, 3),
        }
        pipeline.weighted["attention"].Layers = pipeline.weighted["attention x gradient"].Layers = []
        relevancy = pipeline.relevancy["relevancy, exact"]
        self.choosing = [source for source in [*plain.values(), relevancy] if source.SMProxy != self.graph.SMProxy]
        self.names = {name.replace(",", ";"): name for name in plain}  # the filter's list of names has commas between them
        arrays = ("decoder", "joint_token", "vision", "joint")
        self.names.update({"relevancy: " + array: "relevancy, exact: " + array for array in arrays}, random=RANDOM)
        # One filter for relevancy's arrays: rollout's is called decoder, too.
        self.filters = [
            pointing_game.LVLMFaithfulness(Input=trace, Random=args.random, Maps=list(plain.values()), Names=",".join(list(self.names)[:len(plain)]), **settings),
            pointing_game.LVLMFaithfulness(Input=trace, Random=0, Maps=[relevancy], Arrays=list(arrays),
                                           Names=",".join("relevancy: " + array for array in arrays), **settings)]

    def scores(self, tokens: list[int]) -> dict[str, list[float]]:
        """{map: numbers of COLUMNS}."""
        for source in [*self.choosing, *self.filters]:
            servermanager._getPyProxy(source.SMProxy).AnswerTokens = tokens
        self.graph.AnswerToken = tokens[0]
        found = {}
        for source in self.filters:
            source.UpdatePipeline()
            table = servermanager.Fetch(source, idx=1)
            for row in range(table.GetNumberOfRows()):
                name = table.GetValueByName(row, "map").ToString()
                if name in self.names:  # all but the random orders' deviation
                    found[self.names[name]] = [table.GetValueByName(row, column).ToDouble() for column in COLUMNS]
        return found


class Kept:
    """What was found of a kind: a line a scene, {"tried": scenes drawn so far, "scores": {map: numbers of COLUMNS}}, and the settings first."""

    def __init__(self, args: argparse.Namespace, kind: str):
        self.file = args.keep / f"{kind}.jsonl" if args.keep else None
        settings = {name: str(getattr(args, name)) for name in ("steps", "random", "seed", "fill", "model")}
        lines = self.file.read_text(encoding="utf-8").splitlines() if self.file and self.file.is_file() else []
        if lines and json.loads(lines[0]) != settings:
            sys.exit(f"{self.file} was made with other settings: {lines[0]}")
        self.scenes = [json.loads(line) for line in lines[1:]]
        if self.file and not lines:
            args.keep.mkdir(parents=True, exist_ok=True)
            self.file.write_text(json.dumps(settings) + "\n", encoding="utf-8")

    def tried(self) -> int:
        return self.scenes[-1]["tried"] if self.scenes else 0

    def add(self, tried: int, scores: dict[str, list[float]]) -> None:
        self.scenes.append({"tried": tried, "scores": scores})
        if self.file:
            with self.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(self.scenes[-1]) + "\n")

    def scores(self, scenes: int) -> dict[str, np.ndarray]:
        """{map: [scenes, columns]}."""
        rows = [scene["scores"] for scene in self.scenes[:scenes]]
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def cell(values: np.ndarray) -> str:
    return "%.3f ± %.3f" % (values.mean(), values.std() / np.sqrt(len(values)))


def best(scores: dict[str, np.ndarray], column: int, sign: int) -> set[str]:
    """The map whose mean is largest, or smallest with sign -1, and those that two errors of the difference do not tell apart from it. None
    where it is no better than random orders."""
    own = {name: sign * values[:, column] for name, values in scores.items()}
    first = max((name for name in own if name != RANDOM), key=lambda name: own[name].mean())
    difference = {name: own[first] - values for name, values in own.items()}
    equal = {name for name, less in difference.items() if less.mean() <= max(2 * less.std() / np.sqrt(len(less)), LEAST)}
    return set() if RANDOM in equal else equal


def bold(text: str, really: bool) -> str:
    return "**%s**" % text if really else text


def among_the_best(good: dict[str, set[str]]) -> str:
    """In how many kinds of questions each map is, where any is."""
    count = {name: sum(name in names for names in good.values()) for name in set().union(*good.values())}
    told = sum(map(bool, good.values()))
    found = "; ".join("%s, %d" % (name, count[name]) for name in sorted(count, key=lambda name: (-count[name], name)))
    return "Among the best, of the %d kinds in which any map is better than random orders: %s." % (told, found or "none")


def against_random(scores: dict[str, dict[str, np.ndarray]]) -> str:
    """Deletion less random orders', a column a kind."""
    kinds = list(scores)
    difference = {kind: {name: values - found[RANDOM] for name, values in found.items()} for kind, found in scores.items()}
    good = {kind: best(difference[kind], 0, -1) for kind in kinds}
    names = sorted(next(iter(scores.values())), key=lambda name: np.mean([difference[kind][name][:, 0].mean() for kind in kinds]))
    lines = ["| map | %s |" % " | ".join(KINDS[kind] for kind in kinds), "|---" * (len(kinds) + 1) + "|"]
    for name in names:
        if name != RANDOM:
            cells = [bold(cell(difference[kind][name][:, 0]), name in good[kind]) for kind in kinds]
            lines.append("| %s | %s |" % (name, " | ".join(cells)))
    return "\n".join([*lines, "", among_the_best(good)])


def everything(scores: dict[str, dict[str, np.ndarray]]) -> str:
    """All four numbers, a row a kind and map."""
    lines = ["| question | map | %s |" % " | ".join(COLUMNS), "|---" * (len(COLUMNS) + 2) + "|"]
    for kind, found in scores.items():
        good = [best(found, column, sign) for column, sign in enumerate((-1, 1, 1, -1))]
        for name in sorted(found, key=lambda name: (name == RANDOM, found[name][:, 0].mean())):
            cells = [bold(cell(found[name][:, column]), name in good[column]) for column in range(len(COLUMNS))]
            lines.append("| %s | %s | %s |" % (KINDS[kind], name, " | ".join(cells)))
    return "\n".join(lines)


def write(text: str) -> None:
    """Between the marks of the page."""
    page = PAGE.read_text(encoding="utf-8")
    pattern = re.compile(r"(?<=%s\n).*?(?=\n%s)" % tuple(map(re.escape, MARKS)), re.DOTALL)
    if not pattern.search(page):
        sys.exit(f"{PAGE} has no lines '{MARKS[0]}' and '{MARKS[1]}'")
    PAGE.write_text(pattern.sub(lambda _: text, page), encoding="utf-8")


def main() -> None:
    args = arguments()
    simple.LoadPlugin(str(args.plugin.resolve()), remote=False, ns=vars(pointing_game))
    scores: dict[str, dict[str, np.ndarray]] = {}
    test = None
    with tempfile.TemporaryDirectory() as folder:
        pipeline = pointing_game.Pipeline(folder, args.model)
        for kind in args.kinds:
            kept = Kept(args, kind)
            for tried, (scene, question) in enumerate(asked(np.random.default_rng(args.seed), kind), 1):
                if len(kept.scenes) >= args.scenes:
                    break
                if tried <= kept.tried():  # by a run before this one
                    continue
                if tried > 20 * args.scenes:
                    sys.exit(f"{kind}: the model gave only {len(kept.scenes)} of the wanted answers to {tried} questions")
                if pipeline.ask(scene.image, question.text).strip() != question.answer:
                    continue
                test = test or Test(pipeline, args)
                kept.add(tried, test.scores([pipeline.token_of(word) for word in question.answer_word.split()]))
                print(f"{kind}: {len(kept.scenes)} of {args.scenes} scenes", file=sys.stderr, flush=True)
            scores[kind] = kept.scores(args.scenes)
    told = f"{args.scenes} scenes for each kind of question, seed {args.seed}, {args.fill}, {args.steps} steps, {args.random} random orders."
    text = "\n\n".join((told, against_random(scores), "<details><summary>All four numbers</summary>", everything(scores), "</details>"))
    if pipeline.trace:  # not when all scenes were kept
        print(f"model: {pipeline.trace.ModelInformation}")
    print(text)
    if args.write:
        write(text)


if __name__ == "__main__":
    main()
