# SPDX-License-Identifier: Apache-2.0
"""What the module `lvlm` has to test an explanation with: lvlm.test, knock_out, test_causality, patch and sanity_check; on the embedded model.

Set LVLM_KEEP to a folder to keep the screenshots.
"""
import numpy as np

import lvlm_testing as lt
from paraview import simple
from test_module import QUESTION, STAR, ModuleTest


class Testing(ModuleTest):
    def test_maps_are_tested(self):
        trace = self.lvlm.ask(STAR, QUESTION, layout=False)
        layout = self.lvlm.test(token=3, steps=4, random=2)  # makes maps, since there are none
        tested = simple.GetActiveSource()
        names = ["Attention map", "Relevancy", "Occlusion", "random", "random, standard deviation"]
        self.assertEqual([row["map"] for row in self.lvlm.rows(tested, 1)], names)
        self.assertDrawn(self.screenshot(layout, "test"), [(0, .56), (.56, 1)])
        charts = [view for view in simple.GetViewsInLayout(layout) if view.GetXMLName() == "XYChartView"]
        self.assertEqual(len(charts), 2)
        relevancy = simple.FindSource("Relevancy (%s)" % QUESTION)
        one = self.lvlm.test(relevancy, token=3, steps=4, random=2, layout=False)
        self.assertEqual(one.SMProxy, tested.SMProxy)
        self.assertEqual([row["map"] for row in self.lvlm.rows(one, 1)], names[1:2] + names[3:])
        every = self.lvlm.test(QUESTION, token=3, steps=4, random=2, layout=False)  # the trace's name, as the button gives it
        self.assertEqual([row["map"] for row in self.lvlm.rows(every, 1)], names)
        self.assertRaisesText(lambda: self.lvlm.test("Nothing"), "'Nothing'")
        self.assertRaisesText(lambda: self.lvlm.test([3]), "maps: 3 is no source")
        overlay = simple.LVLMOverlay(Input=relevancy)
        self.assertRaisesText(lambda: self.lvlm.test(overlay, layout=False), "the test")
        self.assertRaisesText(lambda: self.lvlm.test(relevancy, fill="Pink"), "Fill", "Pink", "Mean Color")
        self.assertRaisesText(lambda: self.lvlm.test(relevancy, token=9), "token", "9")
        self.assertRaisesText(lambda: self.lvlm.test(relevancy, steps=1000), "Steps: 1000")
        second = self.lvlm.ask(STAR, "What shape is red?", layout=False)
        other = simple.LVLMAttentionMap(Input=second)
        self.assertRaisesText(lambda: self.lvlm.test([relevancy, other]), "different traces")
        self.assertEqual(self.lvlm.find_traces(), [trace, second])

    def test_knock_out(self):
        trace = self.lvlm.ask(STAR, QUESTION, layout=False)
        layout = self.lvlm.knock_out(token=3)
        knocked = simple.GetActiveSource()
        self.assertEqual((knocked.From, knocked.To, list(knocked.AnswerTokens)), ("Image", "Answer", [3]))
        self.assertDrawn(self.screenshot(layout, "knock_out"), [(0, .56), (.56, 1)])
        names = {name for name, _ in simple.GetSources() if name.startswith("Knockout")}
        self.assertEqual(names, {"Knockout, %s (%s)" % (flow, QUESTION) for flow in
                                 ("image to answer", "image to question", "question to answer")})
        blind = self.lvlm.knock_out(trace, 3, hidden="Question", layout=False)
        self.assertNotEqual(self.answer_of(blind), "The star is red.")  # it does not know what was asked
        self.assertEqual(self.lvlm.find_traces(), [trace])
        under = simple.OutputPort(knocked, 1)  # a trace like any other
        self.assertEqual(self.lvlm.answer(under), self.answer_of(knocked))
        heat = simple.LVLMAttentionMap(Input=under)
        self.assertEqual((self.lvlm.trace_of(heat).SMProxy, self.lvlm.trace_of(heat).Port), (knocked.SMProxy, 1))
        self.assertRaisesText(lambda: self.lvlm.test(heat, layout=False), "under an intervention")
        simple.Delete(heat)
        self.lvlm.show_attention(under, 0)
        simple.RemoveLayout(simple.GetLayoutByName("Attention: Knockout, image to answer (%s)" % QUESTION))
        self.assertEqual(set(simple.GetLayouts()), {key for key in simple.GetLayouts() if key[0] in ("Intervene: " + QUESTION, "Layout #1")})
        patches = [50, 61, 62, 63, 72, 73, 74, 75, 85, 86, 87]
        one = self.lvlm.knock_out(trace, 3, hidden=patches, layers=[0, 1], layout=False)
        self.assertEqual((one.From, list(one.Patches), list(one.Layers)), ("Patches", patches, [0, 1]))
        fall = min(row["change"] for row in self.lvlm.rows(one))
        self.assertLess(fall, -5)  # it needs the star
        elsewhere = self.lvlm.knock_out(trace, 3, hidden=[p - 44 for p in patches], layout=False)
        self.assertGreater(min(row["change"] for row in self.lvlm.rows(elsewhere)), fall)
        self.assertRaisesText(lambda: self.lvlm.knock_out(hidden="Moon"), "hidden", "'Moon'", "Image")
        self.assertRaisesText(lambda: self.lvlm.knock_out(readers=[144]), "patches: 144")
        self.assertRaisesText(lambda: self.lvlm.knock_out(layers=[9]), "the knockout", "Layers: 9")
        self.assertRaisesText(lambda: self.lvlm.knock_out(token=9), "token", "9")

    def test_explanations_are_tested(self):
        self.lvlm.ask(STAR, QUESTION, layout=False)
        layout = self.lvlm.test_causality(token=3, draws=4)
        tested = simple.GetActiveSource()
        self.assertEqual((tested.GetXMLName(), tested.Draws), ("LVLMNodeTest", 4))
        rows = self.lvlm.rows(tested)
        heads = [row for row in self.lvlm.rows(simple.OutputPort(simple.FindSource("Causal graph, all heads (%s)" % QUESTION), 4))
                 if row["explaining_patches"] + row["explaining_words"] > 0]
        self.assertEqual({row["head"] for row in rows}, {max(heads, key=lambda row: row["importance"])["head"]})
        self.assertDrawn(self.screenshot(layout, "node_test"), [(0, .5), (.5, 1)])
        other = self.lvlm.test_causality(token=3, head=heads[0]["head"], draws=3, seed=5, layout=False)
        self.assertEqual(({row["head"] for row in self.lvlm.rows(other)}, other.Seed), ({heads[0]["head"]}, 5))
        self.assertRaisesText(lambda: self.lvlm.test_causality(token=3, head=9), "the causal graph", "9")

    def test_patching(self):
        trace = self.lvlm.ask(STAR, QUESTION, layout=False)
        self.assertRaisesText(lambda: self.lvlm.patch(), "patch: there is one trace only")
        painted = self.lvlm.paint_over(trace, [50, 61, 62, 63, 72, 73, 74, 75, 85, 86, 87])
        second = self.lvlm.ask(painted, QUESTION, image_mode="Resize", layout=False)
        layout = self.lvlm.patch(token=3)  # the older one is the clean one
        patched = simple.GetActiveSource()
        self.assertEqual([source.SMProxy for source in (patched.Input, patched.Corrupted)], [trace.SMProxy, second.SMProxy])
        self.assertDrawn(self.screenshot(layout, "patching"), [(0, .5), (.5, 1)])
        rows = self.lvlm.rows(patched, 1)
        self.assertEqual(max(rows, key=lambda row: row["restored"])["role"] in ("image", "answer", "special"), True)
        one = self.lvlm.patch(trace, second, 3, "Patches", "Attention", layers=[0], layout=False)
        self.assertEqual((one.Positions, one.What, list(one.Layers), len(self.lvlm.rows(one, 1))), ("Patches", "Attention", [0], 144))
        self.assertRaisesText(lambda: self.lvlm.patch(trace, trace), "patch: first and second are the same trace")
        self.assertRaisesText(lambda: self.lvlm.patch(trace, second, positions="Letters"), "Positions", "Letters", "Words")

    def test_sanity(self):
        sanity = self.lvlm.sanity
        rng = np.random.default_rng(4)
        first, second = rng.integers(0, 5, (6, 7)), rng.integers(0, 5, (6, 7))
        below = lambda x: (x.ravel()[:, None] > x.ravel()).sum(1) + 0.5 * (x.ravel()[:, None] == x.ravel()).sum(1)
        self.assertAlmostEqual(sanity.spearman(first, second), np.corrcoef(below(first), below(second))[0, 1])
        self.assertTrue(np.isnan(sanity.spearman(first, np.ones(42))))
        trace = self.lvlm.ask(STAR, QUESTION, layout=False)
        sources = set(simple.GetSources())
        rows = self.lvlm.sanity_check(trace, 3, ["attention", "relevancy: decoder"], seed=1)
        self.assertEqual(set(simple.GetSources()), sources)  # it leaves nothing behind
        parts = [row["part"] for row in rows if row["map"] == "attention"]
        layers = ["decoder layer %d" % layer for layer in (3, 2, 1, 0)]
        self.assertEqual(parts[:8], ["", "output", *layers, "token embeddings", "projector"])
        self.assertEqual(parts[-1], "patch embedding")
        self.assertEqual([row["correlation"] for row in rows[:2]], [1, 1])
        whole = lt.grid_cells(lt.fetch(simple.LVLMRelevancy(Input=trace, AnswerTokens=[3])), "decoder")
        np.testing.assert_allclose(rows[1]["values"], whole, rtol=0, atol=1e-6)
        self.assertEqual([row["values"].shape for row in rows], [(12, 12)] * len(rows))
        unmoved, last = rows[2], rows[-2]  # attention knows nothing of the output's weights
        np.testing.assert_array_equal(unmoved["values"], rows[0]["values"])
        self.assertLess(abs(last["correlation"]), 0.6)
        again = self.lvlm.sanity_check(trace, 3, "attention", seed=1)
        self.assertEqual([row["correlation"] for row in again], [row["correlation"] for row in rows if row["map"] == "attention"])
        self.assertRaisesText(lambda: self.lvlm.sanity_check(trace, 3, "moods"), "maps", "'moods'", "occlusion")
        self.assertRaisesText(lambda: self.lvlm.sanity_check(trace, 9), "token", "9")

    def answer_of(self, knocked):
        texts = [row["text"] for row in self.lvlm.rows(simple.LVLMTokens(Input=simple.OutputPort(knocked, 1))) if row["answer_index"] >= 0]
        return "".join(texts).replace("</s>", "").strip()


if __name__ == "__main__":
    lt.main()
