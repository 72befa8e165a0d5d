# SPDX-License-Identifier: Apache-2.0
"""A pvserver of two ranks and clients over loopback: what works, what travels, what goes wrong."""
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import numpy as np

import lvlm_testing as lt
from remote_server import CLEAN, SECONDS, Server
from test_large import write_sparse

FOLDER = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(FOLDER))
STOPPED = "its work is stopped"
MANY = 400  # answer tokens, to explain each takes many seconds
LONG = 12000  # positions, of which half are an answer of several seconds


def start_client(port, job, folder, **more):
    return subprocess.Popen([shutil.which("pvpython"), os.path.join(FOLDER, "remote_job.py"), str(port), job, folder],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**CLEAN, **more})


def fill_first_row(path):
    """Something to see: the first answer token's attention of head 0 in every layer."""
    with open(path, "r+b") as file:
        length, = struct.unpack("<Q", file.read(8))
        entry = json.loads(file.read(length))["attention.answer"]
        layers, heads, tokens, keys = entry["shape"]
        rng = np.random.default_rng(1)
        for layer in range(layers):
            file.seek(8 + length + entry["data_offsets"][0] + layer * heads * tokens * keys * 4)
            file.write(rng.random(600).astype("<f4").tobytes())


class RemoteCase(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.folder = self.temporary.name
        self.data = lt.TraceData(layers=4)
        self.data.write(self.path("small.lvlm"))

    def path(self, name):
        return os.path.join(self.folder, name)

    def server(self, *options, ranks=2):
        self.running = Server(self.folder, ranks, *options)
        self.addCleanup(self.running.kill)
        return self.running

    def read_until(self, client, word):
        lines = []
        for line in client.stdout:
            lines.append(line)
            if word in line:  # behind the colors of a warning, too
                return
        self.fail("the client ended: %s\nthe server says: %s" % ("".join(lines), self.running.output()))

    def finish(self, client, good=True):
        try:
            output = client.communicate(timeout=SECONDS)[0]
        except subprocess.TimeoutExpired:
            client.kill()
            raise AssertionError("the client hangs: %s\nthe server says: %s" % (
                client.communicate()[0], self.running.output())) from None
        if good:
            self.assertEqual(client.returncode, 0, "%s\nthe server says: %s" % (output, self.running.output()))
        return output

    def counted(self, port):
        """A port that leads to the server's, and the file that tells the bytes that came from there."""
        count = self.path("count")
        proxy = subprocess.Popen([shutil.which("python3"), os.path.join(FOLDER, "counting_proxy.py"), str(port), count],
                                 stdout=subprocess.PIPE, text=True)
        self.addCleanup(proxy.wait)
        self.addCleanup(proxy.kill)
        self.addCleanup(proxy.stdout.close)
        return int(proxy.stdout.readline()), count

    def assertDrawn(self, name):
        pixels = lt.pixels(self.path(name))
        self.assertGreater((abs(pixels - pixels[0, 0]).max(axis=-1) > 8).mean(), 0.01, name)


class Recorded(RemoteCase):
    def test_only_pictures_travel(self):
        size = write_sparse(self.path("large.lvlm"), gigabytes=1)
        fill_first_row(self.path("large.lvlm"))
        self.assertGreater(size, 1000**3)
        server = self.server()
        port, count = self.counted(server.port)
        output = self.finish(start_client(port, "analyse", self.folder))
        for text in ("connected to 2 ranks", "LVLMTraceReader with", "done", "attention in (0.0, 1.0)", "summary of 1024 heads"):
            self.assertIn(text, output)
        rows = int(re.search(r"(\d+) rows", output).group(1))
        self.assertEqual(rows, self.positions(self.path("large.lvlm")))
        for name in ("map.png", "volume.png", "overlay.png"):
            self.assertDrawn(name)
        with open(count, encoding="ascii") as file:
            travelled = int(file.read())
        print("%.2f MB of %.0f MB came to the client" % (travelled / 1e6, size / 1e6))
        self.assertGreater(travelled, 10_000)
        self.assertLess(travelled, size // 100)
        with open(self.path("copy.lvlm"), "rb") as copy:  # saved on the server, by both ranks
            self.assertIn(self.data.attention.tobytes(), copy.read())

    @staticmethod
    def positions(path):
        with open(path, "rb") as file:
            length, = struct.unpack("<Q", file.read(8))
            return len(json.loads(json.loads(file.read(length))["__metadata__"]["tokens"]))

    def test_picked_cells_are_their_patches(self):
        """ParaView numbers picked cells within each rank's piece of the map: whatever the ranks, the patches are the same."""
        picked = {}
        for ranks in (1, 2, 3):
            output = self.finish(start_client(self.server(ranks=ranks).port, "pick", self.folder))
            self.assertIn("connected to %d ranks" % ranks, output)
            picked[ranks] = [json.loads(line) for line in re.findall("^picked (.*)$", output, re.MULTILINE)]
            self.assertEqual({rank for one in picked[ranks] for rank in one["ids"][::2]}, set(range(ranks)))
        cells = self.data.rows * self.data.cols
        numbers = [len(one["ids"]) // 2 for one in picked[1]]
        self.assertEqual(numbers[2], cells)
        for number in numbers[:2]:
            self.assertTrue(1 <= number < cells, numbers)
        for at, one in enumerate(picked[1]):
            rows, cols = np.divmod(np.array(one["ids"][1::2]), self.data.cols)
            patches = (self.data.rows - 1 - rows) * self.data.cols + cols
            expected = self.data.attention[..., self.data.span][..., patches].mean(axis=(0, 1, 3))
            np.testing.assert_allclose(one["attention"], expected, rtol=0, atol=1e-7)  # sums in another order
            for ranks in (2, 3):
                self.assertEqual(picked[ranks][at]["attention"], one["attention"], "%d ranks" % ranks)
                self.assertEqual(len(picked[ranks][at]["ids"]), len(one["ids"]))

    def test_a_page_of_a_trace_on_a_server(self):
        """lvlm.save_page writes on the client's disk what it writes without a server."""
        lt.TestCase.setUpClass()
        import lvlm
        from paraview import simple
        self.data = lt.TraceData(rows=6, cols=8, layers=4, width=64, height=48)
        recorded = {name: value for name, value in self.data.more_tensors().items() if name.startswith("relevancy.")}
        self.data.write(self.path("small.lvlm"), tensors=recorded)
        lvlm.save_page(simple.LVLMTraceReader(FileName=self.path("small.lvlm")), self.path("local.html"))
        expected = self.without_date("local.html")
        self.assertIn('"relevancy.joint"', expected)
        for ranks in (1, 3):
            port = self.server(ranks=ranks).port
            output = self.finish(start_client(port, "page", self.folder, LVLM_CLIENT_PLUGIN=lt.PLUGIN))
            self.assertIn("connected to %d ranks" % ranks, output)
            self.assertEqual(self.without_date("remote-%d.html" % ranks), expected)
            cells = json.loads(re.search("^grid (.*)$", output, re.MULTILINE).group(1))
            np.testing.assert_array_equal(cells["patch"], np.arange(48).reshape(6, 8))
            np.testing.assert_allclose(cells["attention"], self.data.attention[..., self.data.span].mean(axis=(0, 1, 2)).reshape(6, 8), rtol=1e-5)
            self.assertIn("axes of layers [0.0, 1.0, 2.0, 3.0] and heads [0.0, 1.0]", output)

    def without_date(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return re.sub(r"20\d\d-\d\d-\d\d \d\d:\d\d", "", file.read())

    def test_errors_reach_the_client(self):
        server = self.server()
        output = self.finish(start_client(server.port, "wrong", self.folder))
        self.assertIn("Layers: 99 is out of range [-4, 3]", output + server.output())
        self.assertIn("range (", output)

    def test_a_killed_server_is_an_error(self):
        server = self.server()
        client = start_client(server.port, "wait", self.folder)
        self.read_until(client, "ready")
        server.kill()
        with open(self.path("gone"), "w", encoding="ascii"):
            pass
        output = self.finish(client, good=False)
        self.assertGreaterEqual(client.returncode, 0, "killed by signal: %s" % output)
        self.assertRegex(output, r"ERR\|")
        self.assertIn("still here", output)


@unittest.skipUnless(os.environ.get("LVLM_INFERENCE"), "this build has no inference")
class Inference(RemoteCase):
    def ask(self, port, job="ask", **environment):
        return start_client(port, job, self.folder, LVLM_SCENE=os.path.join(
            SOURCE, "Models", "TinyLlava", "scenes", "star_left_of_circle.png"), **environment)

    def test_ask_map_volume_picture(self):
        output = self.finish(self.ask(self.server().port))
        self.assertIn("connected to 2 ranks", output)
        if os.environ.get("LVLM_CLIENT_PLUGIN"):  # a thin client's, see CONTRIBUTING.md
            self.assertIn("client without inference", output)
        self.assertRegex(output, r"answer: \w+")
        for name in ("asked.png", "asked-volume.png"):
            self.assertDrawn(name)

    def test_edits_of_the_servers_picture(self):
        output = self.finish(self.ask(self.server().port, "edit", LVLM_CLIENT_PLUGIN=lt.PLUGIN))
        self.assertIn("previewed 0", output)
        for pictures in (1, 2):
            self.assertIn("edited left 0, right 0, pictures %d" % pictures, output)
        self.assertRegex(output, r"answers: The star is red\. \| (?!The star is red)")

    def endless_model(self):
        """The embedded model without an end token and with many positions: its answers are as long as they may be."""
        source, model = os.path.join(SOURCE, "Models", "TinyLlava"), self.path("endless")
        os.mkdir(model)
        for name in os.listdir(source):
            os.symlink(os.path.join(source, name), os.path.join(model, name))
        for name, sections in (("generation_config.json", ()), ("config.json", ("text_config",))):
            with open(os.path.join(source, name), encoding="utf-8") as file:
                content = json.load(file)
            for section in (content, *(content[s] for s in sections)):
                section["eos_token_id"] = []
                if "max_position_embeddings" in section:
                    section["max_position_embeddings"] = LONG
            os.remove(os.path.join(model, name))
            with open(os.path.join(model, name), "w", encoding="utf-8") as file:
                json.dump(content, file)

    def assertStops(self, server, job, tokens):
        """A client whose work takes long is killed: the server says so, once more than before."""
        stopped = server.output().count(STOPPED)
        client = self.ask(server.port, job, LVLM_TOKENS=str(tokens))
        self.read_until(client, "asking")
        time.sleep(1)  # the model runs
        client.kill()
        self.assertNotIn("answered", client.communicate()[0])
        server.wait_for("(?s)(%s)" % ".*".join([STOPPED] * (stopped + 1)))

    def test_a_client_that_goes_away_stops_its_work(self):
        """ParaView 5.11 passes no Abort to a server: whoever wants an answer no longer ends the client. The others go on."""
        self.endless_model()
        server = self.server("--multi-clients")
        other = start_client(server.port, "wait", self.folder)
        self.read_until(other, "ready")
        self.assertStops(server, "long_question", LONG // 2)
        self.assertStops(server, "long_relevancy", MANY)
        with open(self.path("gone"), "w", encoding="ascii"):
            pass
        self.assertRegex(self.finish(other), r"tokens: \d+ rows")


if __name__ == "__main__":
    result = unittest.main(argv=sys.argv[:1], exit=False, verbosity=2).result
    sys.stdout.flush()
    os._exit(0 if result.wasSuccessful() and result.testsRun > 0 else 1)
