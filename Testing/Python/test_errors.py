# SPDX-License-Identifier: Apache-2.0
"""Bad input gives a message that names the value, an empty output, and ParaView goes on."""
import json
import os
import struct

import numpy as np

import lvlm_testing as lt
from paraview import simple


class Filters(lt.TestCase):
    def setUp(self):
        super().setUp()
        self.trace = self.reader(lt.TraceData())

    def fails(self, proxy, *needles):
        self.assertReports(proxy.UpdatePipeline, *needles)
        data = proxy.GetClientSideObject().GetOutputDataObject(0)
        self.assertEqual(sum(data.GetNumberOfElements(kind) for kind in (0, 1, 6)), 0)

    def test_indices_out_of_range(self):
        maps, volume = simple.LVLMAttentionMap, simple.LVLMLayerVolume
        patches, heads = simple.LVLMPatchAttention, simple.LVLMHeadSummary
        for make, settings, needles in (
                (maps, dict(AnswerTokens=[5]), ("AnswerTokens: 5", "[-5, 4]")),
                (maps, dict(AnswerTokens=[-6]), ("AnswerTokens: -6", "[-5, 4]")),
                (maps, dict(Layers=[0, 3]), ("Layers: 3", "[-3, 2]")),
                (maps, dict(Heads=[99]), ("Heads: 99", "[-2, 1]")),
                (volume, dict(Layers=[7]), ("Layers: 7", "[-3, 2]")),
                (volume, dict(Axis="Heads", Layer=3), ("Layer: 3", "[-3, 2]")),
                (volume, dict(Axis="Heads", Heads=[-3]), ("Heads: -3", "[-2, 1]")),
                (heads, dict(AnswerTokens=[2147483647]), ("AnswerTokens: 2147483647",)),
                (patches, dict(Patches=[12]), ("Patches: 12", "[-12, 11]")),
                (patches, dict(Heads=[2]), ("Heads: 2",))):
            self.fails(make(Input=self.trace, **settings), *needles)

    def test_a_corrected_index_works(self):
        shown = simple.LVLMAttentionMap(Input=self.trace, Layers=[3])
        self.fails(shown, "Layers: 3")
        shown.Layers = [2]
        self.assertEqual(lt.fetch(shown).GetNumberOfCells(), 12)

    def test_input_that_is_no_trace(self):
        blocks = simple.GroupDatasets(Input=[simple.Sphere()])
        for make in (simple.LVLMAttentionMap, simple.LVLMTokens, simple.LVLMPatchAttention,
                     simple.LVLMHeadSummary, simple.LVLMLayerVolume, simple.LVLMTokenMatrix):
            self.fails(make(Input=blocks), "not an LVLM trace")
        self.fails(simple.LVLMOverlay(Input=blocks), "neither an LVLM map nor a trace")
        self.fails(simple.LVLMOverlay(Input=simple.Wavelet()), "no cell array")

    def test_trace_without_attention(self):
        trace = self.reader(name="b.lvlm", tensors={"attention.answer": None})
        for make in (simple.LVLMAttentionMap, simple.LVLMPatchAttention, simple.LVLMHeadSummary,
                     simple.LVLMLayerVolume, simple.LVLMMapGallery, simple.LVLMTokenMatrix):
            self.fails(make(Input=trace), "no tensor 'attention.answer'")

    def test_overlay_of_a_map_without_picture(self):
        trace = self.reader(name="b.lvlm", tensors={"image": None})
        self.fails(simple.LVLMOverlay(Input=simple.LVLMAttentionMap(Input=trace)), "no picture")

    def test_selection_of_points(self):
        points = simple.IDSelectionSource(FieldType="POINT", IDs=[0, 1])
        self.fails(simple.LVLMPatchAttention(Input=self.trace, Selection=points), "Selection", "POINT")

    def test_selection_of_cells_that_are_not_there(self):
        cells = simple.IDSelectionSource(FieldType="CELL", IDs=[0, 500])
        self.fails(simple.LVLMPatchAttention(Input=self.trace, Selection=cells), "Selection", "3 x 4")

    def test_overlay_array_that_is_not_there(self):
        shown = simple.LVLMOverlay(Input=simple.LVLMAttentionMap(Input=self.trace))
        shown.Array = ["CELLS", "nothing"]
        self.fails(shown, "nothing")

    def test_question_summary_without_question(self):
        data = lt.TraceData()
        roles = ["system" if r == "question" else r for r in data.roles]
        trace = self.reader(data, name="b.lvlm", metadata={"roles": json.dumps(roles)})
        self.fails(simple.LVLMHeadSummary(Input=trace, Source="Question"), "question")

    def test_alternatives_that_do_not_fit(self):
        for value in ("[", "[[1,2,3]]", json.dumps([["a"] * 3] * 4)):
            trace = self.reader(name="b.lvlm", metadata={"answer.topk_token": value})
            self.fails(simple.LVLMTokens(Input=trace), "answer.topk_token")


class HostileFiles(lt.TestCase):
    def refuses(self, path, *needles):
        reader = simple.LVLMTraceReader(FileName=path)
        self.assertReports(reader.UpdatePipeline, path, *needles)
        simple.Delete(reader)

    def test_missing_and_empty(self):
        self.refuses(self.path("nowhere.lvlm"), "cannot be opened")
        open(self.path("empty.lvlm"), "w").close()
        self.refuses(self.path("empty.lvlm"), "is empty")
        self.refuses(self.folder.name, "not a regular file")

    def test_no_file_name(self):
        self.assertReports(simple.LVLMTraceReader().UpdatePipeline, "FileName is empty")

    def test_truncated_anywhere(self):
        path = lt.TraceData().write(self.path("whole.lvlm"))
        with open(path, "rb") as file:
            content = file.read()
        for length in (1, 7, 8, 9, 500, len(content) // 2, len(content) - 1):
            cut = self.path("cut%d.lvlm" % length)
            with open(cut, "wb") as file:
                file.write(content[:length])
            self.refuses(cut)

    def test_contradictions(self):
        data = lt.TraceData()
        for number, (changes, needle) in enumerate((
                (dict(metadata={"format": "other"}), "format 'other'"),
                (dict(metadata={"version": "3"}), "version '3'"),
                (dict(metadata={"prompt_length": None}), "'prompt_length' is missing"),
                (dict(metadata={"prompt_length": "many"}), "'many'"),
                (dict(metadata={"prompt_length": "-1"}), "-1"),
                (dict(metadata={"prompt_length": "99999999999999999999"}), "99999999999999999999"),
                (dict(metadata={"image_start": "1000"}), "1000"),
                (dict(metadata={"grid": "0,4"}), "0,4"),
                (dict(metadata={"grid": "9223372036854775807,9223372036854775807"}), "grid"),
                (dict(metadata={"grid": "seven"}), "seven"),
                (dict(metadata={"tokens": "[1,2]"}), "'tokens'"),
                (dict(metadata={"tokens": "[" * 100000}), "'tokens'"),
                (dict(metadata={"roles": json.dumps(["nobody"] * len(data.roles))}), "nobody"),
                (dict(tensors={"attention.answer": data.attention[..., 1:].copy()}), "attention.answer"),
                (dict(tensors={"attention.answer": data.attention.astype("i8")}), "attention.answer"),
                (dict(tensors={"tokens.id": None}), "tokens.id"),
                (dict(tensors={"tokens.id": data.ids[1:]}), "tokens.id"),
                (dict(tensors={"image": data.image[..., :2].copy()}), "image"),
                (dict(tensors={"answer.topk_id": None}), "answer.topk"),
                (dict(tensors={"relevancy.joint": np.zeros((5, 11), "f4")}), "relevancy.joint"))):
            self.refuses(data.write(self.path("bad%d.lvlm" % number), **changes), needle)

    def test_hostile_headers(self):
        for number, (size, text, needle) in enumerate((
                (2**63, b"{}", "header length"),
                (100, b"{}", "truncated"),
                (2, b"[]", "not a JSON object"),
                (10, b"{\"a\":\x00\x00\x00\x00}", ""),
                (None, b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}', "'a'"),
                (None, b'{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}', "'a'"),
                (None, b'{"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}', "F99"),
                (None, b'{"a":{"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,4]}}', "'a'"))):
            path = self.path("hostile%d.lvlm" % number)
            with open(path, "wb") as file:
                file.write(struct.pack("<Q", len(text) if size is None else size) + text + b"\0" * 4)
            self.refuses(path, needle)

    def test_many_random_corruptions_never_crash(self):
        rng = np.random.default_rng(5)
        path = lt.TraceData().write(self.path("whole.lvlm"))
        with open(path, "rb") as file:
            content = bytearray(file.read())
        header = struct.unpack("<Q", content[:8])[0] + 8
        reader = simple.LVLMTraceReader(FileName=path)
        shown = simple.LVLMAttentionMap(Input=reader)
        with lt.Errors():
            for number in range(200):
                broken = bytearray(content)
                for at in rng.integers(0, header, rng.integers(1, 6)):
                    broken[at] = rng.integers(0, 256)
                with open(self.path("broken%d.lvlm" % number), "wb") as file:
                    file.write(broken)
                reader.FileName = self.path("broken%d.lvlm" % number)
                shown.UpdatePipeline()
        reader.FileName = path
        self.assertEqual(lt.fetch(shown).GetNumberOfCells(), 12)


if __name__ == "__main__":
    lt.main()
