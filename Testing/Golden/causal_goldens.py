# SPDX-License-Identifier: Apache-2.0
"""Reference results for Models/Causal, from a checkout of IntelLabs/causality-lab.

    causal_goldens.py CAUSALITY_LAB [--output Testing/Data/causal] [--attention DIR]

writes cases.json (learned graphs of generated attention matrices), pipeline.json (whole explanations of attention with
an image span), truth.json (linear-Gaussian data of known graphs) and, with --attention, model.json + model.f32
(attention of a real model: DIR/attention.npy, float32 [heads, K, K], and DIR/layout.json with image_start, image_count,
prompt_length, answer_tokens).

Goldens are causality-lab's results with its sets walked in ascending order (causal_reference.py tells why);
`order_dependent` lists for each run the fields that came out differently from the untouched sources or under another
order, `native_same` tells whether the untouched sources gave the same.
"""

import argparse
import json
import random
import time
from pathlib import Path

import numpy as np

from causal_matrices import attention, image_attention
from causal_reference import OrderedSet, Reference, attempt, graph_code, learn


def golden_run(plain, ordered, matrix, nodes, samples, alpha, targets):
    OrderedSet.rank = None
    conditions = []
    golden = attempt(ordered, matrix, nodes, samples, alpha, targets, watch=conditions)
    if "raises" in golden:
        return golden
    golden["ill_conditioned"] = bool(max(conditions, default=1.0) > 1e9)
    others = [attempt(plain, matrix, nodes, samples, alpha, targets)]
    native_same = all(others[0].get(k) == golden[k] for k in others[0] if k != "largest_p")
    shuffled = sorted(nodes)
    for seed in range(2 if len(nodes) <= 16 else 0):
        if seed == 0:
            shuffled.reverse()
        else:
            random.Random(seed).shuffle(shuffled)
        OrderedSet.rank = {node: i for i, node in enumerate(shuffled)}
        others.append(attempt(ordered, matrix, nodes, samples, alpha, targets))
    OrderedSet.rank = None
    fields = ("graph", "separators", "tests", "explanations")
    golden["order_dependent"] = [f for f in fields if any(o.get(f) != golden[f] for o in others)]
    golden["native_same"] = native_same
    return golden


# --- the files -----------------------------------------------------------------------------------------------------
def case_list():
    """(kind, tokens, seed, sparsity, samples, alpha)"""
    cases = []
    seed = 1
    settings = ((300, 128, 1e-5), (600, 128, 1e-3), (800, 64, .01), (900, 256, .05))
    for n, some in ((5, settings), (7, settings), (8, settings), (10, settings), (12, settings), (16, settings),
                    (20, settings), (25, settings), (30, settings[:2]), (36, settings[:2]),
                    (45, ((800, 128, 1e-5), (950, 128, .001))), (60, ((850, 128, 1e-5), (950, 128, .001)))):
        for kind in ("sparse", "sink", "local", "chain", "latent"):
            for sparsity, samples, alpha in some:
                cases.append((kind, n, seed, sparsity, samples, alpha))
                seed += 1
    for n in (5, 9, 14, 24):
        for kind in ("constant", "identity", "first", "duplicate", "rank2", "zero"):
            cases.append((kind, n, seed, 500, 128, 1e-5))
            seed += 1
    for n in (6, 9, 11, 14):
        for kind in ("sparse", "sink", "local", "chain", "latent"):
            for sparsity, samples, alpha in settings:
                cases.append((kind, n, seed, sparsity, samples, alpha))
                seed += 1
    # Dense graphs of many nodes are left out: causality-lab's path searches would take hours.
    cases = [c for c in cases if c[1] < 16 or c[0] not in ("sink", "chain", "latent") or c[5] <= 1e-3]
    return sorted(cases, key=lambda c: (c[1], c[2]))


def make_cases(plain, ordered, limit, finished):
    """`finished`: a file that keeps each case as it is done, so that an interrupted run goes on where it was."""
    done = [json.loads(line) for line in finished.read_text().splitlines()] if finished.exists() else []
    done = {case["seed"]: case for case in done}
    result = []
    for number, (kind, n, seed, sparsity, samples, alpha) in enumerate(case_list()):
        if seed in done:
            result.append(done[seed])
            continue
        started = time.process_time()
        matrix = attention(kind, n, seed, sparsity)
        targets = [n - 1, n // 2]
        case = {"kind": kind, "tokens": n, "seed": seed, "sparsity": sparsity, "samples": samples, "alpha": alpha,
                "targets": targets, "run": golden_run(plain, ordered, matrix, list(range(n)), samples, alpha, targets)}
        result.append(case)
        with finished.open("a") as file:
            file.write(json.dumps(case, separators=(",", ":")) + "\n")
        run = case["run"]
        flags = run.get("raises") or (run["order_dependent"], run["ill_conditioned"], sum(run["tests"]))
        print(f"{number} {kind} {n} {sparsity} {alpha} {time.process_time() - started:.1f} s {flags}", flush=True)
        if limit and number + 1 >= limit:
            break
    return result


# --- whole explanations ------------------------------------------------------------------------------------------
def select(row, image_start, image_count, target, threshold, maximum):
    """LVLM-Interpret's choice of tokens, with a stable sort: of equal weights the later position first."""
    count = min(max(2, int(np.sum(row > threshold))), maximum)
    image = row[image_start:image_start + image_count]
    top = [int(i) + image_start for i in np.argsort(image, kind="stable")[::-1][:count]]
    text = [p for p in range(image_start + image_count, target) if row[p] > threshold]
    return sorted(top + text + [target])


def explain(reference, matrix, image_start, image_count, target, threshold=.005, samples=128, alpha=1e-5, radii=3,
            maximum=50):
    """What LVLM-Interpret's causality page computes for one head, with causality-lab."""
    row = matrix[target].astype(np.float64)
    nodes = select(row, image_start, image_count, target, threshold, maximum)
    run = learn(reference, matrix, nodes, samples, alpha, [target], radii)
    # The page sets num_records to the number of tokens, which makes each of its weights NaN; here it stays `samples`.
    test = reference.CLEANN(matrix.astype(np.float64), samples, alpha, None, nodes_set=reference.set(nodes)).ci_test
    image = range(image_start, image_start + image_count)
    found = run["explanations"][0][-1]
    weight = {}
    for kind in ([v for v in found if v in image], [v for v in found if v not in image]):
        for node in kind:
            p = test.calc_statistic(node, target, tuple(v for v in kind if v != node))
            weight[node] = 1 - min(float(p), 1)
    run["nodes"] = nodes
    run["weights"] = [round(weight[v] * 1e10) for v in found]
    run["importance"] = float(max(row[image_start:image_start + image_count]) / max(row[image_start + image_count:]))
    return run


def make_pipeline(ordered):
    """(positions, image_start, image_count, prompt_length, answer_token, seed)"""
    OrderedSet.rank = None
    cases = []
    layouts = [(60, 10, 36, 50, t, seed) for t, seed in ((0, 1), (4, 2), (10, 3))]
    layouts += [(160, 12, 100, 120, t, seed) for t, seed in ((0, 4), (20, 5), (40, 6))]
    layouts += [(620, 35, 576, 616, 4, seed) for seed in (7, 8)]
    for n, start, count, prompt, token, seed in layouts:
        started = time.time()
        run = explain(ordered, image_attention(n, start, count, seed), start, count, prompt - 1 + token)
        cases.append({"positions": n, "image_start": start, "image_count": count, "prompt_length": prompt,
                      "answer_token": token, "seed": seed, **run})
        print(n, seed, len(run["nodes"]), run["tests"], f"{time.time() - started:.1f} s", flush=True)
    return cases


def make_model(ordered, folder, output):
    """Attention of a real model; model.f32 is the raw tensor [heads, K, K]."""
    OrderedSet.rank = None
    attention_file = np.load(folder / "attention.npy").astype("<f4")
    layout = json.loads((folder / "layout.json").read_text())
    attention_file.tofile(output / "model.f32")
    cases = []
    for token in layout["answer_tokens"]:
        for head in range(attention_file.shape[0]):
            run = explain(ordered, attention_file[head], layout["image_start"], layout["image_count"],
                          layout["prompt_length"] - 1 + token)
            cases.append({"positions": attention_file.shape[1], "image_start": layout["image_start"],
                          "image_count": layout["image_count"], "prompt_length": layout["prompt_length"],
                          "answer_token": token, "head": head, **run})
    return cases


# --- data of known graphs ----------------------------------------------------------------------------------------
def random_dag(rng, observed, latent, degree):
    """Nodes in causal order; the latent ones come first, each with at least two observed children."""
    n = latent + observed
    parents = {i: set() for i in range(n)}
    for child in range(latent + 1, n):
        for parent in range(latent, child):
            if rng.random() < degree / (observed - 1):
                parents[child].add(parent)
    for hidden in range(latent):
        for child in rng.choice(np.arange(latent, n), size=2 + int(rng.integers(2)), replace=False):
            parents[int(child)].add(hidden)
    return parents


def marks_differ(code, truth):
    """Number of edge ends that differ; a missing edge differs at both ends."""
    def ends(character):
        if character == ".":
            return (0, 0)
        first, second = divmod(ord(character) - ord("a"), 3)
        return (first + 1, second + 1)
    return sum(x != y for c, t in zip(code, truth) for x, y in zip(ends(c), ends(t)))


def make_truth(ordered):
    """Correlation of linear-Gaussian data, the true graph (d-separation oracle) and causality-lab's errors."""
    OrderedSet.rank = None
    cases = []
    for seed in range(30):
        rng = np.random.default_rng(1000 + seed)
        observed, latent, samples = 8 + seed % 5, 1 + seed % 4, (300, 1000, 5000)[seed % 3]
        parents = random_dag(rng, observed, latent, 2.0)
        n = observed + latent
        mixing = np.eye(n)  # rows: nodes as sums of noises
        for child in range(n):
            for parent in sorted(parents[child]):
                weight = rng.uniform(.5, 1.5) * (1 if rng.random() < .5 else -1)
                mixing[child] += weight * mixing[parent]
        data = rng.standard_normal((samples, n)) @ mixing.T
        data = data[:, latent:]
        population = mixing[latent:] @ mixing[latent:].T
        scale = 1 / np.sqrt(np.diag(population))
        dag = ordered.DAG(ordered.set(range(n)))
        for child, its in parents.items():
            dag.add_edges(ordered.set(its), child)
        nodes = list(range(latent, n))
        case = {"seed": seed, "samples": samples, "alpha": .01,
                "correlation": upper(np.corrcoef(data, rowvar=False), 12),
                "population": upper(population * scale * scale[:, None], 17)}
        graphs = []
        for test in (ordered.DSep(true_dag=dag, count_tests=True, use_cache=True),
                     ordered.ParCorr(.01, data, count_tests=True, use_cache=True)):
            # The data test numbers the observed nodes from 0.
            its = nodes if test.__class__.__name__ == "DSep" else list(range(observed))
            learner = ordered.OrderedICD(ordered.set(its), its, test, is_selection_bias=False)
            learner.learn_structure()
            graphs.append(graph_code(learner.graph, its))
        case |= {"truth": graphs[0], "reference_errors": marks_differ(graphs[1], graphs[0])}
        cases.append(case)
        print("truth", seed, case["reference_errors"], flush=True)
    return cases


def upper(matrix, digits):
    return [float(f"{matrix[i, j]:.{digits}g}") for i in range(len(matrix)) for j in range(i + 1, len(matrix))]


def dumps(document):
    """One case a line: small, and a change shows as a changed line."""
    head = {k: v for k, v in document.items() if k != "cases"}
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in document["cases"])
    return json.dumps(head, separators=(",", ":"))[:-1] + ',"cases":[\n' + lines + "\n]}\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("causality_lab", type=Path)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent.parent / "Data" / "causal")
    parser.add_argument("--attention", type=Path)
    parser.add_argument("--only", choices=("cases", "pipeline", "truth", "model"))
    parser.add_argument("--limit", type=int, default=0, help="stop after so many cases (for trying things out)")
    options = parser.parse_args()
    plain = Reference(options.causality_lab, ordered=False)
    ordered = Reference(options.causality_lab, ordered=True)
    about = {"made_by": "Testing/Golden/causal_goldens.py from IntelLabs/causality-lab"}
    if options.only in (None, "cases"):
        finished = options.output / "cases.partial"
        document = {**about, "cases": make_cases(plain, ordered, options.limit, finished)}
        (options.output / "cases.json").write_text(dumps(document))
        finished.unlink()
    if options.only in (None, "pipeline"):
        (options.output / "pipeline.json").write_text(dumps({**about, "cases": make_pipeline(ordered)}))
    if options.only in (None, "truth"):
        (options.output / "truth.json").write_text(dumps({**about, "cases": make_truth(ordered)}))
    if options.attention is not None:
        cases = make_model(ordered, options.attention, options.output)
        (options.output / "model.json").write_text(dumps({**about, "cases": cases}))


if __name__ == "__main__":
    main()
