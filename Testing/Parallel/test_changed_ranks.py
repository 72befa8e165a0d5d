# SPDX-License-Identifier: Apache-2.0
"""One rank's copy of a trace, or of the weights, is cut off while it is open: an error on all ranks, nothing hangs (changed_job.py)."""
import os
import pickle
import shutil
import tempfile
import unittest

import lvlm_testing as lt
from test_ranks import mpirun

FOLDER = os.path.dirname(os.path.abspath(__file__))
RANKS = 2


class ChangedOnOneRank(unittest.TestCase):
    def test_errors_on_all_ranks(self):
        with tempfile.TemporaryDirectory() as folder:
            model = os.environ.get("LVLM_MODEL")
            data = lt.TraceData(rows=12, cols=12, layers=6, heads=4, answer=12)
            more = {k: v for k, v in data.more_tensors().items() if k.startswith("attention.full")}
            for rank in range(RANKS):
                own = os.path.join(folder, str(rank))
                os.mkdir(own)
                data.write(os.path.join(own, "trace.lvlm"), tensors=more)
                if model:
                    shutil.copytree(model, os.path.join(own, "model"), ignore=shutil.ignore_patterns("scenes", "training", "model.safetensors"))
                    lt.split_safetensors(os.path.join(model, "model.safetensors"), os.path.join(own, "model"))
            mpirun(RANKS, os.environ["LVLM_PVBATCH"], "--sym", os.path.join(FOLDER, "changed_job.py"), folder)
            for rank in range(RANKS):
                with open(os.path.join(folder, str(rank), "told"), "rb") as file:
                    self.check(rank, pickle.load(file), os.path.join(folder, str(RANKS - 1)))

    def check(self, rank, told, broken):
        for name, (text, count) in told.items():
            with self.subTest(rank=rank, what=name):
                if name in ("whole", "answer"):
                    self.assertNotIn("ERR", text)
                elif name == "writer":
                    self.assertEqual(count, 0)
                    self.assertIn(broken, text)
                else:
                    self.assertEqual(count, 0)
                    self.assertIn(broken, text)


if __name__ == "__main__":
    lt.main()
