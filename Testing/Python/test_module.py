# SPDX-License-Identifier: Apache-2.0
"""The module `lvlm` that the plugin carries: asking, presets, editing, errors; on the embedded model and on recorded traces.

Set LVLM_KEEP to a folder to keep the screenshots.
"""
import json
import os
import pathlib
import shutil
import sys
import unittest
from unittest import mock

import numpy as np

import causal_traces
import lvlm_testing as lt
from paraview import servermanager, simple, smstate

SCENES = pathlib.Path(__file__).resolve().parents[2] / "Models" / "TinyLlava" / "scenes"
SIGLIP = pathlib.Path(__file__).resolve().parents[1] / "Data" / "llava" / "siglip-qwen2"
STAR = str(SCENES / "star_left_of_circle.png")
QUESTION = "What color is the star?"
RED = 3  # of "The star is red."
SIZE = (1600, 900)


def has_inference():
    return hasattr(servermanager.filters, "LLaVAInference")


class ModuleTest(lt.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        import lvlm
        cls.lvlm = lvlm

    def screenshot(self, layout, name):
        """Pixels of a tab, row 0 at the top."""
        path = self.path(name + ".png")
        simple.SaveScreenshot(path, layout)
        if os.environ.get("LVLM_KEEP"):
            shutil.copy(path, os.environ["LVLM_KEEP"])
        image = lt.fetch(simple.PNGSeriesReader(FileNames=[path]))
        width, height, _ = image.GetDimensions()
        self.assertEqual((width, height), SIZE)
        return lt.array(image.GetPointData().GetScalars()).reshape(height, width, -1)[::-1, :, :3].astype(int)

    def assertDrawn(self, pixels, parts):
        """Every part (left, right, as shares of the width) has something on its background."""
        for left, right in parts:
            part = pixels[100:800, int(left * SIZE[0]) + 5:int(right * SIZE[0]) - 5]
            self.assertGreater(part.std(), 8, (left, right))


def positions_of(trace, role):
    return [p for p, found in enumerate(lt.column(lt.fetch(simple.LVLMTokens(Input=trace)), "role")) if found == role]


def state_of(layout):
    """What a tab shows: its views by type, and in each the visible sources' names."""
    shown = []
    for view in simple.GetViewsInLayout(layout):
        names = sorted(servermanager.ProxyManager().GetProxyName("sources", r.Input) or ""
                       for r in view.Representations if "Input" in r.ListProperties() and r.Visibility)
        shown.append((layout.GetViewLocation(view), view.GetXMLName(), tuple(names)))
    return sorted(shown)


class Recorded(ModuleTest):
    """A trace from a file needs no model."""

    def setUp(self):
        super().setUp()
        self.data = lt.TraceData(rows=4, cols=4, layers=6, heads=4, width=56, height=56)
        self.rows = {"relevancy.decoder": np.full((self.data.T, self.data.K), 0.01, "f4"),
                     "relevancy.joint": np.full((self.data.T, 16), 0.02, "f4")}
        for t in range(self.data.T):
            self.rows["relevancy.decoder"][t, self.data.P + t:] = 0
        self.trace = self.reader(self.data, tensors=self.rows)

    def test_tokens_and_texts(self):
        found = self.lvlm.tokens(self.trace)
        self.assertEqual([token["index"] for token in found], list(range(self.data.T)))
        np.testing.assert_allclose([token["probability"] for token in found], np.exp(self.data.logprob), rtol=1e-5)
        self.assertEqual(found[0]["text"], " w%d" % self.data.ids[self.data.P])
        self.assertEqual(len(found[0]["alternatives"]), 3)
        self.assertEqual(len(self.lvlm.tokens(self.trace, "image")), 16)
        self.assertEqual(self.lvlm.question(self.trace), " ".join("w%d" % i for i in self.data.ids[self.data.positions("question")]))
        self.assertEqual(self.lvlm.telling_token(self.trace), self.data.T - 1)

    def test_rows_are_a_list_that_notebooks_and_pandas_take(self):
        rows = self.lvlm.rows(simple.OutputPort(simple.LVLMHeadSummary(Input=self.trace), 1))
        self.assertIsInstance(rows, list)
        self.assertEqual(json.loads(json.dumps(rows)), list(rows))
        self.assertEqual([row["layer"] for row in rows], list(np.repeat(np.arange(6), 4)))
        pandas = mock.MagicMock()
        with mock.patch.dict(sys.modules, pandas=pandas):
            self.assertIs(rows.to_frame(), pandas.DataFrame.return_value)
            pandas.DataFrame.assert_called_once_with(list(rows))
        with mock.patch.dict(sys.modules, pandas=None):
            self.assertRaisesText(rows.to_frame, "python3-pandas")
        shown = type(rows)([{"<b>": "<i>&", "p": 0.123456789}] * 61)._repr_html_()
        self.assertEqual(shown.count("<td>&lt;i&gt;&amp;</td><td>0.1235</td>"), 60)
        self.assertIn("<th>&lt;b&gt;</th>", shown)
        self.assertIn("first 60 of 61", shown)
        self.assertEqual(self.lvlm.rows(self.trace), [])

    def test_traces_are_found_from_whatever_lies_below(self):
        below = simple.LVLMOverlay(Input=simple.LVLMAttentionMap(Input=self.trace))
        self.assertEqual(self.lvlm.trace_of(below).SMProxy, self.trace.SMProxy)
        self.assertEqual([found.SMProxy for found in self.lvlm.find_traces()], [self.trace.SMProxy])
        self.assertIsNone(self.lvlm.trace_of(simple.Sphere()))

    def test_presets_follow_the_time(self):
        self.data.attention[...] = 0.001
        for token in range(self.data.T):
            self.data.attention[:, :, token, self.data.image_start + token] = 0.9
        trace = self.reader(self.data, name="steps.lvlm")
        self.lvlm.show_attention(trace)
        heat = simple.FindSource("Attention map (%s)" % servermanager.ProxyManager().GetProxyName("sources", trace))
        for token in (4, 1, 2):
            self.lvlm.step(token, trace)
            simple.RenderAllViews()
            cells = lt.grid_cells(heat.GetClientSideObject().GetOutputDataObject(0))
            self.assertEqual(int(cells.argmax()), token)

    def test_a_fixed_token_stays(self):
        self.lvlm.show_attention(self.trace, token=-1)
        heat = next(s for s in simple.GetSources().values() if s.GetXMLName() == "LVLMAttentionMap")
        self.assertEqual((list(heat.AnswerTokens), heat.FollowTime), ([self.data.T - 1], 0))

    def test_relevancy_shows_the_maps_that_are_there(self):
        layout = self.lvlm.show_relevancy(self.trace, token=1)
        self.assertEqual(len(simple.GetViewsInLayout(layout)), 3)
        self.assertDrawn(self.screenshot(layout, "recorded relevancy"), [(0, .32), (.32, .64), (.64, 1)])

    def test_causality_of_a_recorded_trace(self):
        path = causal_traces.several_heads().write(self.path("causal.lvlm"))
        trace = simple.LVLMTraceReader(FileName=path)
        layout = self.lvlm.show_causality(trace, token=0)
        self.assertDrawn(self.screenshot(layout, "recorded causality"), [(0, .56), (.56, 1)])
        graph = next(s for s in simple.GetSources().values() if s.GetXMLName() == "LVLMCausalGraph")
        self.assertEqual((graph.AnswerToken, graph.FollowTime), (0, 0))

    def test_a_preset_twice_is_one_tab(self):
        self.lvlm.show_heads(self.trace)
        before = len(simple.GetSources()), len(simple.GetLayouts()), len(simple.GetViews())
        self.lvlm.show_heads(self.trace, token=0)
        self.assertEqual((len(simple.GetSources()), len(simple.GetLayouts()), len(simple.GetViews())), before)

    def test_errors_name_what_is_wrong(self):
        self.assertRaisesText(lambda: self.lvlm.show_attention(self.trace, token=5), "token 5", "0 to 4")
        self.assertRaisesText(lambda: self.lvlm.show_attention(self.trace, token="red"), "'red'")
        self.assertRaisesText(lambda: self.lvlm.paint_over(self.trace, [16]), "16", "0 to 15")
        self.assertRaisesText(lambda: self.lvlm.paint_over(self.trace, [0], fill="Pink"), "'Pink'")
        self.assertRaisesText(lambda: self.lvlm.paint_over(self.trace), "no patches", "select cells")
        self.assertRaisesText(lambda: self.lvlm.compare(self.trace), "one trace only")
        self.assertRaisesText(lambda: self.lvlm.show_relevancy(self.trace, mode="Wrong"), "'Wrong'", "Exact")
        set_properties = self.lvlm.pipeline.set_properties
        self.assertRaisesText(lambda: set_properties(simple.LVLMTraceReader(), {"FileName": "a\udcffb"}), "FileName", "not UTF-8")
        self.assertRaisesText(lambda: self.lvlm.pipeline.register("a\udcffb", "LVLMTraceReader"), "name", "not UTF-8")
        self.assertRaisesText(lambda: self.lvlm.pipeline.set_properties(simple.LVLMAttentionMap(Input=self.trace), {"Reduction": "Sum"}), "'Sum'", "Mean", "StrongestHead")
        self.assertRaisesText(lambda: self.lvlm.show_attention(simple.Sphere()), "is no trace")
        self.assertRaisesText(lambda: self.lvlm.show_causality(self.trace), "causal graph")
        simple.ResetSession()
        self.assertRaisesText(self.lvlm.show_attention, "no trace", "lvlm.ask")

    def test_asking_without_inference(self):
        if has_inference():  # known only now that the plugin is loaded
            self.skipTest("this build has inference")
        self.assertRaisesText(lambda: self.lvlm.ask(STAR, QUESTION), "LVLM_ENABLE_INFERENCE=OFF", "connect to a server")

    def test_a_failing_preset_leaves_nothing_behind(self):
        before = set(simple.GetSources()), set(simple.GetLayouts())
        with self.assertRaises(self.lvlm.Error):
            self.lvlm.show_causality(self.trace)  # the trace has no complete attention
        self.assertEqual((set(simple.GetSources()), set(simple.GetLayouts())), before)

    def test_run_reports_instead_of_raising(self):
        with lt.Errors() as errors:
            self.assertIsNone(self.lvlm.run("show_attention", self.trace, token=99))
        self.assertNotIn("Traceback", errors.text)

    def test_maps_tell_patches_to_whoever_points_at_them(self):
        image = lt.fetch(simple.LVLMAttentionMap(Input=self.trace))
        self.assertEqual(image.GetCellData().GetArrayName(0), "attention")
        self.assertEqual(image.GetCellData().GetScalars().GetName(), "attention")
        np.testing.assert_array_equal(lt.grid_cells(image, "patch"), np.arange(16).reshape(4, 4))
        np.testing.assert_array_equal(lt.grid_cells(image, "patch_row"), np.repeat(np.arange(4), 4).reshape(4, 4))
        np.testing.assert_array_equal(lt.grid_cells(image, "patch_col"), np.tile(np.arange(4), (4, 1)))


    def test_picture_shares(self):
        """Of each token what its rows give to the picture, the mean over layers and heads; nothing where no attention was recorded."""
        data = lt.TraceData()
        told = self.lvlm.picture_shares(self.reader(data, name="shares.lvlm"))
        self.assertEqual(told["of"], "attention")
        np.testing.assert_allclose(told["shares"], data.attention[..., data.span].sum(axis=-1).mean(axis=(0, 1)), rtol=1e-5)
        without = self.reader(data, name="without.lvlm", tensors={"attention.answer": None})
        self.assertEqual(self.lvlm.picture_shares(without)["shares"], [])


class PaintOver(ModuleTest):
    def setUp(self):
        super().setUp()
        self.data = lt.TraceData(rows=3, cols=4, width=56, height=31)  # 31 is no multiple of 3
        self.trace = self.reader(self.data)

    def pixels(self, picture):
        image = lt.fetch(picture)
        self.assertEqual(image.GetOrigin(), (0.5, 0.5, 0))
        width, height, _ = image.GetDimensions()
        return lt.array(image.GetPointData().GetArray("picture")).reshape(height, width, 3)[::-1]

    def test_fills(self):
        mean = np.round(self.data.image.reshape(-1, 3).astype(float).mean(axis=0))
        for fill, color in (("Mean Color", mean), ("Black", (0, 0, 0)), ("White", (255, 255, 255))):
            pixels = self.pixels(simple.LVLMPaintOver(Input=self.trace, Patches=[1, -1], Fill=fill))
            expected = self.data.image.copy()
            expected[0:10, 14:28] = color
            expected[21:31, 42:56] = color
            np.testing.assert_array_equal(pixels, expected)

    def test_a_color_of_choice(self):
        painted = simple.LVLMPaintOver(Input=self.trace, Patches=[0], Fill="Color", Color=[1, 0.5, 0])
        self.assertEqual(self.pixels(painted)[0, 0].tolist(), [255, 128, 0])

    def test_no_patches_leave_the_picture_as_it_is(self):
        np.testing.assert_array_equal(self.pixels(simple.LVLMPaintOver(Input=self.trace)), self.data.image)

    def test_selected_cells(self):
        heat = simple.LVLMAttentionMap(Input=self.trace)
        simple.Show(heat, simple.CreateRenderView())
        simple.SelectCells("patch_row == 1", proxy=heat)
        self.assertEqual(self.lvlm.selected_patches(self.trace), [4, 5, 6, 7])
        by_list = self.pixels(self.lvlm.paint_over(self.trace, [4, 5, 6, 7]))
        np.testing.assert_array_equal(self.pixels(self.lvlm.paint_over(self.trace)), by_list)
        by_query = simple.LVLMPaintOver(Input=self.trace, Selection=servermanager._getPyProxy(heat.GetSelectionInput(0)))
        self.assertReports(by_query.UpdatePipeline, "Selection", "QUERY")
        cells = [4, 5, 6, 7]  # of the middle row, which is the same from above and below
        simple.SelectIDs(IDs=[number for cell in cells for number in (-1, cell)], FieldType="CELL", Source=heat)
        by_ids = simple.LVLMPaintOver(Input=self.trace, Selection=servermanager._getPyProxy(heat.GetSelectionInput(0)))
        np.testing.assert_array_equal(self.pixels(by_ids), by_list)

    def test_a_patch_out_of_range_is_reported(self):
        painted = simple.LVLMPaintOver(Input=self.trace, Patches=[12])
        self.assertReports(painted.UpdatePipeline, "Patches", "12")


class Figures(ModuleTest):
    def setUp(self):
        super().setUp()
        self.trace = self.reader()
        self.data = lt.TraceData()

    def text(self, **properties):
        return lt.column(lt.fetch(simple.LVLMCaption(Input=self.trace, **properties)), "Text")[0]

    def words(self, marked=()):
        found = ["w%d" % i for i in self.data.ids[self.data.P:]]
        return " ".join("[%s]" % word if t in marked else word for t, word in enumerate(found))

    def test_caption_marks_the_chosen_token(self):
        self.assertEqual(self.text(Text="{answer}"), self.words())
        self.assertEqual(self.text(Text="a: {answer}", AnswerTokens=[1]), "a: " + self.words([1]))
        self.assertEqual(self.text(Text="{token}\n{token}", AnswerTokens=[-1]), "\n".join(["w%d" % self.data.ids[-1]] * 2))

    def test_caption_says_what_a_map_shows(self):
        heat = simple.LVLMAttentionMap(Input=self.trace, Layers=[1], Heads=[0])
        caption = simple.LVLMCaption(Input=self.trace, About=heat, Text="{nothing} here\nOf {heads}: {token}", AnswerTokens=[2])
        word = self.words()  # those of the map, which are all: the caption's own list counts where it is about nothing
        self.assertEqual(lt.column(lt.fetch(caption), "Text")[0], "Of layer 1, head 0: " + word)
        heat.Heads = []
        self.assertEqual(lt.column(lt.fetch(caption), "Text")[0], "Of the mean of 1 layers x 2 heads: " + word)
        self.assertEqual(self.text(Text="{nothing} here"), "{nothing} here")

    def test_caption_follows_the_head_that_looks_most(self):
        raw = self.data.attention[..., self.data.span].sum(axis=3)
        heat = simple.LVLMAttentionMap(Input=self.trace, Reduction="StrongestHead", FollowTime=1)
        caption = simple.LVLMCaption(Input=self.trace, About=heat, Text="{heads}", FollowTime=1)
        for token in (0, 3, 1, 4):
            caption.UpdatePipeline(token)
            layer, head = np.unravel_index(raw[:, :, token].argmax(), raw.shape[:2])
            self.assertEqual(lt.column(servermanager.Fetch(caption), "Text")[0], "layer %d, head %d, which looks most" % (layer, head))

    def test_caption_is_cut_around_the_bracket(self):
        text = self.text(Text="{answer}", AnswerTokens=[4], LineLength=10)
        self.assertEqual(len(text), 10)
        self.assertIn("[w", text)
        self.assertEqual(text[0], "\u2026")

    def test_bars(self):
        tokens = simple.LVLMTokens(Input=self.trace, AnswerTokens=[2])
        bars = lt.fetch(simple.LVLMBars(Input=tokens, Labels="token", Values="probability", Highlight="chosen", FullScale=1))
        rows = lt.array(bars.GetCellData().GetArray("row"))
        self.assertEqual(set(rows), set(range(self.data.P, self.data.P + self.data.T)))
        self.assertEqual(bars.GetBounds()[2:4], (-16.0, 0.0))
        lengths = {}
        for cell in range(bars.GetNumberOfCells()):
            if bars.GetCell(cell).GetNumberOfPoints() == 4:  # the track, then the bar over it
                lengths[rows[cell]] = bars.GetCell(cell).GetBounds()[1]
        expected = np.exp(self.data.logprob) * 10
        np.testing.assert_allclose([lengths[self.data.P + t] for t in range(self.data.T)], expected, rtol=1e-5)

    def test_a_note_lies_below_the_bars(self):
        tokens = simple.LVLMTokens(Input=self.trace)
        plain, first, second = (lt.fetch(simple.LVLMBars(Input=tokens, Values="probability", Note=note)) for note in (
            "", "first {position}", "first 0"))  # as percent: position 0 is "0.00 %"
        below = [min(bars.GetCell(c).GetBounds()[2] for c in range(bars.GetNumberOfCells())) for bars in (plain, first)]
        self.assertLess(below[1], below[0] - 0.5)
        self.assertEqual((plain.GetBounds()[2], first.GetBounds()[2]), (-16.0, -17.5))
        self.assertGreater(first.GetNumberOfPoints(), second.GetNumberOfPoints())

    def test_bars_of_a_missing_column_are_reported(self):
        tokens = simple.LVLMTokens(Input=self.trace)
        self.assertReports(simple.LVLMBars(Input=tokens, Values="probability", Note="{nothing}").UpdatePipeline, "Note", "'nothing'")
        self.assertReports(simple.LVLMBars(Input=tokens, Values="probability", Note="{}").UpdatePipeline, "Note")
        self.assertReports(simple.LVLMBars(Input=tokens, Values="nothing").UpdatePipeline, "Values", "'nothing'")


class Asking(ModuleTest):
    """On the embedded model."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not has_inference():
            raise unittest.SkipTest("built without inference")

    def star_patches(self):
        """Patches (12 x 12) that the star covers, by the labels that ship with the scene."""
        labels = lt.fetch(simple.PNGSeriesReader(FileNames=[STAR.replace(".png", ".objects.png")]))
        mask = lt.array(labels.GetPointData().GetScalars()).reshape(168, 168)[::-1] == 1
        covered = mask.reshape(12, 14, 12, 14).any(axis=(1, 3))
        return [int(patch) for patch in np.flatnonzero(covered)]

    def test_views_without_a_screen_are_refused_before_the_model_runs(self):
        from vtkmodules.vtkRenderingCore import vtkRenderWindow
        before = set(simple.GetSources())
        with mock.patch.dict(os.environ, DISPLAY=""):
            if not vtkRenderWindow().IsA("vtkXOpenGLRenderWindow"):
                raise unittest.SkipTest("this VTK finds other ways to draw")
            self.assertRaisesText(lambda: self.lvlm.ask(STAR, QUESTION), "DISPLAY is not set", "layout=False")
        self.assertEqual(set(simple.GetSources()), before)

    def test_a_file_that_is_no_picture(self):
        before = set(simple.GetSources())
        path = self.path("text.png")
        with open(path, "w", encoding="ascii") as file:
            file.write("no picture")
        self.assertRaisesText(lambda: self.lvlm.ask(path, QUESTION), path, "cannot be decoded as a picture")
        self.assertEqual(set(simple.GetSources()), before)

    def test_ask_answers_and_shows_where_the_model_looked(self):
        trace = self.lvlm.ask(STAR, QUESTION)
        self.assertEqual(trace.Answer.strip(), "The star is red.")
        self.assertEqual(self.lvlm.question(trace), QUESTION)
        self.assertEqual(self.lvlm.answer(trace), "The star is red.")
        self.assertEqual(self.lvlm.telling_token(trace), RED)
        self.assertEqual(simple.GetAnimationScene().AnimationTime, RED)
        layout = simple.GetLayoutByName("Attention: " + QUESTION)
        pixels = self.screenshot(layout, "attention")
        self.assertDrawn(pixels, [(0, .6), (.6, 1)])
        # Pink patches, the hottest, lie on the left half of the picture, where the star is.
        left = pixels[80:820, :960]
        pink = (left[..., 0] > 210) & (left[..., 1] < 60) & (left[..., 2] > 110)
        columns = np.flatnonzero(pink.any(axis=0))
        self.assertTrue(len(columns) > 20 and columns.max() < 480, columns)

    def test_every_preset_is_drawn_and_survives_a_state_file(self):
        trace = self.lvlm.ask(STAR, QUESTION, layout=False)
        parts = {"show_attention": [(0, .6), (.6, 1)], "show_heads": [(0, .5), (.5, 1)], "show_layers": [(.2, .8)],
                 "show_gallery": [(.1, .6), (.7, 1)],
                 "show_lens": [(.05, .45), (.55, 1)], "show_relevancy": [(0, .32), (.32, .64), (.64, 1)], "show_causality": [(0, .56), (.56, 1)]}
        for name, drawn in parts.items():
            with self.subTest(name):
                self.assertDrawn(self.screenshot(getattr(self.lvlm, name)(trace), name), drawn)
        before = {key[0]: state_of(layout) for key, layout in simple.GetLayouts().items()}
        self.assertEqual(len(before), len(parts))
        state = self.path("all.pvsm")
        simple.SaveState(state)
        self.reset()
        simple.LoadState(state)
        after = {key[0]: state_of(layout) for key, layout in simple.GetLayouts().items()}
        self.assertEqual(after, before)
        layout = simple.GetLayoutByName("Attention: " + QUESTION)
        layout.SetSize(*SIZE)
        self.assertDrawn(self.screenshot(layout, "attention again"), [(0, .6), (.6, 1)])

    def test_lens(self):
        trace = self.lvlm.ask(STAR, QUESTION, layout=False)
        pixels = self.screenshot(self.lvlm.show_lens(trace, "star"), "lens")
        self.assertDrawn(pixels, [(.05, .45), (.55, 1)])
        right = pixels[45:480, 980:1450]  # the map: pink patches lie on the star, at the left of the picture
        pink = (right[..., 0] > 210) & (right[..., 1] < 60) & (right[..., 2] > 110)
        columns = np.flatnonzero(pink.any(axis=0))
        self.assertTrue(len(columns) > 40 and columns.max() < 200, columns)
        lens = next(s for s in simple.GetSources().values() if s.GetXMLName() == "LVLMLogitLens")
        self.assertEqual((lens.Word, lens.FollowTime), ("star", 1))
        self.lvlm.show_lens(trace, token=1)
        self.assertEqual((lens.Word, list(lens.AnswerTokens), lens.FollowTime), ("", [1], 0))
        tabs = set(simple.GetLayouts())
        self.assertRaisesText(lambda: self.lvlm.show_lens(trace, "xylophone"), "logit lens", "'xylophone' is ", "tokens of")
        self.assertRaisesText(lambda: self.lvlm.show_lens(trace, " "), "' '", "no word")
        self.assertEqual(set(simple.GetLayouts()), tabs)

    def test_gallery(self):
        trace = self.lvlm.ask(STAR, QUESTION, layout=False)
        for by, title, row in (("AnswerTokens", "Words gallery", "red"), ("Layers", "Layers gallery", "layer 2")):
            self.assertDrawn(self.screenshot(self.lvlm.show_gallery(trace, by=by, order="ImageShare"), by), [(.05, .65), (.7, 1)])
            self.assertIsNotNone(simple.GetLayoutByName("%s: %s" % (title, QUESTION)))
            gallery = next(s for s in simple.GetSources().values() if s.GetXMLName() == "LVLMMapGallery" and s.By == by)
            self.assertIn(row, lt.column(lt.fetch(gallery, 1), "label"))
        self.lvlm.show_gallery(trace, token=0, best_heads=4, best_by="ImageShare")
        gallery = next(s for s in simple.GetSources().values() if s.GetXMLName() == "LVLMMapGallery" and s.By == "Heads")
        self.assertEqual((gallery.BestHeads, gallery.BestBy, lt.fetch(gallery, 1).GetNumberOfRows()), (4, "ImageShare", 4))
        self.lvlm.show_gallery(trace, token=0)  # leaves the choice as it is
        self.assertEqual(gallery.BestHeads, 4)
        self.lvlm.show_attention(trace, token=0, best_heads=2)
        heat = next(s for s in simple.GetSources().values() if s.GetXMLName() == "LVLMAttentionMap")
        self.assertIn("the 2 heads which localize best", lt.fetch(heat).GetFieldData().GetAbstractArray("heads").GetValue(0))
        tabs = set(simple.GetLayouts())
        self.assertRaisesText(lambda: self.lvlm.show_attention(trace, best_heads=-1), "best_heads: -1 is no number of heads")
        self.assertRaisesText(lambda: self.lvlm.show_attention(trace, best_heads=1, best_by="Luck"), "best_by: 'Luck' is none of")
        self.assertRaisesText(lambda: self.lvlm.show_gallery(trace, by="Words"), "by: 'Words' is none of Heads, Layers, AnswerTokens")
        self.assertRaisesText(lambda: self.lvlm.show_gallery(trace, order="Random"), "order: 'Random' is none of")
        self.assertEqual(set(simple.GetLayouts()), tabs)

    def test_presets_of_a_tower_without_class_token(self):
        trace = self.lvlm.ask(STAR, QUESTION, layout=False, model=SIGLIP, max_new_tokens=3, capture_vision=True)
        layout = self.lvlm.show_relevancy(trace, token=1)
        self.assertEqual(len(simple.GetViewsInLayout(layout)), 3)  # two maps and the words
        for name in ("show_attention", "show_heads", "show_layers", "show_lens"):
            getattr(self.lvlm, name)(trace)

    def test_python_state(self):
        trace = self.lvlm.ask(STAR, QUESTION)
        before = state_of(simple.GetLayoutByName("Attention: " + QUESTION))
        script = smstate.get_state()
        del trace
        self.reset()
        exec(compile(script, "state.py", "exec"), {"__name__": "state"})
        self.assertEqual(state_of(simple.GetLayoutByName("Attention: " + QUESTION)), before)

    def test_stepping_changes_what_is_drawn(self):
        trace = self.lvlm.ask(STAR, QUESTION)
        layout = simple.GetLayoutByName("Attention: " + QUESTION)
        at_red = self.screenshot(layout, "red")
        self.lvlm.step(0, trace)
        at_the = self.screenshot(layout, "the")
        for part in (slice(0, 960), slice(960, 1600)):  # the map, and the bar that is highlighted
            self.assertGreater(np.abs(at_red[:, part] - at_the[:, part]).max(), 60)

    def test_a_second_question_keeps_the_first(self):
        first = self.lvlm.ask(STAR, QUESTION, layout=False)
        second = self.lvlm.ask(STAR, "What color is the circle?", layout=False)
        self.assertEqual([t.SMProxy for t in self.lvlm.find_traces()], [first.SMProxy, second.SMProxy])
        self.assertEqual(first.Input.SMProxy, second.Input.SMProxy)
        self.assertEqual(self.lvlm.answer(second), "The circle is blue.")
        layout = self.lvlm.compare(first, second)
        self.assertDrawn(self.screenshot(layout, "compare"), [(0, .33), (.33, .66), (.66, 1)])
        maps = [s for s in simple.GetSources().values() if s.GetXMLName() == "LVLMAttentionMap"]
        scales = [list(simple.GetDisplayProperties(m, simple.GetViewsInLayout(layout)[n]).LookupTable.RGBPoints)
                  for n, m in enumerate(maps)]
        self.assertEqual(scales[0], scales[1])
        difference = next(s for s in simple.GetSources().values() if s.GetXMLName() == "Calculator")
        simple.RenderAllViews()
        time = simple.GetAnimationScene().AnimationTime
        for source in maps + [difference]:
            source.UpdatePipeline(time)
        one, two, minus = (lt.array(servermanager.Fetch(s).GetCellData().GetArray(a))
                           for s, a in ((maps[0], "attention"), (maps[1], "attention"), (difference, "difference")))
        np.testing.assert_allclose(np.sort(np.abs(minus)), np.sort(np.abs(two - one)), atol=1e-7)

    def test_compare_has_one_scale_for_all_tokens_of_traces_that_have_not_run(self):
        picture = simple.PNGSeriesReader(FileNames=[STAR])
        questions = (QUESTION, "Describe the image.")
        traces = [self.lvlm.pipeline.register(q, "LLaVAInference", Input=picture, Prompt=q) for q in questions]
        self.assertEqual(list(simple.GetAnimationScene().TimeKeeper.TimestepValues), [])
        layout = self.lvlm.compare(*traces)
        rows = [self.attention_of(trace) for trace in traces]
        low, high = min(r.min() for r in rows), max(r.max() for r in rows)
        length = min(map(len, rows))
        most = np.abs(rows[1][:length] - rows[0][:length]).max()
        views = simple.GetViewsInLayout(layout)
        for number, array in enumerate(("attention", "attention", "difference")):
            shown = next(r for r in views[number].Representations
                         if "ColorArrayName" in r.ListProperties() and r.ColorArrayName[1] == array)
            points = list(shown.LookupTable.RGBPoints)
            if array == "attention":
                np.testing.assert_allclose([points[0], points[-4]], [low, high], rtol=1e-5)
            else:
                self.assertEqual(points[0], -points[-4])
                self.assertGreater(points[-4], most * (1 - 1e-5))

    @staticmethod
    def attention_of(trace):
        """A row an answer token, a column a patch: the mean over layers and heads, from the trace's own blocks."""
        rows = lt.array(lt.block(lt.fetch(trace), "attention.answer").GetPointData().GetArray(0))
        answer, patches = (positions_of(trace, role) for role in ("answer", "image"))
        return rows.reshape(4 * 4, len(answer), -1).mean(axis=0)[:, patches]  # 4 layers of 4 heads

    def test_without_the_star(self):
        question = "Is there a star?"
        trace = self.lvlm.ask(STAR, question, layout=False)
        patches = self.star_patches()
        second = self.lvlm.ask_without(trace, patches)
        self.assertEqual((self.lvlm.answer(trace), self.lvlm.answer(second)), ("Yes", "No"))
        before, after = (lt.array(lt.block(lt.fetch(t), "image").GetPointData().GetArray(0)).reshape(12, 14, 12, 14, 3)[::-1, ::-1]
                         for t in (trace, second))
        touched = (before != after).any(axis=(1, 3, 4))
        self.assertEqual([int(p) for p in np.flatnonzero(touched)], patches)
        self.assertDrawn(self.screenshot(simple.GetLayoutByName("Compare: %s | %s (2)" % (question, question)), "without"),
                         [(0, .33), (.33, .66), (.66, 1)])

    def test_the_same_question_is_asked_again(self):
        """Characters of several bytes, blanks, the picture's place and line breaks reach the model as they did at first."""
        for question in ("What color is the ⭐ — ’red’?", "Look: <image> What color is the star?", "  What color\nis the star?\n\n"):
            first = self.lvlm.ask(STAR, question, layout=False)
            self.assertEqual(self.lvlm.question(first), question)
            second = self.lvlm.ask_without(first, patches=[0])
            part = self.lvlm.crop_and_ask(first, 10, 150, 20, 160)
            ids = [list(lt.column(lt.fetch(simple.LVLMTokens(Input=trace)), "id")[:-len(self.lvlm.tokens(trace))])
                   for trace in (first, second, part)]
            self.assertEqual(ids[0], ids[1], question)
            self.assertEqual(ids[0], ids[2], question)
            self.assertEqual([trace.Prompt for trace in (second, part)], [question] * 2)

    def test_what_pieces_of_characters_say(self):
        trace = self.lvlm.ask(STAR, "What is ⭐?", layout=False)
        texts = [token["text"] for token in self.lvlm.tokens(trace, "question")]
        self.assertIn("⭐", texts)
        self.assertEqual("".join(texts), "What is ⭐?")
        words = lt.column(lt.fetch(simple.LVLMRelevancy(Input=trace, AnswerTokens=[RED]), 1), "word")
        self.assertIn("⭐", words)

    def test_an_overwritten_picture_is_read_again(self):
        shot = self.path("shot.png")

        def ask(scene):
            if scene:
                shutil.copy(SCENES / scene, shot)
            return self.lvlm.ask(shot, QUESTION, layout=False)

        def seen(trace):
            trace.UpdatePipeline()
            return lt.array(lt.block(lt.fetch(trace), "image").GetPointData().GetArray("image")).copy()

        def readers():
            return len([source for source in simple.GetSources().values() if source.GetXMLName() == "LVLMPictureReader"])

        before = readers()
        first = ask("star_left_of_circle.png")
        star = seen(first)
        second = ask("purple_heart.png")
        heart = seen(second)
        self.assertFalse(np.array_equal(star, heart))
        np.testing.assert_array_equal(seen(first), star)  # it stays what it was
        self.assertNotEqual(self.lvlm.answer(first), self.lvlm.answer(second))
        third = ask(None)  # the file is as it was read
        np.testing.assert_array_equal(seen(third), heart)
        self.assertEqual(readers() - before, 2)
        for trace in (second, third):
            simple.Delete(trace)
        fourth = ask("one_ring.png")  # nothing hangs on the reader of the heart any more
        self.assertEqual(readers() - before, 2)
        self.assertFalse(np.array_equal(seen(fourth), heart))
        shutil.copy(SCENES / "purple_heart.png", shot)
        np.testing.assert_array_equal(seen(self.lvlm.ask(simple.FindSource("shot.png"), QUESTION, layout=False)), heart)
        np.testing.assert_array_equal(seen(first), star)

    def test_crop(self):
        trace = self.lvlm.ask(STAR, "What color is the circle?", layout=False)
        part = self.lvlm.crop_and_ask(trace, 84, 167, 42, 125)
        self.assertEqual(self.lvlm.answer(part), "The circle is blue.")
        self.assertRaisesText(lambda: self.lvlm.crop_and_ask(trace, 0, 168, 0, 167), "168", "0 to 167")

    def test_errors_name_what_is_wrong(self):
        self.assertRaisesText(lambda: self.lvlm.ask("/no/such/picture.png", "What?"), "/no/such/picture.png")
        self.assertRaisesText(lambda: self.lvlm.ask("/no/such/picture.gif", "What?"), "picture.gif", "no file")
        self.assertRaisesText(lambda: self.lvlm.ask(7, "What?"), "7")
        self.assertRaisesText(lambda: self.lvlm.ask(STAR, " "), "question")
        with lt.Errors() as errors:
            self.assertRaisesText(lambda: self.lvlm.ask(STAR, "What?", model="/no/such/model"), "/no/such/model")
        self.assertEqual(errors.text, "")
        self.assertEqual(self.lvlm.find_traces(), [])


class Embedded(ModuleTest):
    def test_module_comes_from_the_plugin(self):
        self.assertNotIn("lvlm", [p.name for p in map(pathlib.Path, sys.path)])
        self.assertIn("ParaViewLoader", type(self.lvlm.__spec__.loader).__name__)


if __name__ == "__main__":
    lt.main()
