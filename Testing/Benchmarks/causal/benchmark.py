# SPDX-License-Identifier: Apache-2.0
"""Speed of Models/Causal against causality-lab, side by side in one run.

    benchmark.py CAUSALITY_LAB LVLM_CAUSAL_RUN [--heads 32] [--threads 2] [--seed 0]

CAUSALITY_LAB is a checkout of IntelLabs/causality-lab, LVLM_CAUSAL_RUN the built program lvlmCausalRun. Makes the last
layer of a 7B-size trace (32 heads, 620 positions, 576 image tokens of which 50 become nodes), explains one answer token
by every head with both, and prints seconds (and processor time, for a busy machine), their ratio, and whether the
results are equal. causality-lab runs from its untouched sources, one head after the other, as LVLM-Interpret does. Only what both do is timed: correlation,
structure, explanation.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "Golden"))
from causal_goldens import select  # noqa: E402
from causal_reference import Reference, learn, pairs  # noqa: E402

POSITIONS, IMAGE_START, IMAGE_COUNT, PROMPT_LENGTH, ANSWER_TOKEN = 620, 35, 576, 616, 4


def head_attention(rng, target):
    """float32 [K, K]: causal softmax of low-rank logits with an attention sink; the target attends to 60 patches."""
    rank = 12
    queries = rng.standard_normal((POSITIONS, rank))
    keys = rng.standard_normal((POSITIONS, rank))
    for i in range(1, POSITIONS):  # neighbours and repeated patches look alike
        if rng.random() < .6:
            queries[i] = .8 * queries[max(0, i - 1 - rng.integers(24))] + .6 * queries[i]
    logits = queries @ keys.T / 2
    logits[:, 0] += 4
    logits[target] *= .3
    logits[target, IMAGE_START + rng.choice(IMAGE_COUNT, 60, replace=False)] += 4
    logits[np.triu_indices(POSITIONS, 1)] = -np.inf
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def edges_of(code, nodes):
    left, right = "o<-", "o>-"
    edges = []
    for character, (a, b) in zip(code, pairs(nodes)):
        if character != ".":
            first, second = divmod(ord(character) - ord("a"), 3)
            edges.append([a, b, left[first] + "-" + right[second]])
    return edges


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("causality_lab", type=Path)
    parser.add_argument("lvlm_causal_run", type=Path)
    parser.add_argument("--heads", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    target = PROMPT_LENGTH - 1 + ANSWER_TOKEN
    rng = np.random.default_rng(options.seed)
    layer = np.stack([head_attention(rng, target) for _ in range(options.heads)])  # [heads, K, K]

    with tempfile.NamedTemporaryFile(suffix=".f32") as file:
        layer.astype("<f4").tofile(file.name)
        ours = {}
        for threads in sorted({1, options.threads}):
            arguments = [file.name, options.heads, POSITIONS, IMAGE_START, IMAGE_COUNT, PROMPT_LENGTH, ANSWER_TOKEN,
                         threads]
            answer = subprocess.run([options.lvlm_causal_run, *map(str, arguments)], check=True, capture_output=True)
            ours[threads] = json.loads(answer.stdout)
    for threads, result in ours.items():
        print(f"lvlm::causal, {threads} thread(s): {result['seconds']:.4f} s, processor {result['cpu_seconds']:.4f} s",
              flush=True)

    seconds, cpu, same, nodes = 0.0, 0.0, {"untouched": 0, "ascending": 0}, []
    plain = Reference(options.causality_lab, ordered=False)
    ascending = Reference(options.causality_lab, ordered=True)
    for number, (matrix, mine) in enumerate(zip(layer, ours[1]["heads"])):
        row = matrix[target].astype(np.float64)
        chosen = select(row, IMAGE_START, IMAGE_COUNT, target, .005, 50)
        nodes.append(len(chosen))
        differing = {}
        for name, reference in (("untouched", plain), ("ascending", ascending)):
            started, started_cpu = time.perf_counter(), time.process_time()
            run = learn(reference, matrix, chosen, 128, 1e-5, [target])
            if name == "untouched":
                seconds += time.perf_counter() - started
                cpu += time.process_time() - started_cpu
            theirs = {"nodes": chosen, "edges": edges_of(run["graph"], chosen), "tests": run["tests"],
                      "explanations": run["explanations"][0]}
            differing[name] = [field for field, value in theirs.items() if mine[field] != value]
            same[name] += not differing[name]
        print(f"  head {number}: {len(chosen)} nodes, tests {run['tests']}, causality-lab {seconds:.1f} s so far, "
              f"fields that differ: {differing}", flush=True)
    print(f"causality-lab: {seconds:.2f} s, processor {cpu:.2f} s, for {options.heads} heads of {min(nodes)} to "
          f"{max(nodes)} nodes")
    for threads, result in ours.items():
        print(f"ratio, {threads} thread(s): {seconds / result['seconds']:.0f}, of processor time "
              f"{cpu / result['cpu_seconds']:.0f}")
    print(f"equal in every field: {same['ascending']} of {options.heads} heads with causality-lab's sets walked in "
          f"ascending order, {same['untouched']} with Python's own order of sets")


if __name__ == "__main__":
    main()
