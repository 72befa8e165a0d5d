# SPDX-License-Identifier: Apache-2.0
"""Weighting of LVLMAttentionMap, on the embedded model: Relative against a second question of the user's own, in numpy on the raw blocks;
of Gradient (whose numbers TestWeighting compares with Hugging Face's) what holds by the definition. Without a model: one sentence.

The relative maps are of the same numbers but for the order of sums: 1e-5.
"""
import pathlib

import numpy as np

import lvlm_testing as lt
from paraview import servermanager, simple

ROOT = pathlib.Path(__file__).resolve().parents[2]
STAR = ROOT / "Models" / "TinyLlava" / "scenes" / "star_left_of_circle.png"
LAYERS = 4  # of the embedded model
GENERIC = "Write a general description of the image."


def has_inference():
    return hasattr(simple, "LLaVAInference")


class WithModel(lt.TestCase):
    def setUp(self):
        super().setUp()
        if not has_inference():
            self.skipTest("this build has no inference")
        self.picture = simple.PNGSeriesReader(FileNames=[str(STAR)])
        self.trace = self.ask("What color is the star?")

    def ask(self, question, **properties):
        return simple.LLaVAInference(Input=self.picture, Prompt=question, CaptureFull=0, **properties)

    def raw(self, trace):
        """A at the picture [L, Hd, T, N]."""
        data = lt.fetch(trace)
        image = lt.block(data, "attention.answer")
        start = int(data.GetFieldData().GetArray("image_start").GetValue(0))
        K, T, planes = image.GetDimensions()
        return lt.array(image.GetPointData().GetArray(0)).reshape(LAYERS, planes // LAYERS, T, K)[..., start:start + 144].astype("f8")

    def map(self, trace=None, **properties):
        return lt.grid_cells(lt.fetch(simple.LVLMAttentionMap(Input=trace or self.trace, **properties))).ravel()

    def test_relative(self):
        own, other = self.raw(self.trace), self.raw(self.ask(GENERIC, MaxNewTokens=1))[:, :, 0]
        for tokens, layers, heads in (([], [], []), ([3], [2], []), ([0, -1], [1, 3], [0, 2])):
            A, G = (np.take(x[layers] if layers else x, heads or range(x.shape[1]), axis=1) for x in (own, other))
            A = A[:, :, tokens or slice(None)]
            expected = (A.mean(axis=(1, 2)) / G.mean(axis=1)).mean(axis=0)
            shown = self.map(Weighting="Relative", AnswerTokens=tokens, Layers=layers, Heads=heads)
            np.testing.assert_allclose(shown, expected, rtol=1e-5)
            most = (A.max(axis=(1, 2)) / G.max(axis=1)).max(axis=0)
            shown = self.map(Weighting="Relative", AnswerTokens=tokens, Layers=layers, Heads=heads, Reduction="Maximum")
            np.testing.assert_allclose(shown, most, rtol=1e-5)

    def test_relative_of_the_best_heads(self):
        """Heads are reduced in their layers on both sides, then layers are divided."""
        own, other = self.raw(self.trace), self.raw(self.ask(GENERIC, MaxNewTokens=1))[:, :, 0]
        image = lt.fetch(simple.LVLMAttentionMap(Input=self.trace, Weighting="Relative", AnswerTokens=[3], BestHeads=5))
        best = lt.array(image.GetFieldData().GetArray("best_heads"))
        heads = {layer: best[best[:, 0] == layer][:, 1] for layer in set(best[:, 0])}
        self.assertTrue(len(heads) > 1 and len({len(some) for some in heads.values()}) > 1, heads)
        expected = np.mean([own[layer, some, 3].mean(0) / other[layer, some].mean(0) for layer, some in heads.items()], axis=0)
        np.testing.assert_allclose(lt.grid_cells(image).ravel(), expected, rtol=1e-5)

    def test_gradient_of_the_best_heads(self):
        image = lt.fetch(simple.LVLMAttentionMap(Input=self.trace, Weighting="Gradient", AnswerTokens=[3], BestHeads=3))
        each = [self.map(Weighting="Gradient", AnswerTokens=[3], Layers=[layer], Heads=[head])
                for layer, head in lt.array(image.GetFieldData().GetArray("best_heads")).tolist()]
        np.testing.assert_allclose(lt.grid_cells(image).ravel(), np.mean(each, axis=0), rtol=1e-5, atol=1e-9)

    def test_another_generic_question(self):
        own, other = self.raw(self.trace), self.raw(self.ask("Describe the image.", MaxNewTokens=1))[:, :, 0]
        shown = self.map(Weighting="Relative", GenericQuestion="Describe the image.", AnswerTokens=[3], Layers=[2])
        np.testing.assert_allclose(shown, own[2, :, 3].mean(0) / other[2].mean(0), rtol=1e-5)

    def test_gradient_is_a_mean_of_its_heads_and_layers(self):
        one = {(layer, head): self.map(Weighting="Gradient", AnswerTokens=[3], Layers=[layer], Heads=[head])
               for layer in range(LAYERS) for head in range(self.raw(self.trace).shape[1])}
        np.testing.assert_allclose(self.map(Weighting="Gradient", AnswerTokens=[3]), np.mean(list(one.values()), axis=0), rtol=1e-5, atol=1e-9)
        A = self.raw(self.trace)[:, :, 3]
        zero = np.concatenate([(value == 0) & (A[place] > 0) for place, value in one.items()])
        self.assertTrue(0.1 < zero.mean() < 0.9)  # what lowers the token is dropped
        self.assertTrue(all((value >= 0).all() for value in one.values()))

    def test_strongest_head_is_that_of_attention(self):
        for weighting in ("Gradient", "Relative"):
            plain, weighted = (lt.fetch(simple.LVLMAttentionMap(Input=self.trace, Reduction="StrongestHead", Weighting=w, AnswerTokens=[3]))
                               .GetFieldData() for w in ("None", weighting))
            self.assertEqual(*(fields.GetAbstractArray("heads").GetValue(0) for fields in (plain, weighted)))
            self.assertIsNone(plain.GetAbstractArray("weighting"))
            self.assertIn({"Gradient": "gradient", "Relative": GENERIC}[weighting], weighted.GetAbstractArray("weighting").GetValue(0))

    def test_nothing_is_computed_twice(self):
        for weighting in ("Gradient", "Relative"):
            shown = simple.LVLMAttentionMap(Input=self.trace, Weighting=weighting, FollowTime=1)
            maps = []
            for time in (0.0, 3.0):
                shown.UpdatePipeline(time)
                maps.append(lt.grid_cells(servermanager.Fetch(shown)))
            self.assertGreater(abs(maps[0] - maps[1]).max(), 0)
            told = []
            tag = shown.GetClientSideObject().AddObserver("ProgressEvent", lambda filter, _: told.append(filter.GetProgressText()))
            shown.UpdatePipeline(0.0)
            np.testing.assert_array_equal(lt.grid_cells(servermanager.Fetch(shown)), maps[0])
            shown.Layers = [2]
            shown.UpdatePipeline(3.0)
            shown.GetClientSideObject().RemoveObserver(tag)
            self.assertFalse([text for text in told if text and ("Reading" in text or "back" in text)], weighting)

    def test_recorded_is_live(self):
        simple.SaveData(self.path("a.lvlm"), proxy=self.trace)
        again = simple.LVLMTraceReader(FileName=self.path("a.lvlm"))
        for weighting in ("Gradient", "Relative"):
            np.testing.assert_array_equal(self.map(Weighting=weighting), self.map(again, Weighting=weighting))

    def fails(self, trace, needle, **properties):
        shown = simple.LVLMAttentionMap(Input=trace, **properties)
        with lt.Errors() as errors:
            shown.UpdatePipeline()
        self.assertIn(needle, errors.text)
        self.assertEqual(errors.text.count("ERR"), 1, errors.text)
        self.assertEqual(shown.GetClientSideObject().GetOutputDataObject(0).GetNumberOfCells(), 0)

    def test_errors_are_one_sentence(self):
        simple.SaveData(self.path("a.lvlm"), proxy=self.trace)
        tensors, about = lt.read_safetensors(self.path("a.lvlm"))
        lt.write_safetensors(self.path("b.lvlm"), tensors, {**about, "model_directory": "/no/such/model"})
        gone = simple.LVLMTraceReader(FileName=self.path("b.lvlm"))
        for weighting in ("Gradient", "Relative"):
            self.fails(gone, "the model that made the trace cannot be opened", Weighting=weighting)
            np.testing.assert_array_equal(self.map(self.trace, Weighting=weighting),
                                          self.map(gone, Weighting=weighting, ModelDirectory=str(STAR.parents[1])))
        strange = {**tensors, "answer.logprob": tensors["answer.logprob"] - 1}
        lt.write_safetensors(self.path("c.lvlm"), strange, about)
        for weighting in ("Gradient", "Relative"):
            self.fails(simple.LVLMTraceReader(FileName=self.path("c.lvlm")), "was not made by the model in", Weighting=weighting)
        few = {**tensors, "attention.answer": np.ascontiguousarray(tensors["attention.answer"][:3])}
        for name in ("attention.full", "attention.full.layers"):
            few.pop(name, None)
        lt.write_safetensors(self.path("d.lvlm"), few, about)
        self.fails(simple.LVLMTraceReader(FileName=self.path("d.lvlm")), "of 3 layers", Weighting="Relative")
        self.fails(self.trace, "AnswerTokens: 99", Weighting="Gradient", AnswerTokens=[99])
        self.fails(self.trace, "image tokens", Weighting="Relative", GenericQuestion="<image> <image>")


class WithoutModel(lt.TestCase):
    def test_no_model_is_named(self):
        trace = self.reader()
        for weighting in ("Gradient", "Relative"):
            shown = simple.LVLMAttentionMap(Input=trace, Weighting=weighting)
            self.assertReports(shown.UpdatePipeline, "model_directory" if has_inference() else "no inference")


if __name__ == "__main__":
    lt.main()
