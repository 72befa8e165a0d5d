# SPDX-License-Identifier: Apache-2.0
r"""Traces of Examples/Python/export_trace.py, that is of Hugging Face's own code, against live inference of the embedded model.

The committed trace was made by

    cp -r Models/TinyLlava /tmp && python Examples/Python/export_trace.py --model /tmp/TinyLlava --relevancy \
        --image Models/TinyLlava/scenes/star_left_of_circle.png --question "What color is the star?" --output Testing/Data/export/star.lvlm

and the one of its hidden states by

    cp -r Models/TinyLlava /tmp && python Examples/Python/export_trace.py --model /tmp/TinyLlava --no-answer --full-layers --hidden --lens \
        --hidden-layers 1 -1 --image Models/TinyLlava/scenes/star_left_of_circle.png --question "What color is the star?" \
        --output Testing/Data/export/star_hidden.lvlm

and those of pictures in tiles, NAME being next-llama and onevision-qwen2, by

    python Examples/Python/export_trace.py --model Testing/Data/llava/NAME --image Testing/Data/image/odd.png --vision --relevancy \
        --question "What color is the star?" --template 'USER: {image}\n{prompt} ASSISTANT:' --max-new-tokens 4 --output Testing/Data/export/NAME.lvlm

where `python` has torch and transformers. With LVLM_EXPORT_PYTHON naming such a Python, the exporter itself is run too, on more pictures,
questions, options and checkpoints (otherwise that part is skipped):

    LVLM_EXPORT_PYTHON=/path/to/venv/bin/python ctest --test-dir build -R Python.test_export --output-on-failure

Both sides are float32, and how that rounds is the CPU's choice: each is compared with live inference in float64, Hugging Face's within
THEIRS, ours within OURS or three times Hugging Face's own error.
"""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import numpy as np

import lvlm_testing as lt
from paraview import servermanager, simple

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "Models" / "TinyLlava"
SCENES = MODEL / "scenes"
STAR = SCENES / "star_left_of_circle.png"
GOLDEN = ROOT / "Testing" / "Data" / "export" / "star.lvlm"
PYTHON = os.environ.get("LVLM_EXPORT_PYTHON")

# Of each number array, the largest difference from float64 that is allowed; `relevancy.*` relative to the largest value.
OURS = {"attention": 1e-5, "logprob": 1e-4, "relevancy": 1e-4}
THEIRS = OURS | {"relevancy": 2e-4}  # float32 gradients of the tower: 1.6e-4 in the committed trace
RELEVANCY = {"relevancy.decoder", "relevancy.vision", "relevancy.joint", "relevancy.joint_token"}


def arrays_of(data):
    """All arrays of a data object by (association, name); composite ones by block too."""
    if data.IsA("vtkMultiBlockDataSet"):
        found = {}
        for index in range(data.GetNumberOfBlocks()):
            block = data.GetBlock(index)
            if block is not None:
                name = data.GetMetaData(index).Get(data.NAME()) if data.HasMetaData(index) else str(index)
                found |= {(name, *key): values for key, values in arrays_of(block).items()}
        return found
    found = {}
    attributes = {"rows": data.GetRowData()} if data.IsA("vtkTable") else {
        "points": data.GetPointData(), "cells": data.GetCellData()}
    for kind, attribute in attributes.items():
        for index in range(attribute.GetNumberOfArrays()):
            values = attribute.GetAbstractArray(index)
            if values.IsA("vtkStringArray"):
                found[kind, values.GetName()] = [values.GetValue(i) for i in range(values.GetNumberOfValues())]
            else:
                found[kind, values.GetName()] = lt.array(values)
    if data.IsA("vtkPolyData"):
        found["geometry", "points"] = lt.array(data.GetPoints().GetData()) if data.GetNumberOfPoints() else np.zeros(0)
    return found


class ExportCase(lt.TestCase):
    def ask(self, picture, question, **properties):
        reader = simple.PNGSeriesReader(FileNames=[str(picture)])
        return simple.LLaVAInference(Input=reader, Prompt=question, **properties)

    def with_live(self, exported, picture, question, **properties):
        """Live inference, the exported trace, and live inference in float64."""
        return self.ask(picture, question, **properties), exported, self.ask(picture, question, Precision="Float64", **properties)

    def assertClose(self, ours, theirs, exact, what, attention_tolerance=THEIRS["attention"]):
        if isinstance(ours, list) or ours.dtype.kind in "iub":
            np.testing.assert_array_equal(ours, exact, str(what))
            np.testing.assert_array_equal(theirs, exact, str(what))
            return
        # Everything that a filter makes of attention is a mean or a maximum of it, or is compared by its own size.
        name = " ".join(what)
        kind = "logprob" if "logprob" in name else "relevancy" if "relevancy" in name else "attention"
        unit = max(np.abs(exact).max(initial=0), 1e-30) if kind == "relevancy" else 1
        allowed = attention_tolerance if kind == "attention" else THEIRS[kind] * unit
        np.testing.assert_allclose(theirs, exact, rtol=0, atol=allowed, err_msg=str(what))
        their_error = np.abs(theirs.astype(float) - exact).max(initial=0)
        np.testing.assert_allclose(ours, exact, rtol=0, atol=max(OURS[kind] * unit, 3 * their_error), err_msg=str(what))

    def assertSame(self, ours, theirs, exact, what, **tolerance):
        """Three data objects: the same blocks and arrays, texts and whole numbers equal, the others close."""
        kinds = {data.GetClassName() for data in (ours, theirs, exact)}
        self.assertEqual(len(kinds), 1, what)
        a, b, c = map(arrays_of, (ours, theirs, exact))
        self.assertEqual(sorted(a), sorted(b), what)
        self.assertEqual(sorted(a), sorted(c), what)
        self.assertTrue(a, what)
        for key in a:
            self.assertClose(a[key], b[key], c[key], (what, *key), **tolerance)

    def assertSameWords(self, ours, theirs, names):
        """Fields of two traces, texts or numbers."""
        for name in names:
            a, b = (data.GetFieldData().GetAbstractArray(name) for data in (ours, theirs))
            self.assertEqual(a.GetVariantValue(0), b.GetVariantValue(0), name)

    def assertSameTrace(self, live, exported, exact, **tolerance):
        ours, theirs, wide = map(lt.fetch, (live, exported, exact))
        regions = [data.GetFieldData().GetAbstractArray("regions") for data in (ours, theirs)]
        self.assertEqual(*(json.loads(one.GetValue(0)) if one else None for one in regions))
        if regions[0]:
            self.assertSameWords(ours, theirs, ["picture_size", "chat_template"])
        for name in sorted({key[0] for key in arrays_of(theirs)} - RELEVANCY):
            self.assertSame(*(lt.block(data, name) for data in (ours, theirs, wide)), name, **tolerance)
        self.assertSameWords(ours, theirs, (
            "prompt_length", "image_start", "heads", "layer_total", "model", "prompt", "answer", "question", "system_prompt",
            "temperature", "top_p", "seed", "precision", "device", "image_mode", "answer.topk_token", "answer.topk_text"))

    def assertSameRelevancy(self, live, exported, exact, tokens):
        """Recorded maps against those that the model gives now: every token, every map and the table of words."""
        for token in range(tokens):
            shown = [simple.LVLMRelevancy(Input=trace, AnswerTokens=[token]) for trace in (live, exported, exact)]
            for port in (0, 1):
                self.assertSame(*(lt.fetch(one, port) for one in shown), f"relevancy of token {token} port {port}")


class Hidden(ExportCase):
    """Hidden states, and what they say."""

    def assertSameHidden(self, ours, theirs, exact):
        a, b, c = (arrays_of(lt.fetch(trace)) for trace in (ours, theirs, exact))
        key = ("hidden.states", "points", "hidden.states")
        shape = lt.block(lt.fetch(exact), "hidden.states").GetDimensions()[::-1]
        wide = c[key].reshape(shape)
        size = np.abs(wide).max(axis=(1, 2), keepdims=True)
        for found in (a, b):
            self.assertLessEqual((np.abs(found[key].reshape(shape) - wide) / size).max(), 1e-5)
        place = ("lens.logprob", "points", "lens.logprob")
        best = c[place].reshape(-1, 5)
        for found in (a, b):
            np.testing.assert_allclose(found[place], c[place], rtol=0, atol=1e-4)
            ids, wanted = (one["lens.id", "points", "lens.id"].reshape(-1, 5) for one in (found, c))
            sure = best[:, 0] - best[:, 1] > 1e-3
            np.testing.assert_array_equal(ids[sure, 0], wanted[sure, 0])
        self.assertGreater(sure.mean(), 0.9)
        layers, texts = zip(*((data.GetFieldData().GetArray("hidden.layers"), json.loads(data.GetFieldData().GetAbstractArray("lens.text").GetValue(0)))
                              for data in map(lt.fetch, (ours, theirs))))
        np.testing.assert_array_equal(*map(lt.array, layers))
        self.assertEqual({key: texts[0][key] for key in texts[0] if key in texts[1]}, {key: texts[1][key] for key in texts[0] if key in texts[1]})
        self.assertGreater(len(set(texts[0]) & set(texts[1])), 0.9 * len(texts[0]))

    def test_golden(self):
        exported = simple.LVLMTraceReader(FileName=str(GOLDEN.with_name("star_hidden.lvlm")))
        traces = self.with_live(exported, STAR, "What color is the star?", CaptureHidden=1, CaptureLens=1, CaptureHiddenLayers=[1, -1])
        self.assertSameHidden(*traces)
        shown = [lt.fetch(simple.LVLMLogitLens(Input=trace, AnswerTokens=[1], **more)) for trace, more in zip(
            traces, ({}, dict(ModelDirectory=str(MODEL)), {}))]
        values = [lt.volume_points(one, "probability") for one in shown]
        np.testing.assert_allclose(np.log(values[0]), np.log(values[2]), rtol=0, atol=1e-4)
        np.testing.assert_allclose(np.log(values[1]), np.log(values[2]), rtol=0, atol=1e-4)


class Golden(ExportCase):
    """The committed trace."""

    def setUp(self):
        super().setUp()
        self.assertLess(GOLDEN.stat().st_size, 1 << 20)
        self.traces = self.with_live(simple.LVLMTraceReader(FileName=str(GOLDEN)), STAR, "What color is the star?")
        self.live, self.exported, _ = self.traces

    def test_every_block(self):
        self.assertSameTrace(*self.traces)
        names = {key[0] for key in arrays_of(lt.fetch(self.exported))}
        self.assertEqual(names, {"image", "tokens", "answer", "attention.answer", "attention.full"} | RELEVANCY)

    def test_time_steps(self):
        self.exported.UpdatePipelineInformation()
        self.live.UpdatePipeline()
        self.live.UpdatePipelineInformation()
        self.assertEqual(list(self.exported.TimestepValues), list(self.live.TimestepValues))
        self.assertGreater(len(self.exported.TimestepValues), 3)

    def test_every_filter(self):
        for make, ports, options in (
                (simple.LVLMTokens, 1, {}),
                (simple.LVLMAttentionMap, 1, dict(AnswerTokens=[3], Layers=[-1])),
                (simple.LVLMAttentionMap, 1, dict(Reduction="Maximum")),
                (simple.LVLMPatchAttention, 1, dict(Patches=[0, 70, 71, 143])),
                (simple.LVLMHeadSummary, 2, dict(Source="Image")),
                (simple.LVLMHeadSummary, 2, dict(Source="Question")),
                (simple.LVLMLayerVolume, 1, {}),
                (simple.LVLMLayerVolume, 1, dict(Axis="Heads", Layer=-1)),
                (simple.LVLMCausalGraph, 4, dict(AnswerToken=3))):
            shown = [make(Input=trace, **options) for trace in self.traces]
            for port in range(ports):
                with self.subTest(filter=make.__name__, port=port, **{k: str(v) for k, v in options.items()}):
                    # A graph's weights are p-values of partial correlations, which are steeper than the attention that they come from.
                    steep = {"attention_tolerance": 1e-4} if make is simple.LVLMCausalGraph else {}
                    self.assertSame(*(lt.fetch(one, port) for one in shown), make.__name__, **steep)

    def colours(self, heat):
        """RGB colours of a heat map, [pixels, 3]."""
        overlay = lt.fetch(simple.LVLMOverlay(Input=heat, Opacity=1))
        return lt.array(overlay.GetPointData().GetArray(0)).astype(int)

    def colour_scale(self):
        """The colours of the steps 0 to 255, from a map of one pixel for each."""
        from vtkmodules.util.numpy_support import numpy_to_vtk
        from vtkmodules.vtkCommonDataModel import vtkImageData
        ramp = vtkImageData()
        ramp.SetDimensions(257, 2, 1)
        fields = ramp.GetFieldData()
        for into, name, values in ((ramp.GetCellData(), "step", np.arange(256, dtype="f4")),
                                   (fields, "picture", np.zeros((256, 3), np.uint8)), (fields, "picture_size", np.array([256, 1]))):
            array = numpy_to_vtk(values, deep=True)
            array.SetName(name)
            into.AddArray(array)
        ramp.GetCellData().SetActiveScalars("step")
        source = simple.TrivialProducer()
        source.GetClientSideObject().SetOutput(ramp)
        return self.colours(source)

    def test_overlay(self):
        """The same picture, but for one step of the colour scale where a number falls on the other side of a border."""
        scale = self.colour_scale()
        self.assertEqual(len(np.unique(scale, axis=0)), 256)
        step = {tuple(colour): index for index, colour in enumerate(scale)}
        ours, theirs = (np.array([step[tuple(colour)] for colour in self.colours(simple.LVLMAttentionMap(Input=trace))])
                        for trace in (self.live, self.exported))
        self.assertGreater(ours.std(), 10)
        self.assertLessEqual(np.abs(ours - theirs).max(), 1)

    def test_relevancy(self):
        self.assertSameRelevancy(*self.traces, 6)

    def test_recorded_relevancy_needs_no_model(self):
        """The exporter's machine has the model in a folder that is not here."""
        folder = lt.fetch(self.exported).GetFieldData().GetAbstractArray("model_directory").GetValue(0)
        relevancy = simple.LVLMRelevancy(Input=self.exported, AnswerTokens=[2], ModelDirectory="/nowhere")
        self.assertGreater(lt.fetch(relevancy).GetCellData().GetArray("decoder").GetRange()[1], 0, folder)

    def test_recorded_in_half_precision(self):
        """Made by a GPU in float16, without relevancy: the model here computes it, from the same weights in float32."""
        content = GOLDEN.read_bytes().replace(b'"precision": "Float32"', b'"precision": "Float16"')
        path = pathlib.Path(self.path("half.lvlm"))
        path.write_bytes(content.replace(b'"relevancy.', b'"forgotten.'))  # of the same length
        trace = simple.LVLMTraceReader(FileName=str(path))
        self.assertIsNone(lt.block(lt.fetch(trace), "relevancy.decoder"))
        live, _, exact = self.traces
        shown = (simple.LVLMRelevancy(Input=t, AnswerTokens=[2], **more) for t, more in (
            (live, {}), (trace, dict(ModelDirectory=str(MODEL))), (exact, {})))
        self.assertSame(*map(lt.fetch, shown), "relevancy")


class Tiles(ExportCase):
    """Committed traces of models that read a picture in tiles."""

    def test_every_block_and_map(self):
        picture, template = ROOT / "Testing/Data/image/odd.png", "USER: {image}\n{prompt} ASSISTANT:"
        for name in ("next-llama", "onevision-qwen2"):
            with self.subTest(name):
                traces = self.with_live(simple.LVLMTraceReader(FileName=str(GOLDEN.with_name(f"{name}.lvlm"))), picture, "What color is the star?",
                                        ModelDirectory=str(ROOT / "Testing/Data/llava" / name), ChatTemplate=template, MaxNewTokens=4, CaptureVision=1)
                self.assertSameTrace(*traces, attention_tolerance=3e-5)  # the tower's, in float32: 2e-5
                self.assertIn("image.tiles", {key[0] for key in arrays_of(lt.fetch(traces[1]))})
                self.assertSameRelevancy(*traces, 4)
                for region in (-1, 0, 1):
                    shown = [simple.LVLMAttentionMap(Input=trace, Region=region) for trace in traces]
                    self.assertSame(*(lt.fetch(one) for one in shown), f"map of region {region}")


# Takes command lines on its input, and tells of each how it went: torch and transformers are imported but once.
WORKER = """
import contextlib, io, json, sys
from export_trace import main
for line in sys.stdin:
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        code = main(json.loads(line))
    print(json.dumps([code, errors.getvalue()]), flush=True)
"""


@unittest.skipUnless(PYTHON, "LVLM_EXPORT_PYTHON names no Python with transformers")
class Run(ExportCase):
    """Runs the exporter."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONHOME", "LD_LIBRARY_PATH")}
        environment["OMP_NUM_THREADS"] = "1"  # tests run side by side
        environment["PYTHONPATH"] = str(ROOT / "Examples" / "Python")
        cls.worker = subprocess.Popen([PYTHON, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                      text=True, env=environment)
        cls.addClassCleanup(cls.worker.communicate)

    def export(self, *options, model=MODEL, image=STAR, question="What color is the star?", name="out.lvlm", fails=False):
        command = ["--model", model, "--image", image, "--question", question, "--output", self.path(name), *options]
        self.worker.stdin.write(json.dumps([str(part) for part in command]) + "\n")
        self.worker.stdin.flush()
        code, errors = json.loads(self.worker.stdout.readline())
        self.assertEqual(code != 0, fails, errors)
        self.assertLessEqual(set(os.listdir(self.folder.name)), {name})
        return errors if fails else simple.LVLMTraceReader(FileName=self.path(name))

    def test_everything_that_can_be_recorded(self):
        exported = self.export("--full-layers", "all", "--vision", "--relevancy", image=SCENES / "four_shapes.png",
                               question="Describe the image.")
        traces = self.with_live(exported, SCENES / "four_shapes.png", "Describe the image.", CaptureFullLayers=[0, 1, 2, 3],
                                CaptureVision=1, MaxNewTokens=64)
        self.assertSameTrace(*traces)
        self.assertIsNotNone(lt.block(lt.fetch(exported), "attention.vision"))
        self.assertSameRelevancy(*traces, 5)

    def test_other_picture_question_and_limits(self):
        exported = self.export("--system", "Be brief.", "--template", r"{system} USER: {image}\n{prompt} ASSISTANT:", "--max-new-tokens",
                               "3", "--alternatives", "2", "--full-layers", "0", "2", image=ROOT / "Testing/Data/image/odd.png",
                               question="Is there a red star?")
        self.assertSameTrace(*self.with_live(
            exported, ROOT / "Testing/Data/image/odd.png", "Is there a red star?", SystemPrompt="Be brief.", MaxNewTokens=3,
            ChatTemplate="{system} USER: {image}\n{prompt} ASSISTANT:", Alternatives=2, CaptureFullLayers=[0, 2]))
        roles = lt.column(lt.block(lt.fetch(exported), "tokens"), "role")
        self.assertIn("system", roles)

    def test_the_picture_ends_the_prompt(self):
        question, template = "What color is the star? <image>", "{image}{prompt}"
        exported = self.export("--template", template, "--max-new-tokens", "2", "--relevancy", question=question)
        traces = self.with_live(exported, STAR, question, ChatTemplate=template, MaxNewTokens=2)
        self.assertSameTrace(*traces)
        self.assertSameRelevancy(*traces, 2)

    def test_half_precision_payloads(self):
        live = self.ask(STAR, "What color is the star?")
        for payload, tolerance in (("f16", 2**-11), ("bf16", 2**-8)):
            exported = self.export("--payload", payload)
            self.assertSameTrace(live, exported, live, attention_tolerance=tolerance)  # float32's own error is far below

    def test_random_checkpoints(self):
        """Grouped queries, tied and untied, biases, a sliding window; templates of their own."""
        picture = ROOT / "Testing/Data/llava/picture.png"
        for name in ("multihead-f32", "grouped-bf16-sharded", "tied-f32", "bias-bf16-qwen2", "window-f16-mistral", "llama3-rope-f32",
                     "new-names-f32-sharded", "new-names-tied-bf16"):
            with self.subTest(name):
                folder = ROOT / "Testing/Data/llava" / name
                exported = self.export("--template", r"USER: {image}\n{prompt} ASSISTANT:", "--max-new-tokens", "12", "--full-layers",
                                       "all", "--vision", "--relevancy", model=folder, image=picture)
                traces = self.with_live(
                    exported, picture, "What color is the star?", ModelDirectory=str(folder), MaxNewTokens=12,
                    CaptureFullLayers=[0, 1, 2], CaptureVision=1, ChatTemplate="USER: {image}\n{prompt} ASSISTANT:")
                self.assertSameTrace(*traces)
                self.assertSameRelevancy(*traces, 12)

    def test_the_whole_family(self):
        """Towers, decoders and projectors of the other kinds, pictures in tiles among them: every tensor and every key."""
        picture = ROOT / "Testing/Data/image/odd.png"
        for name in ("siglip-llama", "siglip-qwen2", "gemma", "qwen3", "phi3", "granite", "vipllava", "joined-layers", "next-llama", "next-mistral",
                     "onevision-qwen2"):
            with self.subTest(name):
                folder = ROOT / "Testing/Data/llava" / name
                exported = self.export("--template", r"USER: {image}\n{prompt} ASSISTANT:", "--max-new-tokens", "4", "--vision", "--relevancy",
                                       model=folder, image=picture)
                traces = self.with_live(exported, picture, "What color is the star?", ModelDirectory=str(folder), MaxNewTokens=4, CaptureVision=1,
                                        ChatTemplate="USER: {image}\n{prompt} ASSISTANT:")
                self.assertSameTrace(*traces, attention_tolerance=3e-5)
                self.assertSameRelevancy(*traces, 4)

    def test_hidden_states(self):
        exported = self.export("--hidden", "--lens", "--max-new-tokens", "5")
        traces = self.with_live(exported, STAR, "What color is the star?", CaptureHidden=1, CaptureLens=1, MaxNewTokens=5)
        Hidden.assertSameHidden(self, *traces)
        self.assertEqual(lt.block(lt.fetch(exported), "hidden.states").GetDimensions()[2], 5)
        picture, template = ROOT / "Testing/Data/llava/picture.png", "USER: {image}\n{prompt} ASSISTANT:"
        for name in ("bias-bf16-qwen2", "grouped-bf16-sharded"):
            folder = ROOT / "Testing/Data/llava" / name
            exported = self.export("--template", template, "--max-new-tokens", "4", "--hidden", "--lens", "5", "--hidden-layers", "0", "2",
                                   model=folder, image=picture)
            Hidden.assertSameHidden(self, *self.with_live(
                exported, picture, "What color is the star?", ModelDirectory=str(folder), MaxNewTokens=4, ChatTemplate=template,
                CaptureHidden=1, CaptureLens=1, CaptureHiddenLayers=[0, 2]))
        alone = lt.fetch(self.export("--lens", "2", "--hidden-layers", "-1"))
        self.assertIsNone(lt.block(alone, "hidden.states"))
        self.assertEqual(lt.block(alone, "lens.id").GetDimensions()[0], 2)
        self.assertIsNone(lt.block(lt.fetch(self.export()), "lens.id"))

    def test_characters_of_several_bytes(self):
        question = "  What color is the ⭐ — ’red’?\n你好\n"
        exported = self.export("--max-new-tokens", "3", question=question)
        self.assertSameTrace(*self.with_live(exported, STAR, question, MaxNewTokens=3))
        self.assertIn("你", lt.column(lt.block(lt.fetch(exported), "tokens"), "text"))

    def settings(self, content, source=ROOT / "Testing/Data/llava/multihead-f32"):
        """A copy of a checkpoint with another generation_config.json, outside of the folder that is watched."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        copy = pathlib.Path(folder.name) / source.name
        shutil.copytree(source, copy)
        (copy / "generation_config.json").write_text(json.dumps(content))
        return copy

    def test_generation_config(self):
        """Logits are processed as in live inference, and the scores are the model's own."""
        golden = json.loads((ROOT / "Testing/Data/llava/generation.json").read_text())
        picture = ROOT / "Testing/Data/llava/picture.png"
        for name in ("order", "min-new", "forced-end", "bad-words", "decay", "invalid"):
            with self.subTest(name):
                case = golden["models"]["multihead-f32"][name]
                folder = self.settings(case["config"])
                exported = self.export("--template", r"USER: {image}\n{prompt} ASSISTANT:", "--max-new-tokens", str(golden["steps"]),
                                       model=folder, image=picture)
                self.assertEqual(list(lt.column(lt.block(lt.fetch(exported), "answer"), "id")), case["answer"])
                self.assertSameTrace(*self.with_live(
                    exported, picture, "What color is the star?", ModelDirectory=str(folder), MaxNewTokens=golden["steps"],
                    ChatTemplate="USER: {image}\n{prompt} ASSISTANT:"))
        for content, needle in (({"num_beams": 4}, "num_beams = 4 is not supported"), ({"penalty_alpha": 0.6}, "penalty_alpha")):
            self.assertIn(needle, self.export("--template", "{image}{prompt}", model=self.settings(content), fails=True))

    def test_errors(self):
        for options, needle in (
                (dict(model="/nowhere"), "/nowhere"),
                (dict(image="/nowhere.png"), "/nowhere.png"),
                (dict(image=MODEL / "config.json"), "config.json: cannot be read as a picture"),
                (dict(question=" "), "question is empty"),
                (dict(question="<image> and <image>"), "2 image tokens"),
                (dict(model=ROOT / "Testing/Data/llava/multihead-f32"), "no chat template")):
            self.assertIn(needle, self.export(fails=True, **options))
        for options, needle in ((["--full-layers", "4"], "layer 4 is out of range: the decoder has layers 0 to 3"),
                                (["--full-layers", "some"], "'some'"), (["--lens", "-1"], "lens -1"),
                                (["--lens", "--hidden-layers", "5"], "layer 5 is out of range: there are hidden states 0 to 4"),
                                (["--hidden", "--hidden-layers", "x"], "hidden-layers 'x'"), (["--max-new-tokens", "0"], "max-new-tokens 0"),
                                (["--temperature", "-1"], "temperature -1"), (["--top-p", "0"], "top-p 0"),
                                (["--device", "cuda:77"], "'cuda:77' is not available"),
                                (["--template", "{prompt}"], "lacks {image}"), (["--system", "x", "--template", "{image}{prompt}"], "{system}")):
            self.assertIn(needle, self.export(*options, fails=True))
        self.assertEqual(os.listdir(self.folder.name), [])


if __name__ == "__main__":
    lt.main()
