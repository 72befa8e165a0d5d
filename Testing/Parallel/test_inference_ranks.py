# SPDX-License-Identifier: Apache-2.0
"""LLaVAInference and the gradients of LVLMRelevancy on 1, 2 and 3 real MPI ranks (pvbatch), compared with one another.

Tolerance: none for tokens and texts; 1e-5 for attention and relevancy, the issue's. Ranks may run with other numbers of
threads than a single process does, and BLAS then adds in another order.
"""
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
EMBEDDED = os.path.join(os.path.dirname(os.path.dirname(HERE)), "Models", "TinyLlava")
PVBATCH = os.environ["LVLM_PVBATCH"]
MPIRUN = os.environ["LVLM_MPIRUN"]
LIMIT = 180  # seconds: a deadlock must not hang the tests
RANKS = (1, 2, 3)
AROUND = 300000  # bytes
LAYERS, GRID = 4, 12  # of the embedded model


def damaged_copy(target):
    """The embedded model with NaN in a weight of its last layer."""
    shutil.copytree(EMBEDDED, target, ignore=shutil.ignore_patterns("scenes", "*.md", "*.py"))
    path = os.path.join(target, "model.safetensors")
    with open(path, "r+b") as file:
        length, = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        name, = [n for n in header if n.endswith("layers.%d.mlp.up_proj.weight" % (LAYERS - 1)) and "language" in n]
        file.seek(8 + length + header[name]["data_offsets"][0])
        file.write(b"\xff\x7f" * 2)  # NaN in bf16 and in f16


def weights_of_the_decoder():
    """Bytes of each layer and of the output projection in the embedded model's file."""
    with open(os.path.join(EMBEDDED, "model.safetensors"), "rb") as file:
        length, = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)

    def size(part):
        return sum(e["data_offsets"][1] - e["data_offsets"][0] for n, e in header.items() if part in n)
    return [size("language_model.model.layers.%d." % i) for i in range(LAYERS)], size("lm_head")


def forget_pages(path):
    """Where another test has read the file from one end to the other, the cache has it in larger pieces, of which touching a page maps all."""
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class Run:
    """What the ranks of one mpirun wrote."""

    def __init__(self, ranks, folder):
        self.ranks, self.folder = ranks, folder
        command = [MPIRUN, "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-np", str(ranks),
                   PVBATCH, "--sym", os.path.join(HERE, "inference_job.py"), folder]
        # pvpython has started MPI for itself: mpirun must not take itself for a part of that.
        own = {key: value for key, value in os.environ.items() if not key.startswith(("OMPI_", "ORTE_", "PMIX_"))}
        try:
            done = subprocess.run(command, timeout=LIMIT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  env={**own, "OMP_NUM_THREADS": "1"})
            self.text = done.stdout.decode(errors="replace")
        except subprocess.TimeoutExpired as late:
            self.text = "no end after %d s\n%s" % (LIMIT, (late.stdout or b"").decode(errors="replace"))

    def facts(self, rank, name):
        path = os.path.join(self.folder, "facts.%d.%d.json" % (self.ranks, rank))
        if not os.path.exists(path):
            raise AssertionError("rank %d of %d has not finished:\n%s" % (rank, self.ranks, self.text[-4000:]))
        with open(path) as file:
            facts = json.load(file)
        if "exception" in facts:
            raise AssertionError(facts["exception"])
        return facts[name]

    def arrays(self, rank, name):
        return dict(np.load(os.path.join(self.folder, "%s.%d.%d.npz" % (name, self.ranks, rank))))


class Ranks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temp = tempfile.TemporaryDirectory()
        damaged_copy(os.path.join(cls.temp.name, "nan"))
        forget_pages(os.path.join(EMBEDDED, "model.safetensors"))
        cls.runs = {ranks: Run(ranks, cls.temp.name) for ranks in RANKS}

    @classmethod
    def tearDownClass(cls):
        cls.temp.cleanup()

    def each(self, *several):
        for ranks in several or RANKS:
            for rank in range(ranks):
                yield self.runs[ranks], rank

    def span(self, run, rank):
        """Layers [begin, end) of a rank."""
        more = LAYERS % run.ranks
        size = LAYERS // run.ranks
        begin = rank * size + min(rank, more)
        return begin, begin + size + (rank < more)

    def assertSameTrace(self, run, rank, name):
        single, mine = self.runs[1].arrays(0, name), run.arrays(rank, name)
        texts, wanted = run.facts(rank, name)["texts"], self.runs[1].facts(0, name)["texts"]
        self.assertEqual(texts, wanted)
        for key, values in single.items():
            if "attention" in key or "hidden.states" in key or key in ("field layer_begin",):
                continue
            np.testing.assert_allclose(mine[key], values, rtol=0, atol=1e-5, err_msg=key)
        begin, end = self.span(run, rank)
        heads = int(single["field heads"][0])
        self.assertEqual(mine["field layer_begin"][0], begin)
        self.assertEqual(mine["field layer_total"][0], LAYERS)
        extent = mine["extent of attention.answer"]
        self.assertEqual(extent[4:].tolist(), [begin * heads, end * heads - 1])
        whole = single["attention.answer"].reshape(LAYERS, -1)
        np.testing.assert_allclose(mine["attention.answer"], whole[begin:end].ravel(), rtol=0, atol=1e-5)
        self.assertGreater(whole.max(), 0.05)

    def test_every_rank_has_the_answer_and_its_own_attention(self):
        for run, rank in self.each():
            self.assertSameTrace(run, rank, "trace")
            self.assertSameTrace(run, rank, "second")
        self.assertEqual(self.runs[1].facts(0, "trace")["texts"]["field answer"],
                         self.runs[3].facts(2, "trace")["texts"]["field answer"])
        self.assertNotEqual(self.runs[2].facts(1, "trace")["texts"]["field prompt"],
                            self.runs[2].facts(1, "second")["texts"]["field prompt"])

    def test_full_matrices_and_tower(self):
        single = self.runs[1].arrays(0, "trace")
        whole = single["attention.full"].reshape(LAYERS, -1)
        for run, rank in self.each():
            begin, end = self.span(run, rank)
            mine = run.arrays(rank, "trace")
            self.assertEqual(mine["field attention.full.layers"].tolist(), list(range(LAYERS)))
            np.testing.assert_allclose(mine["attention.full"], whole[begin:end].ravel(), rtol=0, atol=1e-5)
            self.assertEqual("attention.vision" in mine, rank == 0)
            if rank == 0:
                np.testing.assert_allclose(mine["attention.vision"], single["attention.vision"], rtol=0, atol=1e-5)

    def test_another_time_is_no_other_question(self):
        for run, rank in self.each():
            self.assertLessEqual(run.facts(rank, "reports for another time"), 2)  # the executive's own

    def test_each_rank_holds_its_part_of_the_weights(self):
        layers, head = weights_of_the_decoder()
        whole = self.runs[1].facts(0, "weights")
        self.assertGreater(whole, sum(layers) + head)
        for run, rank in self.each(2, 3):
            begin, end = self.span(run, rank)
            own = sum(layers[begin:end]) + (head if rank == run.ranks - 1 else 0)
            # The tower is rank 0's. Beside its own layers a rank touches the header, and the kernel maps 64 kB around.
            most = whole - sum(layers[end:]) - head if rank == 0 else own
            for when in ("weights", "weights after relevancy", "weights after the lens"):
                resident = run.facts(rank, when)
                print("rank %d of %d keeps %d kB of %s in memory, one rank alone %d kB"
                      % (rank, run.ranks, resident / 1000, when, whole / 1000))
                self.assertGreaterEqual(resident, own)
                self.assertLessEqual(resident, most + AROUND)
        for ranks in (2, 3):  # nothing is held twice but those surroundings
            together = sum(self.runs[ranks].facts(rank, "weights after relevancy") for rank in range(ranks))
            self.assertLessEqual(together, whole + ranks * AROUND)

    def test_hidden_states_are_on_the_rank_of_their_layer(self):
        single = self.runs[1].arrays(0, "hidden")
        whole = single["hidden.states"].reshape(3, -1)
        self.assertEqual(single["field hidden.layers"].tolist(), [0, 2, 4])
        for run, rank in self.each():
            self.assertSameTrace(run, rank, "hidden")
            begin, end = self.span(run, rank)
            held = [i for i, number in enumerate((0, 2, 4)) if begin <= max(number - 1, 0) < end]
            mine = run.arrays(rank, "hidden")
            self.assertEqual(mine["field hidden.layers"].tolist(), [0, 2, 4])
            self.assertEqual("hidden.states" in mine, bool(held))
            if held:
                np.testing.assert_allclose(mine["hidden.states"], whole[held].ravel(), rtol=0, atol=1e-5 * np.abs(whole).max())
        self.assertGreater(np.abs(whole).max(), 0.1)

    def test_logit_lens(self):
        for name, planes in (("lens", 3), ("reread", 5)):
            wholes = {}
            for ranks in RANKS:
                wholes[ranks] = {}
                for part in (self.runs[ranks].arrays(rank, name) for rank in range(ranks)):
                    x0, x1, y0, y1, z0, z1 = part.pop("extent")
                    for key, values in part.items():
                        volume = wholes[ranks].setdefault(key, np.full((planes, GRID, GRID), np.nan))
                        volume[z0:z1 + 1, y0:y1 + 1, x0:x1 + 1] = values.reshape(z1 + 1 - z0, y1 + 1 - y0, x1 + 1 - x0)
            for ranks in RANKS[1:]:
                np.testing.assert_array_equal(wholes[ranks]["top_id"], wholes[1]["top_id"])
                for key in ("probability", "top_probability"):
                    np.testing.assert_allclose(wholes[ranks][key], wholes[1][key], rtol=1e-4)
            self.assertGreater(wholes[1]["probability"].max(), 0.5)
        for run, rank in self.each():
            self.assertEqual([n > 0 for n in run.facts(rank, "lens")["rows"]], [rank == 0] * 2)
            self.assertIn("Layers: 1 was not captured", run.facts(rank, "layer that was not captured"))

    def maps(self, ranks, mode):
        """The maps of all ranks put together: {name: [rows, cols]}, NaN where no rank has any."""
        parts = [self.runs[ranks].arrays(rank, mode) for rank in range(ranks)]
        whole = {}
        for part in parts:
            x0, x1, y0, y1 = part.pop("extent")[:4]
            for name, values in part.items():
                grid = whole.setdefault(name, np.full((GRID, GRID), np.nan))
                grid[y0:y1, x0:x1] = values.reshape(y1 - y0, x1 - x0)
        return whole

    def test_relevancy_and_weighted_attention(self):
        relevancy = {"decoder", "vision", "joint", "joint_token"}
        for mode, own in (("Exact", relevancy), ("Compatible", relevancy), ("Gradient", {"attention"}), ("Relative", {"attention"}),
                          ("Activation", {"activation"})):
            single = self.maps(1, mode)
            self.assertEqual(set(single), own | {"patch", "patch_row", "patch_col"})
            for ranks in RANKS[1:]:
                found = self.maps(ranks, mode)
                self.assertEqual(set(found), set(single))
                for name, values in single.items():
                    self.assertGreater(values.max(), 0)
                    self.assertLessEqual(np.abs(found[name] - values).max(), 1e-5 * values.max())

    def test_interventions(self):
        single, scores = self.maps(1, "Occlusion"), self.runs[1].facts(0, "scores")
        self.assertGreater(single["drop"].max(), 0.1)
        self.assertEqual(scores["map"], ["attention", "drop", "random", "random, standard deviation"])
        for ranks in RANKS[1:]:
            found = self.maps(ranks, "Occlusion")
            self.assertLessEqual(np.abs(found["drop"] - single["drop"]).max(), 1e-5 * single["drop"].max())
            for rank in range(ranks):
                others = self.runs[ranks].facts(rank, "scores")
                if rank > 0:  # tables are the first rank's
                    self.assertFalse(any(others.values()))
                    continue
                self.assertEqual(others["map"], scores["map"])
                for name in ("deletion", "insertion", "comprehensiveness", "sufficiency"):
                    np.testing.assert_allclose(np.array(others[name], float), np.array(scores[name], float), rtol=0, atol=1e-5)

    def test_knockout_nodes_and_patching(self):
        single = {name: self.runs[1].facts(0, name) for name in ("knockout", "nodes", "patching")}
        self.assertEqual([len(table["layer"]) for table in (single["knockout"], single["patching"])], [LAYERS, 2 * GRID * GRID])
        restored = self.maps(1, "Restored")
        for run, rank in self.each():
            self.assertSameTrace(run, rank, "under")
        for ranks in RANKS[1:]:
            for name, table in single.items():
                self.assertFalse(any(self.runs[ranks].facts(ranks - 1, name).values()))  # tables are the first rank's
                found = self.runs[ranks].facts(0, name)
                for column, values in table.items():
                    if column in ("label", "name", "role"):
                        self.assertEqual(found[column], values)
                    else:
                        np.testing.assert_allclose(np.array(found[column], float), np.array(values, float), rtol=1e-4, atol=1e-3)
            np.testing.assert_allclose(self.maps(ranks, "Restored")["restored"], restored["restored"], rtol=0, atol=1e-4)

    def test_the_first_ranks_picture_decides(self):
        for run, rank in self.each():
            self.assertSameTrace(run, rank, "red")
            self.assertSameTrace(run, rank, "blue")
            red, blue = run.arrays(rank, "red")["image"], run.arrays(rank, "blue")["image"]
            self.assertEqual(red.mean(axis=0).argmax(), 0)
            self.assertEqual(blue.mean(axis=0).argmax(), 2)

    def test_one_ranks_failure_is_everybodys(self):
        for run, rank in self.each(2, 3):
            place = "rank %d of %d on " % (run.ranks - 1, run.ranks)
            for name, needles in (("missing on the last", (place, "none")),
                                  ("damaged on the last", (place, "decoder layer %d is not finite" % (LAYERS - 1))),
                                  ("missing on all", ("none: ",)),
                                  ("wrong on the first", ("rank 0 of ", "image"))):
                facts = run.facts(rank, name)
                self.assertEqual(facts["blocks"], 0, name)
                for needle in needles:
                    self.assertIn(needle, facts["errors"], name)
            self.assertNotIn("rank ", run.facts(rank, "missing on all")["errors"].split("none: ")[0])
            self.assertEqual(run.facts(rank, "after failures")["errors"], "")
            self.assertGreater(run.facts(rank, "after failures")["blocks"], 3)

    def test_a_source_that_fails_on_one_rank(self):
        """The picture is the first rank's: there its source's failure is an error on all ranks, elsewhere it is none."""
        for run, rank in self.each(2, 3):
            self.assertGreater(run.facts(rank, "source fails on the last")["blocks"], 3)
            first = run.facts(rank, "source fails on the first")
            self.assertEqual(first["blocks"], 0)
            self.assertIn("there is no picture: its source failed", first["errors"])
        for run, rank in self.each():
            for name in ("source fails on the last, mended", "source fails on the first, mended"):
                self.assertEqual(run.facts(rank, name)["errors"], "")
                self.assertGreater(run.facts(rank, name)["blocks"], 3)
        self.assertEqual(self.runs[1].facts(0, "source fails on the first")["blocks"], 0)

    def test_missing_picture(self):
        # ParaView's reader gives numbers that are nobody's instead of failing; what matters is that all ranks agree.
        for run, rank in self.each():
            first, mine = run.facts(0, "a missing picture"), run.facts(rank, "a missing picture")
            self.assertEqual(first["blocks"] == 0, mine["blocks"] == 0)

    def test_abort_on_the_first_rank_ends_all(self):
        for run, rank in self.each():
            for count in (3, 9, 14, 20):
                facts = run.facts(rank, "abort %d" % count)
                self.assertEqual(facts["blocks"], 0)
                self.assertEqual(facts["errors"], "")
                if rank == 0:
                    self.assertLessEqual(facts["reports"], count + 1)  # the executive itself reports the end
                after = run.facts(rank, "after abort %d" % count)
                self.assertEqual(after["errors"], "")
                self.assertGreater(after["blocks"], 3)


if __name__ == "__main__":
    result = unittest.main(argv=sys.argv[:1], exit=False, verbosity=2).result
    sys.stdout.flush()
    os._exit(0 if result.wasSuccessful() and result.testsRun > 0 else 1)
