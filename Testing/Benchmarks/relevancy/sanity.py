# SPDX-License-Identifier: Apache-2.0
"""Do the maps depend on what the model has learned? Their rank correlation with themselves while the model is randomized.

    pvpython sanity.py [--plugin LVLMInterpret.so] [--model FOLDER] [--scenes 10] [--seed 20240505]

lvlm.sanity_check (Adebayo et al. 2018) on the scenes, questions and colour words of pointing_game.py, right answers only: parts of the
model are randomized from the output down to the pixels, each with the ones before it. Spearman's correlation with the true map, mean over
scenes with one standard error. A map that stays as it is does not tell what the model has learned. nan: a map that is the same everywhere.
"""
import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import pointing_game
from paraview import simple


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plugin", type=Path, default=pointing_game.ROOT / "build/lib/LVLMInterpret/LVLMInterpret.so")
    parser.add_argument("--model", type=Path, default=None, help="checkpoint folder; default: the embedded model")
    parser.add_argument("--scenes", type=int, default=10)
    parser.add_argument("--seed", type=int, default=20240505, help="no seed of the training")
    return parser.parse_args()


def report(scores: dict[str, dict[str, list]]) -> str:
    """scores: {part: {map: correlations}}."""
    names = list(next(iter(scores.values())))
    lines = ["| randomized down to | %s |" % " | ".join(names), "|---" * (len(names) + 1) + "|"]
    for part, maps in scores.items():
        cells = []
        for name in names:
            known = [value for value in maps[name] if not np.isnan(value)]
            cells.append("%.2f ± %.2f" % (np.mean(known), np.std(known) / np.sqrt(len(known))) if known else "nan")
        lines.append("| %s | %s |" % (part or "nothing", " | ".join(cells)))
    return "\n".join(lines)


def main() -> None:
    args = arguments()
    simple.LoadPlugin(str(args.plugin.resolve()), remote=False, ns=vars(pointing_game))
    import lvlm
    rng = np.random.default_rng(args.seed)
    scores: dict[str, dict[str, list]] = {}
    used = 0
    with tempfile.TemporaryDirectory() as folder:
        pipeline = pointing_game.Pipeline(folder, args.model)
        for scene, question in pointing_game.colour_questions(rng):
            if used == args.scenes:
                break
            if pipeline.ask(scene.image, question.text).strip() != question.answer:
                continue
            used += 1
            for row in lvlm.sanity_check(pipeline.trace, pipeline.token_of(question.answer_word), seed=args.seed + used):
                scores.setdefault(row["part"], {}).setdefault(row["map"], []).append(row["correlation"])
            print(f"{used} scenes", file=sys.stderr, flush=True)
    print(f"{used} scenes, seed {args.seed}; model: {pipeline.trace.ModelInformation}")
    print(report(scores))


if __name__ == "__main__":
    main()
