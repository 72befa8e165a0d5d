# SPDX-License-Identifier: Apache-2.0
"""LVLMOcclusion and LVLMFaithfulness against a direct loop: pictures are painted over and asked about again. LVLMKnockout against goldens.

The first answer token's probability does not depend on what was answered, so every re-asked question tells it, whatever its answer is:
all tokens of the small vocabulary are among the alternatives. The prompt ends in the answer's first words, so that this token is the color. Both ways compute in float32 with the same pictures: log-probabilities
agree to 2e-5 (measured: 3e-6).
"""
import json
import os
import pathlib
import shutil

import numpy as np

import lvlm_testing as lt
import test_relevancy
from paraview import simple

DATA = pathlib.Path(__file__).resolve().parents[1] / "Data"
MODEL = pathlib.Path(__file__).resolve().parents[2] / "Models" / "TinyLlava"
SCENE = str(MODEL / "scenes" / "star_left_of_circle.png")
QUESTION = "What color is the star?"
BEGUN = "USER: {image}\n{prompt} ASSISTANT: The star is"
VOCABULARY = 680
CLOSE = dict(rtol=0, atol=2e-5)
GRID = 12
area_below = getattr(np, "trapezoid", None) or np.trapz  # before numpy 2, which took the old name away


def scores_of(table):
    """{map: {column: value}}"""
    names = [table.GetColumnName(i) for i in range(table.GetNumberOfColumns())]
    return {row: {name: float(lt.column(table, name)[i]) for name in names[1:]} for i, row in enumerate(lt.column(table, "map"))}


def map_source(path, values):
    """A map of one's own: an image with a cell a patch, from a file."""
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkIOXML import vtkXMLImageDataWriter
    image = vtkImageData()
    image.SetDimensions(values.shape[1] + 1, values.shape[0] + 1, 1)
    cells = numpy_to_vtk(np.ascontiguousarray(values[::-1]).ravel(), deep=1)
    cells.SetName("mine")
    image.GetCellData().SetScalars(cells)
    writer = vtkXMLImageDataWriter()
    writer.SetFileName(path)
    writer.SetInputData(image)
    writer.Write()
    return simple.XMLImageDataReader(FileName=[path], CellArrayStatus=["mine"])


class WithModel(lt.TestCase):
    def setUp(self):
        super().setUp()
        self.picture = simple.PNGSeriesReader(FileNames=[SCENE])
        self.trace = simple.LLaVAInference(Input=self.picture, Prompt=QUESTION, MaxNewTokens=12)
        self.trace.UpdatePipeline()

    def begin(self):
        """The trace of a question whose first answer token is the color."""
        self.begun = simple.LLaVAInference(Input=self.picture, Prompt=QUESTION, ChatTemplate=BEGUN, MaxNewTokens=3)
        tokens = lt.fetch(simple.LVLMTokens(Input=self.begun))
        first = list(lt.column(tokens, "answer_index")).index(0)
        self.first_id, self.logprob = int(lt.column(tokens, "id")[first]), float(lt.column(tokens, "logprob")[first])
        self.assertEqual(lt.column(tokens, "text")[first].strip(), "red")

    def asked_without(self, patches, fill="Mean Color"):
        """The first token's log-probability when the picture is asked about without some patches."""
        painted = simple.LVLMPaintOver(Input=self.begun, Patches=sorted(int(p) for p in patches), Fill=fill)
        again = simple.LLaVAInference(Input=painted, Prompt=QUESTION, ChatTemplate=BEGUN, ImageMode="Resize", MaxNewTokens=1,
                                      CaptureFull=0, Alternatives=VOCABULARY)
        tokens = lt.fetch(simple.LVLMTokens(Input=again))
        row = list(lt.column(tokens, "answer_index")).index(0)
        for k in range(1, VOCABULARY + 1):
            if lt.column(tokens, "top%d_id" % k)[row] == self.first_id:
                found = float(lt.column(tokens, "top%d_logprob" % k)[row])
        for source in (again, painted):
            simple.Delete(source)
        return found

    def fails(self, proxy, *needles):
        self.assertReports(proxy.UpdatePipeline, *needles)
        data = proxy.GetClientSideObject().GetOutputDataObject(0)
        self.assertEqual(sum(data.GetNumberOfElements(kind) for kind in (0, 1, 6)), 0)

    def recorded(self, **metadata):
        """The answer as a recording, whose metadata may be other ones."""
        path = self.path("recorded.lvlm")
        simple.SaveData(path, proxy=self.trace)
        tensors, written = lt.read_safetensors(path)
        lt.write_safetensors(path, tensors, {k: v for k, v in {**written, **metadata}.items() if v is not None})
        return simple.LVLMTraceReader(FileName=path)


class Occlusion(WithModel):
    def expected(self, window, begins, fill="Mean Color"):
        total, count = np.zeros((GRID, GRID)), np.zeros((GRID, GRID))
        for top in begins:
            for left in begins:
                inside = np.zeros((GRID, GRID), bool)
                inside[top:top + window, left:left + window] = True
                total[inside] += self.logprob - self.asked_without(np.flatnonzero(inside), fill)
                count[inside] += 1
        return total / count

    def test_a_direct_loop(self):
        self.begin()
        for window, stride, begins, fill in ((8, 4, (0, 4), "Mean Color"), (5, 4, (0, 4, 7), "Black")):
            found = lt.fetch(simple.LVLMOcclusion(Input=self.begun, AnswerTokens=[0], Window=window, Stride=stride, Fill=fill))
            expected = self.expected(window, begins, fill)
            self.assertGreater(np.abs(expected).max(), 0.5)
            np.testing.assert_allclose(lt.grid_cells(found, "drop"), expected, **CLOSE)

    def test_all_of_the_picture(self):
        self.begin()
        whole = lt.grid_cells(lt.fetch(simple.LVLMOcclusion(Input=self.begun, AnswerTokens=[0], Window=GRID)), "drop")
        np.testing.assert_allclose(whole, self.logprob - self.asked_without(range(GRID * GRID)), **CLOSE)

    def test_tokens_and_time(self):
        occlusion = simple.LVLMOcclusion(Input=self.trace, Window=4, Stride=4)
        maps, length = [], 6  # "The star is red." and the end
        for token in range(length):
            occlusion.AnswerTokens = [token]
            maps.append(lt.grid_cells(lt.fetch(occlusion), "drop").copy())
        occlusion.AnswerTokens = []
        np.testing.assert_allclose(lt.grid_cells(lt.fetch(occlusion), "drop"), np.mean(maps, axis=0), rtol=0, atol=1e-6)
        occlusion.FollowTime = 1
        for time in range(length):
            occlusion.UpdatePipeline(time)
            np.testing.assert_array_equal(lt.grid_cells(simple.servermanager.Fetch(occlusion), "drop"), maps[time])

    def test_geometry_and_picture_are_those_of_the_attention_map(self):
        shown, attention = (lt.fetch(make(Input=self.trace)) for make in (simple.LVLMOcclusion, simple.LVLMAttentionMap))
        for get in ("GetExtent", "GetSpacing", "GetOrigin"):
            self.assertEqual(getattr(shown, get)(), getattr(attention, get)())
        self.assertEqual(shown.GetCellData().GetScalars().GetName(), "drop")
        overlay = simple.LVLMOverlay(Input=simple.LVLMOcclusion(Input=self.trace, Window=6, Stride=6))
        self.assertGreater(lt.fetch(overlay).GetNumberOfPoints(), 0)

    def test_a_recording_gives_the_same(self):
        live = lt.grid_cells(lt.fetch(simple.LVLMOcclusion(Input=self.trace, Window=6, Stride=6, Fill="Blur")), "drop")
        read = lt.grid_cells(lt.fetch(simple.LVLMOcclusion(Input=self.recorded(), Window=6, Stride=6, Fill="Blur")), "drop")
        np.testing.assert_array_equal(live, read)

    def test_the_star_matters(self):
        """What the question is about: the star, patches (4..7, 0..3), rather than the circle."""
        for fill in ("Mean Color", "Black", "Blur", "Mean Embedding", "Zero Embedding"):
            drop = lt.grid_cells(lt.fetch(simple.LVLMOcclusion(Input=self.trace, AnswerTokens=[3], Fill=fill)), "drop")
            row, col = np.unravel_index(drop.argmax(), drop.shape)
            self.assertTrue(4 <= row <= 8 and col <= 4, (fill, row, col))

    def test_errors(self):
        for settings, needles in ((dict(Window=13), ("Window: 13", "12 x 12")), (dict(Window=2, Stride=3), ("Stride: 3", "Window of 2")),
                                  (dict(AnswerTokens=[99]), ("AnswerTokens: 99",))):
            self.fails(simple.LVLMOcclusion(Input=self.trace, **settings), *needles)

    def test_the_model_is_gone(self):
        gone = self.path("moved")
        shown = simple.LVLMOcclusion(Input=self.recorded(model_directory=gone), Window=6, Stride=6)
        self.fails(shown, gone, "cannot be opened", "ModelDirectory")
        shown.ModelDirectory = str(MODEL)
        self.assertEqual(lt.fetch(shown).GetNumberOfCells(), GRID * GRID)
        self.fails(simple.LVLMOcclusion(Input=self.recorded(model_directory=None)), "model_directory", "set ModelDirectory")

    def test_the_model_is_another(self):
        other = DATA / "llava" / "multihead-f32"
        self.fails(simple.LVLMOcclusion(Input=self.trace, ModelDirectory=str(other)), "does not fit", "multihead-f32")
        changed = self.path("changed")
        shutil.copytree(MODEL, changed, ignore=shutil.ignore_patterns("training", "scenes"))
        weights = os.path.join(changed, "model.safetensors")
        os.chmod(weights, 0o644)
        with open(weights, "r+b") as file:
            file.seek(os.path.getsize(weights) // 2)
            file.write(b"\x00\x3c" * 100000)  # ones
        self.fails(simple.LVLMOcclusion(Input=self.trace, ModelDirectory=changed), "was not made by the model")


class Faithfulness(WithModel):
    def test_a_direct_loop(self):
        self.begin()
        attention = simple.LVLMAttentionMap(Input=self.begun, AnswerTokens=[0])
        tested = simple.LVLMFaithfulness(Input=self.begun, Maps=[attention], AnswerTokens=[0], Steps=4, Random=0)
        curves = lt.fetch(tested)
        values = lt.grid_cells(lt.fetch(attention)).ravel()
        order = np.argsort(-values, kind="stable")
        self.assertEqual(len(set(values)), len(values))  # no ties
        counts = [0, 36, 72, 108, 144]
        np.testing.assert_allclose(lt.column(curves, "fraction"), np.array(counts) / 144)
        expected = {"deletion": [np.exp(self.asked_without(order[:n])) for n in counts],
                    "insertion": [np.exp(self.asked_without(order[n:])) for n in counts]}
        for name, curve in expected.items():
            np.testing.assert_allclose(lt.column(curves, name + " attention"), curve, **CLOSE)
        scores = scores_of(lt.fetch(tested, 1))
        self.assertEqual(list(scores), ["attention"])
        for name, curve in expected.items():
            self.assertAlmostEqual(scores["attention"][name], area_below(curve, np.array(counts) / 144), delta=2e-5)
        whole = expected["deletion"][0]
        self.assertAlmostEqual(scores["attention"]["comprehensiveness"], whole - np.mean(expected["deletion"]), delta=2e-5)
        self.assertAlmostEqual(scores["attention"]["sufficiency"], whole - np.mean(expected["insertion"]), delta=2e-5)

    def test_a_random_map_scores_as_random_orders_do(self):
        """Twelve maps of noise against twenty random orders: the means differ by less than four standard errors."""
        rng = np.random.default_rng(5)
        maps = [map_source(self.path("%d.vti" % i), rng.random((GRID, GRID))) for i in range(12)]
        tested = simple.LVLMFaithfulness(Input=self.trace, Maps=maps, AnswerTokens=[3], Steps=6, Random=20)
        lt.fetch(tested)
        scores = scores_of(lt.fetch(tested, 1))
        random, spread = scores.pop("random"), scores.pop("random, standard deviation")
        self.assertEqual(list(scores), ["mine"] + ["mine %d" % i for i in range(2, 13)])
        for name in random:
            mean = np.mean([row[name] for row in scores.values()])
            self.assertGreater(spread[name], 0)
            self.assertLess(abs(mean - random[name]), 4 * spread[name] * np.sqrt(1 / 12 + 1 / 20), name)

    def test_random_curves(self):
        attention = simple.LVLMAttentionMap(Input=self.trace)
        tested = simple.LVLMFaithfulness(Input=self.trace, Maps=[attention], AnswerTokens=[3], Steps=3, Random=4)
        curves, scores = lt.fetch(tested), scores_of(lt.fetch(tested, 1))
        for kind in ("deletion", "insertion"):
            mean, low, high = (lt.column(curves, "%s random%s" % (kind, end)) for end in ("", " low", " high"))
            np.testing.assert_allclose(high - mean, mean - low, rtol=0, atol=1e-6)
            self.assertTrue((high[1:-1] > low[1:-1]).all() and high[0] == low[0] and high[-1] == low[-1])
            self.assertAlmostEqual(scores["random"][kind], area_below(mean, lt.column(curves, "fraction")), places=6)
        tested.Seed = 1
        self.assertNotEqual(scores_of(lt.fetch(tested, 1))["random"], scores["random"])
        tested.Seed = 0
        self.assertEqual(scores_of(lt.fetch(tested, 1)), scores)

    def test_a_map_that_knows_beats_random_orders(self):
        drop = simple.LVLMOcclusion(Input=self.trace, AnswerTokens=[3])
        relevancy = simple.LVLMRelevancy(Input=self.trace, AnswerTokens=[3])
        graph = simple.LVLMCausalGraph(Input=self.trace, AnswerToken=3)
        tested = simple.LVLMFaithfulness(Input=self.trace, AnswerTokens=[3], Names="occlusion, , causal",
                                         Maps=[drop, relevancy, simple.OutputPort(graph, 3)])
        lt.fetch(tested)
        scores = scores_of(lt.fetch(tested, 1))
        self.assertEqual(list(scores), ["occlusion", "decoder", "causal", "random", "random, standard deviation"])
        for name in ("occlusion", "decoder"):
            self.assertLess(scores[name]["deletion"], scores["random"]["deletion"] - 2 * scores["random, standard deviation"]["deletion"])

    def test_arrays(self):
        relevancy = simple.LVLMRelevancy(Input=self.trace, AnswerTokens=[0])
        tested = simple.LVLMFaithfulness(Input=self.trace, Maps=[relevancy, simple.LVLMAttentionMap(Input=self.trace)], AnswerTokens=[0],
                                         Arrays=["joint_token", "attention", "vision"], Steps=2, Random=0)
        lt.fetch(tested)
        self.assertEqual(list(scores_of(lt.fetch(tested, 1))), ["joint_token", "vision", "attention"])

    def test_state_round_trip(self):
        attention = simple.LVLMAttentionMap(registrationName="map", Input=self.trace)
        simple.LVLMFaithfulness(registrationName="f", Input=self.trace, Maps=[attention], Steps=2, Random=1, Seed=3, Names="a", Fill="Black")

        def snapshot():
            source = simple.FindSource("f")
            lt.fetch(source)
            return [str(source.GetPropertyValue(name)) for name in ("Steps", "Random", "Seed", "Names", "Fill")], scores_of(lt.fetch(source, 1))
        before = snapshot()
        simple.SaveState(self.path("state.pvsm"))
        self.reset()
        simple.LoadState(self.path("state.pvsm"))
        self.assertEqual(snapshot(), before)

    def test_errors(self):
        attention = simple.LVLMAttentionMap(Input=self.trace)

        def tested(maps=(attention,), **settings):
            return simple.LVLMFaithfulness(Input=self.trace, Maps=list(maps), **settings)
        small = map_source(self.path("small.vti"), np.zeros((3, 4)))
        holes = np.ones((GRID, GRID))
        holes[0, 7] = np.nan
        self.fails(tested([attention, small]), "map 2 ('mine')", "3 x 4", "12 x 12")
        self.fails(tested([map_source(self.path("holes.vti"), holes)]), "map 1 ('mine')", "patch 7", "not finite")
        self.fails(tested([simple.Wavelet()]), "map 1", "no active cell scalars")
        self.fails(tested(Arrays=["nothing"]), "map 1", "'nothing'")
        self.fails(tested(Steps=145), "Steps: 145", "[1, 144]")
        self.fails(tested(AnswerTokens=[-99]), "AnswerTokens: -99")
        gone = self.recorded(model_directory=self.path("moved"))
        self.fails(simple.LVLMFaithfulness(Input=gone, Maps=[attention]), self.path("moved"), "cannot be opened")


class Knockout(WithModel):
    def setUp(self):
        super().setUp()
        self.tokens = lt.fetch(simple.LVLMTokens(Input=self.trace))

    def table(self, knockout):
        data = lt.fetch(knockout)
        return {data.GetColumnName(c): np.array(lt.column(data, data.GetColumnName(c))) for c in range(data.GetNumberOfColumns())}

    def test_goldens(self):
        """Attention cut in Hugging Face's model: the variants of intervention_goldens.py that cut the answer off from the picture."""
        for case in ("multihead", "grouped-sampled", "bias"):
            trace = test_relevancy.WithModel.golden_trace(self, case)
            numbers, about = lt.read_safetensors(DATA / "intervention" / (case + ".safetensors"))
            variants, probability = json.loads(about["variants"]), np.exp(numbers["logprob"])
            image = list(range(self.span.start, self.span.stop))
            answer = list(range(self.P - 1, self.P + probability.shape[1] - 1))
            for layers, size in (([0, 1, 2], 3), ([1], 1)):
                row = 1 + variants.index(dict(patches=[], fill="MeanColor", blocked=[dict(queries=answer, keys=image, layers=layers)]))
                for token in (0, 5, 11):
                    found = self.table(simple.LVLMKnockout(Input=trace, AnswerTokens=[token], WindowSize=size))
                    self.assertEqual((found["first_layer"][1], found["last_layer"][1]), (layers[0], layers[-1]))
                    self.assertAlmostEqual(found["probability"][1], probability[row, token], delta=2e-5)
                    change = 100 * (probability[row, token] / probability[0, token] - 1)
                    self.assertAlmostEqual(found["change"][1], change, delta=1e-4 * (100 + abs(change)))

    def test_windows(self):
        for size, first, last in ((0, [0, 1, 2, 3], [0, 1, 2, 3]), (2, [0, 0, 1, 2], [0, 1, 2, 3]), (3, [0, 0, 1, 2], [1, 2, 3, 3]),
                                  (9, [0] * 4, [3] * 4)):
            found = self.table(simple.LVLMKnockout(Input=self.trace, WindowSize=size))
            self.assertEqual(found["layer"].tolist(), [0, 1, 2, 3])
            self.assertEqual((found["first_layer"].tolist(), found["last_layer"].tolist()), (first, last), size)

    def test_places_are_positions(self):
        """A role is the list of its positions, patches are positions of the picture: the same cuts, bit by bit."""
        roles = np.array(lt.column(self.tokens, "role"))[:-1]  # the last token is never read
        image, question = (np.flatnonzero(roles == role) for role in ("image", "question"))
        last = int(np.flatnonzero(roles == "answer")[0]) - 1
        answer = range(last, len(roles))
        selected = simple.IDSelectionSource(FieldType="CELL", IDs=[0, 0, 0, 3])  # pairs: process and cell
        for settings, keys, queries in (
                ({}, image, answer), (dict(From="Question", To="Answer"), question, answer), (dict(From="Image", To="Question"), image, question),
                (dict(From="Answer", To="Answer"), answer[1:], answer), (dict(From="Patches", Patches=[5, -1]), image[[5, -1]], answer),
                (dict(From="Patches", Selection=selected), image[[132, 135]], answer), (dict(From="Question", To="Question"), question, question)):
            found = self.table(simple.LVLMKnockout(Input=self.trace, AnswerTokens=[3], WindowSize=4, **settings))
            listed = self.table(simple.LVLMKnockout(Input=self.trace, AnswerTokens=[3], WindowSize=4, From="Positions", To="Positions",
                                                    FromPositions=[int(k) for k in keys], ToPositions=[int(q) - len(roles) for q in queries]))
            np.testing.assert_array_equal(found["probability"], listed["probability"])
            self.assertGreater(np.abs(found["change"]).max(), 0, settings)

    def test_the_picture_decides(self):
        """The answer reads the picture itself, the question hardly passes anything on."""
        for reader, low, high in (("Answer", -100, -20), ("Question", -5, 5)):
            change = self.table(simple.LVLMKnockout(Input=self.trace, AnswerTokens=[3], WindowSize=9, To=reader))["change"]
            self.assertTrue(low < change.min() and change.max() < high, (reader, change))

    def answer(self, knockout):
        """Texts and log-probabilities of the answer that comes out."""
        table = lt.fetch(simple.LVLMTokens(Input=simple.OutputPort(knockout, 1)))
        rows = [i for i, index in enumerate(lt.column(table, "answer_index")) if index >= 0]
        return [lt.column(table, "text")[i].strip() for i in rows], np.array([lt.column(table, "logprob")[i] for i in rows])

    def test_the_answer_that_comes_out(self):
        """Cut in all layers, a new answer's token is as probable as the table says while the tokens before it are the recorded ones."""
        original = [text.strip() for text, index in zip(lt.column(self.tokens, "text"), lt.column(self.tokens, "answer_index")) if index >= 0]
        knockout = simple.LVLMKnockout(Input=self.trace, WindowSize=9, From="Question")
        knockout.UpdatePipeline()
        texts, logprobs = self.answer(knockout)
        self.assertNotEqual(texts, original)  # it does not know what was asked
        knockout.From = "Image"
        texts, logprobs = self.answer(knockout)
        common = sum(1 for i in range(min(len(texts), len(original))) if texts[:i + 1] == original[:i + 1])
        self.assertGreater(common, 2)
        for token in range(common):
            knockout.AnswerTokens = [token]
            self.assertAlmostEqual(self.table(knockout)["probability"][1], np.exp(logprobs[token]), delta=2e-5)
        data = lt.fetch(simple.LVLMAttentionMap(Input=simple.OutputPort(knockout, 1)))
        self.assertEqual(np.abs(lt.grid_cells(data)).max(), 0)  # it cannot look at the picture
        knockout.Layers = [0]
        knockout.MaxNewTokens = 2
        texts, _ = self.answer(knockout)
        self.assertEqual(len(texts), 2)
        whole = lt.grid_cells(lt.fetch(simple.LVLMAttentionMap(Input=simple.OutputPort(knockout, 1), Layers=[1])))
        self.assertGreater(whole.max(), 0)
        self.fails(simple.LVLMOcclusion(Input=simple.OutputPort(knockout, 1)), "under an intervention",
                   "attention from answer to image cut in layers 0")
        path = self.path("under.lvlm")
        simple.SaveData(path, proxy=simple.OutputPort(knockout, 1))
        self.assertEqual(lt.read_safetensors(path)[1]["intervention"], "attention from answer to image cut in layers 0")

    def test_errors(self):
        length = self.tokens.GetNumberOfRows() - 1
        for settings, needles in ((dict(From="Patches"), ("From:", "none is listed or selected")),
                                  (dict(To="Positions"), ("To:", "none is listed")),
                                  (dict(From="Patches", Patches=[144]), ("Patches: 144", "[-144, 143]")),
                                  (dict(To="Positions", ToPositions=[length]), ("ToPositions: %d" % length,)),
                                  (dict(Layers=[4]), ("Layers: 4",)), (dict(AnswerTokens=[6]), ("AnswerTokens: 6",))):
            self.fails(simple.LVLMKnockout(Input=self.trace, **settings), *needles)
        short = simple.LLaVAInference(Input=self.picture, Prompt=QUESTION, MaxNewTokens=1)
        self.fails(simple.LVLMKnockout(Input=short, From="Answer"), "From: the trace has no such position")
        gone = self.recorded(model_directory=self.path("moved"))
        self.fails(simple.LVLMKnockout(Input=gone), self.path("moved"), "cannot be opened")

    def test_positions_are_offered(self):
        knockout = simple.LVLMKnockout(Input=self.trace)
        knockout.SMProxy.UpdatePropertyInformation()
        count = self.tokens.GetNumberOfRows() - 1
        self.assertEqual(list(knockout.GetProperty("PositionRange")), [-count, count - 1])


class NodeTest(WithModel):
    def setUp(self):
        super().setUp()
        self.graph = simple.LVLMCausalGraph(Input=self.trace, AnswerToken=3)
        self.nodes = simple.OutputPort(self.graph, 1)

    def table(self, **settings):
        tested = simple.LVLMNodeTest(Input=self.trace, Nodes=self.nodes, **settings)
        data = lt.fetch(tested)
        return {data.GetColumnName(c): np.array(lt.column(data, data.GetColumnName(c))) for c in range(data.GetNumberOfColumns())}

    def explanation(self):
        """{(head, radius): positions up to it}, of the graph's table."""
        data = lt.fetch(self.graph, 1)
        found = list(zip(*(lt.column(data, name) for name in ("head", "radius", "position"))))
        most = {head: max(r for h, r, _ in found if h == head) for head in sorted({h for h, _, _ in found})}
        return {(head, radius): sorted(p for h, r, p in found if h == head and 1 <= r <= radius)
                for head, last in most.items() for radius in range(1, last + 1)}

    def test_the_explanation_is_hidden_by_a_knockout(self):
        """The same attention cut by LVLMKnockout in all layers: of a set and all positions after its first."""
        found, explanation = self.table(Draws=2), self.explanation()
        length = lt.fetch(simple.LVLMTokens(Input=self.trace)).GetNumberOfRows() - 1
        self.assertEqual(list(zip(found["head"], found["radius"])), list(explanation))
        self.assertGreater(len(explanation), 1)
        for row, nodes in enumerate(explanation.values()):
            self.assertEqual(found["nodes"][row], len(nodes))
            whole = simple.LVLMKnockout(Input=self.trace, AnswerTokens=[3], WindowSize=9, From="Positions", To="Positions",
                                        FromPositions=[int(p) for p in nodes], ToPositions=list(range(int(nodes[0]) + 1, length)), MaxNewTokens=1)
            change = float(lt.column(lt.fetch(whole), "change")[0])
            self.assertAlmostEqual(found["drop"][row], -np.log(1 + change / 100), delta=2e-5)

    def test_draws(self):
        """Seeds decide; mean and deviation tell of the draws, and so does the p-value."""
        first = self.table(Draws=8, Seed=1)
        np.testing.assert_equal(self.table(Draws=8, Seed=1), first)
        self.assertNotEqual(self.table(Draws=8, Seed=2)["random_drop"].tolist(), first["random_drop"].tolist())
        np.testing.assert_allclose(first["random_high"] - first["random_drop"], first["random_deviation"], atol=1e-6)
        np.testing.assert_allclose(first["random_drop"] - first["random_low"], first["random_deviation"], atol=1e-6)
        self.assertTrue((first["draws"] == 8).all())
        np.testing.assert_allclose(first["p_value"] * 9, np.round(first["p_value"] * 9), atol=1e-6)
        self.assertTrue(((first["p_value"] >= 1 / 9 - 1e-6) & (first["p_value"] <= 1)).all())

    def test_a_set_of_all_nodes_is_no_better_than_itself(self):
        """Where the explanation has every node there is, random sets are the same one."""
        data = lt.fetch(self.graph, 1)
        from vtkmodules.util.numpy_support import numpy_to_vtk
        from vtkmodules.vtkCommonDataModel import vtkTable
        from vtkmodules.vtkIOCore import vtkDelimitedTextWriter
        table = vtkTable()
        radius = np.where(np.array(lt.column(data, "radius")) == 0, 0, 1)
        for name, values in (("head", lt.column(data, "head")), ("position", lt.column(data, "position")), ("radius", radius)):
            array = numpy_to_vtk(np.array(values, np.int64), deep=1)
            array.SetName(name)
            table.AddColumn(array)
        writer = vtkDelimitedTextWriter()
        writer.SetFileName(self.path("nodes.csv"))
        writer.SetInputData(table)
        writer.Write()
        self.nodes = simple.CSVReader(FileName=[self.path("nodes.csv")])
        found = self.table(Draws=3)
        np.testing.assert_allclose(found["random_drop"], found["drop"], rtol=0, atol=2e-5)
        np.testing.assert_allclose(found["random_deviation"], 0, atol=2e-5)

    def test_errors(self):
        self.fails(simple.LVLMNodeTest(Input=self.trace, Nodes=simple.OutputPort(self.graph, 2)), "Nodes: no column 'position'", "LVLM Causal Graph")
        gone = self.recorded(model_directory=self.path("moved"))
        self.fails(simple.LVLMNodeTest(Input=gone, Nodes=self.nodes), self.path("moved"), "cannot be opened")
        short = simple.LLaVAInference(Input=self.picture, Prompt="Hi", MaxNewTokens=1)
        self.fails(simple.LVLMNodeTest(Input=short, Nodes=self.nodes), "Nodes: position", "none of the trace")


class Patching(WithModel):
    def setUp(self):
        super().setUp()
        star = [50, 61, 62, 63, 72, 73, 74, 75, 85, 86, 87]
        painted = simple.LVLMPaintOver(Input=self.trace, Patches=star)
        self.corrupted = simple.LLaVAInference(Input=painted, Prompt=QUESTION, ImageMode="Resize", MaxNewTokens=12)
        self.tokens = lt.fetch(simple.LVLMTokens(Input=self.trace))

    def patching(self, **settings):
        return simple.LVLMPatching(Input=self.trace, Corrupted=self.corrupted, **{"AnswerTokens": [3], **settings})

    def table(self, **settings):
        data = lt.fetch(self.patching(**settings), 1)
        return {data.GetColumnName(c): np.array(lt.column(data, data.GetColumnName(c))) for c in range(data.GetNumberOfColumns())}

    def test_roles(self):
        """After the last layer nothing but the answer's own position counts, before it the picture brings the answer back."""
        found = self.table(Positions="Roles")
        at = {(role, layer): r for role, layer, r in zip(found["role"], found["layer"], found["restored"])}
        self.assertEqual({role for role, _ in at}, {"special", "system", "image", "question", "answer"})
        for role in ("image", "question", "system"):
            self.assertAlmostEqual(at[role, 3], 0, delta=1e-4)
        self.assertGreater(at["image", 0], 0.5)
        self.assertEqual(found["positions"].sum(), 4 * (self.tokens.GetNumberOfRows() - 1))

    def test_image_table_and_map_agree(self):
        for places in ("Roles", "Words", "Patches", "Each"):
            patching = self.patching(Positions=places, Layers=[1, -1])
            image, table, map_ = lt.fetch(patching), lt.fetch(patching, 1), lt.fetch(patching, 2)
            count = table.GetNumberOfRows() // 2
            self.assertEqual(image.GetDimensions(), (2, count, 1))
            for name in ("restored", "restored_logprob", "probability"):
                np.testing.assert_array_equal(lt.array(image.GetPointData().GetArray(name)), lt.column(table, name))
            self.assertEqual(sorted(set(lt.column(table, "layer"))), [1, 3])
            best = {}
            for place, first, size, value in zip(*(lt.column(table, n) for n in ("place", "position", "positions", "restored"))):
                best[place] = max(best.get(place, -np.inf), value)
            shown = lt.grid_cells(map_, "restored")
            if places == "Patches":
                np.testing.assert_array_equal(shown.ravel(), np.array([best[p] for p in range(GRID * GRID)], np.float32))
                self.assertEqual([str(label) for label in lt.column(table, "label")][::2], ["patch %d" % p for p in range(GRID * GRID)])
            elif places != "Each":
                self.assertEqual(len(set(shown.ravel())), 1)  # the picture is one place

    def test_the_star_carries_it(self):
        """The patches that were painted over restore most."""
        shown = lt.grid_cells(lt.fetch(self.patching(Positions="Patches", Layers=[0]), 2), "restored")
        row, col = np.unravel_index(shown.argmax(), shown.shape)
        self.assertTrue(4 <= row <= 8 and col <= 4, (row, col))

    def test_parts(self):
        """Attention and feed-forward part each bring back another part than the whole state."""
        found = [self.table(Positions="Roles", What=what)["restored"] for what in ("Hidden", "Attention", "Feed Forward")]
        for i, j in ((0, 1), (0, 2), (1, 2)):
            self.assertGreater(np.abs(found[i] - found[j]).max(), 0.01)

    def test_a_recording_gives_the_same(self):
        live = self.table(Positions="Roles")
        path = self.path("corrupted.lvlm")
        simple.SaveData(path, proxy=self.corrupted)
        self.trace, self.corrupted = self.recorded(), simple.LVLMTraceReader(FileName=path)
        np.testing.assert_array_equal(self.table(Positions="Roles")["restored"], live["restored"])

    def test_errors(self):
        self.fails(simple.LVLMPatching(Input=self.trace, Corrupted=self.trace, AnswerTokens=[3]), "as probable", "nothing to restore")
        longer = simple.LLaVAInference(Input=self.picture, Prompt="What color is the big star?", MaxNewTokens=2)
        self.fails(simple.LVLMPatching(Input=self.trace, Corrupted=longer), "the clean trace has a prompt of", "same position")
        other = simple.LLaVAInference(Input=self.picture, Prompt=QUESTION, MaxNewTokens=2, ModelDirectory=str(DATA / "llava" / "multihead-f32"))
        self.fails(simple.LVLMPatching(Input=self.trace, Corrupted=other), "does not fit")
        self.fails(self.patching(Layers=[4]), "Layers: 4")
        self.fails(self.patching(AnswerTokens=[9]), "AnswerTokens: 9")
        gone = self.recorded(model_directory=self.path("moved"))
        self.fails(simple.LVLMPatching(Input=gone, Corrupted=self.corrupted), self.path("moved"), "cannot be opened")


if __name__ == "__main__":
    lt.main()
