# SPDX-License-Identifier: Apache-2.0
"""Every analysis on 2 and 3 ranks gives, bit by bit, what it gives on one.

pvbatch under mpirun stores what each rank has (analysis_job.py); here the pieces are put together.
"""
import os
import pickle
import struct
import subprocess
import sys
import tempfile
import unittest

import numpy as np

import lvlm_testing as lt

FOLDER = os.path.dirname(os.path.abspath(__file__))
RANKS = (1, 2, 3)
LAYERS = {"four.lvlm": 4, "two.lvlm": 2}  # also fewer layers than ranks


def complete_trace(name, answer_type, full_type, order):
    """(trace, tensors) with complete matrices of all layers in some order and recorded relevancy."""
    data = lt.TraceData(layers=LAYERS[name], rows=5, cols=4, heads=2, seed=LAYERS[name])
    rng = np.random.default_rng(LAYERS[name])
    full = np.tril(rng.random((LAYERS[name], data.heads, data.K, data.K)).astype("<f4") ** 3)
    full /= full.sum(axis=-1, keepdims=True)
    tensors = {
        "attention.answer": answer_type(data.attention),
        "attention.full": full_type(full), "attention.full.layers": np.array(order),
        "attention.vision": rng.random((1, 2, 5, 5)).astype("<f4"),
        "relevancy.decoder": rng.random((data.T, data.K)).astype("<f4"),
        "relevancy.joint": rng.random((data.T, data.rows * data.cols)).astype("<f4"),
    }
    listed = list(range(LAYERS[name] + 1))
    listed = listed[1::2] + listed[::2] if name == "four.lvlm" else listed[::2]  # out of order; not all
    shape = (len(listed), data.K, 3)
    tensors |= {"hidden.layers": np.array(listed), "hidden.states": answer_type(rng.normal(size=(*shape[:2], 6)).astype("<f4")),
                "lens.id": rng.integers(0, 50, shape), "lens.logprob": -rng.random(shape).astype("<f4")}
    return data, tensors


def write_traces(folder):
    def same(values):
        return values

    def half(values):
        return values.astype("<f2")
    data, tensors = complete_trace("four.lvlm", half, lt.BFloat16, [2, 0, 3, 1])  # slabs that no view can cut
    data.write(os.path.join(folder, "four.lvlm"), tensors=tensors)
    data, tensors = complete_trace("two.lvlm", same, same, [0, 1])
    data.write(os.path.join(folder, "two.lvlm"), tensors=tensors)
    damaged = {**tensors, "attention.full": tensors["attention.full"].copy()}
    damaged["attention.full"][-1, 0, 3, 1] = np.nan
    path = data.write(os.path.join(folder, "damaged.trace"), tensors=damaged)
    with open(path, "rb") as file:
        content = file.read()
    with open(os.path.join(folder, "short.trace"), "wb") as file:
        file.write(content[:-100])


def mpirun(ranks, *program):
    """What a program on several ranks writes. Raises when it fails, or takes too long because its ranks wait for ever."""
    command = [os.environ["LVLM_MPIRUN"], "--allow-run-as-root", "--oversubscribe", "--bind-to", "none",
               "-np", str(ranks), *program]
    # pvpython is an MPI process of its own: its variables would make mpirun believe to be one of its ranks.
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OMPI_", "PMIX_", "PMI_", "OPAL_", "ORTE_"))}
    done = subprocess.run(command, env=clean, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=200, check=False)
    if done.returncode:
        raise AssertionError("%d ranks: exit code %d\n%s" % (ranks, done.returncode, done.stdout))
    return done.stdout


def run(ranks, folder):
    out = os.path.join(folder, "ranks-%d" % ranks)
    os.mkdir(out)
    mpirun(ranks, os.environ["LVLM_PVBATCH"], "--sym", os.path.join(FOLDER, "analysis_job.py"), folder)
    results = []
    for rank in range(ranks):
        with open(os.path.join(out, "rank-%d" % rank), "rb") as file:
            results.append(pickle.load(file))
    return results


def shape_of(extent, cells):
    """[z, y, x] of an image's points or cells; a flat axis has one cell."""
    return [max(extent[2 * a + 1] - extent[2 * a], 1) if cells else extent[2 * a + 1] - extent[2 * a] + 1
            for a in (2, 1, 0)]


class Ranks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        write_traces(cls.folder.name)
        cls.results = {ranks: run(ranks, cls.folder.name) for ranks in RANKS}
        cls.names = [key for key in cls.results[1][0] if isinstance(key, tuple) and key[1] != "held"]

    def every(self):
        """(what, results of one rank, results by rank) of each port of each analysis."""
        for ranks in RANKS[1:]:
            for key in self.names:
                for port, one in enumerate(self.results[1][0][key]):
                    yield "%s port %d of %s on %d ranks" % (key[1], port, key[0], ranks), one, [
                        rank[key][port] for rank in self.results[ranks]]

    def same(self, first, second, what):
        self.assertEqual(list(first), list(second), what)
        for name, values in first.items():
            if isinstance(values, list):
                self.assertEqual(values, second[name], what)
            else:
                self.assertEqual(values.tobytes(), second[name].tobytes(), "%s: %s" % (what, name))
                self.assertEqual(values.dtype, second[name].dtype, what)

    def test_tables_and_geometry_are_on_the_first_rank(self):
        seen = 0
        for what, one, parts in self.every():
            for kind in ("columns", "points", "cells"):
                if "extent" in one or kind not in one:
                    continue
                seen += 1
                self.same(one[kind], parts[0][kind], what)
                for part in parts[1:]:
                    self.assertEqual(part[kind], {}, what)
            if "geometry" in one:
                for mine, first in zip(one["geometry"], parts[0]["geometry"]):
                    self.assertEqual(mine is None, first is None, what)
                    self.assertTrue(mine is None or mine.tobytes() == first.tobytes(), what)
        self.assertGreater(seen, 100)

    def test_images_are_the_pieces_of_one(self):
        seen = split = 0
        for what, one, parts in self.every():
            if "extent" not in one:
                continue
            seen += 1
            filled = [part for part in parts if part["extent"][0] <= part["extent"][1]]
            split += len(filled) > 1
            for part in filled:
                self.assertEqual((part["spacing"], part["origin"]), (one["spacing"], one["origin"]), what)
                self.same(one["fields"], part["fields"], what)
            for kind in ("points", "cells"):
                self.pieces(one, filled, kind, what)
        self.assertGreater(seen, 100)
        self.assertGreater(split, seen // 2)

    def pieces(self, one, parts, kind, what):
        shape = shape_of(one["extent"], kind == "cells")
        for name, values in one[kind].items():
            whole = np.array(values).reshape(shape + [-1])
            covered = np.zeros(shape, bool)
            for part in parts:
                mine = shape_of(part["extent"], kind == "cells")
                start = [part["extent"][2 * a] - one["extent"][2 * a] for a in (2, 1, 0)]
                where = tuple(slice(s, s + n) for s, n in zip(start, mine))
                found = part[kind][name]
                if isinstance(found, list):
                    self.assertEqual(whole[where].ravel().tolist(), found, "%s: %s" % (what, name))
                else:
                    self.assertEqual(whole[where].tobytes(), found.tobytes(), "%s: %s" % (what, name))
                covered[where] = True
            self.assertTrue(covered.all(), what)

    def test_attention_is_shared_out(self):
        for ranks in RANKS:
            for trace in LAYERS:
                held = [rank[trace, "held"] for rank in self.results[ranks]]
                self.assertEqual(sum(held), self.results[1][0][trace, "held"])
                layers = LAYERS[trace]
                expected = [layers // ranks + (r < layers % ranks) for r in range(ranks)]
                self.assertEqual([h * layers // sum(held) for h in held], expected)

    def test_written_files_are_equal(self):
        for ranks in RANKS[1:]:
            for trace in LAYERS:
                contents = []
                for n in (1, ranks):
                    with open(os.path.join(self.folder.name, "ranks-%d" % n, trace), "rb") as file:
                        contents.append(file.read())
                self.assertEqual(contents[0], contents[1])
                size, = struct.unpack("<Q", contents[0][:8])
                self.assertGreater(len(contents[0]), size + 1000)

    def test_abort_of_the_first_rank_stops_all(self):
        for ranks in RANKS:
            for rank in self.results[ranks]:
                stopped_graph, graph, stopped_map, heat = rank["aborted"]
                self.assertEqual((stopped_graph, stopped_map), ((0, ""), (0, "")), ranks)
                self.assertEqual((graph[1], heat[1]), ("", ""))
            self.assertGreater(self.results[ranks][0]["aborted"][1][0], 0)

    def test_volume_is_drawn_by_two_ranks(self):
        """Within the tolerance that compositing of two halves leaves."""
        pictures = {}
        for ranks in (1, 2):
            out = os.path.join(self.folder.name, "pictures-%d" % ranks)
            os.mkdir(out)
            mpirun(ranks, os.environ["LVLM_PVBATCH"], "--force-offscreen-rendering", os.path.join(FOLDER, "render_job.py"),
                    os.path.join(self.folder.name, "four.lvlm"), out)
            pictures[ranks] = {name: lt.pixels(os.path.join(out, name + ".png")) for name in ("volume", "contour")}
        for name, one in pictures[1].items():
            other = pictures[2][name]
            drawn = (np.abs(one - one[0, 0]).max(axis=-1) > 8).mean()
            self.assertGreater(drawn, 0.005, name)
            self.assertLess(np.abs(one - other).mean(), 4.0, name)
            self.assertLess((np.abs(one - other).max(axis=-1) > 48).mean(), 0.03, name)

    def test_errors_are_the_same_on_all_ranks(self):
        expected = {
            "layer": "Layers: 99 is out of range [-2, 1]", "layer, mended": "",
            "causal layer": "no complete attention of layer 7", "not finite": "not finite in row 3",
            "truncated": "short.trace", "truncated, below": "", "missing on some": "missing.trace",
            "writer": "no/such/w.lvlm", "at the end": ""}
        for ranks in RANKS:
            for name, needle in expected.items():
                if name == "missing on some" and ranks == 1:
                    continue
                texts = [rank["errors"][name] for rank in self.results[ranks]]
                for text in texts:
                    self.assertIn(needle, text, (ranks, name))
                    if not needle and name != "truncated, below":
                        self.assertEqual(text, "", (ranks, name))

                def message(text):
                    return [line.split("):", 1)[-1] for line in text.splitlines() if needle and needle in line]
                for text in texts[1:]:
                    self.assertEqual(message(text), message(texts[0]), (ranks, name))


if __name__ == "__main__":
    result = unittest.main(argv=sys.argv[:1], exit=False, verbosity=2).result
    sys.stdout.flush()
    os._exit(0 if result.wasSuccessful() and result.testsRun > 0 else 1)
