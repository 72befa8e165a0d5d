# SPDX-License-Identifier: Apache-2.0
"""Traces and weights whose files are cut off, written to or replaced while they are open: an error that names the file, never a result of
what is no longer there, and the process lives on."""
import os
import shutil
import struct
import time
import unittest

import numpy as np

import lvlm_testing as lt
from paraview import simple


def cut(path, part=4):
    os.truncate(path, os.path.getsize(path) // part)


def rewrite(path):
    """Other numbers, nothing else, through the same file."""
    with open(path, "rb") as file:
        content = bytearray(file.read())
    start = struct.unpack("<Q", content[:8])[0] + 8
    content[start:] = bytes(len(content) - start)
    with open(path, "r+b") as file:
        file.write(content)


class Traces(lt.TestCase):
    """Large enough for the file's later pages not to come with the first."""

    def setUp(self):
        super().setUp()
        self.data = lt.TraceData(rows=12, cols=12, layers=6, heads=4, answer=12, width=240, height=240)
        self.more = {k: v for k, v in self.data.more_tensors().items() if k.startswith("attention.full")}

    def opened(self, name="trace.lvlm"):
        reader = self.reader(self.data, name, tensors=self.more)
        reader.UpdatePipeline()
        return reader

    @staticmethod
    def filters(reader):
        heat = simple.LVLMAttentionMap(Input=reader)
        yield heat
        yield simple.LVLMAttentionMap(Input=reader, FollowTime=1)
        yield simple.LVLMTokens(Input=reader)
        yield simple.LVLMHeadSummary(Input=reader)
        yield simple.LVLMLayerVolume(Input=reader)
        yield simple.LVLMPatchAttention(Input=reader, Patches=[3])
        yield simple.LVLMRelevancy(Input=reader, Method="RolloutMean", AnswerTokens=[1])
        yield simple.LVLMCausalGraph(Input=reader, AttentionThreshold=0.01)
        yield simple.LVLMCaption(Input=reader)
        yield simple.LVLMPaintOver(Input=reader, Patches=[3])

    def elements(self, proxy):
        proxy.UpdatePipeline()
        found = 0
        for port in range(proxy.SMProxy.GetNumberOfOutputPorts()):
            data = proxy.GetClientSideObject().GetOutputDataObject(port)
            found += sum(data.GetNumberOfElements(kind) for kind in range(7))
        return found

    def test_filters(self):
        for name, change, needle in (("cut", cut, "was cut off"), ("written", rewrite, "was written to"),
                                     ("empty", lambda path: os.truncate(path, 0), "was cut off")):
            reader = self.opened(name + ".lvlm")
            good = [self.elements(proxy) for proxy in self.filters(reader)]
            self.assertTrue(all(good), good)
            time.sleep(0.02)
            change(self.path(name + ".lvlm"))
            for number, proxy in enumerate(self.filters(reader)):
                with self.subTest(change=name, filter=proxy.SMProxy.GetXMLName(), number=number):
                    counts = []
                    self.assertReports(lambda p=proxy, c=counts: c.append(self.elements(p)), self.path(name + ".lvlm"), needle)
                    self.assertEqual(counts, [0])

    def test_writer(self):
        for name, change in (("cut", cut), ("written", rewrite)):
            reader = self.opened(name + ".lvlm")
            time.sleep(0.02)
            change(self.path(name + ".lvlm"))
            self.assertReports(lambda n=name, r=reader: simple.SaveData(self.path(n + ".copy.lvlm"), proxy=r), self.path(name + ".lvlm"))
            self.assertFalse(os.path.exists(self.path(name + ".copy.lvlm")))
        self.assertEqual(sorted(os.listdir(self.folder.name)), ["cut.lvlm", "written.lvlm"])

    def test_a_map_from_before_stays_until_it_is_made_again(self):
        reader = self.opened()
        heat = simple.LVLMAttentionMap(Input=reader)
        before = lt.grid_cells(lt.fetch(heat)).copy()
        cut(self.path("trace.lvlm"))
        np.testing.assert_array_equal(lt.grid_cells(lt.fetch(heat)), before)
        heat.Layers = [0]
        self.assertReports(heat.UpdatePipeline, self.path("trace.lvlm"))
        # The file is whole again, and opened again.
        self.data.write(self.path("trace.lvlm"), tensors=self.more)
        simple.ReloadFiles(reader)
        heat.Layers = []
        np.testing.assert_array_equal(lt.grid_cells(lt.fetch(heat)), before)

    def test_replaced_by_renaming(self):
        """What most programs do: the open one stays whole."""
        reader = self.opened()
        before = lt.grid_cells(lt.fetch(simple.LVLMAttentionMap(Input=reader))).copy()
        os.replace(lt.TraceData(seed=7).write(self.path("other.lvlm")), self.path("trace.lvlm"))
        np.testing.assert_array_equal(lt.grid_cells(lt.fetch(simple.LVLMAttentionMap(Input=reader))), before)
        simple.SaveData(self.path("trace.lvlm"), proxy=reader)  # over the one that took its place
        again = simple.LVLMTraceReader(FileName=self.path("trace.lvlm"))
        np.testing.assert_array_equal(lt.grid_cells(lt.fetch(simple.LVLMAttentionMap(Input=again))), before)


@unittest.skipUnless(os.environ.get("LVLM_MODEL"), "built without inference")
class Weights(lt.TestCase):
    """The embedded model in two shards."""

    def setUp(self):
        super().setUp()
        self.model = self.path("model")
        source = os.environ["LVLM_MODEL"]
        shutil.copytree(source, self.model, ignore=shutil.ignore_patterns("scenes", "training", "model.safetensors"))
        lt.split_safetensors(os.path.join(source, "model.safetensors"), self.model)
        self.shard = os.path.join(self.model, "model-00002-of-00002.safetensors")
        picture = simple.LVLMPictureReader(FileName=os.path.join(source, "scenes", "star_left_of_circle.png"))
        self.asked = simple.LLaVAInference(Input=picture, ModelDirectory=self.model, Prompt="What color is the star?", MaxNewTokens=4)

    def answer(self):
        self.asked.UpdatePipeline()
        self.asked.UpdatePipelineInformation()
        return self.asked.Answer

    def refused(self):
        self.assertReports(self.asked.UpdatePipeline, self.shard)
        self.asked.UpdatePipelineInformation()
        self.assertEqual(self.asked.Answer, "")
        self.assertEqual(lt.fetch(self.asked).GetNumberOfBlocks(), 0)

    def test_between_two_questions(self):
        good = self.answer()
        self.assertNotEqual(good, "")
        whole = open(self.shard, "rb").read()
        cut(self.shard)
        self.asked.Prompt = "How many stars are there?"
        self.refused()
        with open(self.shard, "wb") as file:
            file.write(whole)
        self.asked.Prompt = "What color is the star?"
        self.assertEqual(self.answer(), good)

    def test_during_a_question(self):
        """From each of several places in the work on."""
        from vtkmodules.vtkCommonCore import vtkCommand
        whole = open(self.shard, "rb").read()
        algorithm = self.asked.GetClientSideObject()
        for number, change in enumerate((cut, rewrite, cut)):
            calls = []

            def changing(_object, _event, calls=calls, change=change, at=(1, 4, 7)[number]):
                calls.append(1)
                if len(calls) == at:
                    time.sleep(0.02)
                    change(self.shard)
            tag = algorithm.AddObserver(vtkCommand.ProgressEvent, changing)
            self.asked.Seed = number
            self.refused()
            algorithm.RemoveObserver(tag)
            self.assertGreater(len(calls), 0)
            with open(self.shard, "wb") as file:
                file.write(whole)
        self.asked.Seed = 99
        self.assertNotEqual(self.answer(), "")

    def test_relevancy(self):
        self.answer()
        self.assertNotEqual(lt.fetch(simple.LVLMRelevancy(Input=self.asked)).GetNumberOfCells(), 0)
        cut(self.shard)
        other = simple.LVLMRelevancy(Input=self.asked, Mode="Compatible")
        self.assertReports(other.UpdatePipeline, self.model)
        self.assertEqual(lt.fetch(other).GetNumberOfCells(), 0)


if __name__ == "__main__":
    lt.main()
