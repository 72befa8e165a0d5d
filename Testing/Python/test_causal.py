# SPDX-License-Identifier: Apache-2.0
"""LVLMCausalGraph: results of causality-lab, its outputs against each other by numpy, the drawing, errors.

The goldens (Testing/Data/causal) were made by causality-lab; they are rounded to 1e-10, hence the tolerance 1e-9.
"""
import json
import math

import numpy as np

import causal_traces as ct
import lvlm_testing as lt
from paraview import simple, smtrace

MARKS = {"o": 0, "<": 1, ">": 1, "-": 2}
IMAGE_NODE, TEXT_NODE, EDGE, END_MARK, DISC, WORD = range(6)


def table(proxy, port):
    """A table's columns."""
    data = lt.fetch(proxy, port)
    return {data.GetColumnName(c): lt.column(data, data.GetColumnName(c)) for c in range(data.GetNumberOfColumns())}


def arrays(attributes):
    result = {}
    for a in range(attributes.GetNumberOfArrays()):
        values = attributes.GetAbstractArray(a)
        result[values.GetName()] = ([values.GetValue(i) for i in range(values.GetNumberOfValues())]
                                    if values.IsA("vtkStringArray") else lt.array(values))
    return result


class Drawing:
    """Port 0, taken apart."""

    def __init__(self, proxy):
        self.data = lt.fetch(proxy, 0)
        self.points = lt.array(self.data.GetPoints().GetData())
        self.at_points, self.at_cells = arrays(self.data.GetPointData()), arrays(self.data.GetCellData())
        self.nodes = [i for i, kind in enumerate(self.at_points["kind"]) if kind in (IMAGE_NODE, TEXT_NODE)]

    def cells(self, kind, cell_type=None):
        return [c for c in range(self.data.GetNumberOfCells()) if self.at_cells["kind"][c] == kind
                and (cell_type is None or self.data.GetCellType(c) == cell_type)]

    def corners(self, cell):
        ids = self.data.GetCell(cell).GetPointIds()
        return self.points[[ids.GetId(i) for i in range(ids.GetNumberOfIds())], :2]

    def edges(self):
        """(source, target): (cell, mark)"""
        return {(self.at_cells["source"][c], self.at_cells["target"][c]): (c, self.at_cells["mark"][c])
                for c in self.cells(EDGE)}


class Goldens(lt.TestCase):
    def check(self, golden):
        trace = self.reader(ct.golden_trace(golden), name="golden.lvlm")
        shown = simple.LVLMCausalGraph(Input=trace, AnswerToken=golden["answer_token"])
        nodes, edges, heads = (table(shown, port) for port in (1, 2, 4))
        np.testing.assert_array_equal(nodes["position"], golden["nodes"])
        marks = {(s, t): m for s, t, m in zip(edges["source"], edges["target"], edges["mark"])}
        p_values = dict(zip(marks, edges["p_value"]))
        pairs = [(a, b) for i, a in enumerate(golden["nodes"]) for b in golden["nodes"][i + 1:]]
        code = "".join(chr(ord("a") + 3 * MARKS[marks[p][0]] + MARKS[marks[p][2]]) if p in marks else "."
                       for p in pairs)
        self.assertEqual(code, golden["graph"])
        for pair, units in zip(pairs, golden["largest_p"]):
            if pair in marks:
                self.assertLess(abs(p_values[pair] - units * 1e-10), 1e-9)
        for radius, found in enumerate(golden["explanations"][0], start=1):
            inside = [p for p, r in zip(nodes["position"], nodes["radius"]) if 0 < r <= radius]
            self.assertEqual(inside, found)
        explains = nodes["radius"] > 0
        np.testing.assert_allclose(nodes["weight"][explains], np.array(golden["weights"]) * 1e-10, rtol=0, atol=1e-9)
        self.assertTrue((nodes["weight"][~explains] == 0).all())
        self.assertEqual(heads["tests"][0], sum(golden["tests"]))
        self.assertLess(abs(heads["importance"][0] / golden["importance"] - 1), 1e-12)

    def test_equal_to_causality_lab(self):
        cases = ct.goldens()
        self.assertGreaterEqual(len(cases), 8)
        for golden in cases:
            with self.subTest(seed=golden["seed"]):
                self.check(golden)


class Outputs(lt.TestCase):
    def setUp(self):
        super().setUp()
        self.data = ct.several_heads()
        self.trace = self.reader(self.data)
        self.shown = simple.LVLMCausalGraph(Input=self.trace, AnswerToken=4)

    def test_node_table(self):
        nodes, data = table(self.shown, 1), self.data
        target = data.P - 1 + 4
        self.assertEqual(sorted(set(nodes["head"])), [0, 1, 2, 3])
        self.assertEqual(nodes["token"], [data.tokens[p] for p in nodes["position"]])
        self.assertEqual(nodes["role"], [data.roles[p] for p in nodes["position"]])
        np.testing.assert_array_equal(nodes["radius"] == 0, nodes["position"] == target)
        inside = (nodes["position"] >= data.image_start) & (nodes["position"] < data.image_start + 36)
        np.testing.assert_array_equal(nodes["patch"], np.where(inside, nodes["position"] - data.image_start, -1))
        for head in range(4):
            row = data.full[0, head, target]
            of_head = nodes["head"] == head
            np.testing.assert_array_equal(nodes["attention"][of_head], row[nodes["position"][of_head]])
            count = min(max(2, int((row > .005).sum())), 50, 36)
            top = data.image_start + np.argsort(-row[data.span], kind="stable")[:count]
            text = [p for p in range(data.image_start + 36, target) if row[p] > .005]
            self.assertEqual(list(nodes["position"][of_head]), sorted([*top, *text, target]))

    def test_importance_of_heads(self):
        heads, target = table(self.shown, 4), self.data.P - 1 + 4
        row = self.data.full[0, :, target].astype("f8")
        np.testing.assert_allclose(
            heads["importance"], row[:, self.data.span].max(1) / row[:, self.data.image_start + 36:].max(1), rtol=1e-15)

    def test_weights_are_summed_over_heads(self):
        nodes, image = table(self.shown, 1), lt.fetch(self.shown, 3)
        expected = np.zeros(36)
        for patch, radius, weight in zip(nodes["patch"], nodes["radius"], nodes["weight"]):
            if patch >= 0 and radius > 0:
                expected[patch] += weight
        self.assertGreater(expected.max(), 0)
        np.testing.assert_allclose(lt.grid_cells(image, "weight").ravel(), expected, rtol=2e-7)
        self.assertEqual(image.GetBounds()[:4], (0.0, 336.0, 0.0, 336.0))
        overlay = lt.fetch(simple.LVLMOverlay(Input=simple.OutputPort(self.shown, 3)))
        self.assertEqual(overlay.GetDimensions(), (336, 336, 1))

    def test_half_precision_and_strides_of_layers(self):
        """The same numbers, stored as halves, in a layer that is neither first nor last in the file."""
        halves = self.data.full.astype("f2")
        expected = ct.CausalTrace(halves.astype("f4"), 10, 36, 50)
        stored = ct.CausalTrace(np.concatenate([halves[:, ::-1], halves, halves * 0]), 10, 36, 50, (7, 2, 0))
        a = simple.LVLMCausalGraph(Input=self.reader(expected, name="a.lvlm"), AnswerToken=4, Heads=[2, -1])
        b = simple.LVLMCausalGraph(Input=self.reader(stored, name="b.lvlm"), AnswerToken=4, Heads=[2, 3], Layer=2)
        for port in (1, 2, 4):
            self.assertEqual(str(table(a, port)), str(table(b, port)))

    def test_layer_counts_from_the_end_of_the_recorded_ones(self):
        data = ct.several_heads(layers=(5, 1, 9))
        trace = self.reader(data, name="layers.lvlm")
        edges = {layer: str(table(simple.LVLMCausalGraph(Input=trace, Layer=layer), 2)) for layer in (9, -1, 5, -2, 1, -3)}
        self.assertEqual(edges[9], edges[-1])
        self.assertEqual(edges[5], edges[-2])
        self.assertEqual(edges[1], edges[-3])
        self.assertEqual(len(set(edges.values())), 3)

    def test_threads_and_order_of_heads_do_not_matter(self):
        one = simple.LVLMCausalGraph(Input=self.trace, AnswerToken=4, Threads=1)
        four = simple.LVLMCausalGraph(Input=self.trace, AnswerToken=-7, Threads=4)
        self.assertEqual(self.data.T, 11)  # so that 4 and -7 are the same token
        for port in (1, 2, 4):
            self.assertEqual(str(table(one, port)), str(table(four, port)))
        single = simple.LVLMCausalGraph(Input=self.trace, AnswerToken=4, Heads=[2])
        edges, some = table(one, 2), table(single, 2)
        self.assertEqual(list(edges["mark"][i] for i in np.flatnonzero(edges["head"] == 2)), some["mark"])
        self.assertEqual(set(some["head"]), {2})

    def test_settings_have_their_effect(self):
        def nodes(**settings):
            return table(simple.LVLMCausalGraph(Input=self.trace, AnswerToken=4, **settings), 1)
        few = nodes(MaximumNodes=3)
        self.assertEqual(int((few["patch"] >= 0).sum()), 4 * 3)
        self.assertLess(len(nodes(AttentionThreshold=.05)["head"]), len(nodes()["head"]))
        self.assertLessEqual(nodes(Range=1)["radius"].max(), 1)
        alphas = [len(table(simple.LVLMCausalGraph(Input=self.trace, AnswerToken=4, Alpha=a), 2)["mark"])
                  for a in (1e-30, 1e-5, .5)]
        self.assertEqual(alphas, sorted(alphas))
        self.assertLess(alphas[0], alphas[2])

    def test_follow_time_at_any_port(self):
        still = [str(table(simple.LVLMCausalGraph(Input=self.trace, AnswerToken=t), 2)) for t in range(3)]
        moving = simple.LVLMCausalGraph(Input=self.trace, AnswerToken=7, FollowTime=1)
        for port, time in ((0, 2), (2, 0), (3, 1), (2, 1), (0, 0), (2, 2), (1, 0), (2, 0)):
            simple.OutputPort(moving, port).UpdatePipeline(time)
            table_now = moving.GetClientSideObject().GetOutputDataObject(2)
            marks = table_now.GetColumnByName("mark")
            found = [marks.GetValue(i) for i in range(marks.GetNumberOfValues())]
            self.assertIn("'mark': %s" % found, still[time], (port, time))

    def test_abort(self):
        shown = simple.LVLMCausalGraph(Input=self.trace, Threads=1)
        algorithm = shown.GetClientSideObject()
        observer = algorithm.AddObserver("ProgressEvent", lambda *_: algorithm.SetAbortExecute(1))
        shown.UpdatePipeline()
        self.assertEqual(algorithm.GetOutputDataObject(1).GetNumberOfRows(), 0)
        self.assertEqual(algorithm.GetOutputDataObject(0).GetNumberOfPoints(), 0)
        algorithm.RemoveObserver(observer)
        algorithm.SetAbortExecute(0)
        shown.Alpha = 1e-4
        self.assertGreater(lt.fetch(shown, 1).GetNumberOfRows(), 0)

    def test_state_round_trip_and_python_trace(self):
        settings = dict(AnswerToken=-2, Heads=[1, -1], Layer=3, AttentionThreshold=.01, Alpha=1e-4, Samples=200, Range=2,
                        MaximumNodes=20, Drawing="Union of heads", MinimumHeads=2, Nodes="Explanation", Threads=1)
        smtrace.start_trace()
        simple.LVLMCausalGraph(registrationName="graph", Input=self.trace, **settings)
        script = smtrace.stop_trace()
        self.assertIn("LVLMCausalGraph(registrationName='graph'", script)
        self.assertRegex(script, r"\bAnswerToken( = |=)-2\b")  # ParaView 6.1 lists properties
        before = [str(table(simple.FindSource("graph"), port)) for port in (1, 2, 4)]
        simple.SaveState(self.path("state.pvsm"))
        self.reset()
        simple.LoadState(self.path("state.pvsm"))
        back = simple.FindSource("graph")
        self.assertEqual([str(table(back, port)) for port in (1, 2, 4)], before)
        for name, value in settings.items():
            self.assertEqual(back.GetPropertyValue(name), value)


class Drawings(lt.TestCase):
    def setUp(self):
        super().setUp()
        self.golden = ct.goldens()[-1]
        self.data = ct.golden_trace(self.golden)
        self.trace = self.reader(self.data)

    def drawings(self):
        """Graphs of about 5, 20 and 50 nodes, and a union of heads."""
        for threshold, maximum, nodes in ((1e-3, 4, 5), (1e-4, 15, 22), (1e-4, 50, 57)):
            drawing = Drawing(simple.LVLMCausalGraph(
                Input=self.trace, AnswerToken=4, MaximumNodes=maximum, AttentionThreshold=threshold))
            self.assertEqual(len(drawing.nodes), nodes)
            yield drawing
        heads = self.reader(ct.several_heads(), name="heads.lvlm")
        yield Drawing(simple.LVLMCausalGraph(Input=heads, AnswerToken=9, Drawing="Union of heads"))

    def test_nodes_lie_where_their_tokens_are(self):
        shown = simple.LVLMCausalGraph(Input=self.trace, AnswerToken=4)
        drawing, nodes = Drawing(shown), table(shown, 1)
        target = self.data.P - 1 + 4
        self.assertEqual(len(drawing.nodes), len(nodes["position"]))
        for i, position, radius, weight in zip(drawing.nodes, nodes["position"], nodes["radius"], nodes["weight"]):
            values = {name: drawing.at_points[name][i] for name in drawing.at_points}
            self.assertEqual((values["position"], values["head"], values["radius"]), (position, 0, radius))
            self.assertEqual(values["weight"], weight)
            self.assertEqual(values["is_target"], int(position == target))
            patch = position - self.data.image_start
            if 0 <= patch < 576:
                self.assertEqual((values["kind"], values["label"]), (IMAGE_NODE, str(patch)))
                np.testing.assert_allclose(drawing.points[i, :2], self.data.centres[patch], atol=1e-3)  # float points
            else:
                self.assertEqual(values["kind"], TEXT_NODE)
                self.assertGreater(drawing.points[i, 0], 336)
        texts = [i for i in drawing.nodes if drawing.at_points["kind"][i] == TEXT_NODE]
        self.assertEqual(len(set(drawing.points[texts, 0])), 1)
        self.assertTrue((np.diff(drawing.points[texts, 1]) < 0).all())
        label = drawing.at_points["label"][texts[-1]]
        words = [ct.ANSWER[3].strip("▁"), ct.ANSWER[4]]  # the target's own token, and the one that it predicts
        self.assertEqual(label, "%s -> %s" % tuple(words))

    def test_words_are_readable(self):
        data = ct.golden_trace(self.golden)
        for position, token in ((613, "\n"), (614, "▁"), (612, "Ġ" + "long" * 10), (615, "<0x0A>")):
            data.tokens[position] = token
        drawing = Drawing(simple.LVLMCausalGraph(
            Input=self.reader(data, name="w.lvlm"), AnswerToken=4, AttentionThreshold=1e-9, MaximumNodes=2))
        labels = {drawing.at_points["position"][i]: drawing.at_points["label"][i] for i in drawing.nodes}
        self.assertEqual([labels[p] for p in (612, 613, 614, 615)], ["long" * 6 + "…", "\\n", "(space)", "\\n"])

    def test_edges_end_at_their_nodes_and_carry_their_marks(self):
        shown = simple.LVLMCausalGraph(Input=self.trace, AnswerToken=4)
        drawing, edges = Drawing(shown), table(shown, 2)
        drawn = drawing.edges()
        self.assertEqual({k: m for k, (_, m) in drawn.items()},
                         {(s, t): m for s, t, m in zip(edges["source"], edges["target"], edges["mark"])})
        places = {drawing.at_points["position"][i]: drawing.points[i, :2] for i in drawing.nodes}
        step = 336 / 24
        for (source, target), (cell, _) in drawn.items():
            corners = drawing.corners(cell)
            for end, node in ((corners[0], source), (corners[-1], target)):
                self.assertLess(np.linalg.norm(end - places[node]), step)
        shapes = {3: "arrow", 4: "tail", 24: "circle"}
        found = [shapes[len(drawing.corners(c))] for c in drawing.cells(END_MARK) if drawing.data.GetCell(c).IsA("vtkPolygon")
                 or drawing.data.GetCell(c).IsA("vtkTriangle") or drawing.data.GetCell(c).IsA("vtkQuad")]
        ends = "".join(m[0] + m[2] for m in edges["mark"])
        self.assertEqual(found.count("circle"), ends.count("o"))
        self.assertEqual(found.count("arrow"), ends.count("<") + ends.count(">"))
        self.assertEqual(found.count("tail"), ends.count("-"))

    def test_edges_name_what_the_discs_name(self):
        shown = simple.LVLMCausalGraph(Input=self.trace, AnswerToken=4)
        drawing, edges = Drawing(shown), table(shown, 2)
        labels = {drawing.at_points["position"][i]: ("patch " if drawing.at_points["kind"][i] == 0 else "") + drawing.at_points["label"][i]
                  for i in drawing.nodes}
        self.assertTrue(any(" -> " in label for label in labels.values()))
        for end in ("source", "target"):
            self.assertEqual(list(edges[end + "_label"]), [labels[position] for position in edges[end]])

    def test_arrows_point_at_their_node(self):
        drawing = Drawing(simple.LVLMCausalGraph(Input=self.trace, AnswerToken=4))
        places = {drawing.at_points["position"][i]: drawing.points[i, :2] for i in drawing.nodes}
        for cell in drawing.cells(END_MARK):
            if drawing.data.GetCell(cell).IsA("vtkTriangle"):
                ids = drawing.data.GetCell(cell).GetPointIds()
                place = places[drawing.at_points["position"][ids.GetId(0)]]
                tip, left, right = np.linalg.norm(drawing.corners(cell) - place, axis=1)
                self.assertLess(tip, min(left, right))

    def test_nothing_overlaps(self):
        for drawing in self.drawings():
            places = drawing.points[drawing.nodes, :2]
            kinds = drawing.at_points["kind"]
            of_node = {drawing.at_points["position"][i]: n for n, i in enumerate(drawing.nodes)}
            owner = np.array([of_node[p] for p in drawing.at_points["position"]])
            discs, words = kinds == DISC, kinds == WORD
            size = np.array([np.linalg.norm(drawing.points[discs & (owner == n), :2] - places[n], axis=1).max()
                             for n in range(len(places))])
            apart = np.linalg.norm(places[:, None] - places[None], axis=-1) + 1e9 * np.eye(len(places))
            self.assertTrue((apart > size[:, None] + size[None]).all())
            boxes = np.array([[drawing.points[words & (owner == n), :2].min(0), drawing.points[words & (owner == n), :2].max(0)]
                              for n in range(len(places))])
            for n, box in enumerate(boxes):
                gap = np.maximum(boxes[:, 0] - box[1], box[0] - boxes[:, 1]).max(axis=1)
                gap[n] = 1
                self.assertTrue((gap > 0).all(), n)
                if drawing.at_points["kind"][drawing.nodes[n]] == IMAGE_NODE:
                    self.assertLess(np.linalg.norm(np.abs(box - places[n]).max(0)), 1.15 * size[n])
                else:  # no disc under a word
                    beside = np.maximum(box[0] - places, 0) + np.maximum(places - box[1], 0)
                    self.assertTrue((np.linalg.norm(beside, axis=1) > size).all(), n)

    def test_edges_leave_other_nodes_free(self):
        """No curve is bent so far that it avoids everything; straight lines, for comparison, hit several times as much."""
        drawing = Drawing(simple.LVLMCausalGraph(Input=self.trace, AnswerToken=3, AttentionThreshold=1e-3))
        self.assertGreater(len(drawing.nodes), 40)  # few nodes leave even straight lines free
        positions = drawing.at_points["position"][drawing.nodes]
        places, kinds = drawing.points[drawing.nodes, :2], drawing.at_points["kind"][drawing.nodes]
        index = {p: n for n, p in enumerate(positions)}
        radius = .36 * 336 / 24
        hit = {"drawn": 0, "straight": 0}
        for (source, target), (cell, _) in drawing.edges().items():
            a, b = index[source], index[target]
            if kinds[a] != IMAGE_NODE or kinds[b] != IMAGE_NODE:
                continue
            others = np.delete(places, [a, b], axis=0)
            straight = np.linspace(places[a], places[b], 33)
            for name, line in (("drawn", drawing.corners(cell)), ("straight", straight)):
                hit[name] += int((np.linalg.norm(others[:, None] - line[None], axis=-1) < radius).any(axis=1).sum())
        self.assertGreater(hit["straight"], 0)
        self.assertLess(hit["drawn"], .4 * hit["straight"])

    def test_union_of_heads(self):
        trace = self.reader(ct.several_heads(seeds=range(11, 19)), name="heads.lvlm")
        shown = simple.LVLMCausalGraph(Input=trace, AnswerToken=4, Drawing="Union of heads")
        edges, nodes = table(shown, 2), table(shown, 1)
        by_pair = {}
        for source, target, mark in zip(edges["source"], edges["target"], edges["mark"]):
            by_pair.setdefault((source, target), []).append(mark)
        disagree = 0
        for minimum in (1, 2):
            shown.MinimumHeads = minimum
            drawing = Drawing(shown)
            self.assertEqual(sorted(drawing.at_points["position"][drawing.nodes]), sorted(set(nodes["position"])))
            drawn = drawing.edges()
            self.assertEqual(set(drawn), {p for p, marks in by_pair.items() if len(marks) >= minimum})
            for pair, (cell, mark) in drawn.items():
                self.assertEqual(drawing.at_cells["heads"][cell], len(by_pair[pair]))
                for end in (0, 2):
                    ends = {m[end] for m in by_pair[pair]}
                    disagree += len(ends) > 1
                    self.assertEqual(mark[end], ends.pop() if len(ends) == 1 else "o")
        self.assertGreater(disagree, 0)
        for i in drawing.nodes:
            own = nodes["position"] == drawing.at_points["position"][i]
            self.assertAlmostEqual(drawing.at_points["weight"][i], nodes["weight"][own].sum(), delta=1e-12)
            self.assertEqual(drawing.at_points["heads"][i], own.sum())

    def test_most_important_head(self):
        trace = self.reader(ct.several_heads(seeds=range(11, 19)), name="heads.lvlm")
        shown = simple.LVLMCausalGraph(Input=trace, AnswerToken=4)
        heads, drawing = table(shown, 4), Drawing(shown)
        explains = heads["explaining_patches"] + heads["explaining_words"] > 0
        best = max(range(8), key=lambda h: (explains[h], heads["importance"][h]))
        self.assertEqual(set(drawing.at_points["head"]), {best})

    def test_explanation_alone(self):
        shown = simple.LVLMCausalGraph(Input=self.trace, AnswerToken=4, Nodes="Explanation")
        drawing, nodes = Drawing(shown), table(shown, 1)
        inside = nodes["position"][nodes["radius"] >= 0]
        np.testing.assert_array_equal(drawing.at_points["position"][drawing.nodes], inside)
        edges = table(shown, 2)
        expected = {(s, t) for s, t in zip(edges["source"], edges["target"]) if s in inside and t in inside}
        self.assertEqual(set(drawing.edges()), expected)


class Refusals(lt.TestCase):
    def fails(self, proxy, *needles):
        self.assertReports(proxy.UpdatePipeline, *needles)
        for port in range(5):
            data = proxy.GetClientSideObject().GetOutputDataObject(port)
            self.assertEqual(sum(data.GetNumberOfElements(kind) for kind in (0, 1, 6)), 0)

    def test_settings_out_of_range(self):
        trace = self.reader(ct.several_heads(layers=(5, 1)))
        for settings, needles in (
                (dict(AnswerToken=11), ("AnswerToken: 11", "[-11, 10]")),
                (dict(AnswerToken=-12), ("AnswerToken: -12",)),
                (dict(Heads=[0, 4]), ("Heads: 4", "[-4, 3]")),
                (dict(Layer=0), ("Layer", "layer 0", "recorded: 1, 5")),
                (dict(Layer=-3), ("layer -3", "recorded: 1, 5")),
                (dict(Alpha=1.5), ("Alpha: 1.5", "[0, 1]")),
                (dict(AttentionThreshold=-1), ("AttentionThreshold: -1",)),
                (dict(AttentionThreshold=math.nan), ("AttentionThreshold: nan",)),
                (dict(Samples=0), ("Samples: 0",)),
                (dict(Range=-1), ("Range: -1",)),
                (dict(MaximumNodes=0), ("MaximumNodes: 0",)),
                (dict(MaximumNodes=2147483647), ("MaximumNodes: 2147483647",)),
                (dict(MinimumHeads=0), ("MinimumHeads: 0",)),
                (dict(Threads=-1), ("Threads: -1",))):
            self.fails(simple.LVLMCausalGraph(Input=trace, **settings), *needles)

    def test_traces_that_do_not_fit(self):
        self.fails(simple.LVLMCausalGraph(Input=self.reader(lt.TraceData())), "attention.full")
        self.fails(simple.LVLMCausalGraph(Input=simple.GroupDatasets(Input=[simple.Sphere()])), "not an LVLM trace")
        data = ct.several_heads()
        data.full[0, 1, 49, 12] = np.nan
        self.fails(simple.LVLMCausalGraph(Input=self.reader(data, name="nan.lvlm")), "head 1", "(49, 12)", "nan")

    def test_a_trace_without_picture(self):
        shown = simple.LVLMCausalGraph(Input=self.reader(ct.several_heads(), tensors={"image": None}))
        self.assertEqual(lt.fetch(shown, 3).GetSpacing()[:2], (1.0, 1.0))
        self.assertLess(Drawing(shown).points[:, 0].max(), 20)


if __name__ == "__main__":
    lt.main()
