# SPDX-License-Identifier: Apache-2.0
"""LLaVAInference in ParaView: pictures of every kind, time, caching, sharing of memory, bad input, abort.

The numbers themselves are checked against Hugging Face in Testing/Cpp/TestLlava; here they are compared with
the same golden files once more, through the pipeline.
"""
import ctypes
import json
import os
import pathlib
import resource
import shutil
import struct
import unittest
import zlib

import numpy as np
from lvlm_testing import Errors, TestCase, array, block, column, fetch, grid_cells, main, read_safetensors

DATA = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "Data", "llava")
MODEL = os.path.join(DATA, "multihead-f32")
QUESTION = "What color is the star?"


class InferenceCase(TestCase):
    def picture(self, pixels, on_cells=False, name="colors"):
        """A source of a picture given as [rows, cols, components], row 0 at the top."""
        from paraview import simple
        from vtkmodules.util.numpy_support import numpy_to_vtk
        from vtkmodules.vtkCommonDataModel import vtkImageData
        rows, cols = pixels.shape[:2]
        image = vtkImageData()
        image.SetDimensions(cols + on_cells, rows + on_cells, 1)
        values = numpy_to_vtk(np.ascontiguousarray(pixels[::-1]).reshape(rows * cols, -1), deep=True)
        values.SetName(name)
        (image.GetCellData() if on_cells else image.GetPointData()).SetScalars(values)
        source = simple.TrivialProducer()
        source.GetClientSideObject().SetOutput(image)
        return source

    def golden_picture(self):
        from paraview import simple
        return simple.PNGSeriesReader(FileNames=[os.path.join(DATA, "picture.png")])

    def ask(self, picture=None, **properties):
        from paraview import simple
        settings = {"ModelDirectory": MODEL, "Prompt": QUESTION, "MaxNewTokens": 4, **properties}
        return simple.LLaVAInference(Input=picture or self.golden_picture(), **settings)

    def seen(self, trace):
        """What the model saw, [H, W, 3], row 0 at the top."""
        image = block(fetch(trace), "image")
        cols, rows, _ = image.GetDimensions()
        return array(image.GetPointData().GetArray("image")).reshape(rows, cols, 3)[::-1]


class Answers(InferenceCase):
    def test_golden_numbers_through_the_pipeline(self):
        golden, metadata = read_safetensors(os.path.join(MODEL, "golden.safetensors"))
        trace = self.ask(MaxNewTokens=24, CaptureFullLayers=[0, 1, 2], CaptureVision=1)
        data = fetch(trace)
        P, T = len(golden["ids"]), len(golden["answer"])
        np.testing.assert_array_equal(
            column(block(data, "tokens"), "id"), np.concatenate([golden["ids"], golden["answer"]]))
        for name in ("attention.answer", "attention.full", "attention.vision"):
            ours = array(block(data, name).GetPointData().GetArray(name))
            allowed = max(1e-5, 3 * float(metadata["float32_error." + name]))  # Hugging Face's own, as in TestLlava
            np.testing.assert_allclose(ours, golden[name].reshape(-1), atol=allowed, rtol=0)
        self.assertEqual(block(data, "attention.answer").GetDimensions(), (P + T - 1, T, 3 * 4))

    def test_inference_is_loaded_for_itself_alone(self):
        """What LibTorch brings along must not take the place of libraries that ParaView draws with."""
        fetch(self.ask())
        self.assertIn("libtorch", pathlib.Path("/proc/self/maps").read_text())
        self.assertFalse(hasattr(ctypes.CDLL(None), "lvlmLlavaLibrary"))

    def test_an_empty_list_of_layers_captures_all_and_off_captures_none(self):
        from paraview import simple
        trace = self.ask()
        self.assertEqual(block(fetch(trace), "attention.full").GetDimensions()[2], 4)  # the last layer's 4 heads
        trace.CaptureFullLayers = []
        self.assertEqual(block(fetch(trace), "attention.full").GetDimensions()[2], 12)
        trace.CaptureFull = 0
        self.assertIsNone(block(fetch(trace), "attention.full"))
        self.assertEqual(len(column(fetch(simple.LVLMTokens(Input=trace)), "id")), 53 + 4)

    def test_answer_is_time_and_asking_again_gives_new_steps(self):
        from paraview import servermanager, simple
        trace = self.ask()
        heat = simple.LVLMAttentionMap(Input=trace, FollowTime=1, Layers=[1], Heads=[2])
        trace.UpdatePipeline()
        trace.UpdatePipelineInformation()
        self.assertEqual(list(trace.TimestepValues), [0, 1, 2, 3])
        data = fetch(trace)
        raw = array(block(data, "attention.answer").GetPointData().GetArray(0)).reshape(3, 4, 4, 56)
        start = int(data.GetFieldData().GetArray("image_start").GetTuple1(0))
        for t in range(4):
            heat.UpdatePipeline(t)
            np.testing.assert_array_equal(
                grid_cells(servermanager.Fetch(heat)), raw[1, 2, t, start:start + 9].reshape(3, 3))
        trace.MaxNewTokens = 2
        heat.UpdatePipeline(0)
        trace.UpdatePipelineInformation()
        self.assertEqual(list(trace.TimestepValues), [0, 1])

    def test_more_positions_than_the_model_was_made_for(self):
        """Rotary embedding goes on: Hugging Face warns (generation/stopping_criteria.py) and answers."""
        for words, warns in ((40, False), (200, True)):
            trace = self.ask(Prompt="star " * words, MaxNewTokens=2, CaptureFull=0)
            with Errors() as errors:
                trace.UpdatePipeline()
            self.assertEqual("the model was made for 512 (max_position_embeddings)" in errors.text, warns, errors.text)
            self.assertGreater(len(column(block(fetch(trace), "answer"), "id")), 0)

    def test_a_table_is_the_active_source(self):
        """pvpython connects a new filter to it before the picture: its columns are no colors."""
        from paraview import simple
        table = simple.LVLMTokens(Input=self.ask())
        table.UpdatePipeline()
        simple.SetActiveSource(table)
        with Errors() as errors:
            again = self.ask()
            again.UpdatePipeline()
        self.assertEqual(errors.text, "")
        again.UpdatePipelineInformation()
        self.assertNotEqual(again.Answer, "")

    def test_an_answer_is_told_downstream_and_modifies_nothing(self):
        from paraview import simple
        from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline
        trace = self.ask()
        tokens = simple.LVLMTokens(Input=trace, FollowTime=1)
        asked, told = (proxy.GetClientSideObject() for proxy in (trace, tokens))
        for length in (3, 2):
            trace.MaxNewTokens = length
            tokens.UpdatePipelineInformation()
            before = asked.GetMTime()
            trace.UpdatePipeline()
            self.assertEqual(asked.GetMTime(), before)
            tokens.UpdatePipelineInformation()
            steps = told.GetOutputInformation(0).Get(vtkStreamingDemandDrivenPipeline.TIME_STEPS())
            self.assertEqual(list(steps), list(range(length)))

    def test_time_and_unrelated_changes_do_not_ask_again(self):
        trace = self.ask()
        reports = []
        trace.GetClientSideObject().AddObserver("ProgressEvent", lambda *_: reports.append(1))
        trace.UpdatePipeline()
        asked = len(reports)
        self.assertGreater(asked, 10)
        trace.UpdatePipeline(1.0)
        trace.UpdatePipeline(2.0)
        self.assertEqual(len(reports), asked)
        trace.Prompt = "What shape is it?"
        trace.UpdatePipeline()
        self.assertGreater(len(reports), asked)

    def test_live_and_recorded_traces_give_the_same(self):
        from paraview import simple
        live = self.ask()
        path = self.path("live.lvlm")
        simple.SaveData(path, proxy=live)
        recorded = simple.LVLMTraceReader(FileName=path)
        for filter_, options in ((simple.LVLMAttentionMap, {"AnswerTokens": [1]}), (simple.LVLMHeadSummary, {})):
            a, b = fetch(filter_(Input=live, **options)), fetch(filter_(Input=recorded, **options))
            for data in ("GetPointData", "GetCellData"):
                if getattr(a, data)().GetNumberOfArrays():
                    np.testing.assert_array_equal(
                        array(getattr(a, data)().GetArray(0)), array(getattr(b, data)().GetArray(0)))

    def test_attention_is_not_copied(self):
        trace = self.ask()
        trace.UpdatePipeline()
        name = "attention.answer"
        one = block(trace.GetClientSideObject().GetOutputDataObject(0), name).GetPointData().GetArray(name)
        first = one.GetVoidPointer(0)
        trace.UpdatePipeline(1.0)  # emitted again from the cache: the same memory
        two = block(trace.GetClientSideObject().GetOutputDataObject(0), name).GetPointData().GetArray(name)
        self.assertEqual(first, two.GetVoidPointer(0))

    def test_information_before_and_after(self):
        trace = self.ask()
        trace.UpdatePipelineInformation()
        self.assertIn("3 layers, 4 heads", trace.ModelInformation)
        self.assertIn("53 prompt positions and 4 answer tokens", trace.CostInformation)
        trace.UpdatePipeline()
        trace.UpdatePipelineInformation()
        data = fetch(trace)
        answer = data.GetFieldData().GetAbstractArray("answer").GetValue(0)
        self.assertEqual(trace.Answer, answer)

    def test_a_nul_in_the_answer(self):
        """A property ends at a NUL character, so it shows the sign for one; the trace has the character itself."""
        folder = self.path("model")
        shutil.copytree(os.path.join(DATA, "new-names-tied-bf16"), folder)
        expected = read_safetensors(os.path.join(folder, "golden.safetensors"))[1]["answer"]
        self.assertEqual(expected, "DD D ")
        with open(os.path.join(folder, "tokenizer.json")) as file:
            tokenizer = json.load(file)
        vocabulary = tokenizer["model"]["vocab"]
        vocabulary["<0x44>"], vocabulary["<0x00>"] = vocabulary["<0x00>"], vocabulary["<0x44>"]  # D is said as a byte
        with open(os.path.join(folder, "tokenizer.json"), "w") as file:
            json.dump(tokenizer, file)
        trace = self.ask(ModelDirectory=folder, ChatTemplate="{image}\n{prompt}", MaxNewTokens=24)
        answer = fetch(trace).GetFieldData().GetAbstractArray("answer").GetValue(0)
        self.assertEqual(repr(answer), repr("\0\0 \0 "))  # ParaView's streams take no NUL
        trace.UpdatePipelineInformation()
        self.assertEqual(trace.Answer, "\u2400\u2400 \u2400 ")

    def test_state_round_trip(self):
        from paraview import simple
        trace = self.ask(ImageMode="Pad", Seed=3, Temperature=0.7, TopP=0.9, CaptureFullLayers=[0, -1])
        before = fetch(trace).GetFieldData().GetAbstractArray("answer").GetValue(0)
        simple.SaveState(self.path("state.pvsm"))
        simple.ResetSession()
        simple.LoadState(self.path("state.pvsm"))
        again = next(p for (name, _), p in simple.GetSources().items() if name.startswith("LLaVA"))
        self.assertEqual(again.ImageMode, "Pad")
        self.assertEqual(list(again.CaptureFullLayers), [0, -1])
        self.assertEqual(fetch(again).GetFieldData().GetAbstractArray("answer").GetValue(0), before)


class Pictures(InferenceCase):
    """A picture of the model's own size passes preprocessing unchanged: what it saw is what was given."""

    def setUp(self):
        super().setUp()
        self.rgb = np.random.default_rng(2).integers(0, 256, (42, 42, 3), dtype=np.uint8)

    def assertSeen(self, pixels, expected, **kind):
        np.testing.assert_array_equal(self.seen(self.ask(self.picture(pixels, **kind))), expected)

    def test_rgb_upright(self):
        self.assertSeen(self.rgb, self.rgb)

    def test_on_cells(self):
        self.assertSeen(self.rgb, self.rgb, on_cells=True)

    def test_alpha_is_dropped(self):
        self.assertSeen(np.dstack([self.rgb, self.rgb[..., :1]]), self.rgb)

    def test_grey_is_repeated(self):
        grey = self.rgb[..., :1]
        self.assertSeen(grey, np.repeat(grey, 3, axis=2))
        self.assertSeen(np.dstack([grey, grey * 0]), np.repeat(grey, 3, axis=2))

    def test_floating_point(self):
        self.assertSeen(self.rgb.astype(np.float32) / 255, self.rgb)
        self.assertSeen(self.rgb.astype(np.float64), self.rgb)

    def test_sixteen_bits(self):
        self.assertSeen(self.rgb.astype(np.uint16) * 257, self.rgb)

    def test_one_pixel(self):
        color = np.array([[[10, 200, 30]]], dtype=np.uint8)
        self.assertSeen(color, np.tile(color, (42, 42, 1)))

    def test_too_many_pixels(self):
        """Refused before ParaView's own reader is asked for them."""
        from paraview import simple
        edge = 32767
        row, packer = bytes(1 + (edge + 7) // 8), zlib.compressobj(9)
        data = b"".join(packer.compress(row) for _ in range(edge)) + packer.flush()
        chunks = ((b"IHDR", struct.pack(">IIBBBBB", edge, edge, 1, 0, 0, 0, 0)), (b"IDAT", data), (b"IEND", b""))
        with open(self.path("bomb.png"), "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n" + b"".join(
                struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        trace = self.ask(simple.PNGSeriesReader(FileNames=[self.path("bomb.png")]))
        self.assertReports(trace.UpdatePipeline, "1073676289 pixels, more than the 178956970", "MaximumPixels")
        self.assertLess(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, 300e3)
        self.assertEqual(fetch(trace).GetNumberOfBlocks(), 0)
        small = self.ask(MaximumPixels=100)
        self.assertReports(small.UpdatePipeline, "more than the 100 that are accepted")
        small.MaximumPixels = 10**6
        self.assertGreater(fetch(small).GetNumberOfBlocks(), 0)

    def test_sixteen_thousand_pixels_wide(self):
        wide = np.zeros((3, 16000, 3), np.uint8)
        wide[:, :8000] = [255, 0, 0]
        seen = self.seen(self.ask(self.picture(wide), ImageMode="Resize"))
        self.assertEqual(seen.shape, (42, 42, 3))
        np.testing.assert_array_equal(seen[:, :20], np.tile(np.array([255, 0, 0], np.uint8), (42, 20, 1)))

    def origins(self, mode, height, width, edge=42):
        """Where the centres of the seen picture's rows and columns lie in a picture of height x width, and what of it is seen."""
        at = np.arange(edge) + 0.5
        if mode in ("Default", "Crop"):  # shortest edge to `edge`, then the centre
            rows, cols = (edge, int(edge * width / height)) if height <= width else (int(edge * height / width), edge)
            y, x = (at + (rows - edge) // 2) * height / rows, (at + (cols - edge) // 2) * width / cols
        elif mode == "Resize":
            y, x = at * height / edge, at * width / edge
        else:  # centred on a square
            longest = max(height, width)
            y, x = (at * longest / edge - (longest - side) // 2 for side in (height, width))
        margin = 2 * max(1, max(height, width) / edge) if mode == "Pad" else -np.inf  # borders blend with the padding
        inside = ((y > margin) & (y < height - margin))[:, None] & ((x > margin) & (x < width - margin))
        return np.clip(y, 0.5, height - 0.5), np.clip(x, 0.5, width - 0.5), inside

    def test_every_pixel_comes_from_its_place_in_every_mode(self):
        """Red rises from left to right, green from top to bottom: a colour tells where in the original it lay."""
        for height, width in ((30, 77), (91, 40), (42, 43)):
            rows, cols = np.mgrid[0:height, 0:width] + 0.5
            ramps = np.rint(np.dstack([cols * 200 / width, rows * 200 / height, 0 * cols])).astype(np.uint8)
            for mode in ("Default", "Crop", "Pad", "Resize"):
                seen = self.seen(self.ask(self.picture(ramps), ImageMode=mode)).astype(float)
                y, x, inside = self.origins(mode, height, width)
                self.assertGreater(inside.sum(), 42 * 42 / 4)
                # A step of a ramp is at most 6.7; two roundings and the filter at a border are below 1.5.
                self.assertLess(np.abs(seen[..., 0] - x * 200 / width)[inside].max(), 1.5, (mode, height, width))
                self.assertLess(np.abs(seen[..., 1] - (y * 200 / height)[:, None])[inside].max(), 1.5, (mode, height, width))

    def test_map_cells_lie_on_their_pixels(self):
        """A picture wider than high, cropped: block image and map share one geometry."""
        from paraview import simple
        wide = np.random.default_rng(3).integers(0, 256, (42, 84, 3), dtype=np.uint8)
        trace = self.ask(self.picture(wide))
        np.testing.assert_array_equal(self.seen(trace), wide[:, 21:63])
        heat = fetch(simple.LVLMAttentionMap(Input=trace))
        self.assertEqual(heat.GetBounds()[:4], (0, 42, 0, 42))
        self.assertEqual(heat.GetSpacing()[:2], (14, 14))


class BadInput(InferenceCase):
    def fails(self, *needles, picture=None, **properties):
        trace = self.ask(picture, **properties)
        self.assertReports(trace.UpdatePipeline, *needles)
        self.assertEqual(trace.GetClientSideObject().GetOutputDataObject(0).GetNumberOfBlocks(), 0)

    def test_questions(self):
        self.fails("MaxNewTokens 0", MaxNewTokens=0)
        self.fails("prompt", Prompt="")
        self.fails("2 image tokens", Prompt="<image> or <image>?")
        self.fails("{image}", ChatTemplate="no place for it: {prompt}")
        self.fails("layer 3 is out of range", CaptureFullLayers=[3])
        self.fails("layer -4 is out of range", CaptureFullLayers=[0, -4])
        self.fails("Temperature -1", Temperature=-1)
        self.fails("TopP 0", TopP=0)
        self.fails("toaster", Device="toaster")
        self.fails("available", "MaxNewTokens (1000000)", MaxNewTokens=1000000)

    def test_pictures(self):
        rgb = np.zeros((4, 4, 3))
        self.fails("[0, 300]", picture=self.picture(np.where(np.indices((4, 4)).sum(0)[..., None] > 2, 300.0, rgb)))
        self.fails("not finite", picture=self.picture(np.full((4, 4, 3), np.nan) * [[[1, 0, 0]]]))
        self.fails("5 components", picture=self.picture(np.zeros((4, 4, 5), np.uint8)))
        from paraview import simple
        self.fails("slices in z", picture=simple.Wavelet(WholeExtent=[0, 3, 0, 3, 0, 3]))
        self.fails("40000 x 1", picture=self.picture(np.zeros((1, 40000, 3), np.uint8)))

    def damaged(self, change):
        folder = self.path("model%d" % len(os.listdir(self.folder.name)))
        shutil.copytree(MODEL, folder)
        change(folder)
        return folder

    def edited(self, file_name="config.json", **numbers):
        def change(folder):
            path = os.path.join(folder, file_name)
            with open(path) as file:
                config = json.load(file)
            for key, value in numbers.items():
                where = config
                *parts, last = key.split("__")
                for part in parts:
                    where = where[part]
                where[last] = value
            with open(path, "w") as file:
                json.dump(config, file)
        return self.damaged(change)

    def test_folders(self):
        self.fails("/nowhere: there is no such model folder", ModelDirectory="/nowhere")
        for name in ("config.json", "tokenizer.json", "preprocessor_config.json", "model.safetensors"):
            folder = self.damaged(lambda folder: os.remove(os.path.join(folder, name)))
            self.fails(folder, name, ModelDirectory=folder)

    def test_weights(self):
        def truncate(folder):
            path = os.path.join(folder, "model.safetensors")
            os.truncate(path, os.path.getsize(path) - 1000)

        def not_a_number(folder):
            path = os.path.join(folder, "model.safetensors")
            with open(path, "r+b") as file:
                length = int.from_bytes(file.read(8), "little")
                header = json.loads(file.read(length))
                begin = header["language_model.model.layers.1.mlp.up_proj.weight"]["data_offsets"][0]
                file.seek(8 + length + begin)
                file.write(np.float32(np.nan).tobytes())
        self.fails("model.safetensors", "truncated", ModelDirectory=self.damaged(truncate))
        self.fails("decoder layer 1", "not finite", ModelDirectory=self.damaged(not_a_number))

    def test_configurations(self):
        self.fails("'blip' is not supported", ModelDirectory=self.edited(model_type="blip"))
        self.fails("'mamba' is not supported", ModelDirectory=self.edited(text_config__model_type="mamba"))
        self.fails("hidden_size = -5", ModelDirectory=self.edited(text_config__hidden_size=-5))
        self.fails("decoder.layers.0", "[80, 48]", ModelDirectory=self.edited(text_config__intermediate_size=81))
        self.fails("decoder.layers.3", ModelDirectory=self.edited(text_config__num_hidden_layers=4))
        self.fails("num_hidden_layers = 4000000", ModelDirectory=self.edited(text_config__num_hidden_layers=4000000))
        self.fails("position_embedding", ModelDirectory=self.edited(vision_config__image_size=56))
        self.fails("42 x 42", "28 x 28", ModelDirectory=self.edited(
            "preprocessor_config.json", crop_size={"height": 28, "width": 28}))

    def test_it_works_again_afterwards(self):
        trace = self.ask(ModelDirectory="/nowhere")
        self.assertReports(trace.UpdatePipeline, "/nowhere")
        trace.ModelDirectory = MODEL
        with Errors() as errors:
            self.assertGreater(fetch(trace).GetNumberOfBlocks(), 0)
        self.assertNotIn("ERR", errors.text)

    def test_abort_leaves_a_filter_that_works(self):
        trace = self.ask(MaxNewTokens=24)
        filter_ = trace.GetClientSideObject()
        seen = []

        def stop(*_):
            seen.append(filter_.GetProgress())
            if len(seen) == 8:
                filter_.AbortExecuteOn()
        tag = filter_.AddObserver("ProgressEvent", stop)
        trace.UpdatePipeline()
        self.assertLessEqual(len(seen), 9)  # the executive itself reports the end
        filter_.RemoveObserver(tag)
        filter_.AbortExecuteOff()
        trace.MaxNewTokens = 5
        self.assertEqual(block(fetch(trace), "answer").GetNumberOfRows(), 5)


if __name__ == "__main__":
    main()
