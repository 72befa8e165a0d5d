# SPDX-License-Identifier: Apache-2.0
"""Reference results for Models/Causal, from a checkout of IntelLabs/causality-lab.

    causal_goldens.py CAUSALITY_LAB [--output Testing/Data/causal] [--attention DIR]

writes cases.json (learned graphs of generated attention matrices), pipeline.json (whole explanations of attention with
an image span), truth.json (linear-Gaussian data of known graphs) and, with --attention, model.json + model.f32
(attention of a real model: DIR/attention.npy, float32 [heads, K, K], and DIR/layout.json with image_start, image_count,
prompt_length, answer_tokens).

Matrices are not stored: the tests make them again from integers (see `weights`, mirrored in Testing/Causal/Generate.h).

causality-lab walks Python sets. Their order follows hash values and insertion history and, through a set of strings,
PYTHONHASHSEED, so its result on contradictory data is one of several. `Reference` therefore loads its sources twice: as
they are, and with every set replaced by one that iterates in a chosen order. Results with ascending order are the
goldens; `order_dependent` lists for each run the fields that came out differently from the untouched sources or under
another order.
"""

import argparse
import ast
import importlib
import importlib.abc
import importlib.machinery
import json
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np

TIME_LIMIT = 20  # CPU seconds for one run of the reference
PACKAGES = ("causal_discovery_algs", "causal_discovery_utils", "causal_reasoning", "graphical_models",
            "experiment_utils")


# --- causality-lab with a chosen order of sets ---------------------------------------------------------------
class OrderedSet(set):
    """A set that iterates by `rank` of its integers; other elements go by their text."""

    rank = None

    def __iter__(self):
        items = list(super().__iter__())
        if items and isinstance(items[0], (int, np.integer)):
            items.sort(key=None if OrderedSet.rank is None else OrderedSet.rank.__getitem__)
        else:
            items.sort(key=str)
        return iter(items)

    def copy(self):
        return OrderedSet(self)


for _name in ("__and__", "__or__", "__sub__", "__xor__", "__rand__", "__ror__", "__rsub__", "union", "intersection",
              "difference"):
    def _wrap(self, *others, _method=getattr(set, _name)):
        result = _method(self, *others)
        return OrderedSet(result) if isinstance(result, set) else result
    setattr(OrderedSet, _name, _wrap)


class _SetRewriter(ast.NodeTransformer):
    """{a, b} and {x for ...} become OrderedSet([...]); the name `set` is bound to OrderedSet."""

    @staticmethod
    def _call(argument, node):
        call = ast.Call(func=ast.Name(id="set", ctx=ast.Load()), args=[argument], keywords=[])
        return ast.copy_location(call, node)

    def visit_Set(self, node):
        self.generic_visit(node)
        return self._call(ast.List(elts=node.elts, ctx=ast.Load()), node)

    def visit_SetComp(self, node):
        self.generic_visit(node)
        return self._call(ast.GeneratorExp(elt=node.elt, generators=node.generators), node)


class _OrderedLoader(importlib.machinery.SourceFileLoader):
    def source_to_code(self, data, path, *, _optimize=-1):
        tree = ast.fix_missing_locations(_SetRewriter().visit(ast.parse(data)))
        return compile(tree, path, "exec", dont_inherit=True, optimize=_optimize)

    def get_code(self, fullname):  # never from a cache of compiled files
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)

    def exec_module(self, module):
        module.__dict__["set"] = OrderedSet
        super().exec_module(module)


class _OrderedFinder(importlib.abc.MetaPathFinder):
    def __init__(self, root):
        self.root = str(root)

    def find_spec(self, fullname, path, target=None):
        if fullname.split(".")[0] not in PACKAGES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path or [self.root])
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _OrderedLoader(spec.loader.name, spec.loader.path)
        return spec


class Reference:
    """causality-lab's classes; with `ordered`, OrderedSet.rank decides how its sets are walked."""

    def __init__(self, root, ordered):
        for name in [m for m in sys.modules if m.split(".")[0] in PACKAGES]:
            del sys.modules[name]
        sys.dont_write_bytecode = True
        finder = _OrderedFinder(root)
        sys.path.insert(0, str(root))
        if ordered:
            sys.meta_path.insert(0, finder)
        algorithms = importlib.import_module("causal_discovery_algs")
        self.OrderedICD = algorithms.LearnStructOrderedICD
        self.ICD = algorithms.LearnStructICD
        self.CLEANN = importlib.import_module("causal_reasoning").CLEANN
        tests = importlib.import_module("causal_discovery_utils.cond_indep_tests")
        self.ParCorr, self.DSep = tests.CondIndepParCorr, tests.DSep
        self.DAG = importlib.import_module("graphical_models").DAG
        self.set = OrderedSet if ordered else set
        sys.path.remove(str(root))
        if ordered:
            sys.meta_path.remove(finder)


# --- matrices from integers ------------------------------------------------------------------------------------
class Lcg:
    """Knuth's MMIX generator; 31 upper bits."""

    def __init__(self, seed):
        self.state = seed & (2**64 - 1)

    def next(self, bound):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) & (2**64 - 1)
        return (self.state >> 33) % bound


def _rescaled(row):
    """Integers that add up to about a million: keeps mixtures of mixtures small."""
    total = sum(row)
    return [w * 1000000 // total for w in row]


def weights(kind, n, seed, sparsity):
    """Non-negative integer weights [n][n], lower triangular; row / sum is an attention matrix.

    sparse     each entry is 0 with probability sparsity / 1000
    sink       the same, most of the weight on token 0
    local      the same, ten times the weight on the last 4 tokens
    chain      a row is a mixture of up to 2 earlier rows and sparse noise: many independences given few
    latent     a row is a mixture of one of 4 hidden rows, an earlier row and sparse noise: hidden common causes
    constant   all entries equal        identity  diagonal only        first  token 0 only
    duplicate  every third row repeats the row before      rank2  mixtures of two vectors      zero  every fourth row empty
    """
    lcg = Lcg(seed)
    hidden = [[lcg.next(1000) if lcg.next(1000) >= 500 else 0 for _ in range(n)] for _ in range(4)]
    rows = []
    for i in range(n):
        row = [1 + lcg.next(1000) if lcg.next(1000) >= sparsity else 0 for _ in range(i + 1)]
        row[i] += 1 + lcg.next(100)
        row += [0] * (n - 1 - i)
        if kind == "sink":
            row[0] += 500 * (i + 1)
        elif kind == "local":
            row = [w * 10 if i - j < 4 else w for j, w in enumerate(row)]
        elif kind in ("chain", "latent"):
            row = _rescaled(row)
            if kind == "latent":
                mix = hidden[lcg.next(4)]
                share = 1 + lcg.next(3)
                row = [w + share * 500 * h * (j <= i) for j, (w, h) in enumerate(zip(row, mix))]
            for _ in range(2 if kind == "chain" else 1):
                if i > 0 and lcg.next(1000) < 700:
                    parent, share = rows[lcg.next(i)], 1 + lcg.next(3)
                    row = [w + share * p for w, p in zip(row, parent)]
            row = _rescaled(row)
        elif kind == "constant":
            row = [1] * (i + 1) + [0] * (n - 1 - i)
        elif kind == "identity":
            row = [int(j == i) for j in range(n)]
        elif kind == "first":
            row = [int(j == 0) for j in range(n)]
        elif kind == "duplicate" and i % 3 == 2:
            row = list(rows[i - 1])
        elif kind == "rank2" and i > 1:
            a, b = 1 + lcg.next(50), 1 + lcg.next(50)
            row = [a * u + b * v for u, v in zip(rows[0], rows[1])]
        elif kind == "zero" and i % 4 == 3:
            row = [0] * n
        rows.append(row)
    return rows


def attention(kind, n, seed, sparsity):
    """float32 [n, n]"""
    w = np.array(weights(kind, n, seed, sparsity), dtype=np.float64)
    total = w.sum(axis=1, keepdims=True)
    return np.divide(w, total, out=np.zeros_like(w), where=total > 0).astype(np.float32)


def image_attention(n, image_start, image_count, seed):
    """float32 [n, n] like a decoder's: strong first token, patches that copy from few others, some salient patches."""
    lcg = Lcg(seed)
    salient = [image_start + lcg.next(image_count) for _ in range(12)]
    rows = []
    for i in range(n):
        row = [1 + lcg.next(20) for _ in range(i + 1)] + [0] * (n - 1 - i)
        row[0] += 40 * (i + 1)
        row[i] += 10 * (i + 1)
        for _ in range(6):
            patch = salient[lcg.next(12)] + lcg.next(4)
            if patch <= i:
                row[patch] += (1 + lcg.next(20)) * 40
        row = _rescaled(row)
        for _ in range(2):
            if i > 0:
                parent = rows[max(0, i - 1 - lcg.next(40))]
                share = lcg.next(3)
                row = [w + share * p for w, p in zip(row, parent)]
        rows.append(_rescaled(row))
    w = np.array(rows, dtype=np.float64)
    return (w / w.sum(axis=1, keepdims=True)).astype(np.float32)


# --- one run of the reference ------------------------------------------------------------------------------------
MARKS = {None: 0, "o--": 1, "<--": 2, "---": 3}


def pairs(nodes):
    nodes = sorted(nodes)
    return [(a, b) for i, a in enumerate(nodes) for b in nodes[i + 1:]]


def graph_code(graph, nodes):
    """One character a pair a < b: '.' without an edge, else 'a' + 3 (mark at a - 1) + (mark at b - 1) with
    circle 1, arrow 2, tail 3."""
    code = ""
    for a, b in pairs(nodes):
        at_a, at_b = MARKS[graph.get_edge_mark(b, a)], MARKS[graph.get_edge_mark(a, b)]
        code += "." if at_a == 0 else chr(ord("a") + 3 * (at_a - 1) + at_b - 1)
    return code


def condition(corr, x, y, zz):
    index = (x, y) + tuple(zz)
    return np.linalg.cond(corr[np.ix_(index, index)])


def result_of(learner, test, targets, cleann, radii, nodes):
    graph = learner.graph
    cleann.graph = graph
    separators = "".join(
        "." if graph.is_connected(a, b) else "0123456789abcdefghijklmnopqrstuvwxyz"[len(learner.sepset.get_sepset(a, b))]
        for a, b in pairs(nodes))
    largest = []
    for key in pairs(nodes):
        values = list(test.cache_ci._cache[key].values())
        largest.append(round(max(values) * 1e10) if values else -1)
    counts = list(test.test_counter)
    while counts and counts[-1] == 0:
        counts.pop()
    explanations = []
    for target in targets:
        sets = []
        for radius in range(1, radii + 1):
            sets.append(sorted(int(v) for v in cleann.explain(target, max_range=radius)[0][0]))
        explanations.append(sets)
    return {"graph": graph_code(graph, nodes), "separators": separators, "tests": counts, "largest_p": largest,
            "explanations": explanations}


def learn(reference, algorithm, matrix, nodes, samples, alpha, targets, selection_bias, radii=3, watch=None):
    """Runs CLEANN's correlation, the learner and the explanations; an exception becomes {"raises": text}."""
    node_set = reference.set(nodes)
    cleann = reference.CLEANN(matrix.astype(np.float64), samples, alpha, None, nodes_set=node_set)
    test = cleann.ci_test
    if watch is not None:
        plain = test.calc_statistic

        def watched(x, y, zz):
            watch.append(condition(test.correlation_matrix, x, y, zz))
            value = plain(x, y, zz)
            if np.isnan(value):
                watch.append(np.inf)
            return value
        test.calc_statistic = watched
    if algorithm == "ordered":
        learner = reference.OrderedICD(node_set, sorted(nodes), test, is_selection_bias=selection_bias)
    else:
        learner = reference.ICD(node_set, test, is_selection_bias=selection_bias)
    learner.learn_structure()
    return result_of(learner, test, targets, cleann, radii, nodes)


class OutOfTime(Exception):
    """causality-lab's searches for uncovered paths are exponential: some matrices of 20 tokens take it hours."""


def attempt(*args, **kwargs):
    def give_up(signum, frame):
        raise OutOfTime
    signal.signal(signal.SIGVTALRM, give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, TIME_LIMIT)
    try:
        with np.errstate(all="ignore"):
            return learn(*args, **kwargs)
    except (AssertionError, np.linalg.LinAlgError, ValueError, OutOfTime) as error:
        return {"raises": type(error).__name__}
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def golden_run(plain, ordered, algorithm, matrix, nodes, samples, alpha, targets, selection_bias):
    OrderedSet.rank = None
    conditions = []
    golden = attempt(ordered, algorithm, matrix, nodes, samples, alpha, targets, selection_bias, watch=conditions)
    if "raises" in golden:
        return golden
    golden["ill_conditioned"] = bool(max(conditions, default=1.0) > 1e9)
    others = [attempt(plain, algorithm, matrix, nodes, samples, alpha, targets, selection_bias)]
    native_same = all(others[0].get(k) == golden[k] for k in others[0] if k != "largest_p")
    shuffled = sorted(nodes)
    for seed in range(2 if len(nodes) <= 16 else 0):
        if seed == 0:
            shuffled.reverse()
        else:
            random.Random(seed).shuffle(shuffled)
        OrderedSet.rank = {node: i for i, node in enumerate(shuffled)}
        others.append(attempt(ordered, algorithm, matrix, nodes, samples, alpha, targets, selection_bias))
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
    return cases


def make_cases(plain, ordered, limit, part, finished):
    """`finished`: a file that keeps each case as it is done, so that an interrupted run goes on where it was."""
    done = [json.loads(line) for line in finished.read_text().splitlines()] if finished.exists() else []
    done = {case["seed"]: case for case in done}
    result = []
    for number, (kind, n, seed, sparsity, samples, alpha) in enumerate(case_list()):
        if number % part[1] != part[0]:
            continue
        if seed in done:
            result.append(done[seed])
            continue
        started = time.process_time()
        matrix = attention(kind, n, seed, sparsity)
        targets = [n - 1, n // 2]
        case = {"kind": kind, "tokens": n, "seed": seed, "sparsity": sparsity, "samples": samples, "alpha": alpha,
                "targets": targets, "runs": {}}
        algorithms = (("ordered", "ordered", False), ("icd", "icd", False), ("icd_bias", "icd", True))
        for name, algorithm, bias in algorithms[:3 if n <= 16 else 2]:
            run = golden_run(plain, ordered, algorithm, matrix, list(range(n)), samples, alpha, targets, bias)
            if name == "icd_bias":
                run.pop("largest_p", None)
            case["runs"][name] = run
        result.append(case)
        with finished.open("a") as file:
            file.write(json.dumps(case, separators=(",", ":")) + "\n")
        flags = {k: (r.get("raises") or (r["order_dependent"], r["ill_conditioned"], sum(r["tests"])))
                 for k, r in case["runs"].items()}
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
    run = learn(reference, "ordered", matrix, nodes, samples, alpha, [target], False, radii)
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
        for name in ("ordered", "icd"):
            graphs = []
            for test in (ordered.DSep(true_dag=dag, count_tests=True, use_cache=True),
                         ordered.ParCorr(.01, data, count_tests=True, use_cache=True)):
                # The data test numbers the observed nodes from 0.
                its = nodes if test.__class__.__name__ == "DSep" else list(range(observed))
                if name == "ordered":
                    learner = ordered.OrderedICD(ordered.set(its), its, test, is_selection_bias=False)
                else:
                    learner = ordered.ICD(ordered.set(its), test, is_selection_bias=False)
                learner.learn_structure()
                graphs.append(graph_code(learner.graph, its))
            case[name] = {"truth": graphs[0], "reference_errors": marks_differ(graphs[1], graphs[0])}
        cases.append(case)
        print("truth", seed, case["ordered"]["reference_errors"], case["icd"]["reference_errors"], flush=True)
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
    parser.add_argument("--part", type=int, nargs=2, metavar=("I", "N"), default=(0, 1),
                        help="only every N-th case, from the I-th: cases-I.json, for several processes")
    options = parser.parse_args()
    plain = Reference(options.causality_lab, ordered=False)
    ordered = Reference(options.causality_lab, ordered=True)
    about = {"made_by": "Testing/Golden/causal_goldens.py from IntelLabs/causality-lab"}
    if options.only in (None, "cases"):
        name = "cases.json" if options.part[1] == 1 else f"cases-{options.part[0]}.json"
        finished = options.output / (name + ".partial")
        document = {**about, "cases": make_cases(plain, ordered, options.limit, options.part, finished)}
        (options.output / name).write_text(dumps(document))
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
