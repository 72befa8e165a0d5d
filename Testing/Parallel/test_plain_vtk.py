# SPDX-License-Identifier: Apache-2.0
"""The VTK classes without ParaView's server manager, in a program of their own on 2 and 3 MPI ranks (PlainVTK.cxx)."""
import os
import sys
import tempfile
import unittest

import lvlm_testing as lt
from test_ranks import mpirun


class PlainVTK(unittest.TestCase):
    def test_classes_on_several_ranks(self):
        for ranks in (2, 3):
            with tempfile.TemporaryDirectory() as folder:
                path = lt.TraceData().write(os.path.join(folder, "trace.lvlm"))
                text = mpirun(ranks, os.environ["LVLM_PLAIN_VTK"], path)
            self.assertEqual(text.count(" 0 failed"), ranks, text)


if __name__ == "__main__":
    result = unittest.main(argv=sys.argv[:1], exit=False, verbosity=2).result
    sys.stdout.flush()
    os._exit(0 if result.wasSuccessful() and result.testsRun > 0 else 1)
