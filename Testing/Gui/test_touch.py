# SPDX-License-Identifier: Apache-2.0
"""What is drawn can be touched: squares of heads, patches, bars, small maps and nodes of a causal graph are chosen by a click."""
import os
import shutil
import subprocess
import tempfile

import causal_traces
import gui_testing as gui
import lvlm_testing as lt
import numpy as np
from paraview import simple

import lvlm

folder = tempfile.TemporaryDirectory()
data = lt.TraceData(rows=6, cols=8, layers=6, heads=4, answer=5, question=6, width=112, height=84)
WORDS = ["zero", "one", "two", "three", "four"]
data.tokens[data.P:] = ["\u2581" + word for word in WORDS]
raw = data.attention[..., data.span]  # [layers, heads, tokens, patches]
session = {}


def source(kind):
    return next(found for found in simple.GetSources().values() if found.GetXMLName() == kind)


def output(found, port=0):
    """What is there. Not servermanager.Fetch(): its own filter would be one more thing to undo."""
    return lvlm.pipeline.plain(found).GetClientSideObject().GetOutputDataObject(port)


def layout(title):
    return simple.GetLayoutByName("%s: %s" % (title, lvlm.pipeline.name_of(session["trace"])))


def views(title):
    """Oldest first, which the names of ten and more are not."""
    return sorted(simple.GetViewsInLayout(layout(title)), key=lambda view: view.SMProxy.GetGlobalID())


def front(view):
    """The view is the active one, its tab in front."""
    simple.SetActiveView(view)
    gui.wait(300)
    return "Frame.%d/Viewport" % simple.GetLayout(view).GetViewLocation(view)


def pixel(view, viewport, x, y):
    """Of a place in the plane of the picture."""
    width, height = gui.size(viewport)
    scale = height / (2 * view.CameraParallelScale)
    at = view.CameraFocalPoint
    return width / 2 + (x - at[0]) * scale, height / 2 - (y - at[1]) * scale


def click(view, x, y):
    viewport = front(view)
    gui.click(viewport, pixel(view, viewport, x, y))
    gui.wait(600)
    gui.equal(gui.exists("LVLMMessage"), False, "a message")


def caption(view):
    shown = next(r for r in view.Representations if getattr(r, "Input", None) is not None and r.Input.GetXMLName() == "LVLMCaption")
    return lt.column(output(shown.Input), "Text")[0]


def opens_a_trace():
    path = data.write(os.path.join(folder.name, "answer.lvlm"))
    session["trace"] = simple.LVLMTraceReader(registrationName="answer", FileName=path)
    session["trace"].UpdatePipeline()
    simple.SetActiveSource(session["trace"])
    gui.wait(300)
    gui.press("actionLVLMAttention")


def a_patch_shows_who_looked_at_it():
    chart = views("Attention")
    back = source("LVLMPatchAttention")
    everywhere = raw.mean(axis=(0, 1, 3))
    np.testing.assert_allclose(lt.column(output(back), "attention"), everywhere, rtol=1e-4)
    gui.true("Who attends all patches (their mean)" in caption(chart[2]), caption(chart[2]))
    for row, col in ((1, 2), (5, 0)):
        click(chart[0], (col + 0.5) * 14, 84 - (row + 0.5) * 14)
        patch = row * data.cols + col
        gui.equal(list(back.Patches), [patch])
        np.testing.assert_allclose(lt.column(output(back), "attention"), raw[..., patch].mean(axis=(0, 1)), rtol=1e-4)
        gui.true("Who attends patch %d (row %d, column %d)\n" % (patch, row, col) in caption(chart[2]), caption(chart[2]))
    gui.picture("patch")
    gui.trigger("actionEditUndo")
    gui.equal(list(back.Patches), [10], "undone")


def a_drag_moves_the_picture_and_chooses_nothing():
    view = views("Attention")[0]
    viewport = front(view)
    before = list(source("LVLMPatchAttention").Patches)
    gui.drag(viewport, pixel(view, viewport, 30, 30), pixel(view, viewport, 60, 50))
    gui.wait(300)
    gui.equal(list(source("LVLMPatchAttention").Patches), before, "patches after a drag")
    lvlm.views.fit_picture(view, session["trace"])


def a_bar_chooses_its_token():
    charts = views("Attention")
    for chart, token in ((charts[1], 3), (charts[2], 1), (charts[1], 0)):
        click(chart, 5, -0.5 - token)
        gui.equal(simple.GetAnimationScene().AnimationTime, float(token), "the bar's token")
        gui.true("\u201c%s\u201d" % WORDS[token] in caption(charts[0]), caption(charts[0]))
    heat = source("LVLMAttentionMap")
    heat.FollowTime, heat.AnswerTokens = 0, [1, 2]
    simple.RenderAllViews()
    click(charts[1], 5, -4.5)
    gui.wait_for(lambda: list(heat.AnswerTokens) == [4], "the choice where the time is not followed")
    heat.FollowTime = 1


def the_pointer_itself_clicks():
    """Through the X server, where xdotool is there to press its button."""
    if shutil.which("xdotool") is None:
        return
    view = views("Attention")[0]
    viewport = front(view)
    gui.move(viewport, pixel(view, viewport, 7.5 * 14, 84 - 0.5 * 14))
    gui.wait(300)
    subprocess.run(["xdotool", "click", "1"], check=True)
    gui.wait_for(lambda: list(source("LVLMPatchAttention").Patches) == [7], "the patch under the pointer")


def a_square_shows_its_head():
    simple.SetActiveSource(session["trace"])
    gui.wait(200)
    gui.press("actionLVLMHeads")
    gui.wait(500)
    chart, view = views("Heads")
    heat = next(found for found in simple.GetSources().values() if lvlm.pipeline.name_of(found).startswith("Map of the strongest"))
    for layer, head in ((2, 1), (5, 3)):
        click(chart, layer, head)
        gui.equal((list(heat.Layers), list(heat.Heads)), ([layer], [head]))
        gui.true("\u201d: layer %d, head %d\n" % (layer, head) in caption(view), caption(view))
        np.testing.assert_allclose(lt.grid_cells(output(heat)).ravel(), raw[layer, head, 4], rtol=1e-4)
    gui.picture("square")


def a_small_map_is_enlarged():
    simple.SetActiveSource(session["trace"])
    gui.wait(200)
    gui.press("actionLVLMGallery")
    gui.wait(500)
    small = views("Heads gallery")
    heat = next(found for found in simple.GetSources().values() if lvlm.pipeline.name_of(found).startswith("Map of the strongest"))
    cells = lt.fetch(source("LVLMMapGallery"))
    layers, heads = (lt.array(cells.GetCellData().GetArray(name)) for name in ("layer", "head"))
    cell = int(np.flatnonzero((layers == 3) & (heads == 2))[20])
    left, right, low, high = cells.GetCell(cell).GetBounds()[:4]
    click(small[0], (left + right) / 2, (low + high) / 2)
    gui.equal((list(heat.Layers), list(heat.Heads)), ([3], [2]))
    active = simple.GetLayout(simple.GetActiveView())
    gui.equal(active.SMProxy, layout("Heads").SMProxy, "the tab that shows it is in front")


def a_node_is_its_token_or_patch():
    trace = causal_traces.several_heads()
    reader = simple.LVLMTraceReader(registrationName="causal", FileName=trace.write(os.path.join(folder.name, "causal.lvlm")))
    reader.UpdatePipeline()
    lvlm.show_causality(reader, token=4, table=False)
    gui.wait(500)
    graph = source("LVLMCausalGraph")
    view = min(simple.GetViewsInLayout(simple.GetLayoutByName("Causality: causal")), key=lambda made: made.SMProxy.GetGlobalID())
    drawn = lt.fetch(graph)
    positions = lt.array(drawn.GetPointData().GetArray("position"))
    kinds = lt.array(drawn.GetCellData().GetArray("kind"))
    patch = next(int(positions[drawn.GetCell(c).GetPointId(0)]) for c in range(drawn.GetNumberOfCells()) if kinds[c] == 0)
    x, y, _ = next(drawn.GetPoint(drawn.GetCell(c).GetPointId(0)) for c in range(drawn.GetNumberOfCells()) if kinds[c] == 0)
    viewport = front(view)
    at = pixel(view, viewport, x, y)
    gui.equal(lvlm.touch.call_at(at[0] + 3, gui.size(viewport)[1] - at[1], view),
              'choose_patch("causal", patch=%d)' % (patch - trace.image_start))
    x, y, _ = max((drawn.GetPoint(drawn.GetCell(c).GetPointId(0)) for c in range(drawn.GetNumberOfCells()) if kinds[c] == 1),
                  key=lambda point: -point[1])  # the lowest word is the target, which stands for what it predicts
    click(view, x, y)
    gui.equal(simple.GetAnimationScene().AnimationTime, 4.0, "the token that the target predicts")


if __name__ == "__main__":
    gui.main(opens_a_trace, a_patch_shows_who_looked_at_it, a_drag_moves_the_picture_and_chooses_nothing, a_bar_chooses_its_token,
             the_pointer_itself_clicks, a_square_shows_its_head, a_small_map_is_enlarged, a_node_is_its_token_or_patch)
