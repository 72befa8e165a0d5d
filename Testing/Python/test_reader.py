# SPDX-License-Identifier: Apache-2.0
"""LVLMTraceReader and LVLMTraceWriter against files written by numpy alone."""
import json
import os
import pathlib
import struct

import numpy as np

import lvlm_testing as lt
from paraview import servermanager, simple
from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline


def read_safetensors(path):
    """All tensors as (dtype name, shape, bytes), and the metadata."""
    with open(path, "rb") as file:
        content = file.read()
    size, = struct.unpack("<Q", content[:8])
    header = json.loads(content[8:8 + size])
    metadata = header.pop("__metadata__")
    body = content[8 + size:]
    return {name: (e["dtype"], e["shape"], body[slice(*e["data_offsets"])]) for name, e in header.items()}, metadata


class Reader(lt.TestCase):
    def test_blocks_hold_what_numpy_wrote(self):
        data = lt.TraceData()
        trace = lt.fetch(self.reader(data))
        picture = lt.block(trace, "image")
        self.assertEqual(picture.GetDimensions(), (56, 30, 1))
        self.assertEqual(picture.GetOrigin(), (0.5, 0.5, 0.0))
        pixels = lt.array(picture.GetPointData().GetArray("image")).reshape(30, 56, 3)
        np.testing.assert_array_equal(pixels[::-1], data.image)  # VTK has y up
        attention = lt.block(trace, "attention.answer")
        self.assertEqual(attention.GetDimensions(), (data.K, data.T, data.layers * data.heads))
        np.testing.assert_array_equal(
            lt.array(attention.GetPointData().GetArray("attention.answer")).reshape(data.attention.shape),
            data.attention)
        tokens = lt.block(trace, "tokens")
        self.assertEqual(lt.column(tokens, "token"), data.tokens)
        self.assertEqual(lt.column(tokens, "role"), data.roles)
        np.testing.assert_array_equal(lt.column(tokens, "id"), data.ids)
        answer = lt.block(trace, "answer")
        np.testing.assert_array_equal(lt.column(answer, "logprob"), data.logprob)
        np.testing.assert_array_equal(lt.column(answer, "topk_id"), data.topk_id)
        fields = trace.GetFieldData()
        self.assertEqual(fields.GetAbstractArray("answer").GetValue(0), "a test ✓")
        self.assertEqual(fields.GetAbstractArray("temperature").GetValue(0), "0.2")
        self.assertEqual(fields.GetArray("prompt_length").GetValue(0), data.P)

    def test_nothing_of_inference_is_loaded(self):
        lt.fetch(simple.LVLMTokens(Input=self.reader(lt.TraceData())))
        mapped = pathlib.Path("/proc/self/maps").read_text()
        self.assertIn("liblvlmReaders", mapped)
        for library in ("libtorch", "liblvlmLlava", "libdnnl"):
            self.assertNotIn(library, mapped)

    def test_half_precision_reads_as_its_float_values(self):
        data = lt.TraceData()
        for stored, expected in ((data.attention.astype("<f2"), data.attention.astype("<f2").astype("<f4")),
                                 (lt.BFloat16(data.attention), lt.BFloat16(data.attention).to_float())):
            reader = self.reader(data, tensors={"attention.answer": stored})
            values = lt.block(lt.fetch(reader), "attention.answer").GetPointData().GetArray(0)
            np.testing.assert_array_equal(lt.array(values).reshape(data.attention.shape), expected)
            shown = lt.grid_cells(lt.fetch(simple.LVLMAttentionMap(Input=reader, Layers=[0], Heads=[1], AnswerTokens=[2])))
            np.testing.assert_array_equal(shown.ravel(), expected[0, 1, 2, data.span])
            self.assertEqual(reader.GetDataInformation().GetNumberOfDataSets(), 4)

    def test_opens_through_the_reader_factory(self):
        path = lt.TraceData().write(self.path("a.lvlm"))
        self.assertEqual(simple.OpenDataFile(path).GetXMLName(), "LVLMTraceReader")

    def test_time_steps_are_the_answer(self):
        reader = self.reader(lt.TraceData(answer=4))
        reader.UpdatePipelineInformation()
        self.assertEqual(list(reader.TimestepValues), [0.0, 1.0, 2.0, 3.0])

    def test_the_information_pass_reads_no_data(self):
        """Extents come from what the source announces, through the filter that ParaView puts behind it, before it has run."""
        data, manager = lt.TraceData(), servermanager.ProxyManager().SMProxyManager
        reader = manager.NewProxy("sources", "LVLMTraceReader")
        reader.GetProperty("FileName").SetElement(0, data.write(self.path("announced.lvlm")))
        reader.UpdateVTKObjects()
        attention = manager.NewProxy("filters", "LVLMAttentionMap")
        attention.GetProperty("Input").AddInputConnection(reader, 0)
        attention.UpdateVTKObjects()
        algorithm = attention.GetClientSideObject()
        self.assertEqual(algorithm.GetInputAlgorithm(0, 0).GetClassName(), "vtkPVPostFilter")
        algorithm.UpdateInformation()
        extent = algorithm.GetOutputInformation(0).Get(vtkStreamingDemandDrivenPipeline.WHOLE_EXTENT())
        self.assertEqual(tuple(extent), (0, data.cols, 0, data.rows, 0, 0))
        output = reader.GetClientSideObject().GetOutputDataObject(0)
        self.assertEqual(output.GetNumberOfBlocks(), 0)
        algorithm.Update()
        self.assertGreater(output.GetNumberOfBlocks(), 0)

    def test_partial_traces(self):
        data = lt.TraceData()
        gone = ("image", "answer.logprob", "answer.topk_id", "answer.topk_logprob", "attention.answer")
        trace = lt.fetch(self.reader(data, tensors=dict.fromkeys(gone)))
        self.assertIsNone(lt.block(trace, "image"))
        self.assertIsNone(lt.block(trace, "attention.answer"))
        self.assertEqual(lt.column(lt.block(trace, "tokens"), "role"), data.roles)

    def test_every_field_of_the_format(self):
        """Whatever a file may hold comes out as it went in, in its own number type."""
        data = lt.TraceData()
        more = data.more_tensors()
        trace = lt.fetch(self.reader(data, tensors=more))
        for name in ("attention.full", "attention.vision"):
            stored = more[name]
            values = stored.to_float() if isinstance(stored, lt.BFloat16) else stored.astype("<f4")
            image = lt.block(trace, name)
            layers, heads, rows, keys = values.shape
            self.assertEqual(image.GetDimensions(), (keys, rows, layers * heads))
            np.testing.assert_array_equal(lt.array(image.GetPointData().GetArray(name)).reshape(values.shape), values)
        for name in ("relevancy.decoder", "relevancy.vision", "relevancy.joint", "relevancy.joint_token"):
            image = lt.block(trace, name)
            self.assertEqual(image.GetDimensions(), (*more[name].shape[::-1], 1))
            np.testing.assert_array_equal(lt.array(image.GetPointData().GetArray(name)).reshape(more[name].shape), more[name])
        fields = trace.GetFieldData()
        np.testing.assert_array_equal(lt.array(fields.GetArray("attention.full.layers")), more["attention.full.layers"])
        for name, value in (("prompt_length", data.P), ("image_start", data.image_start), ("heads", data.heads),
                            ("layer_total", data.layers), ("layer_begin", 0)):
            self.assertEqual(fields.GetArray(name).GetValue(0), value, name)
        for name in ("model", "prompt", "answer", "temperature"):
            self.assertEqual(fields.GetAbstractArray(name).GetValue(0), data.metadata()[name])
        np.testing.assert_array_equal(lt.column(lt.block(trace, "answer"), "topk_logprob"), data.topk_logprob)

    def test_unknown_tensors_and_keys_are_no_error(self):
        with lt.Errors() as errors:
            reader = self.reader(tensors={"new.thing": np.zeros(3, "<f4")}, metadata={"new": "key"})
            trace = lt.fetch(reader)
        self.assertEqual(errors.text, "")
        self.assertIsNone(lt.block(trace, "new.thing"))

    def test_another_file_name_gives_another_trace(self):
        reader = self.reader(lt.TraceData(answer=5))
        self.assertEqual(lt.block(lt.fetch(reader), "answer").GetNumberOfRows(), 5)
        reader.FileName = lt.TraceData(answer=2).write(self.path("other.lvlm"))
        self.assertEqual(lt.block(lt.fetch(reader), "answer").GetNumberOfRows(), 2)


class RoundTrip(lt.TestCase):
    def test_written_file_is_bit_equal(self):
        data = lt.TraceData()
        more = {**data.more_tensors(), "attention.full": data.more_tensors()["attention.full"][[2]], "attention.full.layers": np.array([2])}
        for attention in (data.attention, data.attention.astype("<f2"), lt.BFloat16(data.attention),
                          data.attention.astype("<f8")):
            reader = self.reader(data, tensors={**more, "attention.answer": attention})
            out = self.path("out.lvlm")
            simple.SaveData(out, proxy=reader)
            self.assertEqual(read_safetensors(out)[0], read_safetensors(reader.FileName)[0])
            self.assertEqual(len(read_safetensors(out)[0]), 13)
            self.same_words(read_safetensors(out)[1], read_safetensors(reader.FileName)[1])

    def test_written_again_is_the_same_file(self):
        """What the writer has written it writes alike, byte for byte, whatever the payload: also of partial traces."""
        data = lt.TraceData()
        for gone in (None, "image", "answer.logprob", "attention.answer", "attention.vision", "relevancy.joint"):
            for attention in (data.attention, data.attention.astype("<f2"), lt.BFloat16(data.attention)):
                tensors = {**data.more_tensors(), "attention.answer": attention}
                reader = self.reader(data, tensors={**tensors, gone: None} if gone else tensors)
                simple.SaveData(self.path("once.lvlm"), proxy=reader)
                simple.SaveData(self.path("twice.lvlm"), proxy=simple.LVLMTraceReader(FileName=self.path("once.lvlm")))
                once, twice = (pathlib.Path(self.path(name)).read_bytes() for name in ("once.lvlm", "twice.lvlm"))
                self.assertEqual(once, twice)
                self.assertEqual(read_safetensors(self.path("once.lvlm"))[0], read_safetensors(reader.FileName)[0])
                self.assertEqual(gone in read_safetensors(self.path("once.lvlm"))[0], False)

    def same_words(self, written, read):
        for key in ("tokens", "roles"):
            self.assertEqual(json.loads(written.pop(key)), json.loads(read.pop(key)))
        self.assertEqual(written, read)

    def test_awkward_metadata_keys_survive(self):
        awkward = {"heads": "many", "layer_total": "no number", "extra.heads": "x", "extra.": "y", "": "z"}
        reader = self.reader(metadata=awkward)
        out = self.path("out.lvlm")
        simple.SaveData(out, proxy=reader)
        written = read_safetensors(out)[1]
        for key, value in awkward.items():
            self.assertEqual(written.get(key), value, key)

    def test_writer_proxy_by_name(self):
        reader = self.reader()
        writer = servermanager.writers.LVLMTraceWriter(Input=reader, FileName=self.path("w.lvlm"))
        writer.UpdatePipeline()
        self.assertEqual(read_safetensors(self.path("w.lvlm"))[0], read_safetensors(reader.FileName)[0])

    def test_writer_refuses_what_is_no_trace(self):
        blocks = simple.GroupDatasets(Input=[simple.Sphere()])
        writer = servermanager.writers.LVLMTraceWriter(Input=blocks, FileName=self.path("w.lvlm"))
        self.assertReports(writer.UpdatePipeline, "not an LVLM trace")
        self.assertFalse(os.path.exists(self.path("w.lvlm")))

    def test_writer_names_a_folder_that_is_not_there(self):
        out = self.path("no/such/folder/w.lvlm")
        writer = servermanager.writers.LVLMTraceWriter(Input=self.reader(), FileName=out)
        self.assertReports(writer.UpdatePipeline, out)


if __name__ == "__main__":
    lt.main()
