# SPDX-License-Identifier: Apache-2.0
"""What the presets write beside a map is what the map shows: tokens, layers, heads, method and numbers, whatever changed them."""
import pathlib

import numpy as np

import lvlm_testing as lt
from paraview import servermanager, simple

NONE = "No map here"
SCENES = pathlib.Path(__file__).resolve().parents[2] / "Models" / "TinyLlava" / "scenes"


def field(data, name):
    """The strings of a field array, None where it is not there."""
    array = data.GetFieldData().GetAbstractArray(name)
    return None if array is None else [array.GetValue(i) for i in range(array.GetNumberOfValues())]


def sources(kind):
    return [source for source in simple.GetSources().values() if source.GetXMLName() == kind]


def only(kind):
    found = sources(kind)
    assert len(found) == 1, (kind, len(found))
    return found[0]


class Labels(lt.TestCase):
    """Presets of a recorded trace, whose filters are then changed as a user does."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        import lvlm
        cls.lvlm = lvlm

    def setUp(self):
        super().setUp()
        self.data = lt.TraceData(rows=4, cols=4, layers=6, heads=4, width=56, height=56)
        more = self.data.more_tensors()
        more["attention.full"] = np.tril(np.random.default_rng(5).random((6, 4, self.data.K, self.data.K))).astype("f4")
        more["attention.full"] /= more["attention.full"].sum(axis=-1, keepdims=True)
        for t in range(self.data.T):
            more["relevancy.decoder"][t, self.data.P + t:] = 0
        more["relevancy.decoder"] /= more["relevancy.decoder"].sum(axis=1, keepdims=True)
        self.relevancy = more["relevancy.decoder"]
        self.trace = self.reader(self.data, tensors={**more, "attention.vision": None})

    def word(self, token):
        return "w%d" % self.data.ids[self.data.P + token]

    def captions(self, source=None, time=None):
        """What the captions say, those alone that are about the source."""
        texts = []
        for caption in sources("LVLMCaption"):
            about = caption.About
            if source is None or (about is not None and about.SMProxy == source.SMProxy):
                caption.UpdatePipeline(*[] if time is None else [time])
                texts.append(lt.column(servermanager.Fetch(caption), "Text")[0])
        return texts

    def highlighted(self, time=None):
        """The tokens that the bars of the Attention preset mark."""
        tokens = only("LVLMTokens")
        tokens.UpdatePipeline(*[] if time is None else [time])
        return [int(i) - self.data.P for i in np.flatnonzero(lt.column(servermanager.Fetch(tokens), "chosen"))]

    def test_captions_and_bars_name_the_tokens_that_the_map_shows(self):
        self.lvlm.show_attention(self.trace)
        heat = only("LVLMAttentionMap")
        for time in (4, 1):
            self.assertIn("\u201c%s\u201d" % self.word(time), self.captions(heat, time)[0])
            self.assertEqual(self.highlighted(time), [time])
        heat.FollowTime, heat.AnswerTokens = 0, [1, 3]
        for time in (0, 4):  # which does not matter any more
            said = self.captions(heat, time)[0]
            self.assertIn("\u201c%s %s\u201d" % (self.word(1), self.word(3)), said)
            self.assertEqual(said.count("["), 2)
            self.assertEqual(self.highlighted(time), [1, 3])
        heat.AnswerTokens = [-1]
        self.assertIn("\u201c%s\u201d" % self.word(4), self.captions(heat)[0])
        self.assertEqual(self.highlighted(), [4])
        heat.FollowTime = 1
        self.assertIn("\u201c%s\u201d" % self.word(2), self.captions(heat, 2)[0])
        self.assertEqual(self.highlighted(2), [2])

    def test_a_map_tells_its_tokens_and_they_are_those_of_its_numbers(self):
        heat = simple.LVLMAttentionMap(Input=self.trace, FollowTime=1)
        for time in (3, 0, 9):
            heat.UpdatePipeline(time)
            image = servermanager.Fetch(heat)
            told = list(lt.array(image.GetFieldData().GetArray("answer_tokens")))
            expected = self.data.attention[:, :, told][..., self.data.span].mean(axis=(0, 1, 2))
            np.testing.assert_allclose(lt.grid_cells(image).ravel(), expected, rtol=1e-5)
            self.assertEqual(told, [min(time, 4)])

    def test_a_time_past_the_end_is_told(self):
        self.lvlm.show_attention(self.trace)
        heat = only("LVLMAttentionMap")
        self.assertIn("\u201c%s\u201d (its last token: time 11 is past its end): " % self.word(4), self.captions(heat, 11)[0])
        self.assertEqual(self.highlighted(11), [4])
        self.assertNotIn("past", self.captions(heat, 4)[0])
        alone = simple.LVLMCaption(Input=self.trace, Text="{token}{late}", FollowTime=1)
        for time, expected in ((5, self.word(4) + " (its last token: time 5 is past its end)"), (4, self.word(4))):
            alone.UpdatePipeline(time)
            self.assertEqual(lt.column(servermanager.Fetch(alone), "Text")[0], expected)

    def test_a_caption_of_a_map_that_failed_names_no_token(self):
        heat = simple.LVLMAttentionMap(Input=self.trace, AnswerTokens=[99])
        caption = simple.LVLMCaption(Input=self.trace, About=heat, Text="For {token}\nQ: {question}")
        with lt.Errors():
            said = lt.column(lt.fetch(caption), "Text")[0]
        self.assertTrue(said.startswith("Q: "), said)

    def test_a_chosen_head_is_not_the_one_that_looks_most(self):
        self.lvlm.show_heads(self.trace)
        heat = only("LVLMAttentionMap")
        raw = self.data.attention[:, :, 2][..., self.data.span].sum(axis=-1)
        layer, head = np.unravel_index(raw.argmax(), raw.shape)
        self.assertIn("layer %d, head %d, which looks most\n" % (layer, head), self.captions(heat, 2)[0])
        heat.Layers, heat.Heads = [1], [2]
        self.assertIn("\u201d: layer 1, head 2\n", self.captions(heat, 2)[0])
        heat.Layers = [1, 4]
        best = [1, 4][int(raw[[1, 4], 2].argmax())]
        self.assertIn("layer %d, head 2, which looks most of 2 heads\n" % best, self.captions(heat, 2)[0])

    def test_head_summary_says_what_is_looked_at_and_measured(self):
        self.lvlm.show_heads(self.trace)
        summary = only("LVLMHeadSummary")
        image = lt.fetch(summary)
        self.assertEqual(field(image, "legend"), ["Mean attention to a patch of the picture", "attention"])
        self.assertIn("Which heads look at the picture", self.captions(summary)[0])
        summary.Source = "Question"
        self.assertEqual(field(lt.fetch(summary), "legend")[0], "Mean attention to a word of the question")
        self.assertIn("Which heads look at the question", self.captions(summary)[0])
        summary.Source, summary.Measure = "Image", "Localization"
        self.assertEqual(field(lt.fetch(summary), "legend"), ["Spatial entropy: low looks at one place", "spatial_entropy"])
        summary.Measure = "Sum"
        image = lt.fetch(summary)
        self.assertEqual(field(image, "legend")[0], "Attention to the picture, all of it")

    def test_layer_volume_names_its_planes(self):
        self.lvlm.show_layers(self.trace)
        volume = only("LVLMLayerVolume")
        self.assertIn("layer by layer: layer 0 next to the picture, layer 5 in front", self.captions(volume)[0])
        self.assertEqual(field(lt.fetch(volume), "legend")[0], "Attention to each patch (mean of 4 heads)")
        labels = lt.fetch(volume, 1)
        self.assertEqual(sorted(set(lt.array(labels.GetCellData().GetArray("label")))), list(range(6)))
        bounds = labels.GetBounds()
        z = lt.fetch(volume).GetBounds()[4:]  # the planes' own
        np.testing.assert_allclose(bounds[4:], z, rtol=1e-6)
        self.assertGreater(bounds[0], 56)  # beside the picture
        volume.Layers, volume.Reduction = [4, 2], "Maximum"
        self.assertIn("layer by layer: layer 4 next to the picture, layer 2 in front", self.captions(volume)[0])
        self.assertEqual(field(lt.fetch(volume), "legend")[0], "Attention to each patch (maximum of 4 heads)")
        volume.Axis, volume.Layer, volume.Heads = "Heads", 3, [1]
        self.assertIn("head 1 alone", self.captions(volume)[0])
        self.assertEqual(field(lt.fetch(volume), "legend")[0], "Attention to each patch (layer 3)")

    def test_gallery_says_what_its_maps_are(self):
        self.lvlm.show_gallery(self.trace)
        gallery = only("LVLMMapGallery")
        self.assertIn("every attention head: a row is a layer (L), a column a head (H)", self.captions(gallery)[0])
        gallery.Layers, gallery.Order = [1, 2], "ImageShare"
        self.assertIn(": each chosen attention head, those first that look at the picture most", self.captions(gallery)[0])
        gallery.By, gallery.Order = "Layers", "Index"
        self.assertIn("each chosen layer, the mean of 4 heads", self.captions(gallery)[0])
        gallery.By, gallery.FollowTime, gallery.AnswerTokens = "AnswerTokens", 0, [0, 2]
        said = self.captions(gallery)[0]
        self.assertIn("\u201c%s %s\u201d: each token, the mean of 2 layers x 4 heads" % (self.word(0), self.word(2)), said)

    def test_all_words_have_their_relevancy(self):
        self.lvlm.show_words(self.trace)
        gallery = only("LVLMMapGallery")
        image, table = lt.fetch(gallery), lt.fetch(gallery, 1)
        tokens, patches, values = (lt.array(image.GetCellData().GetArray(name)) for name in ("answer_index", "patch", "relevancy"))
        self.assertIsNone(image.GetCellData().GetArray("attention"))
        for token in range(self.data.T):
            mine = tokens == token
            found = np.empty(16)
            found[patches[mine]] = values[mine]
            one = simple.LVLMRelevancy(Input=self.trace, AnswerTokens=[token])
            np.testing.assert_allclose(found, lt.grid_cells(lt.fetch(one), "decoder").ravel(), rtol=1e-5)
            share = self.relevancy[token, self.data.span].sum() / self.relevancy[token].sum()
            np.testing.assert_allclose(lt.column(table, "image_share")[token], share, rtol=1e-4)
        self.assertEqual(field(image, "legend"), ["Relevancy of each patch (part of 1)", "relevancy"])
        self.assertIn("each token, its relevancy through the language model", self.captions(gallery)[0])
        gallery.By = "Layers"
        self.assertReports(gallery.UpdatePipeline, "Of", "AnswerTokens")
        with self.assertRaises(self.lvlm.Error):
            self.lvlm.show_gallery(self.trace, of="Relevancy")

    def test_words_above_their_gallery_read_as_the_answer_does(self):
        """Also where the gallery is sorted."""
        for order in ("Index", "ImageShare"):
            self.lvlm.show_gallery(self.trace, by="AnswerTokens", order=order)
            words = next(s for s in simple.GetSources().values() if s.GetXMLName() == "LVLMBars" and s.Arrangement == "Text")
            drawn = lt.fetch(words)
            tokens = lt.array(drawn.GetCellData().GetArray("answer_index"))
            places = {token: drawn.GetCell(int(np.argmax(tokens == token))).GetBounds() for token in range(self.data.T)}  # a token's box comes first
            self.assertEqual(sorted(places, key=lambda token: (-round(places[token][2]), places[token][0])), list(range(self.data.T)), order)
        shares = lt.column(lt.fetch(only("LVLMMapGallery"), 1), "answer_index")
        self.assertNotEqual(list(shares), sorted(shares))  # so there was something to put in order

    def test_relevancy_says_what_each_map_is_worth(self):
        self.lvlm.show_relevancy(self.trace, token=2)
        relevancy = only("LVLMRelevancy")
        texts = self.captions(relevancy)
        trusted = [text for text in texts if "Trust this one first" in text]
        self.assertEqual(trusted, ["Through the language model\nTrust this one first"])
        self.assertEqual(len([text for text in texts if NONE in text]), 0)
        relevancy.Method = "RolloutMean"
        image = lt.fetch(relevancy)
        texts = self.captions(relevancy)
        self.assertFalse([text for text in texts if "Trust" in text or "Rough" in text], texts)
        self.assertEqual(len([text for text in texts if NONE in text]), 3)  # vision, joint and joint_token are gone
        self.assertTrue(any("Attention rollout" in text for text in texts))
        self.assertEqual(field(image, "legend")[0], "Rollout to each patch (part of 1)")
        self.assertTrue(any("Share of the attention rollout (mean of heads)" in text for text in texts), texts)

    def test_relevancy_has_one_scale_in_bars_and_legend(self):
        self.lvlm.show_relevancy(self.trace, token=2)
        relevancy, bars = only("LVLMRelevancy"), only("LVLMBars")
        relevancy.Method = "RolloutMean"
        cells = lt.grid_cells(lt.fetch(relevancy), "decoder")
        table = lt.fetch(relevancy, 1)
        np.testing.assert_allclose(lt.column(table, "image_share")[0], cells.sum(), rtol=1e-4)
        np.testing.assert_allclose(lt.column(table, "image_maximum")[0], cells.max(), rtol=1e-4)
        self.assertEqual(bars.Percent, 0)

    def test_legend_says_when_relevancy_is_no_share(self):
        relevancy = simple.LVLMRelevancy(Input=self.trace, Method="RolloutMax")
        self.assertEqual(field(lt.fetch(relevancy), "legend")[0], "Rollout to each patch (part of 1)")
        relevancy.Method = "Gradient"
        self.assertEqual(field(lt.fetch(relevancy), "legend")[0], "Relevancy of each patch (part of 1)")
        words = simple.LVLMRelevancy(Input=self.trace, AnswerTokens=[1], Words=1)
        self.assertEqual(list(lt.array(lt.fetch(words).GetFieldData().GetArray("answer_tokens"))), [1])

    def test_causal_graph_names_its_token_and_heads(self):
        self.lvlm.show_causality(self.trace, token=3, head=1, table=False)
        graph = only("LVLMCausalGraph")
        weights = simple.OutputPort(graph, 3)
        self.assertIn("\u201c%s\u201d" % self.word(3), self.captions(weights)[0])
        self.assertTrue(any("layer 5, head 1" in text for text in self.captions(weights)), self.captions(weights))
        graph.Heads, graph.AnswerToken, graph.Layer = [], 1, 2
        self.assertTrue(all("\u201c%s\u201d" % self.word(1) in text for text in self.captions(weights)))
        self.assertTrue(any("layer 2, sum over 4 heads" in text for text in self.captions(weights)), self.captions(weights))
        graph.AnswerToken = -1
        self.assertTrue(all("\u201c%s\u201d" % self.word(4) in text for text in self.captions(weights)))

    def test_no_explanation_is_a_sentence_and_no_disc(self):
        graph = simple.LVLMCausalGraph(Input=self.trace, AnswerToken=2, Alpha=0, Nodes="Explanation")  # no edge is significant
        drawn = lt.fetch(graph)
        nodes = lt.fetch(graph, 1)
        self.assertTrue(max(lt.column(nodes, "radius")) < 1)
        self.assertEqual(drawn.GetNumberOfCells(), 0)
        self.assertEqual(field(drawn, "explanation"), ["No explanation: nothing that it attends is linked to it"])
        graph.Alpha = 0.5
        drawn, nodes = lt.fetch(graph), lt.fetch(graph, 1)
        head = int(field(drawn, "heads")[0].rpartition(" ")[2])
        explaining = sum(1 for h, r in zip(lt.column(nodes, "head"), lt.column(nodes, "radius")) if h == head and r > 0)
        self.assertGreater(explaining, 0)
        self.assertEqual(field(drawn, "explanation"), ["%d token%s it" % (explaining, " explains" if explaining == 1 else "s explain")])
        self.assertGreater(drawn.GetNumberOfCells(), 0)

    def test_compare_names_its_own_maps(self):
        other = self.reader(lt.TraceData(rows=4, cols=4, layers=6, heads=4, width=56, height=56, seed=9), name="other.lvlm")
        self.lvlm.compare(self.trace, other)
        first = sources("LVLMAttentionMap")[0]
        first.FollowTime, first.AnswerTokens = 0, [0, 4]
        said = self.captions(first, 2)
        self.assertEqual(len(said), 1)
        self.assertIn("[%s]" % self.word(0), said[0])
        self.assertIn("[%s]" % self.word(4), said[0])


class Looks(lt.TestCase):
    """Colours that are seen on white, gray and black, in whatever palette."""

    def test_highest_value_stands_out(self):
        from lvlm import views

        def light(rgb):
            linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
            return linear, float(np.dot(linear, (0.2126, 0.7152, 0.0722)))

        def lab(rgb):
            xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ light(rgb)[0]
            f = np.cbrt(xyz / (0.9505, 1, 1.089))
            return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])

        top, opacity = np.array(views.HEAT[-1][1:]), 0.85  # of show_map
        for ground in (1, 0.5, 0):
            seen = opacity * top + (1 - opacity) * ground
            self.assertGreater(np.linalg.norm(lab(seen) - lab([ground] * 3)), 60, ground)
            if ground != 0.5:  # nothing is far from all three in lightness alone
                one, other = sorted((light(seen)[1], light([ground] * 3)[1]))
                self.assertGreater((other + 0.05) / (one + 0.05), 3, ground)
        steps = [np.linalg.norm(lab(a[1:]) - lab(b[1:])) for a, b in zip(views.HEAT, views.HEAT[1:])]
        self.assertTrue(min(steps) > 25, steps)  # of no two parts alike

    def test_drawings_follow_the_palette(self):
        trace = self.reader()
        self.addCleanup(simple.LoadPalette, "BlueGrayBackground")
        bars = simple.LVLMBars(Input=simple.LVLMTokens(Input=trace), Values="probability")
        view = simple.CreateRenderView()
        shown = simple.Show(bars, view)
        for palette, dark in (("WhiteBackground", False), ("BlackBackground", True)):
            simple.LoadPalette(palette)
            self.assertEqual(bool(np.mean(bars.TextColor) > np.mean(bars.BackgroundColor)), dark)
            colors = lt.array(lt.fetch(bars).GetCellData().GetArray("color"))
            words = {tuple(color) for color, cell in zip(colors, range(len(colors))) if lt.fetch(bars).GetCell(cell).GetNumberOfPoints() == 3}
            self.assertEqual(words, {(255, 255, 255) if dark else (0, 0, 0)})
        self.assertTrue(shown.Visibility)

    def test_gray_picture(self):
        data = lt.TraceData()
        gray = simple.LVLMOverlay(Input=self.reader(data), Grayscale=1)
        image = lt.fetch(gray)
        width, height, _ = image.GetDimensions()
        pixels = lt.array(image.GetPointData().GetArray("overlay")).reshape(height, width, 3)[::-1].astype(int)
        expected = np.rint(data.image @ np.array([0.299, 0.587, 0.114]))
        self.assertLessEqual(np.abs(pixels - expected[..., None]).max(), 1)
        gray.Grayscale = 0
        np.testing.assert_array_equal(lt.array(lt.fetch(gray).GetPointData().GetArray("overlay")).reshape(height, width, 3)[::-1], data.image)

    def test_ticks_say_as_much_of_tiny_numbers(self):
        from lvlm import views
        for scale in (1e-5, 1, 1e4):
            data = lt.TraceData()
            data.attention = (data.attention * scale).astype("f4")
            heat = simple.LVLMAttentionMap(Input=self.reader(data, name="scale%g.lvlm" % scale))
            heat.UpdatePipeline()
            view = simple.CreateRenderView()
            shown = views.show_map(heat, view, "attention")
            bar = simple.GetScalarBar(shown.LookupTable, view)
            points = list(shown.LookupTable.RGBPoints)
            self.assertEqual(bar.Title, "Attention to each patch")
            form = bar.LabelFormat
            self.assertEqual(bar.RangeLabelFormat, form)
            for value in (points[0], points[-4]):
                written = float(form.format(value) if "{" in form else form % value)
                np.testing.assert_allclose(written, value, rtol=5e-3)


if __name__ == "__main__":
    lt.main()
