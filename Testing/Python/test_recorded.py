# SPDX-License-Identifier: Apache-2.0
r"""Traces of other models than LLaVA, recorded by Examples/Python/export_trace.py from tiny ones of Hugging Face's own classes.

The committed traces were made by `python Testing/Golden/record_goldens.py traces Testing/Data/export`. Their models are such that what the
first layer gives to an image token rises with the brightness of its part of the picture (the script says how): a map has every patch in
its place when it is the picture. Maps are compared with numpy on the files' own numbers, too.

With LVLM_EXPORT_PYTHON naming a Python that has torch and transformers (or where python3 has them) the exporter is also run, on models
that it makes then, and compared with Hugging Face's `generate()` and with live inference; otherwise that part is skipped.
"""
import json
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import unittest
import zlib

import numpy as np

import lvlm_testing as lt
from paraview import simple

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "Testing" / "Data" / "export"
PYTHON = os.environ.get("LVLM_EXPORT_PYTHON")

# The grid of the map of all regions, and how many regions there are: of a picture of 60 x 40 pixels.
SHAPES = {"llava": (6, 6, 1), "qwen2_vl": (5, 8, 1), "qwen2_5_vl": (5, 8, 1), "qwen3_vl": (5, 8, 1), "gemma3": (4, 4, 1),
          "paligemma": (6, 6, 1), "internvl": (6, 9, 7), "idefics3": (6, 9, 7), "smolvlm": (6, 9, 7),
          "vipllava": (6, 6, 1), "llava_next": (12, 18, 2), "llava_onevision": (9, 14, 2)}
TWO = {"qwen2_5_vl_two": (5, 8, 2), "idefics3_two": (6, 9, 14)}  # and a second picture of 24 x 48


def regions_of(tensors, metadata):
    if "regions" in metadata:
        return json.loads(metadata["regions"])
    rows, cols = map(int, metadata["grid"].split(","))
    height, width = tensors["image"].shape[:2]
    return [{"image": 0, "start": int(metadata["image_start"]), "rows": rows, "cols": cols, "stride": cols, "box": [0, 0, width, height]}]


def own(row, region):
    positions = region["start"] + np.arange(region["rows"])[:, None] * region["stride"] + np.arange(region["cols"])
    return row[positions].astype(float)


def overlaps(low, high, count, edges):
    """[count, len(edges) - 1]: how much of each piece of [low, high) lies between two edges."""
    pieces = np.linspace(low, high, count + 1)
    return np.maximum(0, np.minimum(pieces[1:, None], edges[None, 1:]) - np.maximum(pieces[:-1, None], edges[None, :-1]))


def joined(row, regions, rows, cols, picture):
    """A map of rows x cols over the picture: of each region's patches the part of their area."""
    height, width = picture.shape[:2]
    total = np.zeros((rows, cols))
    for region in regions:
        left, top, right, bottom = region["box"]
        down = overlaps(top, bottom, region["rows"], np.linspace(0, height, rows + 1))
        across = overlaps(left, right, region["cols"], np.linspace(0, width, cols + 1))
        total += (down / down.sum(1, keepdims=True)).T @ own(row, region) @ (across / across.sum(1, keepdims=True))
    return total


def ranks(values):
    return values.ravel().argsort().argsort()


def likeness(brightness, map_):
    """1: the brighter a patch is, the more the map has there."""
    return np.corrcoef(ranks(brightness), ranks(map_))[0, 1]


class RecordedCase(lt.TestCase):
    def reader(self, path):
        trace = simple.LVLMTraceReader(FileName=str(path))
        with lt.Errors() as errors:
            trace.UpdatePipeline()
        self.assertEqual(errors.text, "")
        return trace

    def brightness(self, data):
        """Mean of the picture that a map carries under each of its cells, by where the map lies in space. [rows, cols], row 0 at the top"""
        fields = data.GetFieldData()
        width, height = lt.array(fields.GetArray("picture_size"))
        pixels = lt.array(fields.GetArray("picture")).reshape(height, width, 3).mean(-1)  # y up
        cols, rows = data.GetDimensions()[0] - 1, data.GetDimensions()[1] - 1
        x0, x1, y0, y1, _, _ = data.GetBounds()
        self.assertTrue(-1e-9 <= x0 < x1 <= width + 1e-9 and -1e-9 <= y0 < y1 <= height + 1e-9)
        ys, xs = (np.round(np.linspace(low, high, count + 1)).astype(int) for low, high, count in ((y0, y1, rows), (x0, x1, cols)))
        return np.array([[pixels[ys[r]:ys[r + 1], xs[c]:xs[c + 1]].mean() for c in range(cols)] for r in range(rows)])[::-1]

    def assertShowsPicture(self, data, what, least=0.95):
        """A map of the first layer is the picture, and turned over it is not."""
        bright, map_ = self.brightness(data), lt.grid_cells(data, "attention")
        self.assertGreater(likeness(bright, map_), least, what)
        if min(map_.shape) > 3:
            for wrong in (map_[::-1], map_[:, ::-1], map_.T.reshape(map_.shape)):
                self.assertLess(likeness(bright, wrong), 0.9, what)


    def assertBrighterIsMore(self, data, what):
        """The same of a grid of few patches: of any two that clearly differ, the brighter one has more."""
        bright, map_ = self.brightness(data).ravel(), lt.grid_cells(data, "attention").ravel()
        clearly = bright[:, None] > bright[None] + 45
        self.assertFalse((clearly & (map_[:, None] <= map_[None])).any(), (what, bright, map_))


class Recorded(RecordedCase):
    def test_every_patch_is_in_its_place(self):
        for name, (rows, cols, count) in (SHAPES | TWO).items():
            with self.subTest(name):
                trace = self.reader(DATA / f"{name}.lvlm")
                heat = simple.LVLMAttentionMap(Input=trace, Layers=[0], AnswerTokens=[0])
                data = lt.fetch(heat)
                self.assertEqual(data.GetDimensions(), (cols + 1, rows + 1, 1))
                width, height = lt.array(data.GetFieldData().GetArray("picture_size"))
                np.testing.assert_allclose(data.GetBounds()[:4], [0, width, 0, height], atol=1e-9)  # all of it
                self.assertShowsPicture(data, name)
                if count > 1:
                    self.assertEqual(list(heat.GetPropertyValue("RegionRange")), [-1, count - 1])
                for region in range(count if count > 1 else 0):
                    heat.Region = region
                    self.assertBrighterIsMore(lt.fetch(heat), (name, region))

    def test_maps_are_those_of_the_raw_numbers(self):
        for name, (rows, cols, count) in (SHAPES | TWO).items():
            with self.subTest(name):
                tensors, metadata = lt.read_safetensors(DATA / f"{name}.lvlm")
                regions = regions_of(tensors, metadata)
                self.assertEqual(len(regions), count)
                attention = tensors["attention.answer"].astype(float)
                trace = self.reader(DATA / f"{name}.lvlm")
                first = [region for region in regions if region["image"] == 0]
                for options, row in ((dict(), attention.mean((0, 1, 2))), (dict(Layers=[1], Heads=[2], AnswerTokens=[1]), attention[1, 2, 1])):
                    heat = simple.LVLMAttentionMap(Input=trace, **options)
                    found = lt.grid_cells(lt.fetch(heat))
                    np.testing.assert_allclose(found, joined(row, first, rows, cols, tensors["image"]), atol=1e-6)
                    self.assertAlmostEqual(found.sum(), sum(own(row, region).sum() for region in first), places=5)
                    for number, region in enumerate(regions):
                        heat.Region = number
                        np.testing.assert_allclose(lt.grid_cells(lt.fetch(heat)), own(row, region), atol=1e-6)

    def test_rows_are_whole_and_roles_are_told(self):
        """What a query gives adds up to one; patches are image, the question's words question, and nothing else is either."""
        for name in SHAPES | TWO:
            with self.subTest(name):
                tensors, metadata = lt.read_safetensors(DATA / f"{name}.lvlm")
                np.testing.assert_allclose(tensors["attention.answer"].astype(float).sum(-1), 1, atol=5e-3)  # float16
                roles, texts, P = json.loads(metadata["roles"]), json.loads(metadata["text"]), int(metadata["prompt_length"])
                patches = {p for region in regions_of(tensors, metadata) for p in
                           (region["start"] + np.arange(region["rows"])[:, None] * region["stride"] + np.arange(region["cols"])).ravel()}
                self.assertEqual({p for p, role in enumerate(roles) if role == "image"}, patches)
                self.assertEqual("".join(text for text, role in zip(texts, roles) if role == "question").strip(), "What is it?")
                self.assertEqual(roles[P:], ["answer"] * 3)
                self.assertEqual(len(set(tensors["tokens.id"][sorted(patches)])), 1)

    def test_other_filters(self):
        """On a joined grid each gives something of its size, and nothing an error."""
        trace = self.reader(DATA / "idefics3.lvlm")
        for make, name in ((simple.LVLMLayerVolume, None), (simple.LVLMMapGallery, None), (simple.LVLMHeadSummary, None)):
            with lt.Errors() as errors:
                self.assertGreater(lt.fetch(make(Input=trace)).GetNumberOfPoints(), 7, name)
            self.assertEqual(errors.text, "")
        table = lt.fetch(simple.LVLMTokens(Input=trace))
        rows = np.array([lt.column(table, "patch_row"), lt.column(table, "patch_col")])
        seen = {tuple(place) for place in rows.T if min(place) >= 0}
        self.assertEqual(seen, {(r, c) for r in range(3) for c in range(3)})  # each in its own region
        painted = lt.fetch(simple.LVLMPaintOver(Input=trace, Patches=[0, 53], Fill="White"))
        pixels = lt.array(painted.GetPointData().GetScalars()).reshape(48, 72, 3)[::-1]
        np.testing.assert_array_equal(np.argwhere((pixels == 255).all(-1)).reshape(-1, 64, 2)[:, 0], [[0, 0], [40, 64]])

    def test_prompts_that_are_not_causal(self):
        """Their matrices are read; what would be wrong on them says so."""
        for name in ("gemma3", "paligemma"):
            with self.subTest(name):
                tensors, metadata = lt.read_safetensors(DATA / f"{name}.lvlm")
                region = regions_of(tensors, metadata)[0]
                start, count = region["start"], region["rows"] * region["cols"]
                self.assertGreater(tensors["attention.full"][0, :, start, start + 1:start + count].min(), 0)  # the first patch sees all others
                trace = self.reader(DATA / f"{name}.lvlm")
                with lt.Errors() as errors:
                    lt.fetch(simple.LVLMCausalGraph(Input=trace, AttentionThreshold=0.0))
                self.assertEqual(errors.text, "")
                self.assertReports(simple.LVLMRelevancy(Input=trace, Method="RolloutMean").UpdatePipeline, "attends to the one after it")

    def test_patches_named_by_the_map_are_those_that_are_looked_at(self):
        tensors, metadata = lt.read_safetensors(DATA / "idefics3.lvlm")
        trace = self.reader(DATA / "idefics3.lvlm")
        regions = regions_of(tensors, metadata)
        table = lt.fetch(simple.LVLMPatchAttention(Input=trace, Patches=[9 * 4 + 5], Layers=[0]))  # row 4, column 5: tile 4, its row 1, column 2
        position = regions[4]["start"] + 1 * 3 + 2
        coarse = joined(np.eye(1, tensors["attention.answer"].shape[3], position)[0], regions[-1:], 6, 9, tensors["image"])
        self.assertEqual(coarse.sum(), 0)
        share = joined(tensors["attention.answer"][0].astype(float).mean(0)[0], regions, 6, 9, tensors["image"])[4, 5]
        self.assertAlmostEqual(lt.column(table, "attention")[0], share, places=5)


def exporting_python():
    """A Python with torch and transformers: the one that is named, or the system's, or None."""
    if PYTHON:
        return PYTHON
    found = shutil.which("python3")
    probe = found and subprocess.run([found, "-c", "import torch, transformers"], capture_output=True)
    return found if probe and probe.returncode == 0 else None


class Run(RecordedCase):
    """Runs the exporter on models made here, which the installed transformers has."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.python = exporting_python()
        if cls.python is None:
            raise unittest.SkipTest("no Python with torch and transformers (LVLM_EXPORT_PYTHON)")
        cls.shared = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.shared.cleanup)
        cls.models = pathlib.Path(cls.shared.name)
        cls.run_python(ROOT / "Testing/Golden/record_goldens.py", "models", cls.models)
        cls.names = sorted(path.name for path in cls.models.iterdir())

    @classmethod
    def run_python(cls, *command, fails=False):
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONHOME", "LD_LIBRARY_PATH")}
        environment |= {"OMP_NUM_THREADS": "1"}
        # PYTHONPATH as it was given, without this test's own folders: another transformers may be named there.
        done = subprocess.run([cls.python, *map(str, command)], capture_output=True, text=True, env=environment)
        if (done.returncode != 0) != fails:
            raise AssertionError(done.stderr[-3000:])
        return done.stderr

    def picture(self, width, height, seed):
        """A PNG of noise, by Python's standard library."""
        rows = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
        body = b"".join(b"\0" + row.tobytes() for row in rows)

        def chunk(kind, data):
            return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

        path = pathlib.Path(self.path(f"noise{seed}.png"))
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
                         chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b""))
        return path

    def both(self, name, pictures, *options):
        """The exporter's trace, its tensors and metadata, and what Hugging Face says."""
        question, tokens = "Is it red?\nWhy?", 4
        trace, reference = self.path("out.lvlm"), self.path("reference.npz")
        self.run_python(ROOT / "Examples/Python/export_trace.py", "--model", self.models / name, "--image", *pictures, "--question", question,
                        "--max-new-tokens", tokens, "--output", trace, *options)
        self.run_python(ROOT / "Testing/Golden/recorded_reference.py", self.models / name, question, tokens, reference, *pictures)
        return trace, *lt.read_safetensors(trace), np.load(reference)

    def assertSame(self, tensors, metadata, wanted):
        P, T = int(metadata["prompt_length"]), len(wanted["logprob"])
        np.testing.assert_array_equal(tensors["tokens.id"], wanted["ids"])
        np.testing.assert_allclose(tensors["answer.logprob"], wanted["logprob"], atol=1e-5)
        np.testing.assert_allclose(tensors["attention.answer"], wanted["answer"], atol=1e-6)
        np.testing.assert_allclose(tensors["attention.full"][:, :, :P, :P], wanted["full"], atol=1e-6)
        np.testing.assert_allclose(tensors["attention.full"][:, :, P:, :], wanted["answer"][:, :, 1:, :P + T - 1], atol=1e-6)
        size = np.abs(wanted["hidden"]).max((1, 2), keepdims=True)
        np.testing.assert_allclose((tensors["hidden.states"][:-1, :P] / size[:-1]), wanted["hidden"][:-1] / size[:-1], atol=1e-5)
        relevancy = wanted["relevancy"]
        np.testing.assert_allclose(tensors["relevancy.decoder"][0, :P] / np.abs(relevancy).max(), relevancy / np.abs(relevancy).max(), atol=1e-4)

    def test_as_hugging_face_has_it(self):
        for seed, name in enumerate(self.names):
            with self.subTest(name):
                pictures = [self.picture(50 + 7 * seed, 41, seed)]
                trace, tensors, metadata, wanted = self.both(name, pictures, "--full-layers", "all", "--hidden", "--relevancy", "--lens")
                self.assertSame(tensors, metadata, wanted)
                for make in (simple.LVLMAttentionMap, simple.LVLMRelevancy, simple.LVLMLogitLens, simple.LVLMSinks, simple.LVLMCausalGraph):
                    with lt.Errors() as errors:
                        make(Input=self.reader(trace)).UpdatePipeline()
                    self.assertEqual(errors.text, "", make.__name__)

    def test_several_pictures(self):
        for name in self.names:
            with self.subTest(name):
                pictures = [self.picture(30, 44, 1), self.picture(70, 33, 2)]
                trace, tensors, metadata, wanted = self.both(name, pictures, "--full-layers", "all", "--hidden", "--relevancy")
                self.assertSame(tensors, metadata, wanted)
                regions = regions_of(tensors, metadata)
                self.assertEqual({region["image"] for region in regions}, {0, 1})
                heat = simple.LVLMAttentionMap(Input=self.reader(trace), Region=len(regions) - 1)
                carried = lt.array(lt.fetch(heat).GetFieldData().GetArray("picture"))
                height, width = tensors["image.1"].shape[:2]
                np.testing.assert_array_equal(carried.reshape(height, width, 3)[::-1], tensors["image.1"])

    def test_patches_are_in_their_place(self):
        ramp = self.models.parent / "ramp.png"
        self.run_python("-c", f"import sys; sys.path.insert(0, {str(ROOT / 'Testing/Golden')!r})\n"
                        f"from record_goldens import ramp; ramp(50, 64).save({str(ramp)!r})")
        self.addCleanup(ramp.unlink)
        for name in self.names:
            with self.subTest(name):
                trace, *_ = self.both(name, [ramp])
                self.assertShowsPicture(lt.fetch(simple.LVLMAttentionMap(Input=self.reader(trace), Layers=[0], AnswerTokens=[0])), name, 0.9)

    def test_what_cannot_be_recorded(self):
        folder = self.models.parent / (self.models.name + "-mllama")
        folder.mkdir()
        self.addCleanup(shutil.rmtree, folder)
        for model_type, needle in (("mllama", "cross-attention"), ("blip-2", "'blip-2' is not supported")):
            (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
            errors = self.run_python(ROOT / "Examples/Python/export_trace.py", "--model", folder, "--image", self.picture(9, 9, 3), "--question",
                                     "x", "--output", self.path("no.lvlm"), fails=True)
            self.assertIn(needle, errors)
            self.assertNotIn("Traceback", errors)


if __name__ == "__main__":
    lt.main()
