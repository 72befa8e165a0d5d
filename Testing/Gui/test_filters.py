# SPDX-License-Identifier: Apache-2.0
"""The panels of the filters: the answer as a strip of tokens, grids of layers and heads, selected patches."""
import os
import re
import tempfile

import gui_testing as gui
import lvlm_testing as lt
import numpy as np
from paraview import simple, smtrace

import lvlm

folder = tempfile.TemporaryDirectory()
data = lt.TraceData(rows=6, cols=8, layers=12, heads=8, answer=9, question=6, width=112, height=84)
session = {}


def expected_map(tokens, layers=slice(None)):
    """Mean attention to the patches, [rows, cols]."""
    chosen = data.attention[layers][:, :, tokens, data.span]
    return chosen.mean(axis=(0, 1, 2)).reshape(data.rows, data.cols)


def check_map(tokens, layers=slice(None)):
    np.testing.assert_allclose(lt.grid_cells(lt.fetch(session["map"])), expected_map(tokens, layers), rtol=1e-5)


def opens_a_trace():
    trace = simple.LVLMTraceReader(FileName=data.write(os.path.join(folder.name, "answer.lvlm")))
    session["trace"], session["view"] = trace, simple.GetActiveView()
    session["map"] = heat = simple.LVLMAttentionMap(registrationName="heat", Input=trace)
    shown = simple.Show(heat, simple.GetActiveView())
    simple.ColorBy(shown, ("CELLS", "attention"))
    simple.ResetCamera()
    simple.Render()
    simple.SetActiveSource(heat)
    gui.wait(300)
    gui.picture("map")


def tokens_are_selected_by_clicks():
    heat = session["map"]
    gui.click_token(2)
    gui.equal(list(heat.AnswerTokens), [2], "a click")
    check_map([2])
    gui.click_token(4, gui.SHIFT)
    gui.equal(list(heat.AnswerTokens), [2, 3, 4], "Shift-click")
    gui.click_token(3, gui.CONTROL)
    gui.equal(list(heat.AnswerTokens), [2, 4], "Ctrl-click")
    check_map([2, 4])
    gui.picture("tokens")


def tokens_are_selected_by_keys():
    heat, strip = session["map"], "propertiesPanel/Strip"
    gui.key(strip, gui.KEY_A, gui.CONTROL)
    gui.equal(list(heat.AnswerTokens), [], "Ctrl+A means all")
    gui.key(strip, gui.KEY_HOME)
    gui.key(strip, gui.KEY_RIGHT)
    gui.equal(list(heat.AnswerTokens), [1], "Home, Right")
    gui.key(strip, gui.KEY_RIGHT, gui.SHIFT)
    gui.equal(list(heat.AnswerTokens), [1, 2], "Shift+Right")
    gui.key(strip, gui.KEY_END, gui.CONTROL)
    gui.equal(list(heat.AnswerTokens), [1, 2], "Ctrl+End moves the cursor alone")
    gui.key(strip, gui.KEY_SPACE)
    gui.equal(list(heat.AnswerTokens), [1, 2, 8], "Space")


def a_click_is_undone():
    heat = session["map"]
    gui.click_token(5)
    gui.equal(list(heat.AnswerTokens), [5], "a click")
    gui.trigger("actionEditUndo")
    gui.equal(list(heat.AnswerTokens), [1, 2, 8], "undone")
    gui.trigger("actionEditRedo")
    gui.equal(list(heat.AnswerTokens), [5], "redone")


def a_click_is_traced():
    smtrace.start_trace()
    gui.click_token(6)
    script = smtrace.stop_trace()
    lines = [line for line in script.splitlines() if "AnswerTokens" in line]
    gui.equal(lines, ["heat.AnswerTokens = [6]"], "the traced lines")
    session["map"].AnswerTokens = [0]
    exec(script, {})
    gui.equal(list(session["map"].AnswerTokens), [6], "the trace run again")


def time_moves_the_outline():
    gui.click_token(3, twice=True)
    scene = simple.GetAnimationScene()
    gui.equal(scene.AnimationTime, 3.0, "a double click sets the time")
    session["map"].FollowTime = 1
    gui.click_token(7)
    gui.equal(scene.AnimationTime, 7.0, "following time, a click sets it")
    gui.equal(list(session["map"].AnswerTokens), [3], "and leaves the list")
    simple.Render()
    check_map([7])
    gui.picture("time")
    session["map"].FollowTime = 0


def tokens_are_coloured_by_any_column():
    gui.choose("propertiesPanel/Column", "top1_logprob")
    gui.equal(gui.prop("propertiesPanel/Column", "currentText"), "top1_logprob")
    gui.choose("propertiesPanel/Column", "logprob")


def layers_and_heads_are_chosen():
    heat = session["map"]
    gui.click_cell("Layers", 4)
    gui.equal(list(heat.Layers), [4], "a click")
    gui.click_cell("Layers", 1)
    gui.equal(list(heat.Layers), [1, 4], "in the order of the layers")
    check_map([3], [1, 4])
    gui.click("Layers/Last")
    gui.equal(list(heat.Layers), [-1], "the last one stays the last one")
    gui.click_cell("Layers", 11)
    gui.equal(list(heat.Layers), [], "-1 is cell 11; none means all")
    gui.click_cell("Heads", 7)
    gui.equal(list(heat.Heads), [7])
    gui.picture("layers")
    gui.click("Heads/All")
    gui.equal(list(heat.Heads), [])


def a_new_filter_waits_for_apply():
    simple.SetActiveSource(session["trace"])
    gui.wait(200)
    gui.trigger("LVLMHeadSummary")
    gui.wait_for(lambda: simple.GetActiveSource().GetXMLName() == "LVLMHeadSummary", "the new filter")
    summary = simple.GetActiveSource()
    gui.click_token(1)
    gui.equal(list(summary.AnswerTokens), [], "before Apply")
    gui.click("propertiesPanel/Accept")
    gui.wait(500)
    gui.equal(list(summary.AnswerTokens), [1], "after Apply")
    gui.click_token(2)
    gui.equal(list(summary.AnswerTokens), [2], "then at once")
    gui.picture("summary")
    simple.Hide(summary, session["view"])


class Map:
    """Where the patches of the Attention preset's map are in its viewport."""

    def __init__(self):
        lvlm.show_attention(session["trace"], token=TOKEN)
        layout = simple.GetLayoutByName("Attention: " + lvlm.pipeline.name_of(session["trace"]))
        self.view = simple.GetViewsInLayout(layout)[0]
        simple.SetActiveView(self.view)
        gui.wait(300)
        self.frame = "Frame.%d" % layout.GetViewLocation(self.view)
        self.viewport = self.frame + "/Viewport"

    def pixel(self, row, col):
        """Of a patch's middle; parts of it by fractions."""
        width, height = gui.size(self.viewport)
        pixels = height / (2 * self.view.CameraParallelScale)  # a unit of the picture
        x, y, _ = self.view.CameraFocalPoint
        unit_x, unit_y = 112 / data.cols, 84 / data.rows  # of a patch
        return (width / 2 + ((col + 0.5) * unit_x - x) * pixels, height / 2 - (84 - (row + 0.5) * unit_y - y) * pixels)

    def select(self, first, last, what="Cells"):
        gui.trigger("actionSelectSurface" + what, self.frame)
        gui.drag(self.viewport, self.pixel(*first), self.pixel(*last))
        gui.wait(300)


TOKEN = 2
TIP = "qtooltip_label"


def the_patch_under_the_mouse_tells_its_place_and_value():
    session["preset"] = shown = Map()
    expected = expected_map([TOKEN])
    before = os.path.join(folder.name, "before.png")
    simple.SaveScreenshot(before, shown.view)
    undo = [line for line in gui.actions().splitlines() if line.startswith("actionEditUndo |")]
    for row, col in ((1, 2), (4, 6), (0, 0), (5, 7)):
        gui.move(shown.viewport, shown.pixel(row, col))
        gui.wait_for(lambda: gui.exists(TIP) and "patch row: %d\n" % row in gui.prop(TIP, "text"), "a tool tip over row %d" % row)
        said = dict(line.split(": ", 1) for line in gui.prop(TIP, "text").splitlines())
        gui.equal(list(said), ["attention", "patch row", "patch col"], "nothing but these")
        gui.equal((said["patch row"], said["patch col"]), (str(row), str(col)), "the place")
        np.testing.assert_allclose(float(said["attention"]), expected[row, col], rtol=1e-3)
        if (row, col) == (4, 6):
            gui.picture("hover")
    gui.equal([line for line in gui.actions().splitlines() if line.startswith("actionEditUndo |")], undo, "what can be undone")
    after = os.path.join(folder.name, "after.png")
    simple.SaveScreenshot(after, shown.view)
    with open(before, "rb") as one, open(after, "rb") as other:
        gui.true(one.read() == other.read(), "the mouse leaves nothing in the picture")
    gui.press("actionLVLMHover")
    gui.move(shown.viewport, (2, 2))
    gui.wait(300)
    gui.move(shown.viewport, shown.pixel(2, 2))
    gui.wait(1000)
    gui.equal(gui.exists(TIP), False, "a tool tip while Hover is up")
    gui.press("actionLVLMHover")


def patches_are_selected_on_the_map():
    shown, trace = session["preset"], session["trace"]
    patches = simple.LVLMPatchAttention(registrationName="patches", Input=trace)
    gui.equal(gui.enabled("actionLVLMWithout"), False, "without a selection")
    attention = data.attention[:, :, :, data.span].reshape(data.layers, data.heads, data.T, data.rows, data.cols).mean(axis=(0, 1))
    for first, last in (((3, 4), (3.1, 4.1)), ((1, 1), (3, 2)), ((5, 7), (4, 5))):
        shown.select(first, last)
        rows, cols = (sorted((int(first[i]), int(last[i]))) for i in (0, 1))
        inside = [(r, c) for r in range(rows[0], rows[1] + 1) for c in range(cols[0], cols[1] + 1)]
        gui.equal(lvlm.selected_patches(trace), [r * data.cols + c for r, c in inside], "from %s to %s" % (first, last))
        table = lt.fetch(patches)
        np.testing.assert_allclose(lt.column(table, "attention"), np.mean([attention[:, r, c] for r, c in inside], axis=0), rtol=1e-5)
    gui.equal(gui.enabled("actionLVLMWithout"), True, "with one")
    shown.select((2, 2), (3, 4), "Points")  # of no use here, and no error
    np.testing.assert_array_equal(lt.column(lt.fetch(patches), "attention"), lt.column(table, "attention"))
    shown.select((5, 7), (4, 5))
    gui.picture("patches")


if __name__ == "__main__":
    gui.main(opens_a_trace, tokens_are_selected_by_clicks, tokens_are_selected_by_keys, a_click_is_undone, a_click_is_traced,
             time_moves_the_outline, tokens_are_coloured_by_any_column, layers_and_heads_are_chosen,
             a_new_filter_waits_for_apply, the_patch_under_the_mouse_tells_its_place_and_value, patches_are_selected_on_the_map)
