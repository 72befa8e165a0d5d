# SPDX-License-Identifier: Apache-2.0
"""A trace of 100 GB opens at once, and what is looked at is all that is read.

The file is sparse: its attention is a hole on the disk, read as zeros. Figures are of this process:
RssAnon is memory of its own, RssFile pages of mapped files that are resident.
"""
import gc
import json
import os
import struct
import time

import numpy as np

import lvlm_testing as lt
from paraview import simple

MEGABYTE = 1 << 20


def resident():
    """(RssAnon, RssFile) in bytes."""
    with open("/proc/self/status") as file:
        values = dict(line.split(":", 1) for line in file)
    return tuple(int(values[key].split()[0]) * 1024 for key in ("RssAnon", "RssFile"))


def write_sparse(path, dtype="F32", gigabytes=100):
    """A trace of a model with 32 layers and 32 heads, at least so large; returns the size of its attention in bytes."""
    rows, cols, heads, layers = 24, 24, 32, 32
    answer = 6400 if gigabytes > 1 else 320
    roles = ["system"] * 5 + ["image"] * (rows * cols) + ["question"] * 20 + ["answer"] * answer
    prompt, keys = len(roles) - answer, len(roles) - 1
    width = {"F32": 4, "BF16": 2}[dtype]
    layers = layers if dtype == "F32" else 2 * layers
    size = layers * heads * answer * keys * width
    ids = np.arange(len(roles), dtype="<i8")
    header = {
        "__metadata__": {
            "format": "lvlm-trace", "version": "1", "model": "sparse", "prompt": "", "answer": "",
            "tokens": json.dumps(["t%d" % i for i in ids]), "roles": json.dumps(roles),
            "prompt_length": str(prompt), "image_start": "5", "grid": "%d,%d" % (rows, cols)},
        "tokens.id": {"dtype": "I64", "shape": [len(ids)], "data_offsets": [0, ids.nbytes]},
        "attention.answer": {"dtype": dtype, "shape": [layers, heads, answer, keys],
                             "data_offsets": [ids.nbytes, ids.nbytes + size]},
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + ids.tobytes())
        file.truncate(8 + len(text) + ids.nbytes + size)
    return size


class Large(lt.TestCase):
    def open(self, dtype="F32"):
        path = self.path("sparse.lvlm")
        try:
            size = write_sparse(path, dtype)
        except OSError as error:
            self.skipTest("no sparse files here: %s" % error)
        self.assertGreater(size, 100 * 1000**3)
        simple.Delete(simple.LVLMTokens(Input=self.reader(name="warm.lvlm")))
        gc.collect()
        self.before, start = resident(), time.process_time()
        trace = simple.LVLMTraceReader(FileName=path)
        trace.UpdatePipeline()
        trace.GetDataInformation()
        self.seconds = time.process_time() - start  # other processes must not make the test fail
        return trace

    def grown(self):
        return [after - before for after, before in zip(resident(), self.before)]

    def report(self, what):
        print("%-40s RssAnon +%.0f MB, RssFile +%.0f MB" % (what, *[g / MEGABYTE for g in self.grown()]))

    def assertSmall(self, what):
        self.report(what)
        anonymous, mapped = self.grown()
        self.assertLess(anonymous, 500 * MEGABYTE)
        self.assertLess(mapped, 500 * MEGABYTE)

    def run_all(self, dtype):
        trace = self.open(dtype)
        print("%s trace opened in %.2f s of processor time" % (dtype, self.seconds))
        self.assertSmall("opened")
        self.assertLess(self.grown()[1], 16 * MEGABYTE)
        self.assertLess(self.seconds, 1.0)
        attention = trace.GetDataInformation().GetArrayInformation("attention.answer", 0)
        self.assertEqual(tuple(attention.GetComponentRange(0)), (0.0, 1.0))
        for what, proxy in (
                ("map of one token, all layers and heads", simple.LVLMAttentionMap(Input=trace, AnswerTokens=[3])),
                ("volume of one token", simple.LVLMLayerVolume(Input=trace, AnswerTokens=[3])),
                ("slice of the volume", self.slice_of(simple.LVLMLayerVolume(Input=trace, AnswerTokens=[5]))),
                ("heads of one layer, one token", simple.LVLMLayerVolume(Input=trace, AnswerTokens=[-1], Axis="Heads")),
                ("head summary of one token", simple.LVLMHeadSummary(Input=trace, AnswerTokens=[3])),
                ("head summary of one layer", simple.LVLMHeadSummary(Input=trace, Layers=[7], AnswerTokens=range(0, 6400, 100)))):
            start = time.perf_counter()
            proxy.UpdatePipeline()
            proxy.GetDataInformation()
            self.assertSmall("%s (%.2f s)" % (what, time.perf_counter() - start))

    @staticmethod
    def slice_of(volume):
        """Across all layers."""
        plane = simple.Slice(Input=volume, SliceType="Plane")
        plane.SliceType.Origin, plane.SliceType.Normal = [12.0, 12.0, 12.0], [1.0, 0.0, 0.0]
        return plane

    def test_head_summary_of_a_whole_layer(self):
        """All rows of a layer, gigabytes of them: none stays in memory of the process's own."""
        trace = self.open("BF16")
        summary = simple.LVLMHeadSummary(Input=trace, Layers=[7])
        start = time.perf_counter()
        table = lt.fetch(summary, port=1)
        self.report("head summary of one layer (%.1f s)" % (time.perf_counter() - start))
        self.assertEqual(table.GetNumberOfRows(), 32)
        self.assertLess(self.grown()[0], 500 * MEGABYTE)

    def test_float32(self):
        self.run_all("F32")

    def test_bfloat16(self):
        self.run_all("BF16")

    def test_drawing_the_trace_reads_next_to_nothing(self):
        trace = self.open()
        view = simple.CreateRenderView()
        simple.Show(trace, view)
        simple.Render(view)
        self.assertSmall("drawn")


if __name__ == "__main__":
    lt.main()
