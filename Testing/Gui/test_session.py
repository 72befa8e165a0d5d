# SPDX-License-Identifier: Apache-2.0
"""A session as a person has it: ask, click a word, click patches, step through time, every preset, undo, a state file."""
import os
import tempfile

import gui_testing as gui
import lvlm_testing as lt
import numpy as np
from paraview import simple, smtrace

import lvlm

folder = tempfile.TemporaryDirectory()
session = {}
DIALOG = "LVLMAskDialog/"
PRESETS = {"actionLVLMAttention": "Attention", "actionLVLMHeads": "Heads", "actionLVLMGallery": "Heads gallery", "actionLVLMLayers": "Layers 3D", "actionLVLMLens": "Lens", "actionLVLMRelevancy": "Relevancy",
           "actionLVLMCausality": "Causality", "actionLVLMNodeTest": "Node test", "actionLVLMTest": "Test", "actionLVLMIntervene": "Intervene"}


def layouts():
    return sorted(name for name, _ in simple.GetLayouts())


def trace():
    return lvlm.find_traces()[-1]


def nothing_works_without_a_trace():
    gui.equal(gui.enabled("actionLVLMAsk"), True)
    for action in [*PRESETS, "actionLVLMCompare", "actionLVLMWithout"]:
        gui.equal(gui.enabled(action), False, action)


def the_dialog_says_what_is_missing():
    gui.press("actionLVLMAsk")
    gui.wait_for(lambda: gui.exists("LVLMAskDialog"), "the dialog")
    gui.equal(gui.enabled("actionEditUndo"), False, "something to undo because the dialog was opened")
    gui.true("layers" in gui.prop(DIALOG + "Model/Status", "text"), gui.prop(DIALOG + "Model/Status", "text"))
    gui.true("seven shapes" in gui.prop(DIALOG + "Model/Status", "text"), "what the embedded model knows")
    gui.equal(gui.prop(DIALOG + "Model/Downloaded", "visible"), "true", "models of the cache can be chosen")
    gui.type_text(DIALOG + "Question", " ")
    gui.equal(gui.prop(DIALOG + "Ask", "enabled"), "false", "without a question")
    gui.true("question" in gui.prop(DIALOG + "Problem", "text"), "says that there is none")
    gui.wait_for(lambda: "Memory" not in gui.prop(DIALOG + "Model/Status", "text"), "no memory for no question")
    gui.type_text(DIALOG + "Model/FileLineEdit", folder.name)
    gui.wait_for(lambda: "config.json" in gui.prop(DIALOG + "Model/Status", "text"), "the reason why a folder is no model")
    gui.picture("dialog-bad-model")
    gui.type_text(DIALOG + "Model/FileLineEdit", "")
    gui.wait_for(lambda: "layers" in gui.prop(DIALOG + "Model/Status", "text"), "the embedded model again")
    gui.equal(gui.prop(DIALOG + "TopP", "enabled"), "false", "top-p without a temperature")


def asks():
    gui.choose(DIALOG + "Picture", "Example: star left of circle")
    gui.type_text(DIALOG + "Question", "What color is the star?")
    gui.wait(600)
    gui.picture("dialog")
    smtrace.start_trace()
    gui.key(DIALOG + "Question", gui.KEY_RETURN, gui.CONTROL)
    gui.wait_for(lambda: lvlm.find_traces(), "an answer")
    session["script"] = smtrace.stop_trace()
    gui.wait(500)
    gui.equal(gui.exists("LVLMAskDialog"), False, "the dialog is gone")
    gui.true(lvlm.answer(), "there is an answer")
    # In place of the empty tab that the window opened with.
    gui.equal(layouts(), ["Attention: What color is the star?"], "tabs")
    session["answer"] = lvlm.answer()
    gui.picture("asked")


def the_question_is_one_traced_line():
    lines = [line for line in session["script"].splitlines() if line.startswith("lvlm.")]
    gui.equal(len(lines), 1, "lines: %s" % session["script"])
    gui.true(lines[0].startswith("lvlm.ask("), lines[0])
    gui.true("LLaVAInference" not in session["script"] and "CreateView" not in session["script"], session["script"])
    exec(session["script"], {})
    gui.equal(len(lvlm.find_traces()), 2, "the traced script asks again")
    gui.equal(lvlm.answer(trace()), session["answer"], "its answer")
    gui.wait(300)


def undo_takes_a_question_back():
    gui.equal(gui.enabled("actionLVLMCompare"), True, "with two traces")
    gui.press("actionLVLMAsk")
    gui.type_text(DIALOG + "Question", "What shape is red?")
    gui.click(DIALOG + "AllLayers", (8, 8))
    gui.click(DIALOG + "Ask")
    gui.wait_for(lambda: len(lvlm.find_traces()) == 3, "a third answer")
    gui.trigger("actionEditUndo")
    gui.equal(len(lvlm.find_traces()), 2, "undone")
    gui.trigger("actionEditRedo")
    gui.equal(len(lvlm.find_traces()), 3, "redone")
    gui.wait(300)
    # Neither cameras nor the time are part of ParaView's undo.
    views = simple.GetViewsInLayout(simple.GetLayoutByName("Attention: What shape is red?"))
    gui.equal([view.ViewTime for view in views], [simple.GetAnimationScene().AnimationTime] * 3, "times of the views")
    x, y, _ = views[0].CameraFocalPoint
    gui.true(abs(x - 84) < 1 and abs(y - 84) < 1, "the picture's middle is that of the view: %g, %g" % (x, y))
    gui.picture("redone")
    rollout = simple.LVLMRelevancy(Input=trace(), Method="RolloutMean")
    gui.equal(lt.fetch(rollout).GetNumberOfCells(), 144, "patches of a rollout, which needs all layers")
    simple.Delete(rollout)


def undo_until(done, action):
    """ParaView may have put a step of its own on top, such as a view that has got a property's default."""
    for _ in range(3):
        gui.trigger(action)
        if done():
            return
    raise AssertionError("%s: %s" % (action, layouts()))


def every_preset_opens():
    simple.SetActiveSource(trace())
    gui.wait(200)
    for action, title in PRESETS.items():
        gui.true(gui.enabled(action), action)
        smtrace.start_trace()
        gui.press(action)
        script = smtrace.stop_trace()
        gui.true(any(name.startswith(title) for name in layouts()), "a tab %s: %s" % (title, layouts()))
        lines = [line for line in script.splitlines() if line.startswith("lvlm.")]
        gui.equal(len(lines), 1, "lines of %s" % action)
        gui.equal(gui.exists("LVLMMessage"), False, "a message after %s" % action)
        gui.picture("preset-" + title.split()[0].lower())
        # With a table, which ParaView is not good at taking away, or what is computed while views come back.
        if title in ("Lens", "Relevancy", "Causality", "Node test", "Test"):
            made = layouts()
            undo_until(lambda: layouts() == [name for name in made if not name.startswith(title)], "actionEditUndo")
            undo_until(lambda: layouts() == made, "actionEditRedo")
        simple.SetActiveSource(trace())
        gui.wait(100)


def a_word_is_clicked():
    heat = next(s for s in simple.GetSources().values()
                if s.GetXMLName() == "LVLMAttentionMap" and lvlm.trace_of(s).SMProxy == trace().SMProxy)
    session["map"] = heat
    session["map_view"] = next(v for v in simple.GetRenderViews() if heat in [getattr(r, "Input", None) for r in v.Representations])
    simple.SetActiveView(session["map_view"])  # its tab comes to the front
    simple.SetActiveSource(heat)
    gui.wait(300)
    gui.equal(heat.FollowTime, 1, "the map follows time")
    gui.click_token(0)
    gui.equal(simple.GetAnimationScene().AnimationTime, 0.0, "a click on a word goes to its time")
    first = lt.grid_cells(lt.fetch(heat)).copy()
    gui.trigger("actionVCRNextFrame")
    gui.equal(simple.GetAnimationScene().AnimationTime, 1.0, "a step")
    simple.RenderAllViews()
    gui.true(np.abs(lt.grid_cells(lt.fetch(heat)) - first).max() > 0, "another map")
    heat.FollowTime = 0
    for token in (1, 4):
        gui.click_token(token)
        values = lt.grid_cells(lt.fetch(heat))
        gui.equal(list(heat.AnswerTokens), [token], "the word that was clicked")
        shown = next(r for r in session["map_view"].Representations if getattr(r, "Input", None) == heat)
        points = list(shown.LookupTable.RGBPoints)
        np.testing.assert_allclose([points[0], points[-4]], [values.min(), values.max()], rtol=1e-4)
    gui.picture("word")
    heat.FollowTime, heat.AnswerTokens = 1, []


def compares():
    gui.press("actionLVLMCompare")
    gui.equal(gui.exists("LVLMMessage"), False, "a message")
    gui.true(any("ompar" in name for name in layouts()), "a tab: %s" % layouts())
    gui.picture("compare")


def an_error_is_shown():
    simple.SetActiveSource(trace())
    gui.press("actionLVLMAsk")
    gui.choose(DIALOG + "Picture", "Picture file...")
    gui.type_text(DIALOG + "File/FileLineEdit", "/nowhere/cat.png")
    gui.wait(100)
    gui.equal(gui.prop(DIALOG + "Ask", "enabled"), "false", "with a file that is not there")
    gui.true("/nowhere/cat.png" in gui.prop(DIALOG + "Problem", "text"), gui.prop(DIALOG + "Problem", "text"))
    path = os.path.join(folder.name, "cat.gif")
    with open(path, "wb"):
        pass
    gui.type_text(DIALOG + "File/FileLineEdit", path)
    gui.wait(100)
    gui.click(DIALOG + "Ask")
    gui.wait_for(lambda: gui.exists("LVLMMessage"), "a message")
    gui.true(path in gui.prop("LVLMMessage", "text"), gui.prop("LVLMMessage", "text"))
    gui.picture("error")
    gui.equal(gui.exists("LVLMAskDialog"), True, "the dialog is back")
    gui.close("LVLMMessage")
    gui.close("LVLMAskDialog")


def a_state_file_brings_all_back():
    before = layouts()
    sources = sorted(key[0] for key in simple.GetSources())
    path = os.path.join(folder.name, "session.pvsm")
    simple.SaveState(path)
    simple.ResetSession()
    gui.wait(300)
    gui.equal(simple.GetSources(), {}, "an empty session")
    # As a person does, since the dialog asks about the model folder, too.
    gui.open_file("actionFileLoadServerState", "FileLoadServerStateDialog", path)
    gui.wait_for(simple.GetSources, "sources of a state file")
    gui.wait(500)
    gui.equal(sorted(key[0] for key in simple.GetSources()), sources, "sources")
    gui.equal(layouts(), before, "tabs")
    steps = list(simple.GetAnimationScene().TimeKeeper.TimestepValues)
    gui.equal(steps, [float(token["index"]) for token in lvlm.tokens(trace())], "time steps")
    gui.true("?" not in gui.prop("AnimationTimeWidget/timeValueComboBox", "currentText"), "the time controls know the time")
    gui.true(lvlm.answer(), "the answer")
    simple.SetActiveView(simple.GetViewsInLayout(simple.GetLayoutByName("Attention: " + lvlm.question(trace())))[0])
    gui.wait(300)
    gui.picture("state")


if __name__ == "__main__":
    gui.main(nothing_works_without_a_trace, the_dialog_says_what_is_missing, asks, the_question_is_one_traced_line,
             undo_takes_a_question_back, every_preset_opens, a_word_is_clicked, compares, an_error_is_shown,
             a_state_file_brings_all_back)
