# SPDX-License-Identifier: Apache-2.0
"""LVLMSinks against the formulas of Kang et al. (ICLR 2025) written down in numpy, in float64, on made-up hidden states."""
import numpy as np

import lvlm_testing as lt
from paraview import simple

EQUAL = dict(rtol=4e-7, atol=0)
WIDTH = 2000  # a state may then have two numbers of 31 times its root mean square
LARGE = (13, 402)  # dimensions


def states_of(data, layers, seed=6):
    """[layers, K, WIDTH] with sinks at the first position and at three patches, from layer 2 on."""
    rng = np.random.default_rng(seed)
    states = rng.normal(size=(len(layers), data.K, WIDTH))
    for row, layer in enumerate(layers):
        if layer >= 2:
            states[row, 0, LARGE] = 120, -150
            states[row, data.image_start + 1, LARGE[0]] = 90 * layer
            states[row, data.image_start + 6, LARGE[1]] = -200
            states[row, data.image_start + 9, 77] = 500  # large, but in no dimension of the first position
    return states.astype("<f4")


def phi(states, dimensions):
    """[layers, K]"""
    states = states.astype("f8")
    relative = np.abs(states) / np.sqrt((states ** 2).mean(-1, keepdims=True))
    return relative[..., list(dimensions)].max(-1) if len(dimensions) else np.zeros(states.shape[:2])


class Sinks(lt.TestCase):
    def setUp(self):
        super().setUp()
        self.data = lt.TraceData(layers=4)
        self.layers = [0, 2, 3, 4]
        self.states = states_of(self.data, self.layers)
        self.trace = self.reader(self.data, tensors={"hidden.layers": np.array(self.layers), "hidden.states": self.states})

    def check(self, sinks, values, threshold=20):
        """The map and the table of positions; values [layers, K]."""
        above = values > threshold
        image, table = lt.fetch(sinks), lt.fetch(sinks, 1)
        for name, expected in (("sink_value", values.max(0)), ("is_sink", above.any(0)), ("layers", above.sum(0))):
            patches = expected[self.data.span].reshape(self.data.rows, self.data.cols)
            np.testing.assert_allclose(lt.grid_cells(image, name), patches, **EQUAL)
            np.testing.assert_allclose(lt.column(table, name), expected, **EQUAL)
        np.testing.assert_array_equal(lt.grid_cells(image, "patch").ravel(), np.arange(12))
        self.assertEqual(image.GetCellData().GetScalars().GetName(), "sink_value")
        return image

    def text(self, image, name):
        return image.GetFieldData().GetAbstractArray(name).GetValue(0)

    def test_dimensions_are_found(self):
        image = self.check(simple.LVLMSinks(Input=self.trace), phi(self.states[1:], LARGE))
        self.assertEqual(self.text(image, "dimensions"), "13, 402")
        self.assertEqual(self.text(image, "method"), "hidden states")
        self.assertEqual(np.flatnonzero(lt.grid_cells(image, "is_sink")).tolist(), [1, 6])

    def test_given_dimensions_layers_and_threshold(self):
        sinks = simple.LVLMSinks(Input=self.trace, Dimensions=[402, 77])
        self.check(sinks, phi(self.states[1:], (402, 77)))
        sinks.Layers = [-1, 0]
        self.check(sinks, phi(self.states[[0, 3]], (402, 77)))
        sinks.Threshold = 3.1
        self.check(sinks, phi(self.states[[0, 3]], (402, 77)), 3.1)
        self.assertEqual(list(sinks.GetProperty("LayerRange")), [-5, 4])

    def test_none_is_found(self):
        image = self.check(simple.LVLMSinks(Input=self.trace, Layers=[0]), phi(self.states[:1], ()))
        self.assertEqual(self.text(image, "dimensions"), "none")

    def heads(self, tokens, layers, is_sink):
        """Rows (layer, head, image share, sink share), is_sink [layers, patches]."""
        rows = []
        for layer, sink in zip(layers, is_sink):
            for head in range(self.data.heads):
                seen = self.data.attention[layer, head, tokens].astype("f8").mean(0)[self.data.span]
                rows.append((layer, head, seen.sum(), seen[sink].sum() / seen.sum()))
        return np.array(rows)

    def test_heads(self):
        """Of the layers that the states enter: what leaves layer 4, the last, enters none."""
        self.data.attention[2, 0, :, self.data.image_start + 6] = 0.4  # a head that looks at a sink
        trace = self.reader(self.data, name="heads.lvlm", tensors={"hidden.layers": np.array(self.layers), "hidden.states": self.states})
        above = phi(self.states[1:], LARGE)[:, self.data.span] > 20
        for chosen, tokens in (([], range(5)), ([1, -1], [1, 4])):
            table = lt.fetch(simple.LVLMSinks(Input=trace, AnswerTokens=chosen), 2)
            expected = self.heads(list(tokens), (2, 3), above[:2])
            for column, name in enumerate(("layer", "head", "image_share", "sink_share")):
                np.testing.assert_allclose(lt.column(table, name), expected[:, column], rtol=1e-6, atol=1e-9, err_msg=name)
            centric = (expected[:, 2] >= 0.2) & (expected[:, 3] <= 0.5)
            np.testing.assert_array_equal(lt.column(table, "image_centric"), centric)
        self.assertEqual(set(centric.tolist()), {True, False})

    def test_sink_share_of_the_head_summary(self):
        above = phi(self.states[1:], LARGE)[:, self.data.span] > 20  # of layers 2, 3, 4
        none = np.zeros(12, bool)
        summary = simple.LVLMHeadSummary(Input=self.trace, Measure="SinkShare", AnswerTokens=[1])
        expected = self.heads([1], (0, 1, 2, 3), [none, none, above[0], above[1]])[:, 3]
        np.testing.assert_allclose(lt.column(lt.fetch(summary, 1), "sink_share"), expected, rtol=1e-6, atol=1e-9)
        shown = lt.array(lt.fetch(summary).GetPointData().GetArray("sink_share")).reshape(2, 4).T.ravel()
        np.testing.assert_allclose(shown, expected, rtol=1e-6, atol=1e-9)
        self.assertGreater(expected.max(), 0.01)
        some = self.reader(self.data, name="some.lvlm", tensors={"hidden.layers": np.array([2]), "hidden.states": self.states[1:2]})
        summary = simple.LVLMHeadSummary(Input=some, Measure="SinkShare", AnswerTokens=[1])
        expected = self.heads([1], (0, 1, 2, 3), [none, none, above[0], above[0]])[:, 3]
        np.testing.assert_allclose(lt.column(lt.fetch(summary, 1), "sink_share"), expected, rtol=1e-6, atol=1e-9)

    def test_maps_leave_them_out(self):
        heat = simple.LVLMAttentionMap(Input=self.trace, AnswerTokens=[1], Heads=[0])
        plain = lt.grid_cells(lt.fetch(heat)).ravel()
        heat.ExcludeSinks = 1
        found = lt.grid_cells(lt.fetch(heat)).ravel()
        expected = np.where(np.isin(np.arange(12), (1, 6)), 0, plain)
        np.testing.assert_array_equal(found, expected)
        self.assertGreater(plain[[1, 6]].min(), 0)

    def test_every_map_leaves_them_out(self):
        """Heads, layers and words one by one, patches the other way round: 0 at the sinks, all else as it was."""
        kept = ~np.isin(np.arange(12), (1, 6))
        for axis in ("Layers", "Heads"):
            volume = simple.LVLMLayerVolume(Input=self.trace, Axis=axis, Layer=2)
            plain = lt.volume_points(lt.fetch(volume)).reshape(-1, 12)
            volume.ExcludeSinks = 1
            np.testing.assert_array_equal(lt.volume_points(lt.fetch(volume)).reshape(-1, 12), plain * kept)
            self.assertIn(", without 2 attention sinks", self.text(lt.fetch(volume), "heads"))
        raw = self.data.attention[..., self.data.span].astype("f8") * kept
        for by, expected in (("Heads", raw.mean(2).sum(-1).ravel()), ("Layers", raw.mean((1, 2)).sum(-1)), ("AnswerTokens", raw.mean((0, 1)).sum(-1))):
            gallery = simple.LVLMMapGallery(Input=self.trace, By=by, ExcludeSinks=1)
            np.testing.assert_allclose(lt.column(lt.fetch(gallery, 1), "image_share"), expected, rtol=1e-6)
            cells = lt.fetch(gallery).GetCellData()
            patch, values = lt.array(cells.GetArray("patch")), lt.array(cells.GetArray("attention"))
            self.assertTrue((values[np.isin(patch, (1, 6))] == 0).all() and (values[np.isin(patch, np.flatnonzero(kept))] > 0).all())
            self.assertIn(", without 2 attention sinks", self.text(lt.fetch(gallery), "maps"))
        patches = simple.LVLMPatchAttention(Input=self.trace, Patches=[1, 2], ExcludeSinks=1)
        table = lt.fetch(patches)
        np.testing.assert_allclose(lt.column(table, "attention"), raw[..., [1, 2]].mean((0, 1, 3)), rtol=1e-6)
        np.testing.assert_allclose(lt.column(table, "head_1"), raw[:, 1][..., [1, 2]].mean((0, 2)), rtol=1e-6)
        patches.Patches = [6]
        self.assertEqual(set(lt.column(lt.fetch(patches), "attention").tolist()), {0.0})

    def test_best_heads_are_ranked_as_they_look(self):
        """Sinks included, as in the table of LVLM Head Summary; then they are left out."""
        ranking = lt.fetch(simple.LVLMHeadSummary(Input=self.trace), 2)
        best = list(zip(lt.column(ranking, "layer").tolist(), lt.column(ranking, "head").tolist()))[:3]
        heat = simple.LVLMAttentionMap(Input=self.trace, BestHeads=3, ExcludeSinks=1)
        expected = np.mean([self.data.attention[place].astype("f8").mean(0)[self.data.span] for place in best], axis=0)
        expected[[1, 6]] = 0
        np.testing.assert_allclose(lt.grid_cells(lt.fetch(heat)).ravel(), expected, rtol=2e-7)

    def test_substitute_without_hidden_states(self):
        self.data.attention[2:, 0, :, self.data.image_start + 3] = 0.4  # every row of this head looks there
        plain = self.reader(self.data, name="plain.lvlm")
        attention = self.data.attention.astype("f8")
        seen = self.data.P + np.arange(self.data.T)
        values = (attention * seen[:, None]).min(2).mean(1)  # least of the rows, mean of the heads
        image = self.check(simple.LVLMSinks(Input=plain, Threshold=2), values[2:], 2)
        self.assertIn("a substitute", self.text(image, "method"))
        self.assertEqual(np.flatnonzero(lt.grid_cells(image, "is_sink")).tolist(), [3])
        table = lt.fetch(simple.LVLMSinks(Input=plain, Threshold=2), 2)
        expected = self.heads(list(range(5)), (2, 3), values[2:, self.data.span] > 2)
        np.testing.assert_allclose(lt.column(table, "sink_share"), expected[:, 3], rtol=1e-6, atol=1e-9)

    def test_time(self):
        sinks = simple.LVLMSinks(Input=self.trace, FollowTime=1)
        above = phi(self.states[1:], LARGE)[:, self.data.span] > 20
        for token in (3, 0):
            simple.OutputPort(sinks, 2).UpdatePipeline(token)
            table = simple.servermanager.Fetch(sinks, idx=2)
            np.testing.assert_allclose(lt.column(table, "image_share"), self.heads([token], (2, 3), above[:2])[:, 2], rtol=1e-6)

    def test_without_attention(self):
        trace = self.reader(self.data, name="b.lvlm", tensors={
            "attention.answer": None, "hidden.layers": np.array(self.layers), "hidden.states": self.states})
        self.check(simple.LVLMSinks(Input=trace), phi(self.states[1:], LARGE))
        self.assertEqual(lt.fetch(simple.LVLMSinks(Input=trace), 2).GetNumberOfRows(), 0)

    def fails(self, sinks, *needles):
        self.assertReports(sinks.UpdatePipeline, *needles)
        self.assertEqual(sinks.GetClientSideObject().GetOutputDataObject(0).GetNumberOfCells(), 0)

    def test_errors(self):
        self.fails(simple.LVLMSinks(Input=self.trace, Layers=[1]), "Layers: 1 was not captured")
        self.fails(simple.LVLMSinks(Input=self.trace, Dimensions=[WIDTH]), "Dimensions: 2000 is out of range [0, 1999]")
        self.fails(simple.LVLMSinks(Input=self.trace, Dimensions=[-1]), "Dimensions: -1")
        early = self.reader(self.data, name="early.lvlm", tensors={"hidden.layers": np.array([0]), "hidden.states": self.states[:1]})
        self.fails(simple.LVLMSinks(Input=early), "none from 2 on")
        nothing = self.reader(self.data, name="nothing.lvlm", tensors={"attention.answer": None})
        self.fails(simple.LVLMSinks(Input=nothing), "no tensor 'attention.answer'")
        self.states[2, 5, 3] = np.inf
        bad = self.reader(self.data, name="bad.lvlm", tensors={"hidden.layers": np.array(self.layers), "hidden.states": self.states})
        self.fails(simple.LVLMSinks(Input=bad), "not finite after layer 3 at position 5")


if __name__ == "__main__":
    lt.main()
