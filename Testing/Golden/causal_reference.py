# SPDX-License-Identifier: Apache-2.0
"""IntelLabs/causality-lab from a checkout, run so that its results can be compared.

causality-lab walks Python sets. Their order follows hash values and insertion history and, through a set of strings,
PYTHONHASHSEED, so its result on contradictory data is one of several. `Reference` therefore loads its sources in two
ways: as they are, and with every set replaced by one that iterates in a chosen order (OrderedSet.rank; ascending by default).
"""

import ast
import importlib
import importlib.abc
import importlib.machinery
import signal
import sys

import numpy as np

TIME_LIMIT = 6  # CPU seconds for one run of the reference
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
        self.CLEANN = importlib.import_module("causal_reasoning").CLEANN
        tests = importlib.import_module("causal_discovery_utils.cond_indep_tests")
        self.ParCorr, self.DSep = tests.CondIndepParCorr, tests.DSep
        self.DAG = importlib.import_module("graphical_models").DAG
        self.set = OrderedSet if ordered else set
        sys.path.remove(str(root))
        if ordered:
            sys.meta_path.remove(finder)


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
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    separators = "".join("." if graph.is_connected(a, b) else digits[len(learner.sepset.get_sepset(a, b))]
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


def learn(reference, matrix, nodes, samples, alpha, targets, radii=3, watch=None):
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
    learner = reference.OrderedICD(node_set, sorted(nodes), test, is_selection_bias=False)
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
