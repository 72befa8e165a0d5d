# SPDX-License-Identifier: Apache-2.0
"""LVLMRelevancy: recorded maps, rollout against numpy, and gradients against LVLM-Interpret and float64 autograd.

Recorded numbers come back to float32 rounding (2e-7). Goldens (Testing/Golden/relevancy_goldens.py, float64) are met within 1e-4 of
each map's maximum or three times the references' own float32 error, as in the C++ tests.
"""
import json
import os
import pathlib
import shutil

import numpy as np

import lvlm_testing as lt
from paraview import simple

DATA = pathlib.Path(__file__).resolve().parents[1] / "Data"
EQUAL = dict(rtol=2e-7, atol=0)
MAPS = ("decoder", "vision", "joint", "joint_token")
IMAGE = ("image_mean", "image_maximum", "image_share", "image_percentile")


def has_inference():
    return hasattr(simple, "LLaVAInference")


def maps_of(image):
    """{array name: [rows*cols], row 0 at the top}."""
    cells = image.GetCellData()
    names = [cells.GetArrayName(i) for i in range(cells.GetNumberOfArrays())]
    return {name: lt.grid_cells(image, name).ravel() for name in names if not name.startswith("patch")}


def percentile(words, maximum):
    """scipy.stats.percentileofscore(..., kind="strict") of LVLM-Interpret's text view, over 100."""
    best = sorted(words)[-3:] + [maximum]
    return sum(value < maximum for value in best) / len(best)


class Recorded(lt.TestCase):
    """Traces that carry relevancy need no model."""

    def setUp(self):
        super().setUp()
        self.data = lt.TraceData()
        rng = np.random.default_rng(3)
        self.rows = {"relevancy." + name: rng.random((self.data.T, self.data.K if name == "decoder" else 12)).astype("f4")
                     for name in MAPS}
        for t in range(self.data.T):
            self.rows["relevancy.decoder"][t, self.data.P + t:] = 0

    def test_maps_of_chosen_tokens(self):
        trace = self.reader(self.data, tensors=self.rows)
        for chosen, tokens in (([], range(5)), ([2], [2]), ([1, -1], [1, 4]), ([3, 3, -2], [3])):
            found = maps_of(lt.fetch(simple.LVLMRelevancy(Input=trace, AnswerTokens=chosen)))
            self.assertEqual(tuple(found), MAPS)
            for name, values in found.items():
                expected = self.rows["relevancy." + name].astype("f8")[list(tokens)].mean(axis=0)
                np.testing.assert_allclose(values, expected[self.data.span] if name == "decoder" else expected, **EQUAL)

    def test_geometry_and_picture_are_those_of_the_attention_map(self):
        trace = self.reader(self.data, tensors=self.rows)
        shown, attention = (lt.fetch(make(Input=trace)) for make in (simple.LVLMRelevancy, simple.LVLMAttentionMap))
        for get in ("GetExtent", "GetSpacing", "GetOrigin"):
            self.assertEqual(getattr(shown, get)(), getattr(attention, get)())
        for name in ("picture", "picture_size"):
            np.testing.assert_array_equal(lt.array(shown.GetFieldData().GetArray(name)),
                                          lt.array(attention.GetFieldData().GetArray(name)))
        self.assertEqual(shown.GetCellData().GetScalars().GetName(), "decoder")

    def test_overlay_of_each_map(self):
        relevancy = simple.LVLMRelevancy(Input=self.reader(self.data, tensors=self.rows))
        pictures = []
        for name in MAPS:
            overlay = lt.fetch(simple.LVLMOverlay(Input=relevancy, Array=["CELLS", name]))
            pictures.append(lt.array(overlay.GetPointData().GetArray("overlay")).tobytes())
            self.assertEqual(overlay.GetDimensions(), (56, 30, 1))
        self.assertEqual(len(set(pictures)), 4)

    def test_only_what_is_there(self):
        only = {"relevancy.joint": self.rows["relevancy.joint"]}
        relevancy = simple.LVLMRelevancy(Input=self.reader(self.data, tensors=only))
        shown = lt.fetch(relevancy)
        self.assertEqual(tuple(maps_of(shown)), ("joint",))
        self.assertEqual(shown.GetCellData().GetScalars().GetName(), "joint")
        self.assertEqual(lt.fetch(relevancy, 1).GetNumberOfRows(), 0)

    def test_table_of_words(self):
        self.data.tokens = ["▁w%d" % i for i in range(self.data.K + 1)]
        answer = self.data.P
        self.data.tokens[answer:answer + 3] = ["▁ele", "phant", "."]
        relevancy = simple.LVLMRelevancy(Input=self.reader(self.data, tensors=self.rows), AnswerTokens=[3])
        image, table = lt.fetch(relevancy), lt.fetch(relevancy, 1)
        row = self.rows["relevancy.decoder"][3].astype("f8")
        text = [p for p in range(answer) if self.data.roles[p] != "image"]
        spans = [(p, p + 1) for p in text] + [(answer, answer + 2), (answer + 2, answer + 3)]
        values = [row[a:b].mean() for a, b in spans]
        self.assertEqual(lt.column(table, "word")[-2:], ["elephant", "."])
        self.assertEqual(lt.column(table, "role"), [self.data.roles[a] for a, _ in spans])
        self.assertEqual(lt.column(table, "position").tolist(), [a for a, _ in spans])
        self.assertEqual(lt.column(table, "positions").tolist(), [b - a for a, b in spans])
        np.testing.assert_allclose(lt.column(table, "relevancy"), values, **EQUAL)
        np.testing.assert_allclose(lt.column(table, "share"), [row[a:b].sum() / row.sum() for a, b in spans], **EQUAL)
        seen = row[self.data.span]
        question = [v for v, (a, _) in zip(values, spans) if self.data.roles[a] == "question"]
        expected = (seen.mean(), seen.max(), seen.sum() / row.sum(), percentile(question, seen.max()))
        for name, value in zip(IMAGE, expected):
            np.testing.assert_allclose(lt.column(table, name), [value] * len(spans), **EQUAL)
            np.testing.assert_allclose(lt.array(image.GetFieldData().GetArray(name)), [value], **EQUAL)

    def test_whole_words(self):
        self.data.tokens[self.data.P:] = ["▁an", "▁ele", "ph", "ant", "."]
        trace = self.reader(self.data, tensors=self.rows)
        for chosen, tokens in (([2], [1, 2, 3]), ([1, 3], [1, 2, 3]), ([0], [0]), ([-1], [4]), ([0, 3], [0, 1, 2, 3])):
            found = maps_of(lt.fetch(simple.LVLMRelevancy(Input=trace, AnswerTokens=chosen, Words=1)))
            np.testing.assert_allclose(
                found["vision"], self.rows["relevancy.vision"].astype("f8")[tokens].mean(axis=0), **EQUAL)

    def test_time_steps_through_the_answer(self):
        trace = self.reader(self.data, tensors=self.rows)
        relevancy = simple.LVLMRelevancy(Input=trace, FollowTime=1)
        for time, token in ((0, 0), (3, 3), (1.5, 1), (99, 4)):
            relevancy.UpdatePipeline(time)
            shown = simple.servermanager.Fetch(relevancy)
            np.testing.assert_allclose(maps_of(shown)["joint"], self.rows["relevancy.joint"][token], **EQUAL)

    def test_the_table_follows_time_too(self):
        trace = self.reader(self.data, tensors=self.rows)
        relevancy = simple.LVLMRelevancy(Input=trace, FollowTime=1)
        for token in (2, 0, 4):
            simple.OutputPort(relevancy, 1).UpdatePipeline(token)
            table = simple.servermanager.Fetch(relevancy, idx=1)
            row = self.rows["relevancy.decoder"][token].astype("f8")
            self.assertEqual(table.GetNumberOfRows(), 9 + token)
            self.assertAlmostEqual(lt.column(table, "image_mean")[0], row[self.data.span].mean(), places=6)

    def test_recorded_for_another_mode_is_not_passed_off(self):
        trace = self.reader(self.data, tensors=self.rows, metadata={"relevancy.mode": "compatible"})
        lt.fetch(simple.LVLMRelevancy(Input=trace, Mode="Compatible"))
        needle = "model_directory" if has_inference() else "no inference"
        self.assertReports(simple.LVLMRelevancy(Input=trace).UpdatePipeline, needle)

    def test_not_finite(self):
        self.rows["relevancy.joint"][3, 5] = np.nan
        trace = self.reader(self.data, tensors=self.rows)
        relevancy = simple.LVLMRelevancy(Input=trace)
        self.assertReports(relevancy.UpdatePipeline, "relevancy.joint", "not finite", "element 5")
        relevancy.AnswerTokens = [1]
        self.assertEqual(len(maps_of(lt.fetch(relevancy))), 4)

    def test_state_round_trip(self):
        trace = self.reader(self.data, tensors=self.rows)
        simple.LVLMRelevancy(registrationName="r", Input=trace, AnswerTokens=[1, -1], Words=1, Mode="Compatible",
                             Normalize=0, ModelDirectory="/somewhere", Device="cpu")
        names = ("AnswerTokens", "Words", "Mode", "Normalize", "Method", "FollowTime", "ModelDirectory", "Device")

        def snapshot():
            source = simple.FindSource("r")
            values = {name: v.tolist() for name, v in maps_of(lt.fetch(source)).items()}
            return [str(source.GetPropertyValue(name)) for name in names], values
        before = snapshot()
        simple.SaveState(self.path("state.pvsm"))
        self.reset()
        simple.LoadState(self.path("state.pvsm"))
        self.assertEqual(snapshot(), before)


class Rollout(lt.TestCase):
    def setUp(self):
        super().setUp()
        self.data = lt.TraceData()
        K, rng = self.data.K, np.random.default_rng(8)
        logits = np.where(np.tril(np.ones((K, K), bool)), rng.normal(size=(3, 2, K, K)) * 2, -np.inf)
        weights = np.exp(logits)
        self.full = (weights / weights.sum(axis=-1, keepdims=True)).astype("<f4")
        self.tensors = {"attention.full": self.full, "attention.full.layers": np.arange(3)}

    def expected(self, reduce):
        """[T, K], with complete matrices."""
        product = np.eye(self.data.K)
        for layer in reduce(self.full.astype("f8"), axis=1):
            mixed = layer + np.eye(self.data.K)
            product = mixed / mixed.sum(axis=-1, keepdims=True) @ product
        return product[self.data.P - 1:]

    def test_against_numpy(self):
        trace = self.reader(self.data, tensors=self.tensors)
        for method, reduce in (("RolloutMean", np.mean), ("RolloutMax", np.max)):
            rows = self.expected(reduce)
            relevancy = simple.LVLMRelevancy(Input=trace, Method=method)
            for chosen, tokens in (([0], [0]), ([], range(5)), ([-1, 2], [2, 4])):
                relevancy.AnswerTokens = chosen
                found, row = maps_of(lt.fetch(relevancy)), rows[list(tokens)].mean(axis=0)
                self.assertEqual(tuple(found), ("decoder",))
                # Rows are rounded to float32 before they are averaged.
                np.testing.assert_allclose(found["decoder"], row[self.data.span], rtol=4e-7)
                table = lt.fetch(relevancy, 1)
                np.testing.assert_allclose(
                    lt.column(table, "relevancy"), row[lt.column(table, "position")], rtol=4e-7)
                self.assertAlmostEqual(lt.column(table, "image_share")[0], row[self.data.span].sum(), places=6)

    def test_another_input_is_not_taken_for_the_old_one(self):
        reader = self.reader(self.data, tensors=self.tensors)
        relevancy = simple.LVLMRelevancy(Input=reader, Method="RolloutMean", AnswerTokens=[1])
        before = maps_of(lt.fetch(relevancy))["decoder"].copy()
        self.tensors["attention.full"] = self.full[::-1].copy()
        reader.FileName = self.data.write(self.path("other.lvlm"), tensors=self.tensors)
        after = maps_of(lt.fetch(relevancy))["decoder"]
        self.full = self.full[::-1]
        self.assertFalse(np.allclose(before, after))
        np.testing.assert_allclose(after, self.expected(np.mean)[1][self.data.span], rtol=4e-7)

    def test_layers_missing(self):
        for tensors in ({}, {"attention.full": self.full[1:].copy(), "attention.full.layers": np.arange(1, 3)}):
            trace = self.reader(self.data, name="b.lvlm", tensors=tensors)
            self.assertReports(simple.LVLMRelevancy(Input=trace, Method="RolloutMax").UpdatePipeline, "attention.full")

    def test_a_failure_is_told_once_and_leaves_no_map(self):
        reader = self.reader(self.data, tensors=self.tensors)
        relevancy = simple.LVLMRelevancy(Input=reader, Method="RolloutMean")
        self.assertEqual(lt.fetch(relevancy).GetNumberOfCells(), 12)
        self.assertEqual(lt.fetch(relevancy, 1).GetFieldData().GetAbstractArray("method").GetValue(0), "attention rollout (mean of heads)")
        whole = reader.FileName
        reader.FileName = self.data.write(self.path("one.lvlm"))
        with lt.Errors() as errors:
            for port in (0, 1, 0, 1):  # as the views of several outputs do
                relevancy.UpdatePipeline()
                output = lt.fetch(relevancy, port)
        self.assertEqual(errors.text.count("ERR"), 1, errors.text)
        self.assertEqual((lt.fetch(relevancy).GetNumberOfCells(), output.GetNumberOfRows()), (0, 0))
        relevancy.AnswerTokens = [1]
        self.assertReports(relevancy.UpdatePipeline, "attention.full")
        reader.FileName = whole
        self.assertEqual(lt.fetch(relevancy).GetNumberOfCells(), 12)

    def test_what_to_do_about_missing_layers_is_said(self):
        trace = self.reader(self.data, tensors={"attention.full": self.full[2:].copy(), "attention.full.layers": np.arange(2, 3)})
        self.assertReports(simple.LVLMRelevancy(Input=trace, Method="RolloutMean").UpdatePipeline, "CaptureFullLayers", "LLaVA Inference")

    def test_token_out_of_range(self):
        relevancy = simple.LVLMRelevancy(
            Input=self.reader(self.data, tensors=self.tensors), Method="RolloutMean", AnswerTokens=[5])
        self.assertReports(relevancy.UpdatePipeline, "AnswerTokens", "5")


class WithoutInference(lt.TestCase):
    def test_gradient_is_refused(self):
        if has_inference():
            self.skipTest("this build has inference")
        self.assertReports(simple.LVLMRelevancy(Input=self.reader()).UpdatePipeline, "no inference")


class WithModel(lt.TestCase):
    """Gradients through the committed tiny checkpoints."""

    def setUp(self):
        super().setUp()
        if not has_inference():
            self.skipTest("this build has no inference")

    def golden_trace(self, case, **metadata):
        """(numbers, reader) of a golden file as the trace that its model would have made."""
        numbers, about = lt.read_safetensors(DATA / "relevancy" / (case + ".safetensors"))
        start, ids = int(about["image_start"]), np.concatenate([numbers["ids"], numbers["answer"]])
        P, patches = len(numbers["ids"]), numbers["exact.joint" if "exact.joint" in numbers else "compatible.joint"].shape[1]
        edge = int(round(patches ** 0.5))
        roles = ["question"] * P + ["answer"] * len(numbers["answer"])
        roles[start:start + patches] = ["image"] * patches
        folder = DATA / "relevancy" / about["checkpoint"]
        folder = folder if folder.exists() else DATA / "llava" / about["checkpoint"]
        self.numbers, self.about, self.P, self.span = numbers, about, P, slice(start, start + patches)
        path = self.path(case + ".lvlm")
        written = {
            "format": "lvlm-trace", "version": "1", "model": about["checkpoint"], "prompt": "", "answer": "",
            "tokens": json.dumps(["▁x"] * len(ids)), "roles": json.dumps(roles), "prompt_length": str(P),
            "image_start": str(start), "grid": "%d,%d" % (edge, edge), "model_directory": str(folder),
            "temperature": about["temperature"], "precision": "Float32", "device": "cpu", **metadata}
        lt.write_safetensors(path, {"image": numbers["image"], "tokens.id": ids, "answer.logprob": numbers["logprob"]},
                             {k: v for k, v in written.items() if v is not None})
        return simple.LVLMTraceReader(FileName=path)

    def allowed(self, name):
        return max(1e-4, 3 * float(self.about["float32_error." + name]))

    def assertGolden(self, found, kind, token, maps=MAPS):
        self.assertEqual(tuple(found), maps)
        for name, values in found.items():
            expected = self.numbers["%s.%s" % (kind, name)][token]
            largest = np.abs(expected).max()
            expected = expected[self.span] if name == "decoder" else expected
            self.assertLess(np.abs(values - expected).max() / largest, self.allowed("%s.%s" % (kind, name)), (kind, name, token))

    def test_goldens(self):
        for case in ("multihead", "grouped-sampled", "bias", "window-sampled"):
            relevancy = simple.LVLMRelevancy(Input=self.golden_trace(case))
            for kind, mode, normalize in (("exact", "Exact", 1), ("exact.raw", "Exact", 0),
                                          ("compatible", "Compatible", 1), ("compatible.raw", "Compatible", 0)):
                relevancy.Mode, relevancy.Normalize = mode, normalize
                for token in (0, 5, 11):
                    relevancy.AnswerTokens = [token]
                    self.assertGolden(maps_of(lt.fetch(relevancy)), kind, token)

    def test_a_tower_without_class_token(self):
        """Two maps; the other filters take them, too."""
        relevancy = simple.LVLMRelevancy(Input=self.golden_trace("siglip-qwen2"))
        for kind, normalize in (("exact", 1), ("exact.raw", 0)):
            relevancy.Normalize = normalize
            for token in (0, 4):
                relevancy.AnswerTokens = [token]
                self.assertGolden(maps_of(lt.fetch(relevancy)), kind, token, ("decoder", "joint"))
        relevancy.Mode = "Compatible"
        self.assertEqual(tuple(maps_of(lt.fetch(relevancy))), ("decoder", "joint"))
        overlay = simple.LVLMOverlay(Input=relevancy, Array=["CELLS", "joint"])
        self.assertGreater(lt.fetch(overlay).GetNumberOfPoints(), 0)

    def test_the_picture_ends_the_prompt(self):
        """Patches 0, 1, 71, 142 and 143 of LVLM-Interpret's own `all_v2` for the first answer token, on transformers 4.46 in float32:
        the query is the last patch, and the identity of its row is part of what the tower's chain starts from."""
        star = str(DATA.parents[1] / "Models" / "TinyLlava" / "scenes" / "star_left_of_circle.png")
        live = simple.LLaVAInference(Input=simple.PNGSeriesReader(FileNames=[star]), Prompt="What color is the star? <image>",
                                     ChatTemplate="{image}{prompt}", MaxNewTokens=2)
        relevancy = simple.LVLMRelevancy(Input=live, AnswerTokens=[0])
        for normalize, expected in ((0, (8.4159774e-04, 8.6297636e-04, 4.6191588e-03, 6.5763254e-04, 1.0027039e+00)),
                                    (1, (7.0077903e-04, 7.1858050e-04, 3.8462670e-03, 5.4759544e-04, 8.3492839e-01))):
            for mode in ("Exact", "Compatible"):  # the same for token 0 where the tower's last layer is not used
                relevancy.Mode, relevancy.Normalize = mode, normalize
                found = maps_of(lt.fetch(relevancy))["joint_token"]
                np.testing.assert_allclose(found[[0, 1, 71, 142, 143]], expected, rtol=0, atol=1e-4 * expected[-1], err_msg=mode)

    def test_image_percentile_of_lvlm_interpret(self):
        """Compatible mode gives what its own `handle_text_relevancy` gave on transformers 4.46 in float32; its literal 5, the tokens of
        LLaVA-1.5's " ASSISTANT:", replaced by the 2 of this tokenizer."""
        scenes = DATA.parents[1] / "Models" / "TinyLlava" / "scenes"
        for scene, question, theirs in (
                ("star_left_of_circle", "What color is the star?", (0.25, 0.0, 0.25, 0.25)),
                ("star_left_of_circle", "What color is the star", (0.5, 0.25, 0.5)),
                ("four_shapes", "Describe the image.", (0.5, 0.75, 0.75, 0.5, 0.5, 0.5, 0.75, 0.75))):
            live = simple.LLaVAInference(Input=simple.PNGSeriesReader(FileNames=[str(scenes / (scene + ".png"))]), Prompt=question,
                                         MaxNewTokens=len(theirs))
            found = []
            for token in range(len(theirs)):
                relevancy = simple.LVLMRelevancy(Input=live, Mode="Compatible", AnswerTokens=[token])
                found.append(lt.column(lt.fetch(relevancy, 1), "image_percentile")[0])
            self.assertEqual(tuple(found), theirs, question)

    def test_text_table_of_a_golden(self):
        relevancy = simple.LVLMRelevancy(Input=self.golden_trace("multihead"), AnswerTokens=[4])
        table, row = lt.fetch(relevancy, 1), self.numbers["exact.decoder"][4]
        found = lt.column(table, "relevancy")
        np.testing.assert_allclose(found, row[lt.column(table, "position")], atol=self.allowed("exact.decoder") * np.abs(row).max())
        self.assertAlmostEqual(lt.column(table, "image_share")[0], row[self.span].sum() / row.sum(), places=4)

    def progress_of(self, relevancy, work):
        """How often the filter reports progress meanwhile."""
        reports, source = [], relevancy.GetClientSideObject()
        tag = source.AddObserver("ProgressEvent", lambda *_: reports.append(1))
        work()
        source.RemoveObserver(tag)
        return len(reports)

    def test_a_token_is_computed_once(self):
        relevancy = simple.LVLMRelevancy(Input=self.golden_trace("multihead"), FollowTime=1)

        def steps():
            return [self.progress_of(relevancy, lambda t=t: relevancy.UpdatePipeline(t)) for t in range(12)]
        first, second = steps(), steps()
        # Each computation reports every layer of both passes; else only begin, end and "Done" are left.
        self.assertGreater(min(first), 6)
        self.assertLessEqual(max(second), 3)
        relevancy.Normalize = 0
        self.assertLessEqual(max(steps()), 3)
        relevancy.UpdatePipeline(7)
        self.assertGolden(maps_of(simple.servermanager.Fetch(relevancy)), "exact.raw", 7)
        relevancy.Mode = "Compatible"
        self.assertGreater(min(steps()), 6)
        relevancy.Mode = "Exact"
        self.assertLessEqual(max(steps()), 3)

    def test_gradients_in_bfloat16(self):
        relevancy = simple.LVLMRelevancy(Input=self.golden_trace("bias"), AnswerTokens=[5])
        exact = maps_of(lt.fetch(relevancy))
        relevancy.Precision = "BFloat16"
        rounded = maps_of(lt.fetch(relevancy))
        self.assertEqual(tuple(rounded), tuple(exact))
        for name, values in exact.items():
            error = np.abs(rounded[name] - values).max() / values.max()
            self.assertTrue(1e-5 < error < (0.02 if name == "decoder" else 0.1), (name, error))
        relevancy.Precision = "Float32"
        for name, values in maps_of(lt.fetch(relevancy)).items():
            np.testing.assert_array_equal(values, exact[name])

    def test_another_picture_is_not_taken_for_the_old_one(self):
        reader = self.golden_trace("multihead")
        relevancy = simple.LVLMRelevancy(Input=reader, AnswerTokens=[2])
        before = maps_of(lt.fetch(relevancy))
        tensors, metadata = lt.read_safetensors(reader.FileName)
        tensors["image"] = 255 - tensors["image"]
        del tensors["answer.logprob"]  # they belong to the other picture
        other = self.path("other.lvlm")
        lt.write_safetensors(other, tensors, metadata)
        reader.FileName = other
        self.assertFalse(np.allclose(maps_of(lt.fetch(relevancy))["joint"], before["joint"]))

    def test_live_recorded_and_recorded_with_relevancy(self):
        picture = simple.PNGSeriesReader(FileNames=[str(DATA / "llava" / "picture.png")])
        live = simple.LLaVAInference(Input=picture, Prompt="Hue?", MaxNewTokens=6,
                                     ModelDirectory=str(DATA / "llava" / "multihead-f32"), CaptureFullLayers=[0, 1, 2])
        path = self.path("live.lvlm")
        simple.SaveData(path, proxy=live)
        recorded = simple.LVLMTraceReader(FileName=path)
        for settings in (dict(), dict(Mode="Compatible"), dict(Method="RolloutMean"), dict(Words=1, Normalize=0)):
            shown, again = (simple.LVLMRelevancy(Input=i, AnswerTokens=[0, -1], **settings) for i in (live, recorded))
            expected, found = maps_of(lt.fetch(shown)), maps_of(lt.fetch(again))
            self.assertEqual(tuple(expected), tuple(found))
            for name, values in found.items():
                np.testing.assert_allclose(values, expected[name], rtol=1e-6, err_msg=str(settings))
            for column in ("word", "role"):
                self.assertEqual(*(lt.column(lt.fetch(p, 1), column) for p in (shown, again)))
        one = simple.LVLMRelevancy(Input=live)
        rows = {name: [] for name in MAPS[1:]}
        tensors, metadata = lt.read_safetensors(path)
        for token in range(len(tensors["answer.logprob"])):
            one.AnswerTokens = [token]
            found = maps_of(lt.fetch(one))
            for name in rows:
                rows[name].append(found[name])
        tensors.update({"relevancy." + name: np.array(values) for name, values in rows.items()})
        metadata["model_directory"] = "/gone"
        carrying = self.path("carrying.lvlm")
        lt.write_safetensors(carrying, tensors, metadata)
        third = maps_of(lt.fetch(simple.LVLMRelevancy(Input=simple.LVLMTraceReader(FileName=carrying))))
        one.AnswerTokens = []
        for name, values in maps_of(lt.fetch(one)).items():
            if name != "decoder":
                np.testing.assert_allclose(third[name], values, rtol=1e-6)

    def activation_of(self, case, **settings):
        """(expected rows [T, K], live trace) of a checkpoint whose maps Testing/Golden/activation_goldens.py made."""
        rows = lt.read_safetensors(DATA / "activation" / (case + ".safetensors"))[0]["rows"]
        _, about = lt.read_safetensors(DATA / "llava" / case / "golden.safetensors")
        question = "What color is the star?"
        picture = simple.PNGSeriesReader(FileNames=[str(DATA / "llava" / "picture.png")])
        return rows, simple.LLaVAInference(
            Input=picture, Prompt=question, MaxNewTokens=len(rows), ModelDirectory=str(DATA / "llava" / case),
            ChatTemplate=about["prompt"].replace("<image>", "{image}").replace(question, "{prompt}"), **settings)

    def test_token_activation(self):
        for case in ("multihead-f32", "siglip-llama"):
            rows, trace = self.activation_of(case)
            shown = simple.LVLMRelevancy(Input=trace, Method="TokenActivation")
            start = int(lt.fetch(trace).GetFieldData().GetArray("image_start").GetValue(0))
            for chosen, tokens in (([0], [0]), ([3], [3]), ([1, -1], [1, len(rows) - 1]), ([], range(len(rows)))):
                shown.AnswerTokens = chosen
                found = maps_of(lt.fetch(shown))
                self.assertEqual(tuple(found), ("activation",))
                np.testing.assert_allclose(found["activation"], rows[list(tokens)].mean(0)[start:start + 9], rtol=0, atol=2e-5)
            shown.AnswerTokens = [4]
            table = lt.fetch(shown, 1)
            self.assertEqual(table.GetFieldData().GetAbstractArray("method").GetValue(0), "token activation map")
            for word, first, count, value in zip(*(lt.column(table, name) for name in ("word", "position", "positions", "relevancy"))):
                self.assertAlmostEqual(value, rows[4, first:first + count].mean(), 4, word)

    def test_token_activation_is_computed_once(self):
        rows, trace = self.activation_of("multihead-f32")
        shown = simple.LVLMRelevancy(Input=trace, Method="TokenActivation", FollowTime=1)
        counts = [self.progress_of(shown, lambda t=t: shown.UpdatePipeline(t)) for t in range(6)]
        self.assertGreater(counts[0], 6)
        self.assertLessEqual(max(counts[1:]), 3)

    def test_token_activation_recorded_and_without_a_model(self):
        rows, trace = self.activation_of("multihead-f32", CaptureHidden=1)
        simple.SaveData(self.path("a.lvlm"), proxy=trace)
        live, again = (maps_of(lt.fetch(simple.LVLMRelevancy(Input=i, Method="TokenActivation", AnswerTokens=[2])))["activation"]
                       for i in (trace, simple.LVLMTraceReader(FileName=self.path("a.lvlm"))))
        np.testing.assert_array_equal(live, again)
        tensors, about = lt.read_safetensors(self.path("a.lvlm"))
        lt.write_safetensors(self.path("b.lvlm"), tensors, {**about, "model_directory": "/gone"})
        self.refuses(simple.LVLMTraceReader(FileName=self.path("b.lvlm")), "/gone", "ModelDirectory", Method="TokenActivation")
        tensors["hidden.states"] = np.full_like(tensors["hidden.states"], np.nan)
        lt.write_safetensors(self.path("c.lvlm"), tensors, about)
        self.refuses(simple.LVLMTraceReader(FileName=self.path("c.lvlm")), "not finite", Method="TokenActivation")

    def refuses(self, trace, *needles, **settings):
        relevancy = simple.LVLMRelevancy(Input=trace, **settings)
        self.assertReports(relevancy.UpdatePipeline, *needles)
        self.assertEqual(relevancy.GetClientSideObject().GetOutputDataObject(0).GetNumberOfCells(), 0)

    def test_errors(self):
        self.refuses(self.golden_trace("bias"), "AnswerTokens", "12", AnswerTokens=[12])
        self.refuses(self.golden_trace("bias", model_directory=None), "model_directory", "ModelDirectory")
        self.refuses(self.golden_trace("bias", model_directory="/gone/model"), "/gone/model", "ModelDirectory")
        self.refuses(self.golden_trace("bias"), "/elsewhere", ModelDirectory="/elsewhere")
        self.refuses(self.golden_trace("bias"), "abacus", Device="abacus")
        self.refuses(self.golden_trace("bias", temperature="warm"), "'warm'")
        self.refuses(self.golden_trace("bias", precision="Float8"), "Float8")
        self.refuses(self.reader(metadata={"model_directory": str(DATA / "llava" / "multihead-f32")}), "does not fit")

    def test_the_model_lies_elsewhere_now(self):
        trace = self.golden_trace("multihead", model_directory="/gone/model")
        relevancy = simple.LVLMRelevancy(
            Input=trace, AnswerTokens=[3], ModelDirectory=str(DATA / "llava" / "multihead-f32"))
        self.assertGolden(maps_of(lt.fetch(relevancy)), "exact", 3)

    def test_the_model_has_changed(self):
        folder = self.path("model")
        shutil.copytree(DATA / "llava" / "multihead-f32", folder)
        trace = self.golden_trace("multihead", model_directory=folder)
        relevancy = simple.LVLMRelevancy(Input=trace, AnswerTokens=[1])
        self.assertGolden(maps_of(lt.fetch(relevancy)), "exact", 1)
        tensors, metadata = lt.read_safetensors(os.path.join(folder, "model.safetensors"))
        tensors["language_model.lm_head.weight"] = tensors["language_model.lm_head.weight"][::-1].copy()
        os.remove(os.path.join(folder, "model.safetensors"))
        lt.write_safetensors(os.path.join(folder, "model.safetensors"), tensors, metadata)
        relevancy.AnswerTokens = [2]
        self.assertReports(relevancy.UpdatePipeline, "was not made by the model", folder)

    def test_abort(self):
        relevancy = simple.LVLMRelevancy(Input=self.golden_trace("multihead"), AnswerTokens=[6])
        source, seen = relevancy.GetClientSideObject(), []

        def stop(caller, _):
            seen.append(caller.GetProgressText())
            if len(seen) == 5:
                caller.SetAbortExecute(1)
        tag = source.AddObserver("ProgressEvent", stop)
        with lt.Errors() as errors:
            relevancy.UpdatePipeline()
        self.assertEqual(errors.text, "")
        self.assertEqual(source.GetOutputDataObject(0).GetNumberOfCells(), 0)
        self.assertIn("Reading prompt and answer, layer 2 of 3", seen)
        self.assertNotIn("Reading prompt and answer, layer 3 of 3", seen)
        source.RemoveObserver(tag)
        source.SetAbortExecute(0)
        relevancy.AnswerTokens = [7]
        self.assertGolden(maps_of(lt.fetch(relevancy)), "exact", 7)


if __name__ == "__main__":
    lt.main()
