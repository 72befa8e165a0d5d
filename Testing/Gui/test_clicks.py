# SPDX-License-Identifier: Apache-2.0
"""The six tasks of LVLM-Interpret's page, done with the X server's pointer: as many clicks as the table of gui.md says, and no more than there."""
import os
import pathlib
import re
import shutil
import tempfile

import gui_testing as gui
import lvlm_testing as lt
import numpy as np
from paraview import simple, smtrace

import lvlm

ROOT = pathlib.Path(gui.__file__).resolve().parents[2]
DIALOG, EDITOR, CANVAS = "LVLMAskDialog/", "LVLMEditor/", "LVLMEditor/Canvas"
QUESTION = "What color is the star?"
folder = tempfile.TemporaryDirectory()
pointer = gui.Pointer()
session = {}


def table():
    """Task: clicks there, clicks here."""
    rows = re.findall(r"^\| ([^|]+) \| (\d+) \| (\d+) \|", (ROOT / "Plugin" / "Documentation" / "gui.md").read_text(encoding="utf-8"), re.MULTILINE)
    return {task.strip(): (int(there), int(here)) for task, there, here in rows}


def counted(task, more=0):
    """more: those of the system's file dialog, which is the same in both."""
    there, here = table()[task]
    gui.equal(pointer.clicks + more, here, "clicks: " + task)
    gui.true(here <= there, task)
    pointer.clicks = 0


def views(title):
    layout = next(layout for (name, _), layout in simple.GetLayouts().items() if name.startswith(title))
    return sorted(simple.GetViewsInLayout(layout), key=lambda view: view.SMProxy.GetGlobalID())


def place(view, x, y):
    """The widget of a view in front, and where a place in the plane of the picture is in it."""
    viewport = "Frame.%d/Viewport" % simple.GetLayout(view).GetViewLocation(view)
    width, height = gui.size(viewport)
    scale = height / (2 * view.CameraParallelScale)
    return viewport, (width / 2 + (x - view.CameraFocalPoint[0]) * scale, height / 2 - (y - view.CameraFocalPoint[1]) * scale)


def front():
    """Name of the tab in front."""
    manager = lvlm.pipeline.servermanager.ProxyManager()
    return manager.GetProxyName("layouts", simple.GetLayout(simple.GetActiveView()))


def pixel(x, y):
    """Of the editor's picture, counted from the lower left."""
    width, height = session["size"]
    return gui.middle(CANVAS, "pixelRect", (height - 1 - y) * width + x)


def the_dialog_says_what_is_cut_off():
    picture = np.full((400, 1200, 3), 255, np.uint8)
    picture[100:300, 50:250], picture[100:300, 950:1150] = (255, 0, 0), (0, 0, 255)
    path = pathlib.Path(folder.name, "wide.ppm")
    path.write_bytes(b"P6\n1200 400\n255\n" + picture.tobytes())
    gui.press("actionLVLMAsk")
    gui.choose(DIALOG + "Picture", "Picture file...")
    gui.type_text(DIALOG + "File/FileLineEdit", str(path))
    gui.wait_for(lambda: "33 % of the picture: columns 400 to 799 of 1200" in gui.prop(DIALOG + "SeenText", "text"), "what is cut off")
    gui.picture("cut-off")
    gui.choose(DIALOG + "ImageMode", "Pad: add borders, nothing is lost")
    gui.wait_for(lambda: "whole picture" in gui.prop(DIALOG + "SeenText", "text"), "all of it with a border")
    gui.picture("padded")
    gui.choose(DIALOG + "ImageMode", "Default: as the model was made for, mostly Crop")
    gui.close("LVLMAskDialog")


def ask():
    path = os.path.join(folder.name, "mine.png")
    shutil.copy(ROOT / "Models" / "TinyLlava" / "scenes" / "star_left_of_circle.png", path)
    pointer.button("actionLVLMAsk")
    gui.wait_for(lambda: gui.exists("LVLMAskDialog"), "the dialog")
    gui.answer_file_dialog("*", path)
    pointer.click(DIALOG + "ChooseFile")
    gui.wait_for(lambda: gui.prop(DIALOG + "File/FileLineEdit", "text") == path, "the file that was chosen")
    gui.type_text(DIALOG + "Question", QUESTION)
    gui.wait_for(lambda: gui.prop(DIALOG + "Ask", "enabled") == "true", "the estimate of its cost")
    gui.key(DIALOG + "Question", gui.KEY_RETURN, gui.CONTROL)
    gui.wait_for(lambda: lvlm.find_traces() and lvlm.answer(), "an answer", 60)
    gui.wait(500)
    session["trace"] = lvlm.find_traces()[0]
    counted("ask about a picture file", more=2)


def see_a_words_attention():
    view = views("Attention")[1]
    viewport, at = place(view, 5, -1.5)
    pointer.click(viewport, at)  # the bar of the second word
    gui.wait_for(lambda: simple.GetAnimationScene().AnimationTime == 1.0, "the word's time")
    heat = next(source for source in simple.GetSources().values() if source.GetXMLName() == "LVLMAttentionMap")
    gui.equal(list(lt.array(heat.GetClientSideObject().GetOutputDataObject(0).GetFieldData().GetArray("answer_tokens"))), [1], "the map's word")
    counted("the attention of a word")


def see_a_heads_map():
    pointer.button("actionLVLMHeads")
    gui.wait(500)
    chart, _ = views("Heads")
    viewport, at = place(chart, 2, 1)
    pointer.click(viewport, at)
    heat = simple.FindSource("Map of the strongest head (%s)" % QUESTION)
    gui.wait_for(lambda: (list(heat.Layers), list(heat.Heads)) == ([2], [1]), "the head's map")
    counted("the map of a layer and head")


def see_relevancy():
    pointer.button("actionLVLMRelevancy")
    gui.wait_for(lambda: front().startswith("Relevancy"), "its tab")
    counted("relevancy")


def see_a_causal_graph():
    pointer.button("actionLVLMCausality")
    gui.wait_for(lambda: front().startswith("Causality"), "its tab")
    counted("a causal graph")


def edit_and_ask_again():
    smtrace.start_trace()
    pointer.button("actionLVLMEdit")
    gui.wait_for(lambda: gui.exists("LVLMEditor"), "the editor")
    gui.wait(300)
    session["size"] = 168, 168
    gui.equal(gui.prop(EDITOR + "SeenText", "text"), "The model sees the whole picture, as 168 x 168 pixels.")
    gui.equal(gui.prop(EDITOR + "Ask", "enabled"), "false", "before anything was drawn")
    pointer.drag(CANVAS, pixel(5, 127), pixel(40, 90), pixel(69, 58))
    gui.wait_for(lambda: gui.prop(EDITOR + "Ask", "enabled") == "true", "an edit")
    gui.picture("editor")
    pointer.click(EDITOR + "Ask")
    gui.wait_for(lambda: len(lvlm.find_traces()) == 2, "a second answer")
    gui.wait(500)
    script = smtrace.stop_trace()
    gui.equal(gui.exists("LVLMMessage"), False, "a message")
    gui.true(front().startswith("Compare"), "both answers side by side: " + front())
    counted("edit the picture and ask again")
    second = lvlm.find_traces()[-1]
    gui.true("red" in lvlm.answer(session["trace"]) and "red" not in lvlm.answer(second), "answers: %s, %s" % (lvlm.answer(session["trace"]), lvlm.answer(second)))
    lines = [line for line in script.splitlines() if line.startswith("lvlm.")]
    gui.equal(len(lines), 1, "lines: " + script)
    found = re.fullmatch(r'lvlm\.edit_and_ask\(edits=\["rectangle (\d+) (\d+) (\d+) (\d+) mean"\]\)', lines[0])
    gui.true(found and np.abs(np.array([*map(int, found.groups())]) - [5, 58, 69, 127]).max() <= 1, lines[0])
    gui.equal(list(second.Input.Edits), [re.search(r'\["(.*)"\]', lines[0]).group(1)], "the edits of the pipeline")
    gui.picture("both")


def the_editor_undoes_brushes_and_crops():
    gui.press("actionLVLMEdit")
    gui.wait_for(lambda: gui.exists("LVLMEditor"), "the editor")
    gui.equal(gui.prop(EDITOR + "Undo", "enabled"), "true", "with the edit that was asked about")
    gui.click(EDITOR + "Clear")
    gui.equal(gui.prop(EDITOR + "Undo", "enabled"), "false")
    before = gui.watched_once(EDITOR + "Seen")
    gui.click(EDITOR + "Brush")
    gui.choose(EDITOR + "Fill", "noise")
    gui.drag(CANVAS, pixel(100, 80), pixel(130, 90))
    stroke = gui.watched_once(EDITOR + "Seen")
    gui.true(stroke != before, "a stroke")
    gui.choose(EDITOR + "Fill", "blur")
    gui.drag(CANVAS, pixel(20, 20), pixel(60, 20))
    gui.picture("brushed")
    gui.click(EDITOR + "Undo")
    gui.wait(100)
    gui.equal(gui.watched_once(EDITOR + "Seen"), stroke, "undone")
    gui.click(EDITOR + "Redo")
    gui.click(EDITOR + "Crop")
    gui.drag(CANVAS, pixel(84, 42), pixel(167, 125))
    gui.equal(gui.prop(EDITOR + "SeenText", "text"), "The model sees the whole picture, as 168 x 168 pixels.", "of a square part")
    gui.drag(CANVAS, pixel(10, 42), pixel(160, 90))
    gui.true("% of the picture: columns" in gui.prop(EDITOR + "SeenText", "text"), gui.prop(EDITOR + "SeenText", "text"))
    gui.picture("cropped")
    gui.type_text(EDITOR + "Question", "What shape is blue?")
    gui.click(EDITOR + "Ask")
    gui.wait_for(lambda: len(lvlm.find_traces()) == 3, "a third answer")
    gui.wait(500)
    third = lvlm.find_traces()[-1]
    gui.equal([line.split()[0] + " " + line.split()[-1] for line in third.Input.Edits[:2]], ["brush noise", "brush blur"])
    gui.equal([line.split()[0] for line in third.Input.Edits], ["brush", "brush", "crop", "crop"])
    gui.equal(lvlm.question(third), "What shape is blue?")
    gui.picture("both-parts")
    # What was read of the session since then has left nothing to undo.
    gui.trigger("actionEditUndo")
    gui.wait(500)
    gui.equal(len(lvlm.find_traces()), 2, "questions after undo")


def words_are_coloured_by_what_comes_from_the_picture():
    simple.SetActiveView(views("Attention")[0])
    simple.SetActiveSource(next(s for s in simple.GetSources().values() if s.GetXMLName() == "LVLMAttentionMap" and s.Input.SMProxy == session["trace"].SMProxy))
    gui.wait(400)
    before = gui.watched_once("propertiesPanel/Strip")
    gui.choose("propertiesPanel/Column", "from the picture")
    gui.wait(200)
    session["attention"] = lvlm.picture_shares(session["trace"])
    gui.equal(session["attention"]["of"], "attention")
    gui.equal(gui.prop("propertiesPanel/Column", "currentText"), "from the picture")
    gui.true(gui.watched_once("propertiesPanel/Strip") != before, "other colors than those of the probabilities")
    gui.picture("shares")
    gui.click("propertiesPanel/Words", (8, 8))
    gui.picture("whole-words")
    gui.click("propertiesPanel/Words", (8, 8))
    simple.SetActiveSource(session["trace"])
    gui.wait(200)
    gui.trigger("actionLVLMWords")
    gui.wait(500)
    gui.equal(lvlm.picture_shares(session["trace"])["of"], "relevancy")
    gui.picture("words")
    simple.SetActiveSource(session["trace"])
    gui.wait(200)
    gui.trigger("actionLVLMMatrix")
    gui.wait(500)
    gui.true(front().startswith("Matrix"), front())
    gui.picture("matrix")
    chart = next(view for view in views("Matrix") if any(getattr(r, "Input", None) is not None and r.Input.GetXMLName() == "LVLMTokenMatrix" for r in view.Representations))
    viewport, at = place(chart, 0.5, -3.5)
    gui.click(viewport, at)
    gui.wait_for(lambda: simple.GetAnimationScene().AnimationTime == 3.0, "the row's word is chosen")


if __name__ == "__main__":
    gui.main(the_dialog_says_what_is_cut_off, ask, see_a_words_attention, see_a_heads_map, see_relevancy,
             see_a_causal_graph, edit_and_ask_again, the_editor_undoes_brushes_and_crops, words_are_coloured_by_what_comes_from_the_picture)
