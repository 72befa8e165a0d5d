# SPDX-License-Identifier: Apache-2.0
"""A pvserver of two ranks and clients over loopback: what works, what travels, what goes wrong."""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import lvlm_testing as lt
from test_large import write_sparse

FOLDER = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(FOLDER))
SECONDS = 100  # after that something hangs
# pvpython is an MPI process of its own: its variables would make mpirun believe to be one of its ranks.
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(("OMPI_", "PMIX_", "PMI_", "OPAL_", "ORTE_"))}


class Server:
    """pvserver on some ranks, until it is left or killed."""

    def __init__(self, folder, ranks=2, *options):
        self.log = os.path.join(folder, "server-%d.log" % time.monotonic_ns())
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [os.environ["LVLM_MPIRUN"], "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-np", str(ranks),
                 os.environ["LVLM_PVSERVER"], "--server-port=0", "--force-offscreen-rendering", *options],
                stdout=log, stderr=subprocess.STDOUT, env=CLEAN, start_new_session=True)
        self.port = int(self.wait_for(r"Accepting connection\(s\): \S+:(\d+)"))

    def output(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def wait_for(self, pattern):
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            found = re.search(pattern, self.output())
            if found:
                return found.group(1)
            time.sleep(0.1)
        raise AssertionError("the server did not say %r: %s" % (pattern, self.output()))

    def kill(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)  # its own group: mpirun and the ranks
        except ProcessLookupError:
            pass
        self.process.wait()


def start_client(port, job, folder, **more):
    return subprocess.Popen([shutil.which("pvpython"), os.path.join(FOLDER, "remote_job.py"), str(port), job, folder],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**CLEAN, **more})


class Remote(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.folder = self.temporary.name
        self.data = lt.TraceData(layers=4)
        self.data.write(self.path("small.lvlm"))

    def path(self, name):
        return os.path.join(self.folder, name)

    def server(self, *options):
        server = Server(self.folder, 2, *options)
        self.addCleanup(server.kill)
        return server

    def finish(self, client, good=True):
        try:
            output = client.communicate(timeout=SECONDS)[0]
        except subprocess.TimeoutExpired:
            client.kill()
            raise AssertionError("the client hangs: %s" % client.communicate()[0]) from None
        if good:
            self.assertEqual(client.returncode, 0, output)
        return output

    def counted(self, port):
        """A port that leads to the server's, and the file that tells the bytes that came from there."""
        count = self.path("count")
        proxy = subprocess.Popen([sys.executable or "python3", os.path.join(FOLDER, "counting_proxy.py"), str(port), count],
                                 stdout=subprocess.PIPE, text=True)
        self.addCleanup(proxy.wait)
        self.addCleanup(proxy.kill)
        self.addCleanup(proxy.stdout.close)
        return int(proxy.stdout.readline()), count

    def looks_like_something(self, name):
        """The picture has more than one colour."""
        from vtkmodules.vtkIOImage import vtkPNGReader
        reader = vtkPNGReader()
        reader.SetFileName(self.path(name))
        reader.Update()
        pixels = lt.array(reader.GetOutput().GetPointData().GetScalars())
        self.assertGreater(len({tuple(p) for p in pixels[::7]}), 3, name)

    def test_only_pictures_travel(self):
        size = write_sparse(self.path("large.lvlm"), gigabytes=1)
        self.assertGreater(size, 1000**3)
        server = self.server()
        port, count = self.counted(server.port)
        output = self.finish(start_client(port, "analyse", self.folder))
        for text in ("connected to 2 ranks", "LVLMTraceReader with", "done", "attention in (0.0, 1.0)", "summary of 1024 heads"):
            self.assertIn(text, output)
        rows = int(re.search(r"(\d+) rows", output).group(1))
        self.assertEqual(rows, lt.TraceData and self.positions(self.path("large.lvlm")))
        for name in ("map.png", "volume.png", "overlay.png"):
            self.assertTrue(os.path.getsize(self.path(name)) > 0, name)
        with open(count, encoding="ascii") as file:
            travelled = int(file.read())
        print("%.2f MB of %.0f MB came to the client" % (travelled / 1e6, size / 1e6))
        self.assertGreater(travelled, 10_000)
        self.assertLess(travelled, size // 100)
        with open(self.path("small.lvlm"), "rb") as one, open(self.path("copy.lvlm"), "rb") as two:
            self.assertEqual(one.read()[-self.data.attention.nbytes // 2:], two.read()[-self.data.attention.nbytes // 2:])

    @staticmethod
    def positions(path):
        import json
        import struct
        with open(path, "rb") as file:
            length, = struct.unpack("<Q", file.read(8))
            return len(json.loads(json.loads(file.read(length))["__metadata__"]["tokens"]))

    def test_errors_reach_the_client(self):
        server = self.server()
        output = self.finish(start_client(server.port, "wrong", self.folder))
        self.assertIn("Layers: 99 is out of range [-4, 3]", output + server.output())
        self.assertIn("range (", output)

    def test_a_killed_server_is_an_error(self):
        server = self.server()
        client = start_client(server.port, "wait", self.folder)
        lines = []
        for line in client.stdout:
            lines.append(line)
            if line.startswith("ready"):
                break
        else:
            self.fail("the client ended: %s" % lines)
        server.kill()
        with open(self.path("gone"), "w", encoding="ascii"):
            pass
        output = self.finish(client, good=False)
        self.assertGreaterEqual(client.returncode, 0, "killed by signal: %s" % output)
        self.assertNotIn("no error", output)
        self.assertRegex(output, r"(?i)error|closed|lost|disconnect")


if __name__ == "__main__":
    result = unittest.main(argv=sys.argv[:1], exit=False, verbosity=2).result
    sys.stdout.flush()
    os._exit(0 if result.wasSuccessful() and result.testsRun > 0 else 1)
