# SPDX-License-Identifier: Apache-2.0
"""Does an answer depend on the nodes that causal graphs explain it by? LVLM Node Test on many scenes.

    pvpython nodes.py [--plugin LVLMInterpret.so] [--model FOLDER] [--scenes 50] [--draws 20] [--seed 20240505]

The scenes, questions and colour words of Testing/Benchmarks/relevancy/pointing_game.py, right answers only; the last layer's causal graphs of
all heads. By radius: explanations of that radius (heads and scenes), their nodes, how far the colour word's log-probability falls when these
are hidden and when as many random nodes of the same graph are, the difference with one standard error over scenes (mean of a scene's heads),
and the share of explanations with a p-value of 0.05 at most, of which chance would give 5%.
"""
import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "relevancy"))
import pointing_game  # noqa: E402
from paraview import servermanager, simple  # noqa: E402

COLUMNS = ("radius", "nodes", "drop", "random_drop", "p_value")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plugin", type=Path, default=pointing_game.ROOT / "build/lib/LVLMInterpret/LVLMInterpret.so")
    parser.add_argument("--model", type=Path, default=None, help="checkpoint folder; default: the embedded model")
    parser.add_argument("--scenes", type=int, default=50)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--seed", type=int, default=20240505, help="no seed of the training")
    return parser.parse_args()


def report(rows: np.ndarray) -> str:
    """rows: scene, then COLUMNS."""
    lines = ["| radius | explanations | nodes | hidden nodes | random nodes | difference | p at most 0.05 |", "|---|---|---|---|---|---|---|"]
    for radius in np.unique(rows[:, 1]):
        of = rows[rows[:, 1] == radius]
        difference = np.array([np.mean(of[of[:, 0] == scene][:, 3] - of[of[:, 0] == scene][:, 4]) for scene in np.unique(of[:, 0])])
        lines.append("| up to %d | %d | %.1f | %.4f | %.4f | %.4f ± %.4f | %.0f%% |" % (
            radius, len(of), *of[:, 2:5].mean(axis=0), difference.mean(), difference.std() / np.sqrt(len(difference)), 100 * np.mean(of[:, 5] <= 0.05)))
    return "\n".join(lines)


def main() -> None:
    args = arguments()
    simple.LoadPlugin(str(args.plugin.resolve()), remote=False, ns=vars(pointing_game))
    rng = np.random.default_rng(args.seed)
    rows, used, tested = [], 0, None
    with tempfile.TemporaryDirectory() as folder:
        pipeline = pointing_game.Pipeline(folder, args.model)
        for scene, question in pointing_game.colour_questions(rng):
            if used == args.scenes:
                break
            if pipeline.ask(scene.image, question.text).strip() != question.answer:
                continue
            if tested is None:
                graph = pointing_game.LVLMCausalGraph(Input=pipeline.trace)
                tested = pointing_game.LVLMNodeTest(Input=pipeline.trace, Nodes=simple.OutputPort(graph, 1), Draws=args.draws)
            graph.AnswerToken, tested.Seed = pipeline.token_of(question.answer_word), used
            used += 1
            table = servermanager.Fetch(tested)
            for row in range(table.GetNumberOfRows()):
                rows.append([used, *(table.GetValueByName(row, column).ToDouble() for column in COLUMNS)])
            print(f"{used} scenes", file=sys.stderr, flush=True)
    print(f"{used} scenes, seed {args.seed}, {args.draws} draws; model: {pipeline.trace.ModelInformation}")
    print(report(np.array(rows)))


if __name__ == "__main__":
    main()
