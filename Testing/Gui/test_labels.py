# SPDX-License-Identifier: Apache-2.0
"""Labels that cannot lie: whatever is clicked, undone or stepped to, captions, bars, ranges and legends say what the map shows.

LVLM_GUI_CLICKS: how many random clicks at the end (default 40).
"""
import os
import random
import re
import tempfile

import gui_testing as gui
import lvlm_testing as lt
import numpy as np
from paraview import simple

import lvlm

folder = tempfile.TemporaryDirectory()
data = lt.TraceData(rows=6, cols=8, layers=6, heads=4, answer=9, question=6, width=112, height=84)
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight"]
data.tokens[data.P:] = ["\u2581" + word for word in WORDS]
raw = data.attention[..., data.span]  # [layers, heads, tokens, patches]
session = {}
STRIP, CHOSEN = "propertiesPanel/Strip", "propertiesPanel/Chosen"


def full_attention():
    """Complete matrices of all layers whose rows of the answer are not those of attention.answer: nothing needs that."""
    full = np.tril(np.random.default_rng(2).random((data.layers, data.heads, data.K, data.K)) ** 3).astype("f4")
    return {"attention.full": full / full.sum(axis=-1, keepdims=True), "attention.full.layers": np.arange(data.layers)}


def sources(kind):
    return [source for source in simple.GetSources().values() if source.GetXMLName() == kind]


def views(title):
    """Oldest first, which the names of ten and more are not."""
    layout = simple.GetLayoutByName("%s: %s" % (title, lvlm.pipeline.name_of(session["trace"])))
    return sorted(simple.GetViewsInLayout(layout), key=lambda view: view.SMProxy.GetGlobalID())


def output(source, port=0):
    """What is there. Not servermanager.Fetch(): its own filter would be one more thing to undo."""
    return lvlm.pipeline.plain(source).GetClientSideObject().GetOutputDataObject(port)


def captions(view):
    """What the view's captions say now, as it is drawn."""
    said = []
    for shown in view.Representations:
        source = getattr(shown, "Input", None)
        if source is not None and source.GetXMLName() == "LVLMCaption" and shown.Visibility:
            said.append(lt.column(output(source), "Text")[0])
    return said


def shown_in(view, source, port=0):
    return next(r for r in view.Representations if getattr(r, "Input", None) is not None and r.Input.SMProxy == source.SMProxy
                and r.Input.Port == port)


def check_attention(what):
    """Once it is drawn, which ParaView does after what was clicked."""
    for _ in range(50):
        try:
            return check_drawn(what)
        except AssertionError:
            gui.wait(100)
    return check_drawn(what)


def check_drawn(what):
    """The Attention preset: its caption's words and heads, computed from the trace with numpy, give the map that is there."""
    map_view = views("Attention")[0]
    heat = session["map"]
    caption = captions(map_view)[0]
    words, heads = re.match("Where the model looked for \u201c(.*)\u201d.*: (.*)\n", caption).groups()
    tokens = list(lt.array(output(heat).GetFieldData().GetArray("answer_tokens")))
    every = " ".join(WORDS[token] for token in tokens)
    gui.true(words == every or words.endswith("\u2026") and len(words) > 10 and every.startswith(words[:-1]), "%s: %s" % (what, caption))
    gui.true(heads.startswith(("layer", "the mean")) and not heads.endswith("\u2026"), "%s: %s" % (what, caption))
    single = re.match(r"layer (\d+), head (\d+)(.*)", heads)
    mean = re.match(r"the mean of (\d+) layers x (\d+) heads", heads)
    layers, chosen_heads = list(heat.Layers) or range(data.layers), list(heat.Heads) or range(data.heads)
    if single:
        layers, chosen_heads = [int(single.group(1))], [int(single.group(2))]
    else:
        gui.equal((int(mean.group(1)), int(mean.group(2))), (len(layers), len(chosen_heads)), what)
    expected = raw[np.ix_(layers, chosen_heads, tokens)].mean(axis=(0, 1, 2))
    cells = lt.grid_cells(output(heat)).ravel()
    np.testing.assert_allclose(cells, expected, rtol=1e-4, err_msg="%s: %s" % (what, caption))
    shown = shown_in(map_view, heat)
    points = list(shown.LookupTable.RGBPoints)
    np.testing.assert_allclose([points[0], points[-4]], [cells.min(), cells.max()], rtol=1e-4, err_msg="range after " + what)
    opacities = list(shown.LookupTable.ScalarOpacityFunction.Points)
    np.testing.assert_allclose([opacities[0], opacities[-4]], [cells.min(), cells.max()], rtol=1e-4, err_msg="opacities after " + what)
    bracketed = re.findall(r"\[(\w+)\]", caption)
    if "\u2026" not in caption:
        gui.equal(bracketed, words.split() if len(tokens) < len(WORDS) else [], "brackets after " + what)
    table = next(source for source in sources("LVLMTokens"))
    marked = np.flatnonzero(lt.column(output(table), "chosen")) - data.P
    gui.equal(list(marked), tokens, "marked bars after " + what)
    gui.equal(gui.prop(CHOSEN, "text"), said_below(tokens), "the words below the strip after " + what)


def said_below(tokens):
    if len(tokens) == len(WORDS):
        return "shown: all tokens, together"
    return "shown: %s (%d)" % (WORDS[tokens[0]], tokens[0]) if len(tokens) == 1 else "shown: %d tokens, together" % len(tokens)


def opens_a_trace():
    # Nothing but heads of their own kind: the range of each map is far from that of the mean.
    data.attention *= (10.0 ** -np.arange(data.layers)[:, None, None, None]).astype("f4")
    path = data.write(os.path.join(folder.name, "answer.lvlm"), tensors={
        **full_attention(), "relevancy.decoder": data.more_tensors()["relevancy.decoder"],
        "relevancy.vision": data.more_tensors()["relevancy.vision"], "relevancy.joint": data.more_tensors()["relevancy.joint"],
        "relevancy.joint_token": data.more_tensors()["relevancy.joint_token"]})
    session["trace"] = simple.LVLMTraceReader(registrationName="answer", FileName=path)
    session["trace"].UpdatePipeline()
    simple.SetActiveSource(session["trace"])
    gui.wait(300)
    gui.press("actionLVLMAttention")
    session["map"] = sources("LVLMAttentionMap")[0]
    gui.wait_for(lambda: gui.exists(STRIP), "the strip")
    check_attention("the button")


def undo(done, action="actionEditUndo"):
    """ParaView may have put a step of its own on top."""
    steps = []
    for _ in range(3):
        steps += [line for line in gui.actions().splitlines() if line.startswith(action + " |")]
        gui.trigger(action)
        if done():
            return
    raise AssertionError("%s: %s" % (action, steps))


def follow_time_gives_way_to_several_tokens():
    heat = session["map"]
    gui.click_token(2)
    gui.equal(heat.FollowTime, 1)
    check_attention("a click")
    gui.click_token(4, gui.SHIFT)
    gui.equal((heat.FollowTime, list(heat.AnswerTokens)), (0, [2, 3, 4]), "Shift-click, from the token of the time on")
    check_attention("Shift-click")
    gui.picture("several")
    undo(lambda: heat.FollowTime == 1)
    check_attention("undo")
    undo(lambda: (heat.FollowTime, list(heat.AnswerTokens)) == (0, [2, 3, 4]), "actionEditRedo")
    check_attention("redo")
    gui.click_token(7)
    gui.equal((heat.FollowTime, list(heat.AnswerTokens)), (0, [7]), "a click chooses one")
    check_attention("a click without Follow Time")
    heat.FollowTime = 1
    simple.RenderAllViews()
    gui.click_token(5)
    gui.click_token(1, gui.CONTROL)
    gui.equal((heat.FollowTime, list(heat.AnswerTokens)), (0, [1, 5]), "Ctrl-click adds to the token of the time")
    check_attention("Ctrl-click")


def colors_follow_undo():
    heat = session["map"]
    gui.click_cell("Layers", 5)  # its attention is 1e-5 of the first layer's
    check_attention("a layer")
    undo(lambda: list(heat.Layers) == [])
    check_attention("undo of a layer")
    undo(lambda: list(heat.Layers) == [5], "actionEditRedo")
    check_attention("redo of a layer")
    gui.click("Layers/All")
    heat.AnswerTokens, heat.FollowTime = [], 1
    simple.RenderAllViews()
    check_attention("a script")


def legends_follow_the_filter():
    map_view = views("Attention")[0]
    shown = shown_in(map_view, session["map"])
    bar = simple.GetScalarBar(shown.LookupTable, map_view)
    gui.equal(bar.Title, "Attention to each patch")
    gui.press("actionLVLMHeads")
    gui.wait(300)
    summary = sources("LVLMHeadSummary")[0]
    chart = views("Heads")[0]
    squares = next(r for r in chart.Representations if getattr(r, "Input", None) is not None and r.Input.GetXMLName() == "Glyph")
    bar = simple.GetScalarBar(squares.LookupTable, chart)
    gui.equal(bar.Title, "Mean attention to a patch of the picture")
    summary.Source, summary.Measure = "Question", "Sum"
    simple.RenderAllViews()
    gui.equal(bar.Title, "Attention to the question, all of it", "the legend")
    gui.true("look at the question" in captions(chart)[0], captions(chart)[0])
    bar.Title = "mine"
    summary.Source = "Image"
    simple.RenderAllViews()
    gui.equal(bar.Title, "mine", "a title that somebody gave")
    values = lt.array(output(summary).GetPointData().GetArray("attention"))
    points = list(squares.LookupTable.RGBPoints)
    np.testing.assert_allclose([points[0], points[-4]], [values.min(), values.max()], rtol=1e-4)


def rollout_does_not_blank_the_picture():
    simple.SetActiveSource(session["trace"])
    gui.wait(200)
    gui.press("actionLVLMRelevancy")
    gui.wait(300)
    relevancy = sources("LVLMRelevancy")[0]
    maps = views("Relevancy")[:4]
    gui.equal([shown_in(view, relevancy).Visibility for view in maps], [1] * 4)
    gui.equal([text for view in maps for text in captions(view) if "Trust" in text], ["Through the language model\nTrust this one first"])
    gui.choose("propertiesPanel/Method/ComboBox", "RolloutMean")
    gui.click("propertiesPanel/Accept")
    gui.wait(500)
    gui.equal([shown_in(view, relevancy).Visibility for view in maps], [1, 0, 0, 0], "maps that are there")
    legends = [simple.GetScalarBar(shown_in(view, relevancy).LookupTable, view) for view in maps]
    gui.equal([legend.Visibility for legend in legends], [1, 0, 0, 0], "and their legends")
    said = [captions(view)[0] for view in maps]
    gui.true("Attention rollout" in said[0] and all("No map here" in text for text in said[1:]), said)
    gui.true(not any("Trust" in text or "Rough" in text for text in said), said)
    bar = simple.GetScalarBar(shown_in(maps[0], relevancy).LookupTable, maps[0])
    gui.equal(bar.Title, "Rollout to each patch (part of 1)")
    cells = lt.grid_cells(output(relevancy), "decoder")
    points = list(shown_in(maps[0], relevancy).LookupTable.RGBPoints)
    np.testing.assert_allclose([points[0], points[-4]], [cells.min(), cells.max()], rtol=1e-4)
    gui.picture("rollout")
    undo(lambda: relevancy.Method == "Gradient")
    gui.wait_for(lambda: [shown_in(view, relevancy).Visibility for view in maps] == [1] * 4, "all maps again")  # when they are drawn
    gui.equal([legend.Visibility for legend in legends], [1] * 4, "and all legends")
    gui.true("Trust this one first" in captions(maps[0])[0], captions(maps[0]))


def a_new_causal_graph_names_its_token():
    layout = simple.CreateLayout("graph")  # its tables split the tab
    simple.AssignViewToLayout(simple.CreateRenderView(), layout, 0)
    simple.SetActiveSource(session["trace"])
    gui.wait(200)
    gui.trigger("LVLMCausalGraph")
    gui.wait_for(lambda: simple.GetActiveSource().GetXMLName() == "LVLMCausalGraph", "the new filter")
    graph = simple.GetActiveSource()
    gui.equal(gui.prop(CHOSEN, "text"), "shown: zero (0)", "before Apply")
    gui.click_token(3)
    gui.equal(gui.prop(CHOSEN, "text"), "shown: three (3)")
    gui.click("propertiesPanel/Accept")
    gui.wait(500)
    gui.equal(graph.AnswerToken, 3, "after Apply")
    gui.equal(list(lt.array(output(graph, 3).GetFieldData().GetArray("answer_tokens"))), [3], "what it used")
    simple.Delete(graph)
    lvlm.views.close(layout)
    gui.wait(200)


def a_shorter_answer_at_a_late_time():
    short = lt.TraceData(rows=6, cols=8, layers=2, heads=2, answer=4, question=6, width=112, height=84, seed=3)
    short.tokens[short.P:] = ["\u2581" + word for word in WORDS[:4]]
    trace = simple.LVLMTraceReader(registrationName="short", FileName=short.write(os.path.join(folder.name, "short.lvlm")))
    trace.UpdatePipeline()
    simple.GetAnimationScene().AnimationTime = 8
    simple.SetActiveSource(trace)
    gui.wait(300)
    gui.press("actionLVLMAttention")
    gui.wait_for(lambda: gui.exists(STRIP), "the strip")
    gui.equal(gui.prop(CHOSEN, "text"), "shown: three (3), the last: the time is past the answer's end")
    view = simple.GetViewsInLayout(simple.GetLayoutByName("Attention: short"))[0]
    gui.true("\u201cthree\u201d (its last token: time 8 is past its end)" in captions(view)[0], captions(view)[0])
    heat = next(source for source in sources("LVLMAttentionMap") if source.Input.SMProxy == trace.SMProxy)
    expected = short.attention[:, :, 3, short.span].mean(axis=(0, 1))
    np.testing.assert_allclose(lt.grid_cells(output(heat)).ravel(), expected, rtol=1e-4)
    gui.picture("late")
    lvlm.views.close(simple.GetLayoutByName("Attention: short"))
    for source in [s for s in simple.GetSources().values() if lvlm.trace_of(s) is not None and lvlm.trace_of(s).SMProxy == trace.SMProxy]:
        if source.SMProxy != trace.SMProxy:
            simple.Delete(source)
    simple.Delete(trace)
    gui.wait(300)


def random_clicks():
    """No click, undo or redo makes a label say what the map does not show."""
    chance = random.Random(18)
    heat = session["map"]
    for source in sources("LVLMHeadSummary") + sources("LVLMRelevancy"):
        simple.SetActiveSource(source)
    simple.SetActiveView(views("Attention")[0])
    simple.SetActiveSource(heat)
    gui.wait(300)
    undone = 0
    for number in range(int(os.environ.get("LVLM_GUI_CLICKS", 40))):
        kind = chance.choice(["click", "shift", "control", "undo", "redo", "next", "previous", "layer", "head", "follow"])
        token = chance.randrange(len(WORDS))
        if kind in ("click", "shift", "control"):
            gui.click_token(token, {"click": gui.NONE, "shift": gui.SHIFT, "control": gui.CONTROL}[kind])
        elif kind in ("undo", "redo"):
            action, names = "actionEdit" + kind.title(), ("Choose ", "Changed ")  # not what the steps before have made
            text = next(line for line in gui.actions().splitlines() if line.startswith(action + " |")).split(" | ")[1]
            if gui.enabled(action) and text.replace("&", "").partition(" ")[2].startswith(names):
                undone += 1
                gui.trigger(action)
        elif kind in ("next", "previous"):
            gui.trigger("actionVCR%sFrame" % kind.title())
        elif kind == "layer":
            gui.click_cell("Layers", chance.randrange(data.layers))
        elif kind == "head":
            gui.click_cell("Heads", chance.randrange(data.heads))
        else:
            heat.FollowTime = 1
            simple.RenderAllViews()
        if simple.GetActiveSource() is None or simple.GetActiveSource().SMProxy != heat.SMProxy:
            simple.SetActiveSource(heat)
            gui.wait(200)
        check_attention("click %d, %s %d" % (number, kind, token))
        gui.equal(gui.exists("LVLMMessage"), False, "a message after %s" % kind)
    gui.true(undone > 5, "only %d steps could be undone or redone" % undone)


def a_comparison_keeps_one_scale():
    """Both maps' and, around 0, the difference's, whatever layers and heads one of them shows."""
    other = lt.TraceData(rows=6, cols=8, layers=6, heads=4, answer=9, question=6, width=112, height=84, seed=5)
    other.attention *= (10.0 ** -np.arange(other.layers)[:, None, None, None]).astype("f4")
    trace = simple.LVLMTraceReader(registrationName="other", FileName=other.write(os.path.join(folder.name, "other.lvlm")))
    trace.UpdatePipeline()
    simple.GetAnimationScene().AnimationTime = 0
    lvlm.compare(session["trace"], trace)
    gui.wait(500)
    layout = next(layout for (name, _), layout in simple.GetLayouts().items() if name.startswith("Compare"))
    drawn = [shown for view in simple.GetViewsInLayout(layout) for shown in view.Representations
             if getattr(shown, "Input", None) is not None and getattr(shown, "LookupTable", None) is not None]
    maps = [shown for shown in drawn if shown.Input.GetXMLName() == "LVLMAttentionMap"]
    difference = next(shown for shown in drawn if shown.Input.GetXMLName() == "Calculator" and shown.ColorArrayName[1] == "difference")
    heat = next(shown.Input for shown in maps if shown.Input.Input.SMProxy == trace.SMProxy)

    def check(what):
        simple.RenderAllViews()
        gui.wait(500)
        both = np.concatenate([lt.grid_cells(output(shown.Input)).ravel() for shown in maps])
        most = np.abs(lt.array(output(difference.Input).GetCellData().GetArray("difference"))).max()
        for shown, (low, high) in ((maps[0], (both.min(), both.max())), (maps[1], (both.min(), both.max())), (difference, (-most, most))):
            points, opacities = shown.LookupTable.RGBPoints, shown.LookupTable.ScalarOpacityFunction.Points
            np.testing.assert_allclose([points[0], points[-4], opacities[0], opacities[-4]], [low, high, low, high], rtol=1e-4, atol=1e-12,
                                       err_msg="%s: %s" % (what, shown.ColorArrayName[1]))
    gui.equal(len(maps), 2, "maps")
    heat.Layers, heat.Heads = [4], [1]
    check("a faint head")
    gui.picture("compare-head")
    heat.Layers, heat.Heads = [0], [2]
    check("a strong one")


if __name__ == "__main__":
    gui.main(opens_a_trace, follow_time_gives_way_to_several_tokens, colors_follow_undo, legends_follow_the_filter,
             rollout_does_not_blank_the_picture, a_new_causal_graph_names_its_token, a_shorter_answer_at_a_late_time, random_clicks,
             a_comparison_keeps_one_scale)
