# SPDX-License-Identifier: Apache-2.0
"""Tabs of the module `lvlm` as a whole: what belongs to them, what goes with them, how their views fit."""
import collections
import unittest.mock

import lvlm_testing as lt
import test_module
from paraview import simple


class Tabs(test_module.ModuleTest):
    def setUp(self):
        super().setUp()
        self.data = lt.TraceData(rows=4, cols=4, layers=6, heads=4, width=56, height=56)
        self.trace = self.reader(self.data)

    def test_a_question_is_removed_with_its_views(self):
        other = self.reader(self.data, name="other.lvlm")
        for show in (self.lvlm.show_attention, self.lvlm.show_heads):
            for trace in (self.trace, other):
                show(trace)
        self.lvlm.compare(self.trace, other)
        self.lvlm.remove(self.trace)
        self.assertEqual([found.SMProxy for found in self.lvlm.find_traces()], [other.SMProxy])
        left = list(simple.GetSources().values())
        self.assertTrue(left and all(self.lvlm.trace_of(source).SMProxy == other.SMProxy for source in left), left)
        self.assertEqual(sorted(name for name, _ in simple.GetLayouts()), ["%s: %s" % (title, self.lvlm.pipeline.name_of(other)) for title in ("Attention", "Heads")])
        self.lvlm.remove(other)
        self.assertEqual((simple.GetSources(), [name for name, _ in simple.GetLayouts()]), ({}, ["Layout #1"]))

    def test_captions_go_with_a_tab_that_was_closed_by_hand(self):
        layout = self.lvlm.show_heads(self.trace)
        lost = [source.SMProxy for source in simple.GetSources().values() if source.GetXMLName() == "LVLMCaption"]
        views = simple.GetViewsInLayout(layout)
        simple.CreateLayout("another")
        simple.RemoveLayout(layout)
        for view in views:
            simple.Delete(view)
        shown = simple.GetViewsInLayout(self.lvlm.show_attention(self.trace))  # each with a caption
        captions = [source.SMProxy for source in simple.GetSources().values() if source.GetXMLName() == "LVLMCaption"]
        self.assertEqual((len(captions), [caption for caption in captions if caption in lost]), (len(shown), []))

    def test_opening_a_tab_computes_nothing_twice(self):
        """Once for the tab and once more for its views, as it was for filters that follow the time."""
        runs = collections.Counter()
        register = self.lvlm.pipeline.register

        def counted(name, kind, *arguments, **properties):
            made = register(name, kind, *arguments, **properties)
            made.GetClientSideObject().AddObserver("StartEvent", lambda source, _: runs.update([(kind, source)]))
            return made
        with unittest.mock.patch.object(self.lvlm.pipeline, "register", counted):
            for time in (0, 2):
                simple.GetAnimationScene().AnimationTime = time
                for name in ("show_attention", "show_heads", "show_gallery", "show_layers", "show_matrix"):
                    runs.clear()
                    trace = self.reader(self.data, name="%s%d.lvlm" % (name, time))
                    getattr(self.lvlm, name)(trace)
                    self.assertEqual({kind: count for (kind, _), count in runs.items() if count > 1}, {}, name)
                    self.assertGreater(len(runs), 2)

    def test_what_serves_a_view_alone_is_marked_as_its_part(self):
        self.lvlm.show_attention(self.trace)
        marked = {source.GetXMLName() for source in simple.GetSources().values() if source.SMProxy.HasAnnotation("lvlm.part")}
        self.assertEqual(marked, {"LVLMCaption", "LVLMBars", "LVLMOverlay"})

    def test_views_fit_again_unless_they_were_moved(self):
        first, second = simple.GetViewsInLayout(self.lvlm.show_heads(self.trace))
        scale = second.CameraParallelScale
        first.CameraParallelScale = first.CameraParallelScale / 3
        moved = first.CameraParallelScale
        for view in (first, second):
            view.ViewSize = [400, 800]  # half as wide
        self.lvlm.cameras.refit()
        self.assertEqual(first.CameraParallelScale, moved)
        # The picture is 56 wide and fills 400 pixels less the margins.
        self.assertAlmostEqual(second.CameraParallelScale, 56 / (400 - 24) * 800 / 2)
        self.assertNotAlmostEqual(second.CameraParallelScale, scale)


if __name__ == "__main__":
    lt.main()
