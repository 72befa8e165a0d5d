# SPDX-License-Identifier: Apache-2.0
"""While a model answers, the progress bar moves, and Abort ends it within a second.

LVLM_GUI_CHECKPOINT names another checkpoint than the small random one, for a measurement on a large one.
"""
import os
import pathlib
import time

import gui_testing as gui
from paraview import simple

import lvlm

DIALOG = "LVLMAskDialog/"
DATA = pathlib.Path(os.environ["PYTHONPATH"].split(os.pathsep)[0]).parent / "Data"
LONGEST = 1000 if "LVLM_GUI_CHECKPOINT" in os.environ else 4000  # tokens, far more than there is time for
CHECKPOINT = os.environ.get("LVLM_GUI_CHECKPOINT", str(DATA / "llava" / "multihead-f32"))
SCENE = DATA.parents[1] / "Models" / "TinyLlava" / "scenes" / "star_left_of_circle.png"
BAR, ABORT = "pqProgressWidget/ProgressBar", "pqProgressWidget/AbortButton"


def open_dialog(model, longest):
    gui.press("actionLVLMAsk")
    gui.choose(DIALOG + "Picture", "Example: star left of circle")
    gui.type_text(DIALOG + "Question", "What color is the star?")
    gui.type_text(DIALOG + "Model/FileLineEdit", model)
    gui.type_text(DIALOG + "Longest/qt_spinbox_lineedit", str(longest))
    gui.wait_for(lambda: gui.prop(DIALOG + "Ask", "enabled") == "true", "a usable model")


def a_long_answer_is_aborted():
    open_dialog(CHECKPOINT, LONGEST)
    gui.watch(BAR)
    gui.click_later(ABORT, 1500)
    gui.click(DIALOG + "Ask")
    ended = time.monotonic()
    values = gui.watched()
    gui.true(gui.clicked_at() > 0, "the Abort button could be clicked")
    print("aborted after %.2f s" % (ended - gui.clicked_at()), flush=True)
    gui.true(ended - gui.clicked_at() < 1.0, "Abort took %.2f s" % (ended - gui.clicked_at()))
    # Still before the question, then at least two looks more; how many there are depends on how busy the machine is.
    gui.true(len(set(values)) > 2, "the progress bar moved: %s" % values)
    gui.equal(lvlm.find_traces(), [], "no half trace is left")
    gui.wait_for(lambda: gui.exists("LVLMMessage"), "a message")
    gui.true("aborted" in gui.prop("LVLMMessage", "text"), gui.prop("LVLMMessage", "text"))
    gui.picture("aborted")
    gui.close("LVLMMessage")


def apply_and_abort(proxy, what, after):
    """Apply, Abort `after` so many milliseconds, and the filter goes."""
    gui.click_later(ABORT, after)
    gui.click("propertiesPanel/Accept")
    ended = time.monotonic()
    gui.true(gui.clicked_at() > 0, "the Abort button could be clicked after Apply")
    print("%s aborted after %.2f s" % (what, ended - gui.clicked_at()), flush=True)
    gui.true(ended - gui.clicked_at() < 1.0, "Abort took %.2f s" % (ended - gui.clicked_at()))
    gui.equal(gui.prop(ABORT, "enabled"), "false", "nothing is left to abort")
    simple.Delete(proxy)
    gui.wait(300)


def apply_is_aborted():
    simple.SetActiveSource(lvlm.questions.picture_source(SCENE))
    gui.wait(300)
    gui.trigger("LLaVAInference")
    gui.wait_for(lambda: simple.GetActiveSource().GetXMLName() == "LLaVAInference", "the new filter")
    trace = simple.GetActiveSource()
    trace.Prompt, trace.ModelDirectory, trace.MaxNewTokens = "What color is the star?", CHECKPOINT, LONGEST
    apply_and_abort(trace, "Apply", 1000)


def then_a_question_is_answered():
    open_dialog("", 64)
    gui.click(DIALOG + "Ask")
    gui.wait_for(lambda: lvlm.find_traces(), "an answer")
    gui.true("red" in lvlm.answer(), lvlm.answer())
    gui.equal(gui.prop(ABORT, "enabled"), "false", "nothing is left to abort")


def an_intervention_is_aborted():
    simple.SetActiveSource(lvlm.find_traces()[-1])
    gui.wait(300)
    gui.trigger("LVLMOcclusion")
    gui.wait_for(lambda: simple.GetActiveSource().GetXMLName() == "LVLMOcclusion", "the new filter")
    occlusion = simple.GetActiveSource()
    occlusion.Window = occlusion.Stride = 1  # a reading of the prompt for every patch
    apply_and_abort(occlusion, "intervention", 500)


if __name__ == "__main__":
    gui.main(a_long_answer_is_aborted, apply_is_aborted, then_a_question_is_answered, an_intervention_is_aborted)
