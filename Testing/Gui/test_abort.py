# SPDX-License-Identifier: Apache-2.0
"""While a model answers, the progress bar moves, and Abort ends it within a second.

LVLM_GUI_CHECKPOINT names another checkpoint than the small random one, for a measurement on a large one.
"""
import os
import pathlib
import time

import gui_testing as gui
from paraview import simple  # noqa: F401  finds the modules of plugins

import lvlm

DIALOG = "LVLMAskDialog/"
DATA = pathlib.Path(os.environ["PYTHONPATH"].split(os.pathsep)[0]).parent / "Data"
CHECKPOINT = os.environ.get("LVLM_GUI_CHECKPOINT", str(DATA / "llava" / "multihead-f32"))
BAR, ABORT = "pqProgressWidget/ProgressBar", "pqProgressWidget/AbortButton"


def open_dialog(model, longest):
    gui.press("actionLVLMAsk")
    gui.choose(DIALOG + "Picture", "Example: star left of circle")
    gui.type_text(DIALOG + "Question", "What color is the star?")
    gui.type_text(DIALOG + "Model/FileLineEdit", model)
    gui.type_text(DIALOG + "Longest/qt_spinbox_lineedit", str(longest))
    gui.wait_for(lambda: gui.prop(DIALOG + "Ask", "enabled") == "true", "a usable model")


def a_long_answer_is_aborted():
    open_dialog(CHECKPOINT, 4000)
    gui.watch(BAR, "value")
    gui.click_later(ABORT, 500)
    gui.click(DIALOG + "Ask")
    ended = time.monotonic()
    values = gui.watched()
    gui.true(gui.clicked_at() > 0, "the Abort button could be clicked")
    print("aborted after %.2f s" % (ended - gui.clicked_at()), flush=True)
    gui.true(ended - gui.clicked_at() < 1.0, "Abort took %.2f s" % (ended - gui.clicked_at()))
    gui.true(len(set(values)) > 1, "the progress bar moved: %s" % values)
    gui.equal(lvlm.find_traces(), [], "no half trace is left")
    gui.wait_for(lambda: gui.exists("LVLMMessage"), "a message")
    gui.picture("aborted")
    gui.close("LVLMMessage")


def then_a_question_is_answered():
    open_dialog("", 64)
    gui.click(DIALOG + "Ask")
    gui.wait_for(lambda: lvlm.find_traces(), "an answer")
    gui.true("red" in lvlm.answer(), lvlm.answer())
    gui.equal(gui.prop(ABORT, "enabled"), "false", "nothing is left to abort")


if __name__ == "__main__":
    gui.main(a_long_answer_is_aborted, then_a_question_is_answered)
