# SPDX-License-Identifier: Apache-2.0
"""Traces that lack something: every filter works all the same, or says which tensor is missing."""

import numpy as np

import lvlm_testing as lt
from paraview import simple

# What each filter cannot do without; all else may be missing.
NEEDS = {
    "tokens": (lambda trace: simple.LVLMTokens(Input=trace), ()),
    "map": (lambda trace: simple.LVLMAttentionMap(Input=trace), ("attention.answer",)),
    "patches": (lambda trace: simple.LVLMPatchAttention(Input=trace, Patches=[1, 2]), ("attention.answer",)),
    "heads, image": (lambda trace: simple.LVLMHeadSummary(Input=trace), ("attention.answer",)),
    "heads, question": (lambda trace: simple.LVLMHeadSummary(Input=trace, Source="Question"), ("attention.answer",)),
    "volume": (lambda trace: simple.LVLMLayerVolume(Input=trace), ("attention.answer",)),
    "volume of heads": (lambda trace: simple.LVLMLayerVolume(Input=trace, Axis="Heads"), ("attention.answer",)),
    "relevancy": (lambda trace: simple.LVLMRelevancy(Input=trace, AnswerTokens=[1]), ()),
    "rollout": (lambda trace: simple.LVLMRelevancy(Input=trace, AnswerTokens=[1], Method="RolloutMean"), ("attention.full",)),
    "causal graph": (lambda trace: simple.LVLMCausalGraph(Input=trace, AnswerToken=1), ("attention.full",)),
    "picture": (lambda trace: simple.LVLMOverlay(Input=trace), ("image",)),
}
TOGETHER = {"answer.topk_id": "answer.topk_logprob", "attention.full": "attention.full.layers"}
OPTIONAL = ("image", "answer.logprob", "answer.topk_id", "attention.answer", "attention.full", "attention.vision", "relevancy.decoder",
            "relevancy.vision", "relevancy.joint", "relevancy.joint_token")


class Partial(lt.TestCase):
    def trace(self, *gone):
        """A reader of a trace with everything but some tensors."""
        data = lt.TraceData()
        missing = dict.fromkeys([*gone, *(TOGETHER[name] for name in gone if name in TOGETHER)])
        return self.reader(data, name=f"without-{'-'.join(gone)}.lvlm", tensors={**data.more_tensors(), **missing})

    def elements(self, proxy):
        data = proxy.GetClientSideObject().GetOutputDataObject(0)
        return sum(data.GetNumberOfElements(kind) for kind in (0, 1, 6))

    def check(self, trace, gone):
        for name, (make, needs) in NEEDS.items():
            with self.subTest(filter=name, without=gone):
                proxy = make(trace)
                if set(needs) & set(gone):
                    needle = "trace with a picture" if needs == ("image",) else f"no tensor '{needs[0]}"
                    self.assertReports(proxy.UpdatePipeline, needle)
                    self.assertEqual(self.elements(proxy), 0)
                    continue
                with lt.Errors() as errors:
                    proxy.UpdatePipeline()
                self.assertEqual(errors.text, "")
                self.assertGreater(self.elements(proxy), 0)

    def test_nothing_is_missing(self):
        self.check(self.trace(), ())

    def test_one_tensor_is_missing(self):
        for gone in OPTIONAL:
            self.check(self.trace(gone), (gone,))

    def test_the_maps_that_there_are(self):
        for gone in ("decoder", "vision", "joint", "joint_token"):
            relevancy = simple.LVLMRelevancy(Input=self.trace(f"relevancy.{gone}"), AnswerTokens=[1])
            cells = lt.fetch(relevancy).GetCellData()
            self.assertEqual({cells.GetArrayName(i) for i in range(cells.GetNumberOfArrays())},
                             {"decoder", "vision", "joint", "joint_token", "patch", "patch_row", "patch_col"} - {gone})

    def test_no_relevancy_and_no_model(self):
        trace = self.trace("relevancy.decoder", "relevancy.vision", "relevancy.joint", "relevancy.joint_token")
        self.assertReports(simple.LVLMRelevancy(Input=trace, AnswerTokens=[1]).UpdatePipeline, "relevancy")

    def test_tokens_without_probabilities(self):
        table = lt.fetch(simple.LVLMTokens(Input=self.trace("answer.logprob", "answer.topk_id")))
        self.assertEqual(table.GetNumberOfRows(), len(lt.TraceData().roles))
        columns = {table.GetColumnName(i) for i in range(table.GetNumberOfColumns())}
        self.assertLessEqual({"position", "id", "token", "role", "answer_index"}, columns)
        self.assertFalse({name for name in columns if name.startswith("top")})

    def test_only_tokens(self):
        trace = self.trace(*OPTIONAL)
        trace.UpdatePipelineInformation()
        self.assertEqual(list(trace.TimestepValues), [0, 1, 2, 3, 4])
        self.assertEqual(lt.column(lt.fetch(simple.LVLMTokens(Input=trace)), "role"), lt.TraceData().roles)


class NotFinite(lt.TestCase):
    """Attention with NaN or infinity: reported where it is looked at, with its place, and nowhere else."""

    def test_rows_of_the_answer(self):
        for value in (np.nan, np.inf, -np.inf):
            data = lt.TraceData()
            data.attention[1, 0, 2, data.image_start + 5] = value
            trace = self.reader(data)
            for make, options in ((simple.LVLMAttentionMap, {}), (simple.LVLMAttentionMap, dict(Reduction="Maximum")),
                                  (simple.LVLMPatchAttention, dict(Patches=[5])), (simple.LVLMHeadSummary, {}),
                                  (simple.LVLMLayerVolume, {}), (simple.LVLMLayerVolume, dict(Axis="Heads", Layer=1))):
                with self.subTest(filter=make.__name__, value=value, **{k: str(v) for k, v in options.items()}):
                    self.assertReports(make(Input=trace, **options).UpdatePipeline, "attention.answer", "not finite", "layer 1, head 0",
                                       "answer token 2")
            elsewhere = simple.LVLMAttentionMap(Input=trace, AnswerTokens=[0, 1, 3])
            self.assertTrue(np.isfinite(lt.grid_cells(lt.fetch(elsewhere))).all())

    def test_full_matrices(self):
        data = lt.TraceData()
        full = data.more_tensors()["attention.full"]
        full[2, 1, 6, 3] = np.nan
        trace = self.reader(data, tensors={**data.more_tensors(), "attention.full": full})
        self.assertReports(simple.LVLMRelevancy(Input=trace, Method="RolloutMean", AnswerTokens=[1]).UpdatePipeline, "attention.full", "not finite",
                           "row 6")
        self.assertReports(simple.LVLMCausalGraph(Input=trace, AnswerToken=1, Heads=[1]).UpdatePipeline, "attention of head", "(6, 3) is nan")

    def test_relevancy(self):
        data = lt.TraceData()
        maps = data.more_tensors()["relevancy.joint"]
        maps[1, 4] = np.inf
        trace = self.reader(data, tensors={**data.more_tensors(), "relevancy.joint": maps})
        self.assertReports(simple.LVLMRelevancy(Input=trace, AnswerTokens=[1]).UpdatePipeline, "relevancy.joint", "not finite")

    def test_scores_are_shown_as_they_are(self):
        """A logarithm of 0 is minus infinity: no error of the file."""
        data = lt.TraceData()
        data.logprob[1] = -np.inf
        column = lt.column(lt.fetch(simple.LVLMTokens(Input=self.reader(data))), "logprob")
        self.assertEqual(column[data.P + 1], -np.inf)


if __name__ == "__main__":
    lt.main()
