# SPDX-License-Identifier: Apache-2.0
"""Does the answer depend on what the maps name?

    pvpython faithfulness.py [--plugin LVLMInterpret.so] [--model FOLDER] [--scenes 20] [--seed 20240505] [--fill "Mean Color"]

The scenes, questions and colour words of pointing_game.py, right answers only; LVLMFaithfulness on all maps of the colour word at
once. A row a map: means over scenes with one standard error; `better than random` is the share of scenes whose deletion area is
below that of all the random orders' mean by more than their standard deviation. Of the random orders the error is over scenes, too.
"""
import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import pointing_game
from paraview import servermanager, simple

COLUMNS = ("deletion", "insertion", "comprehensiveness", "sufficiency")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plugin", type=Path, default=pointing_game.ROOT / "build/lib/LVLMInterpret/LVLMInterpret.so")
    parser.add_argument("--model", type=Path, default=None, help="checkpoint folder; default: the embedded model")
    parser.add_argument("--scenes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=20240505, help="no seed of the training")
    parser.add_argument("--fill", default="Mean Color")
    return parser.parse_args()


class Test:
    """LVLMFaithfulness on all maps of a pipeline's trace."""

    def __init__(self, pipeline, fill: str):
        trace, make = pipeline.trace, pipeline.filters
        graph, occlusion = pointing_game.LVLMCausalGraph(Input=trace), pointing_game.LVLMOcclusion(Input=trace, Fill=fill)
        self.graph, self.plain = graph, [make["attention"], make["rollout, mean"], occlusion]
        relevancy = make["exact"]
        arrays = ("decoder", "joint_token", "vision", "joint")
        # One filter an array: of rollout and relevancy both are called decoder.
        self.relevancy = relevancy
        self.filters = [
            pointing_game.LVLMFaithfulness(Input=trace, Fill=fill, Names="attention, rollout, occlusion, causal weights",
                                    Maps=[*self.plain, simple.OutputPort(graph, 3)]),
            pointing_game.LVLMFaithfulness(Input=trace, Fill=fill, Arrays=list(arrays), Random=0, Maps=[relevancy],
                                    Names=", ".join("relevancy: " + name for name in arrays))]

    def scores(self, token: int) -> dict[str, list[float]]:
        for source in [*self.plain, self.relevancy, *self.filters]:
            source.AnswerTokens = [token]
        self.graph.AnswerToken = token
        found = {}
        for source in self.filters:
            source.UpdatePipeline()
            table = servermanager.Fetch(source, idx=1)
            for row in range(table.GetNumberOfRows()):
                found[table.GetValueByName(row, "map").ToString()] = [table.GetValueByName(row, c).ToDouble() for c in COLUMNS]
        return found


def report(scores: dict[str, list]) -> str:
    spread = np.array(scores.pop("random, standard deviation"))
    random = np.array(scores["random"])
    lines = ["| map | %s | better than random |" % " | ".join(COLUMNS), "|---" * (len(COLUMNS) + 2) + "|"]
    for name, rows in sorted(scores.items(), key=lambda item: (item[0] == "random", np.mean(item[1], axis=0)[0])):
        values = np.array(rows)
        error = values.std(axis=0) / np.sqrt(len(values))
        better = np.mean(values[:, 0] < random[:, 0] - spread[:, 0])
        cells = ["%.3f ± %.3f" % pair for pair in zip(values.mean(axis=0), error)]
        lines.append("| %s | %s | %s |" % (name, " | ".join(cells), "" if name == "random" else "%.0f%%" % (100 * better)))
    return "\n".join(lines)


def main() -> None:
    args = arguments()
    simple.LoadPlugin(str(args.plugin.resolve()), remote=False, ns=vars(pointing_game))
    rng = np.random.default_rng(args.seed)
    scores: dict[str, list] = {}
    used, test = 0, None
    with tempfile.TemporaryDirectory() as folder:
        pipeline = pointing_game.Pipeline(folder, args.model)
        for scene, question in pointing_game.colour_questions(rng):
            if used == args.scenes:
                break
            if pipeline.ask(scene.image, question.text).strip() != question.answer:
                continue
            test = test or Test(pipeline, args.fill)
            used += 1
            for name, row in test.scores(pipeline.token_of(question.answer_word)).items():
                scores.setdefault(name, []).append(row)
            print(f"{used} scenes", file=sys.stderr, flush=True)
    print(f"{used} scenes, seed {args.seed}, {args.fill}; model: {pipeline.trace.ModelInformation}")
    print(report(scores))


if __name__ == "__main__":
    main()
