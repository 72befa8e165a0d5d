# SPDX-License-Identifier: Apache-2.0
"""The analysis filters against numpy on the raw attention block.

Sums run in double precision in both, then round to float32: 1e-7 relative is one unit of float32.
"""
import json
import numpy as np

import lvlm_testing as lt
from paraview import simple, smstate
from vtkmodules.vtkCommonCore import reference

EQUAL = dict(rtol=2e-7, atol=0)


def raw_attention(reader, data):
    """attention.answer [L, Hd, T, K] as the reader gives it."""
    values = lt.block(lt.fetch(reader), "attention.answer").GetPointData().GetArray("attention.answer")
    return lt.array(values).reshape(data.layers, data.heads, data.T, data.K).astype("f8")


def tiles(image, count, across, rows, cols):
    """The maps of a gallery, each upright as numpy has it."""
    down = -(-count // across)
    cells = lt.array(image.GetCellData().GetArray("attention")).reshape(down * (rows + 1) - 1, across * (cols + 1) - 1)[::-1]
    return cells, np.array([cells[i // across * (rows + 1):][:rows, i % across * (cols + 1):][:, :cols] for i in range(count)])


def spatial_entropy(grid):
    """Of the 8-connected components of ReLU(grid - mean), found by letting numbers spread until nothing changes."""
    left = np.maximum(grid - grid.mean(), 0)
    labels = np.where(left > 0, np.arange(1, left.size + 1).reshape(left.shape), 0)
    while True:
        padded, spread = np.pad(labels, 1), labels
        for dr in range(3):
            for dc in range(3):
                spread = np.maximum(spread, padded[dr:dr + labels.shape[0], dc:dc + labels.shape[1]])
        spread = np.where(left > 0, spread, 0)
        if (spread == labels).all():
            break
        labels = spread
    parts = np.array([left[labels == label].sum() for label in np.unique(labels[labels > 0])]) / left.sum()
    return -(parts * np.log(parts)).sum().round(12) + 0.0


class Matrix(lt.TestCase):
    """Tokens of the answer against all before them."""

    def setUp(self):
        super().setUp()
        self.data = lt.TraceData()
        for position, piece in zip(range(self.data.P, self.data.P + self.data.T), ("\u2581The", "\u2581st", "ar", "\u2581red", ".")):
            self.data.tokens[position] = piece
        self.trace = self.reader(self.data)
        self.raw = raw_attention(self.trace, self.data)  # [L, Hd, T, K]

    def matrix(self, **properties):
        """[rows, columns] from the squares, NaN where there is none; and the words beside and above it, from the table."""
        proxy = simple.LVLMTokenMatrix(Input=self.trace, **properties)
        squares, table = lt.fetch(proxy), lt.fetch(proxy, 1)
        row, column, value = (lt.array(squares.GetCellData().GetArray(name)) for name in ("row", "column", "attention"))
        found = np.full((row.max() + 1, column.max() + 1), np.nan)
        found[row, column] = value
        bounds = np.array([squares.GetCell(i).GetBounds()[:4] for i in range(squares.GetNumberOfCells())])
        np.testing.assert_array_equal(bounds, np.stack([column, column + 1, -row - 1, -row], axis=1))
        np.testing.assert_array_equal(lt.column(table, "attention"), value)
        words = [dict(zip(keys, lt.column(table, name))) for keys, name in ((row, "token"), (column, "source"))]
        self.assertGreater(lt.fetch(proxy, 2).GetNumberOfCells(), len(words[1]))
        np.testing.assert_array_equal(lt.array(squares.GetCellData().GetArray("answer_index")), lt.column(table, "answer_index"))
        return found, [words[0][i] for i in range(len(words[0]))], [words[1][i] for i in range(len(words[1]))]

    def expected(self, rows, columns, layers=slice(None), heads=slice(None)):
        """rows: tokens of each; columns: positions of each."""
        mean = self.raw[layers][:, heads].mean(axis=(0, 1))
        wanted = np.array([[mean[np.ix_(row, column)].sum(axis=1).mean() for column in columns] for row in rows])
        for r, row in enumerate(rows):
            for c, column in enumerate(columns):
                if min(column) > self.data.P - 1 + max(row):
                    wanted[r, c] = np.nan
        return wanted

    def test_tokens(self):
        data = self.data
        span = list(range(data.span.start, data.span.stop))
        columns = [[0], [1], span] + [[p] for p in range(span[-1] + 1, data.K)]
        found, rows, sources = self.matrix()
        np.testing.assert_allclose(found, self.expected([[t] for t in range(5)], columns), rtol=1e-5)
        np.testing.assert_allclose(np.nansum(found, axis=1), 1, rtol=1e-5)
        self.assertEqual(rows, [" The", " st", "ar", " red", "."])
        self.assertEqual((sources[2], sources[-4:]), ("picture", [" The", " st", "ar", " red"]))
        found, rows, _ = self.matrix(AnswerTokens=[3, 0], Layers=[-1], Heads=[1])
        self.assertEqual(rows, [" The", " red"])
        wanted = self.expected([[0], [3]], columns, slice(2, 3), slice(1, 2))
        np.testing.assert_allclose(found, wanted[:, :found.shape[1]], rtol=1e-5)

    def test_words(self):
        data = self.data
        span = list(range(data.span.start, data.span.stop))
        columns = [[0], [1], span] + [[p] for p in range(span[-1] + 1, data.P)] + [[data.P], [data.P + 1, data.P + 2], [data.P + 3]]
        found, rows, sources = self.matrix(JoinWords=1)
        self.assertEqual((rows, sources[-3:]), (["The", "star", "red", "."], ["The", "star", "red"]))
        np.testing.assert_allclose(found, self.expected([[0], [1, 2], [3], [4]], columns), rtol=1e-5)

    def test_best_heads(self):
        """The mean over just these heads, of different layers."""
        data = self.data
        span = list(range(data.span.start, data.span.stop))
        columns = [[0], [1], span] + [[p] for p in range(span[-1] + 1, data.K)]
        found, _, _ = self.matrix(BestHeads=3)
        proxy = simple.LVLMTokenMatrix(Input=self.trace, BestHeads=3)
        told = lt.fetch(proxy).GetFieldData()
        best = lt.array(told.GetArray("best_heads"))
        self.assertEqual(len(set(map(tuple, best.tolist()))), 3)
        mean = np.mean([self.raw[layer, head] for layer, head in best], axis=0)  # [T, K]
        wanted = np.array([[mean[t, column].sum() for column in columns] for t in range(5)])
        seen = ~np.isnan(found)
        np.testing.assert_allclose(found[seen], wanted[seen], rtol=1e-5)
        self.assertIn("the mean of the 3 heads which localize best", told.GetAbstractArray("heads").GetValue(0))

    def test_errors(self):
        self.assertReports(simple.LVLMTokenMatrix(Input=self.trace, AnswerTokens=[5]).UpdatePipeline, "AnswerTokens: 5", "[-5, 4]")
        self.assertReports(simple.LVLMTokenMatrix(Input=self.trace, ExcludeSinks=1).UpdatePipeline, "ExcludeSinks", "without patches")


class Gallery(lt.TestCase):
    def setUp(self):
        super().setUp()
        self.data = lt.TraceData()
        self.trace = self.reader(self.data)
        raw = raw_attention(self.trace, self.data)[..., self.data.span]
        self.raw = raw.reshape(raw.shape[:3] + (3, 4))  # [L, Hd, T, rows, cols]

    def gallery(self, **properties):
        proxy = simple.LVLMMapGallery(Input=self.trace, **properties)
        return lt.fetch(proxy), lt.fetch(proxy, 1)

    def test_heads(self):
        """A row is a layer; the tokens are averaged."""
        L, Hd = self.raw.shape[:2]
        image, table = self.gallery()
        cells, maps = tiles(image, L * Hd, Hd, 3, 4)
        wanted = self.raw.mean(axis=2).reshape(L * Hd, 3, 4)
        np.testing.assert_allclose(maps, wanted, **EQUAL)
        self.assertEqual(np.isnan(cells).sum(), cells.size - L * Hd * 12)
        np.testing.assert_array_equal(lt.column(table, "layer"), np.repeat(np.arange(L), Hd))
        np.testing.assert_array_equal(lt.column(table, "head"), np.tile(np.arange(Hd), L))
        np.testing.assert_allclose(lt.column(table, "image_share"), wanted.sum(axis=(1, 2)), rtol=1e-6)

    def test_layers_and_tokens(self):
        for by, wanted in (("Layers", self.raw.mean(axis=(1, 2))), ("AnswerTokens", self.raw.mean(axis=(0, 1)))):
            image, table = self.gallery(By=by)
            across = (image.GetDimensions()[0]) // 5
            np.testing.assert_allclose(tiles(image, len(wanted), across, 3, 4)[1], wanted, **EQUAL)
            self.assertEqual(table.GetNumberOfRows(), len(wanted))
            name, other = ("layer", "answer_index") if by == "Layers" else ("answer_index", "layer")
            np.testing.assert_array_equal(lt.column(table, name), np.arange(len(wanted)))
            self.assertEqual(set(lt.column(table, other)), {-1})

    def test_order_by_image_share(self):
        image, table = self.gallery(Order="ImageShare", AnswerTokens=[2], Layers=[0, -1])
        chosen = self.raw[np.ix_([0, len(self.raw) - 1])][:, :, 2].reshape(-1, 3, 4)
        order = np.argsort(-chosen.sum(axis=(1, 2)), kind="stable")
        across = (image.GetDimensions()[0]) // 5
        np.testing.assert_allclose(tiles(image, len(chosen), across, 3, 4)[1], chosen[order], **EQUAL)
        shares = lt.column(table, "image_share")
        self.assertTrue((np.diff(shares) <= 0).all())

    def test_order_by_localization_is_that_of_the_head_summary(self):
        _, table = self.gallery(Order="Localization", AnswerTokens=[1, 3])
        ranked = lt.fetch(simple.LVLMHeadSummary(Input=self.trace, AnswerTokens=[1, 3]), 2)
        for name in ("layer", "head"):
            np.testing.assert_array_equal(lt.column(table, name), lt.column(ranked, name))

    def test_labels_lie_above_their_maps(self):
        for properties, wanted in ((dict(), ["L%d H%d" % place for place in np.ndindex(self.raw.shape[:2])]),
                                   (dict(By="Layers", Layers=[2, 0]), ["layer 2", "layer 0"]),
                                   (dict(By="AnswerTokens"), [t.replace("▁", "") for t in self.data.tokens[self.data.P:]])):
            proxy = simple.LVLMMapGallery(Input=self.trace, **properties)
            image, table, shapes = (lt.fetch(proxy, port) for port in range(3))
            self.assertEqual(lt.column(table, "label"), wanted)
            label = lt.array(shapes.GetCellData().GetArray("label"))
            self.assertEqual(set(label), set(range(len(wanted))))
            self.assertEqual(shapes.GetCellData().GetArray("color").GetNumberOfComponents(), 3)
            wide, high, _ = image.GetSpacing()
            across, top = image.GetDimensions()[0] // 5, (image.GetDimensions()[1] - 1) * high
            for number in range(len(wanted)):
                left, ceiling = number % across * 5 * wide, top - number // across * 4 * high
                corners = np.array([shapes.GetCell(cell).GetBounds()[:4] for cell in np.flatnonzero(label == number)])
                self.assertTrue(left - 0.01 <= corners[:, 0].min() and corners[:, 1].max() <= left + 4.01 * wide, number)
                self.assertTrue(ceiling <= corners[:, 2].min() and corners[:, 3].max() <= ceiling + high, number)

    def test_cells_say_what_they_are(self):
        image, _ = self.gallery()
        named = {name: lt.array(image.GetCellData().GetArray(name)) for name in ("attention", "layer", "head", "patch")}
        inside = named["layer"] >= 0
        wanted = self.raw.mean(axis=2).reshape(self.raw.shape[:2] + (12,))
        np.testing.assert_allclose(named["attention"][inside],
                                   wanted[named["layer"][inside], named["head"][inside], named["patch"][inside]], **EQUAL)


class Maps(lt.TestCase):
    def setUp(self):
        super().setUp()
        self.data = lt.TraceData()
        self.trace = self.reader(self.data)
        self.raw = raw_attention(self.trace, self.data)[..., self.data.span]

    def test_mean_of_everything(self):
        shown = lt.grid_cells(lt.fetch(simple.LVLMAttentionMap(Input=self.trace)))
        np.testing.assert_allclose(shown.ravel(), self.raw.mean(axis=(0, 1, 2)), **EQUAL)

    def test_selection_and_reduction(self):
        for reduction, numpy_reduction in (("Mean", np.mean), ("Maximum", np.max)):
            shown = lt.grid_cells(lt.fetch(simple.LVLMAttentionMap(
                Input=self.trace, AnswerTokens=[1, -1], Layers=[0, 2], Heads=[-1], Reduction=reduction)))
            chosen = self.raw[np.ix_([0, 2], [1], [1, 4])]
            np.testing.assert_allclose(shown.ravel(), numpy_reduction(chosen, axis=(0, 1, 2)), **EQUAL)

    def test_strongest_head(self):
        """The head that looks at the picture most, for each token anew, and what its map says of it."""
        found = set()
        for tokens in ([0], [1], [2], [3], [4], []):
            for layers, heads in (([], []), ([0, 2], [1])):
                raw = self.raw[:, :, tokens or slice(None)]
                sums = np.full(raw.shape[:2], -1.0)
                chosen = np.ix_(layers or range(3), heads or range(2))
                sums[chosen] = raw.sum(axis=(2, 3))[chosen]
                layer, head = np.unravel_index(sums.argmax(), sums.shape)
                image = lt.fetch(simple.LVLMAttentionMap(
                    Input=self.trace, AnswerTokens=tokens, Layers=layers, Heads=heads, Reduction="StrongestHead"))
                np.testing.assert_allclose(lt.grid_cells(image).ravel(), raw[layer, head].mean(axis=0), **EQUAL)
                said = image.GetFieldData().GetAbstractArray("heads").GetValue(0)
                of = "" if not layers else " of 2 heads"
                self.assertEqual(said, "layer %d, head %d, which looks most%s" % (layer, head, of))
                found.add(said)
        self.assertGreater(len(found), 2)

    def test_an_index_given_twice_counts_once(self):
        shown = lt.grid_cells(lt.fetch(simple.LVLMAttentionMap(Input=self.trace, AnswerTokens=[0, 1, -5, 0])))
        np.testing.assert_allclose(shown.ravel(), self.raw[:, :, :2].mean(axis=(0, 1, 2)), **EQUAL)

    def test_cells_lie_on_their_pixels(self):
        image = lt.fetch(simple.LVLMAttentionMap(Input=self.trace))
        self.assertEqual(image.GetDimensions(), (5, 4, 1))
        self.assertEqual(image.GetSpacing()[:2], (56 / 4, 30 / 3))
        self.assertEqual(image.GetBounds()[:4], (0.0, 56.0, 0.0, 30.0))

    def test_one_hot_patch_is_upright(self):
        """Attention to the one patch (row 0, column 3) must show at the top right, also in the overlay."""
        self.data.attention[...] = 0
        self.data.attention[..., self.data.image_start + 3] = 1
        self.data.image[...] = 0
        trace = self.reader(self.data, name="hot.lvlm")
        image = lt.fetch(simple.LVLMAttentionMap(Input=trace))
        values = lt.array(image.GetCellData().GetArray("attention"))
        bounds = image.GetCell(int(values.argmax())).GetBounds()
        self.assertEqual(bounds[:4], (42.0, 56.0, 20.0, 30.0))
        overlay = lt.fetch(simple.LVLMOverlay(Input=simple.LVLMAttentionMap(Input=trace), Smooth=0, Opacity=1))
        pixels = lt.array(overlay.GetPointData().GetArray("overlay")).reshape(30, 56, 3)[::-1]
        hot = (pixels != pixels[-1, 0]).any(axis=-1)
        expected = np.zeros((30, 56), bool)
        expected[:10, 42:] = True
        np.testing.assert_array_equal(hot, expected)

    def test_picture_travels_with_the_map(self):
        image = lt.fetch(simple.LVLMAttentionMap(Input=self.trace))
        pixels = lt.array(image.GetFieldData().GetArray("picture")).reshape(30, 56, 3)
        np.testing.assert_array_equal(pixels[::-1], self.data.image)

    def test_permuting_heads_permutes_outputs(self):
        order = [2, 0, 1]
        data = lt.TraceData(heads=3)
        before = self.reader(data, name="before.lvlm")
        after = self.reader(data, name="after.lvlm", tensors={"attention.answer": data.attention[:, order]})

        def heads(trace):
            return lt.volume_points(lt.fetch(simple.LVLMLayerVolume(Input=trace, Axis="Heads", Layer=1)))
        np.testing.assert_array_equal(heads(after), heads(before)[order])

        def summary(trace):
            image = lt.fetch(simple.LVLMHeadSummary(Input=trace))
            return lt.array(image.GetPointData().GetArray("attention")).reshape(3, data.layers)
        np.testing.assert_array_equal(summary(after), summary(before)[order])

        def columns(trace):
            table = lt.fetch(simple.LVLMPatchAttention(Input=trace))
            return [lt.column(table, "head_%d" % h) for h in range(3)]
        np.testing.assert_array_equal(columns(after), np.array(columns(before))[order])
        one = [lt.grid_cells(lt.fetch(simple.LVLMAttentionMap(Input=t, Heads=[h])))
               for t, h in ((after, 0), (before, 2))]
        np.testing.assert_array_equal(*one)

    def test_follow_time(self):
        shown = simple.LVLMAttentionMap(Input=self.trace, AnswerTokens=[4], FollowTime=1)
        for time in (0, 3, 1):
            shown.UpdatePipeline(time)
            values = lt.grid_cells(simple.servermanager.Fetch(shown))
            np.testing.assert_allclose(values.ravel(), self.raw[:, :, time].mean(axis=(0, 1)), **EQUAL)

    def test_without_follow_time_the_map_is_not_made_again(self):
        shown = simple.LVLMAttentionMap(Input=self.trace, AnswerTokens=[4])
        shown.UpdatePipeline(0)
        made = shown.GetClientSideObject().GetOutputDataObject(0).GetMTime()
        shown.UpdatePipeline(3)
        self.assertEqual(shown.GetClientSideObject().GetOutputDataObject(0).GetMTime(), made)
        shown.Layers = [1]
        shown.UpdatePipeline(3)
        self.assertGreater(shown.GetClientSideObject().GetOutputDataObject(0).GetMTime(), made)

    def test_filters_downstream_before_anything_ran(self):
        """Extents are known before the data: a contour at once gives what a contour later gives."""
        volume = simple.LVLMLayerVolume(Input=simple.LVLMTraceReader(FileName=self.trace.FileName))
        middle = float(np.median(self.raw.mean(axis=(1, 2))))
        at_once = lt.fetch(simple.Contour(Input=volume, ContourBy=["POINTS", "attention"], Isosurfaces=[middle]))
        volume.UpdatePipeline()
        later = lt.fetch(simple.Contour(Input=volume, ContourBy=["POINTS", "attention"], Isosurfaces=[middle]))
        self.assertGreater(at_once.GetNumberOfPoints(), 0)
        self.assertEqual(at_once.GetNumberOfPoints(), later.GetNumberOfPoints())


class Others(lt.TestCase):
    def setUp(self):
        super().setUp()
        self.data = lt.TraceData()
        self.trace = self.reader(self.data)
        self.raw = raw_attention(self.trace, self.data)

    def test_tokens(self):
        data, table = self.data, lt.fetch(simple.LVLMTokens(Input=self.trace))
        self.assertEqual(lt.column(table, "token"), data.tokens)
        self.assertEqual(lt.column(table, "role"), data.roles)
        np.testing.assert_array_equal(lt.column(table, "id"), data.ids)
        np.testing.assert_array_equal(lt.column(table, "position"), np.arange(len(data.roles)))
        np.testing.assert_array_equal(lt.column(table, "answer_index"), [-1] * data.P + list(range(data.T)))
        patch = np.arange(12)
        np.testing.assert_array_equal(lt.column(table, "patch_row")[data.span], patch // 4)
        np.testing.assert_array_equal(lt.column(table, "patch_col")[data.span], patch % 4)
        self.assertEqual(set(lt.column(table, "patch_row")[data.P:]), {-1})
        np.testing.assert_array_equal(lt.column(table, "logprob")[data.P:], data.logprob)
        self.assertTrue(np.isnan(lt.column(table, "logprob")[:data.P]).all())
        np.testing.assert_array_equal(lt.column(table, "top2_id")[data.P:], data.topk_id[:, 1])
        np.testing.assert_array_equal(lt.column(table, "top3_logprob")[data.P:], data.topk_logprob[:, 2])
        self.assertEqual(lt.column(table, "top1_token")[data.P:], data.tokens[data.P:])

    def test_what_pieces_say(self):
        """Recorded texts where there are any, also of a character over three pieces; old files are read from their pieces."""
        data = self.data
        old = lt.fetch(simple.LVLMTokens(Input=self.trace))
        self.assertEqual(lt.column(old, "text"), [" w%d" % i for i in data.ids])
        self.assertEqual(lt.column(old, "top1_text")[data.P:], [" w%d" % i for i in data.ids[data.P:]])
        asked = " ".join("w%d" % i for i in data.ids[data.positions("question")])
        self.assertEqual(old.GetFieldData().GetAbstractArray("question").GetValue(0), asked)
        data.tokens[-5:-1] = ["Ġis", "âŃ", "Ĳ", "!"]
        texts = [" t%d" % p for p in range(len(data.tokens))]
        texts[-5:-1] = [" is", "⭐", "", "!"]
        alternatives = [["ä%d" % t, "▁", "\n"] for t in range(data.T)]
        question = " <image> café — ’x’?\n\n"
        trace = self.reader(data, name="texts.lvlm", metadata={"text": json.dumps(texts), "question": question,
                                                               "answer.topk_text": json.dumps(alternatives)})
        written = self.path("again.lvlm")
        simple.SaveData(written, proxy=trace)
        for source in (trace, simple.LVLMTraceReader(FileName=written)):
            table = lt.fetch(simple.LVLMTokens(Input=source))
            self.assertEqual(lt.column(table, "text"), texts)
            self.assertEqual([lt.column(table, "top%d_text" % n)[data.P:] for n in (1, 2, 3)], [list(c) for c in zip(*alternatives)])
            self.assertEqual(table.GetFieldData().GetAbstractArray("question").GetValue(0), question)
            self.assertEqual(lt.column(lt.block(lt.fetch(source), "tokens"), "text"), texts)
            self.assertEqual(lt.column(lt.block(lt.fetch(source), "answer"), "text"), texts[data.P:])
            caption = lt.fetch(simple.LVLMCaption(Input=source, Text="{question}|{token}", AnswerTokens=[0, 1, 2, 3]))
            self.assertEqual(lt.column(caption, "Text"), ["<image> café — ’x’?|is⭐!"])
            patches = lt.fetch(simple.LVLMPatchAttention(Input=source, Patches=[0]))
            self.assertEqual(lt.column(patches, "text"), texts[data.P:])
        self.assertReports(self.reader(data, name="wrong.lvlm", metadata={"text": json.dumps(texts[1:])}).UpdatePipeline,
                           "wrong.lvlm", "%d texts for %d positions" % (len(texts) - 1, len(texts)))

    def test_patch_attention(self):
        table = lt.fetch(simple.LVLMPatchAttention(Input=self.trace, Patches=[0, 5, -1], Layers=[1, 2]))
        chosen = self.raw[1:, :, :, [2, 7, 13]]
        np.testing.assert_allclose(lt.column(table, "attention"), chosen.mean(axis=(0, 1, 3)), **EQUAL)
        for head in (0, 1):
            np.testing.assert_allclose(
                lt.column(table, "head_%d" % head), chosen[:, head].mean(axis=(0, 2)), **EQUAL)
        self.assertEqual(lt.column(table, "token"), self.data.tokens[self.data.P:])

    def selected(self, cells, **more):
        """PatchAttention of cells that are selected on the map, and the same from a list of patches."""
        source = simple.IDSelectionSource(FieldType="CELL", IDs=[i for c in cells for i in (0, c)], **more)
        return lt.fetch(simple.LVLMPatchAttention(Input=self.trace, Selection=source))

    def test_selected_cells_are_the_patches_below_them(self):
        # Cell 0 is at the bottom left: patch row 2, column 0. Cell 11 is at the top right.
        both = self.selected([0, 11])
        listed = lt.fetch(simple.LVLMPatchAttention(Input=self.trace, Patches=[8, 3]))
        for name in ("attention", "head_0", "head_1"):
            np.testing.assert_array_equal(lt.column(both, name), lt.column(listed, name))

    def test_global_ids_are_patches(self):
        source = simple.GlobalIDSelectionSource(FieldType="CELL", GlobalIDs=[8, 3])
        table = lt.fetch(simple.LVLMPatchAttention(Input=self.trace, Selection=source))
        listed = lt.fetch(simple.LVLMPatchAttention(Input=self.trace, Patches=[8, 3]))
        np.testing.assert_array_equal(lt.column(table, "attention"), lt.column(listed, "attention"))

    def test_inverted_selection(self):
        image = self.raw[..., self.data.span]
        rest = [p for p in range(12) if p not in (8, 3)]
        table = self.selected([0, 11], InsideOut=1)
        np.testing.assert_allclose(
            lt.column(table, "attention"), image[..., rest].mean(axis=(0, 1, 3)), **EQUAL)

    def test_head_summary(self):
        for source, positions in (("Image", self.data.positions("image")),
                                  ("Question", self.data.positions("question"))):
            proxy = simple.LVLMHeadSummary(Input=self.trace, Source=source, AnswerTokens=[0, 2])
            expected = self.raw[:, :, [0, 2]][..., positions].mean(axis=(2, 3))
            image = lt.fetch(proxy)
            self.assertEqual(image.GetDimensions(), (3, 2, 1))
            shown = lt.array(image.GetPointData().GetArray("attention")).reshape(2, 3).T
            np.testing.assert_allclose(shown, expected, **EQUAL)
            table = lt.fetch(proxy, 1)
            np.testing.assert_array_equal(lt.column(table, "layer"), [0, 0, 1, 1, 2, 2])
            np.testing.assert_array_equal(lt.column(table, "head"), [0, 1] * 3)
            np.testing.assert_allclose(lt.column(table, "attention"), expected.ravel(), **EQUAL)

    def measures(self, tokens):
        """Image share, entropy, spatial entropy of each head's map, [layers, heads]."""
        maps = self.raw[:, :, tokens][..., self.data.span].mean(axis=2)
        parts = maps / maps.sum(-1, keepdims=True)
        entropy = -(parts * np.log(np.where(parts > 0, parts, 1))).sum(-1)
        spatial = np.array([[spatial_entropy(maps[l, h].reshape(self.data.rows, self.data.cols)) for h in range(maps.shape[1])]
                            for l in range(maps.shape[0])])
        return maps.sum(-1), entropy, spatial

    def test_head_measures(self):
        for chosen, tokens in (([0, 2], [0, 2]), ([], range(5))):
            share, entropy, spatial = self.measures(list(tokens))
            for measure, array, expected in (("Sum", "attention", share), ("Entropy", "entropy", entropy),
                                             ("Localization", "spatial_entropy", spatial)):
                proxy = simple.LVLMHeadSummary(Input=self.trace, AnswerTokens=chosen, Measure=measure)
                image = lt.fetch(proxy)
                np.testing.assert_allclose(lt.array(image.GetPointData().GetScalars()).reshape(2, 3).T, expected, rtol=1e-6)
                self.assertEqual(image.GetPointData().GetScalars().GetName(), array)
                np.testing.assert_allclose(lt.column(lt.fetch(proxy, 1), array), expected.ravel(), rtol=1e-6)
                np.testing.assert_allclose(lt.array(image.GetFieldData().GetArray("svar")), share.mean(), rtol=1e-6)
        self.assertGreater(spatial.max() - spatial.min(), 0.1)
        question = simple.LVLMHeadSummary(Input=self.trace, Source="Question", Measure="Sum", AnswerTokens=[1])
        expected = self.raw[:, :, 1][..., self.data.positions("question")].sum(axis=2)
        np.testing.assert_allclose(lt.column(lt.fetch(question, 1), "attention"), expected.ravel(), rtol=1e-6)
        self.assertEqual(lt.fetch(question, 2).GetNumberOfRows(), 0)
        question.Measure = "Entropy"
        self.assertReports(question.UpdatePipeline, "Measure: Entropy", "Source must be Image")

    @staticmethod
    def column_scores(attention, prompt, last):
        """OPERA's product (arXiv 2311.17911, and its authors' loop over columns) and the column's token, [layers, heads, 2]: of the square
        of the answer tokens that were read when token `last` was predicted, in float64."""
        square = 50 * attention[:, :, 1:last + 1, prompt:prompt + last].astype("f8")
        scores = np.stack([square[:, :, j:, j].prod(axis=-1) for j in range(last)], axis=-1)
        return np.stack([scores.max(axis=-1), scores.argmax(axis=-1)], axis=-1)

    def test_column_score(self):
        for seed, answer, chosen in ((1, 5, []), (2, 9, []), (3, 12, [7, 2]), (4, 12, [-1]), (5, 3, [1]), (6, 14, [0, 3])):
            data = lt.TraceData(seed=seed, answer=answer, layers=3, heads=4)
            data.attention[1, 2, 3:, data.P + 2:data.P + 3] = 0.6  # a column that all later tokens look at
            trace = self.reader(data, name="column%d.lvlm" % seed)
            last = max(t % answer for t in chosen or range(answer))
            expected = self.column_scores(data.attention, data.P, last)
            proxy = simple.LVLMHeadSummary(Input=trace, AnswerTokens=chosen, Measure="ColumnScore")
            image, table, ranking = (lt.fetch(proxy, port) for port in range(3))
            shown = lt.array(image.GetPointData().GetScalars()).reshape(4, 3).T
            self.assertEqual(image.GetPointData().GetScalars().GetName(), "column_score")
            np.testing.assert_allclose(shown, np.log(expected[..., 0]), rtol=1e-6, atol=1e-6)
            np.testing.assert_allclose(lt.column(table, "column_score"), np.log(expected[..., 0]).ravel(), rtol=1e-6, atol=1e-6)
            place = lt.column(ranking, "layer"), lt.column(ranking, "head")
            np.testing.assert_allclose(lt.column(ranking, "column_score"), np.log(expected[place][:, 0]), rtol=1e-6, atol=1e-6)
            np.testing.assert_array_equal(lt.column(ranking, "column_token"), expected[place][:, 1])
            if last > 5:
                self.assertEqual(np.unravel_index(shown.argmax(), shown.shape), (1, 2))
                self.assertEqual(expected[1, 2, 1], 2)

    def test_column_score_of_long_answers_and_of_nothing(self):
        """The window has the last 512 tokens; attention that float16 has lost counts as the smallest float32, and scores stay finite."""
        data = lt.TraceData(answer=530, layers=1, heads=2)
        data.attention[0, 1, :, data.P:] = 0
        proxy = simple.LVLMHeadSummary(Input=self.reader(data, name="long.lvlm"), Measure="ColumnScore")
        logs = np.log(50 * np.maximum(data.attention[0, :, 18:, data.P + 17:data.P + 529].astype("f8"), np.finfo("f4").tiny))
        expected = [max(head[j:, j].sum() for j in range(512)) for head in logs]
        np.testing.assert_allclose(lt.column(lt.fetch(proxy, 1), "column_score"), expected, rtol=1e-6)
        np.testing.assert_allclose(expected[1], np.log(50 * float(np.finfo("f4").tiny)), rtol=1e-12)

    def test_column_score_needs_a_window(self):
        for more in (dict(AnswerTokens=[0]), dict(FollowTime=1)):
            proxy = simple.LVLMHeadSummary(Input=self.trace, Measure="ColumnScore", **more)
            self.assertReports(proxy.UpdatePipeline, "Measure: ColumnScore needs answer tokens before the last chosen one")
            proxy.Measure = "Sum"
            ranking = lt.fetch(proxy, 2)
            self.assertTrue(np.isnan(lt.column(ranking, "column_score")).all())
            self.assertEqual(set(lt.column(ranking, "column_token").tolist()), {-1})

    def test_heads_ranked_by_localization(self):
        data = lt.TraceData(layers=5, heads=3)
        data.attention[3, 1, :, data.span] = 0
        data.attention[3, 1, :, data.image_start + 5] = 0.7  # one place
        data.attention[1, 0, :, data.span] = 0
        data.attention[1, 0, :, [data.image_start, data.image_start + 11]] = 0.4  # two of them
        self.raw = data.attention.astype("f8")
        share, entropy, spatial = (m.ravel() for m in self.measures(list(range(5))))
        ordered = np.sort(share)
        below = np.arange(15) / 14 - (ordered - ordered[0]) / (ordered[-1] - ordered[0])
        elbow = ordered[below.argmax()]
        above = share >= elbow
        order = sorted(range(15), key=lambda i: (0, spatial[i]) if above[i] else (1, -share[i]))
        table = lt.fetch(simple.LVLMHeadSummary(Input=self.reader(data, name="r.lvlm")), 2)
        self.assertEqual(lt.column(table, "rank").tolist(), list(range(15)))
        for name, values in (("layer", np.arange(15) // 3), ("head", np.arange(15) % 3), ("image_share", share), ("entropy", entropy),
                             ("spatial_entropy", spatial), ("above_elbow", above)):
            np.testing.assert_allclose(lt.column(table, name), np.array(values)[order], rtol=1e-6, atol=1e-12, err_msg=name)
        heads = list(zip(lt.column(table, "layer").tolist(), lt.column(table, "head").tolist()))
        self.assertLess(heads.index((3, 1)), heads.index((1, 0)))
        self.assertEqual(set(lt.column(table, "above_elbow").tolist()), {0, 1})

    def test_each_port_follows_the_time_that_it_is_asked_for(self):
        from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline
        proxy = simple.LVLMHeadSummary(Input=self.trace, FollowTime=1)
        positions = self.data.positions("image")
        for port, time in ((1, 3), (0, 2), (1, 2), (1, 0)):
            producer = proxy.GetClientSideObject()
            producer.UpdateInformation()
            producer.GetOutputInformation(port).Set(vtkStreamingDemandDrivenPipeline.UPDATE_TIME_STEP(), time)
            producer.Update(port)
            expected = self.raw[:, :, time][..., positions].mean(axis=2)
            data = producer.GetOutputDataObject(port)
            shown = (lt.array(data.GetPointData().GetArray("attention")).reshape(2, 3).T if port == 0
                     else lt.column(data, "attention").reshape(3, 2))
            np.testing.assert_allclose(shown, expected, **EQUAL)

    def test_layer_volume(self):
        image = lt.fetch(simple.LVLMLayerVolume(Input=self.trace, AnswerTokens=[1], Heads=[0], Layers=[2, 0]))
        self.assertEqual(image.GetDimensions(), (4, 3, 2))
        self.assertEqual(image.GetOrigin()[:2], (7.0, 5.0))
        self.assertEqual(image.GetSpacing(), (14.0, 10.0, 28.0))
        expected = self.raw[[2, 0], 0, 1][:, self.data.span]
        np.testing.assert_allclose(lt.volume_points(image).reshape(2, 12), expected, **EQUAL)
        image = lt.fetch(simple.LVLMLayerVolume(Input=self.trace, Axis="Heads", Layer=-1, Reduction="Maximum"))
        expected = self.raw[2, :, :, self.data.span].max(axis=1)
        np.testing.assert_allclose(lt.volume_points(image).reshape(2, 12), expected, **EQUAL)

    def test_domains_offer_what_the_trace_has(self):
        shown = simple.LVLMAttentionMap(Input=self.trace)
        shown.UpdatePipelineInformation()
        self.assertEqual(list(shown.GetProperty("AnswerTokenRange")), [-5, 4])
        self.assertEqual(list(shown.GetProperty("LayerRange")), [-3, 2])
        self.assertEqual(list(shown.GetProperty("HeadRange")), [-2, 1])
        domain = shown.GetProperty("Layers").SMProperty.FindDomain("vtkSMIntRangeDomain")
        self.assertEqual([domain.GetMinimum(0, reference(0)), domain.GetMaximum(0, reference(0))], [-3, 2])
        self.assertEqual(list(shown.Layers), [])


class BestHeads(lt.TestCase):
    """The best heads of the ranking in place of a list, in every filter that has one, against numpy on made-up traces of several seeds."""
    SHAPE = dict(layers=5, heads=4)

    def setUp(self):
        super().setUp()
        self.make(11)

    def make(self, seed):
        self.data = lt.TraceData(seed=seed, **self.SHAPE)
        rng = np.random.default_rng(seed)
        for layer, head in np.ndindex(5, 4):  # looks that differ: one place, two, or all over
            for patch in rng.choice(12, rng.integers(1, 4), replace=False):
                self.data.attention[layer, head, :, self.data.image_start + patch] += rng.random() / 2
        self.trace = self.reader(self.data, name="best%d.lvlm" % seed, tensors={
            "attention.full": np.tril(rng.random((5, 4, self.data.K, self.data.K))).astype("f4"), "attention.full.layers": np.arange(5)})
        self.raw = self.data.attention.astype("f8")

    def ranked(self, by, tokens=range(5), layers=range(5)):
        """Pairs (layer, head), the best first."""
        maps = self.raw[:, :, list(tokens)][..., self.data.span].mean(axis=2)[list(layers)]
        share, pairs = maps.sum(-1).ravel(), [(layer, head) for layer in layers for head in range(4)]
        if by == "ImageShare":
            key = -share
        elif by == "Entropy":
            parts = maps / maps.sum(-1, keepdims=True)
            key = -(parts * np.log(parts)).sum(-1).ravel()
        elif by == "ColumnScore":
            key = -Others.column_scores(self.raw, self.data.P, max(tokens))[list(layers), :, 0].ravel()
        else:
            ordered = np.sort(share)
            below = np.linspace(0, 1, share.size) - (ordered - ordered[0]) / (ordered[-1] - ordered[0])
            spatial = np.array([spatial_entropy(one.reshape(3, 4)) for one in maps.reshape(-1, 12)])
            above = share >= ordered[below.argmax()]
            key = np.where(above, spatial - 100, -share)
        return [pairs[i] for i in np.argsort(key, kind="stable")]

    def told(self, data):
        return [tuple(pair) for pair in lt.array(data.GetFieldData().GetArray("best_heads")).tolist()]

    def mean(self, pairs, tokens=range(5)):
        return np.mean([self.raw[layer, head][list(tokens)][:, self.data.span].mean(0) for layer, head in pairs], axis=0)

    def test_mean_over_just_these(self):
        for seed in (11, 12, 13):
            self.make(seed)
            for by in ("Localization", "ImageShare", "Entropy", "ColumnScore"):
                for chosen, tokens, layers, count in (([], range(5), [], 3), ([1, 3], [1, 3], [4, 1], 5), ([2], [2], [], 1)):
                    best = self.ranked(by, tokens, layers or range(5))[:count]
                    heat = simple.LVLMAttentionMap(Input=self.trace, AnswerTokens=chosen, Layers=layers, BestHeads=count, BestBy=by)
                    image = lt.fetch(heat)
                    self.assertEqual(self.told(image), best, (seed, by, count))
                    np.testing.assert_allclose(lt.grid_cells(image).ravel(), self.mean(best, tokens), **EQUAL)
                    heat.Reduction = "Maximum"
                    most = np.max([self.raw[layer, head][list(tokens)][:, self.data.span].max(0) for layer, head in best], axis=0)
                    np.testing.assert_allclose(lt.grid_cells(lt.fetch(heat)).ravel(), most, **EQUAL)

    def test_the_ranking_is_the_head_summarys(self):
        ranking = lt.fetch(simple.LVLMHeadSummary(Input=self.trace, AnswerTokens=[0, 3], Layers=[3, 0, 2]), 2)
        pairs = list(zip(lt.column(ranking, "layer").tolist(), lt.column(ranking, "head").tolist()))
        heat = simple.LVLMAttentionMap(Input=self.trace, AnswerTokens=[0, 3], Layers=[3, 0, 2], BestHeads=7)
        self.assertEqual(self.told(lt.fetch(heat)), pairs[:7])
        heat.Heads = [0, -1]  # of the chosen ones, in the same ranking
        self.assertEqual(self.told(lt.fetch(heat)), [pair for pair in pairs if pair[1] in (0, 3)])
        heat.BestHeads = 0
        self.assertIsNone(lt.fetch(heat).GetFieldData().GetArray("best_heads"))

    def test_words(self):
        heat = simple.LVLMAttentionMap(Input=self.trace, BestHeads=2)

        def said():
            return lt.fetch(heat).GetFieldData().GetAbstractArray("heads").GetValue(0)
        first, second = self.ranked("Localization")[:2]
        self.assertEqual(said(), "the mean of the 2 heads which localize best: L%d H%d, L%d H%d" % (first + second))
        heat.Reduction = "StrongestHead"
        self.assertIn(", which looks most of 2 heads which localize best", said())
        heat.Reduction, heat.BestHeads, heat.BestBy = "Mean", 1, "ImageShare"
        self.assertEqual(said(), "layer %d, head %d, which looks at the picture most" % self.ranked("ImageShare")[0])

    def test_time(self):
        heat = simple.LVLMAttentionMap(Input=self.trace, BestHeads=2, FollowTime=1)
        found = set()
        for time in range(5):
            heat.UpdatePipeline(time)
            best = self.ranked("Localization", [time])[:2]
            image = simple.servermanager.Fetch(heat)
            self.assertEqual(self.told(image), best)
            np.testing.assert_allclose(lt.grid_cells(image).ravel(), self.mean(best, [time]), **EQUAL)
            found |= set(best)
        self.assertGreater(len(found), 2)

    def test_layers_have_their_own_best(self):
        for by in ("Localization", "ImageShare"):
            order = self.ranked(by)
            best = {layer: [pair for pair in order if pair[0] == layer][:2] for layer in range(5)}
            volume = simple.LVLMLayerVolume(Input=self.trace, BestHeads=2, BestBy=by)
            image = lt.fetch(volume)
            np.testing.assert_allclose(lt.volume_points(image).reshape(5, 12), [self.mean(best[layer]) for layer in range(5)], **EQUAL)
            self.assertEqual(self.told(image), [pair for pair in order if pair in best[pair[0]]])
            gallery = simple.LVLMMapGallery(Input=self.trace, By="Layers", BestHeads=2, BestBy=by)
            shares = lt.column(lt.fetch(gallery, 1), "image_share")
            np.testing.assert_allclose(shares, [self.mean(best[layer]).sum() for layer in range(5)], rtol=1e-6)
            volume = simple.LVLMLayerVolume(Input=self.trace, Axis="Heads", Layer=3, BestHeads=3, BestBy=by, Layers=[1])
            heads = [pair for pair in order if pair[0] == 3][:3]
            image = lt.fetch(volume)
            self.assertEqual(image.GetDimensions(), (4, 3, 3))
            np.testing.assert_allclose(lt.volume_points(image).reshape(3, 12), [self.mean([pair]) for pair in heads], **EQUAL)
            self.assertEqual(self.told(image), heads)
            volume.BestHeads = 99
            self.assertEqual(lt.fetch(volume).GetDimensions(), (4, 3, 4))

    def test_gallery(self):
        for by in ("Localization", "ImageShare", "Entropy"):
            best = self.ranked(by)[:6]
            for order in ("Index", "ImageShare", "Localization"):
                gallery = simple.LVLMMapGallery(Input=self.trace, BestHeads=6, BestBy=by, Order=order)
                image, table = lt.fetch(gallery), lt.fetch(gallery, 1)
                shown = list(zip(lt.column(table, "layer").tolist(), lt.column(table, "head").tolist()))
                if order == "Index" or order == by:
                    self.assertEqual(shown, best)
                self.assertEqual(sorted(shown), sorted(best))
                across = image.GetDimensions()[0] // 5
                np.testing.assert_allclose(tiles(image, 6, across, 3, 4)[1].reshape(6, 12), [self.mean([pair]) for pair in shown], **EQUAL)
        gallery = simple.LVLMMapGallery(Input=self.trace, By="AnswerTokens", BestHeads=4)
        shares = lt.column(lt.fetch(gallery, 1), "image_share")
        best = self.ranked("Localization")[:4]
        np.testing.assert_allclose(shares, [self.mean(best, [t]).sum() for t in range(5)], rtol=1e-6)
        said = lt.fetch(gallery).GetFieldData().GetAbstractArray("maps").GetValue(0)
        self.assertEqual(said, "each token, the mean of 4 heads which localize best")

    def test_patch_attention(self):
        best = self.ranked("Localization")[:3]
        table = lt.fetch(simple.LVLMPatchAttention(Input=self.trace, Patches=[3, 7], BestHeads=3))
        each = np.array([self.raw[layer, head][:, self.data.image_start + np.array([3, 7])].mean(1) for layer, head in best])
        np.testing.assert_allclose(lt.column(table, "attention"), each.mean(0), **EQUAL)
        for (layer, head), values in zip(best, each):
            np.testing.assert_allclose(lt.column(table, "layer_%d_head_%d" % (layer, head)), values, **EQUAL)
        self.assertEqual(self.told(table), best)

    def test_causal_graph(self):
        best = [head for layer, head in self.ranked("Localization", [2]) if layer == 3][:2]
        graph = simple.LVLMCausalGraph(Input=self.trace, Layer=3, AnswerToken=2, BestHeads=2, Alpha=0.2)
        listed = simple.LVLMCausalGraph(Input=self.trace, Layer=3, AnswerToken=2, Heads=best, Alpha=0.2)
        for port in (1, 2, 4):
            mine, theirs = lt.fetch(graph, port), lt.fetch(listed, port)
            self.assertEqual(mine.GetNumberOfRows(), theirs.GetNumberOfRows())
            np.testing.assert_array_equal(lt.column(mine, "head"), lt.column(theirs, "head"))
        self.assertEqual(lt.column(lt.fetch(graph, 4), "head").tolist(), best)
        self.assertEqual(self.told(lt.fetch(graph)), [(3, head) for head in best])

    def test_causal_graph_of_other_heads_than_the_answers(self):
        full = np.tril(np.random.default_rng(1).random((5, 2, self.data.K, self.data.K))).astype("f4")
        listed = {"attention.full": full, "attention.full.layers": np.arange(5)}
        other = simple.LVLMCausalGraph(Input=self.reader(self.data, name="other.lvlm", tensors=listed), BestHeads=3)
        self.assertReports(other.UpdatePipeline, "BestHeads: tensor 'attention.answer' has 4 heads, 'attention.full' has 2")
        none = self.reader(self.data, name="none.lvlm", tensors={**listed, "attention.answer": None})
        alone = simple.LVLMCausalGraph(Input=none, BestHeads=3)
        self.assertReports(alone.UpdatePipeline, "no tensor 'attention.answer'")
        alone.BestHeads = 0
        self.assertEqual(lt.column(lt.fetch(alone, 4), "head").tolist(), [0, 1])

    def test_more_than_there_are_and_errors(self):
        heat = simple.LVLMAttentionMap(Input=self.trace, BestHeads=1000)
        np.testing.assert_allclose(lt.grid_cells(lt.fetch(heat)).ravel(), self.raw[..., self.data.span].mean(axis=(0, 1, 2)), **EQUAL)
        for settings, needle in ((dict(BestBy="ColumnScore", AnswerTokens=[0]), "BestBy: ColumnScore needs answer tokens before"),
                                 (dict(Heads=[4]), "Heads: 4 is out of range [-4, 3]"), (dict(Layers=[5]), "Layers: 5 is out of range [-5, 4]")):
            failing = simple.LVLMAttentionMap(Input=self.trace, BestHeads=2, **settings)
            self.assertReports(failing.UpdatePipeline, needle)

    def test_state_files_keep_them(self):
        heat = simple.LVLMAttentionMap(Input=self.trace, BestHeads=3, BestBy="Entropy", ExcludeSinks=0)
        before = lt.grid_cells(lt.fetch(heat))
        script = smstate.get_state()
        self.assertRegex(script, r"\bBestHeads ?= ?3\b")  # ParaView 6 sets it where the filter is made
        self.assertRegex(script, r"\bBestBy ?= ?'Entropy'")
        simple.SaveState(self.path("best.pvsm"))
        for proxy in list(simple.GetSources().values()):
            simple.Delete(proxy)
        simple.LoadState(self.path("best.pvsm"))
        loaded = [proxy for proxy in simple.GetSources().values() if proxy.GetXMLName() == "LVLMAttentionMap"]
        self.assertEqual([(one.BestHeads, one.BestBy) for one in loaded], [(3, "Entropy")])
        np.testing.assert_array_equal(lt.grid_cells(lt.fetch(loaded[0])), before)


class Overlay(lt.TestCase):
    def setUp(self):
        super().setUp()
        self.data = lt.TraceData()
        self.trace = self.reader(self.data)

    def pixels(self, proxy):
        image = lt.fetch(proxy)
        width, height, _ = image.GetDimensions()
        return lt.array(image.GetPointData().GetArray("overlay")).reshape(height, width, 3)[::-1]

    def test_plain_picture_of_a_trace(self):
        np.testing.assert_array_equal(self.pixels(simple.LVLMOverlay(Input=self.trace)), self.data.image)

    def test_opacity_zero_is_the_picture(self):
        shown = simple.LVLMOverlay(Input=simple.LVLMAttentionMap(Input=self.trace), Opacity=0)
        np.testing.assert_array_equal(self.pixels(shown), self.data.image)

    def test_opacity_blends(self):
        heat = simple.LVLMAttentionMap(Input=self.trace)
        colours = self.pixels(simple.LVLMOverlay(Input=heat, Opacity=1)).astype(float)
        mixed = self.pixels(simple.LVLMOverlay(Input=heat, Opacity=0.25))
        # Rounding to whole numbers: half a unit.
        np.testing.assert_allclose(mixed, 0.25 * colours + 0.75 * self.data.image, atol=0.51)

    def test_blocks_have_one_colour_a_patch_and_extremes_at_the_ends_of_the_map(self):
        heat = simple.LVLMAttentionMap(Input=self.trace)
        values = lt.grid_cells(lt.fetch(heat))
        pixels = self.pixels(simple.LVLMOverlay(Input=heat, Opacity=1, Smooth=0, ColorMap="Bone"))
        patches = pixels.reshape(3, 10, 4, 14, 3).transpose(0, 2, 1, 3, 4).reshape(12, 140, 3)
        self.assertTrue((patches == patches[:, :1]).all())
        brightness = patches[:, 0].astype(int).sum(axis=-1)
        np.testing.assert_array_equal(np.argsort(brightness)[[0, -1]], np.argsort(values.ravel())[[0, -1]])
        self.assertEqual(sorted(brightness)[0], 0)
        self.assertEqual(sorted(brightness)[-1], 765)

    def test_saves_as_png(self):
        path = self.path("overlay.png")
        simple.SaveData(path, proxy=simple.LVLMOverlay(Input=self.trace))
        back = simple.PNGSeriesReader(FileNames=[path])
        image = lt.fetch(back)
        pixels = lt.array(image.GetPointData().GetScalars()).reshape(30, 56, 3)
        np.testing.assert_array_equal(pixels[::-1], self.data.image)


if __name__ == "__main__":
    lt.main()
