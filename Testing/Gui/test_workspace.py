# SPDX-License-Identifier: Apache-2.0
"""The window around the presets: how often things are drawn, cameras, undo, opening files, the list of questions."""
import os
import pathlib
import shutil
import tempfile

import gui_testing as gui
import lvlm_testing as lt
from paraview import simple

import lvlm
import lvlm.cameras
import lvlm.views

DIALOG = "LVLMAskDialog/"
HISTORY = "LVLMQuestions/"
SCENES = pathlib.Path(gui.__file__).resolve().parents[2] / "Models" / "TinyLlava" / "scenes"
folder = tempfile.TemporaryDirectory()
drawn = []  # ids of the views, in the order in which they are drawn


def views_of(title):
    layout = next(layout for (name, _), layout in simple.GetLayouts().items() if name.startswith(title))
    return [view for view in simple.GetViewsInLayout(layout) if view.GetXMLName() == "RenderView"]


def watch_drawing():
    """Notes each time that a view of a preset is drawn."""
    place = lvlm.views.Tab.place

    def watched_place(tab, view, cell):
        made = place(tab, view, cell)
        number = view.SMProxy.GetGlobalID()
        if view.GetXMLName() == "RenderView":
            view.GetRenderWindow().AddObserver("EndEvent", lambda *_: drawn.append(number))
        return made
    lvlm.views.Tab.place = watched_place


def ask(question):
    gui.press("actionLVLMAsk")
    gui.wait_for(lambda: gui.exists("LVLMAskDialog"), "the dialog")
    gui.choose(DIALOG + "Picture", "Example: star left of circle")
    gui.type_text(DIALOG + "Question", question)
    before = len(lvlm.find_traces())
    gui.click(DIALOG + "Ask")
    gui.wait_for(lambda: len(lvlm.find_traces()) > before, "an answer")
    gui.wait(300)


def the_toolbar_is_whole_in_a_small_window():
    gui.resize(1280, 800)
    gui.picture("small")
    for action in ("Ask", "Attention", "Heads", "Gallery", "Layers", "Lens", "Relevancy", "Causality", "Test", "Compare", "Hover", "Without"):
        gui.true(gui.button_visible("actionLVLM" + action), "the button %s is in sight" % action)


def an_example_fills_its_question():
    gui.press("actionLVLMAsk")
    gui.wait_for(lambda: gui.exists("LVLMAskDialog"), "the dialog")
    gui.choose(DIALOG + "Picture", "Example: purple heart")
    gui.equal(gui.prop(DIALOG + "Question", "plainText"), "What color is the circle?", "of another example")
    gui.choose(DIALOG + "Picture", "Example: star left of circle")
    gui.equal(gui.prop(DIALOG + "Question", "plainText"), "What color is the star?", "its question")
    gui.type_text(DIALOG + "Question", "Is it mine?")
    gui.choose(DIALOG + "Picture", "Example: red heart")
    gui.equal(gui.prop(DIALOG + "Question", "plainText"), "Is it mine?", "the user's own stays")


def picture_file_opens_the_file_dialog():
    path = os.path.join(folder.name, "mine.png")
    shutil.copy(SCENES / "star_left_of_circle.png", path)
    gui.answer_file_dialog("*", path)
    gui.click(DIALOG + "Picture")  # opens the list
    gui.wait(300)
    gui.key("QComboBoxPrivateContainer/QComboBoxListView", gui.KEY_HOME)
    gui.key("QComboBoxPrivateContainer/QComboBoxListView", gui.KEY_RETURN)
    gui.wait_for(lambda: gui.prop(DIALOG + "File/FileLineEdit", "text") == path, "the file that was chosen")
    gui.close("LVLMAskDialog")


def a_failed_question_leaves_nothing():
    path = os.path.join(folder.name, "no.png")
    pathlib.Path(path).write_bytes(b"no picture")
    gui.press("actionLVLMAsk")
    gui.choose(DIALOG + "Picture", "Picture file...")
    gui.type_text(DIALOG + "File/FileLineEdit", path)
    gui.click(DIALOG + "Ask")
    gui.wait_for(lambda: gui.exists("LVLMMessage"), "a message")
    gui.close("LVLMMessage")
    gui.equal(gui.enabled("actionEditUndo"), False, "something to undo")
    gui.equal(simple.GetSources(), {}, "sources")
    gui.close("LVLMAskDialog")


def a_preset_draws_its_own_views_and_not_often():
    watch_drawing()
    ask("What color is the star?")
    for action, title, count in (("actionLVLMHeads", "Heads", 2), ("actionLVLMRelevancy", "Relevancy", 5)):
        del drawn[:]
        gui.press(action)
        gui.wait(500)
        made = [view.SMProxy.GetGlobalID() for view in views_of(title)]
        gui.equal(len(made), count, "views of " + title)
        # Once by the preset, once when the widget is painted for the first time; the active one when it is marked, and its
        # source becomes the active one; ParaView 5.13 draws each once more. (It was 54 times for the five views of Relevancy.)
        counts = [drawn.count(view) for view in made]
        gui.true(min(counts) >= 1 and sum(counts) <= 3 * count + 1, "views of %s were drawn %s times" % (title, [drawn.count(v) for v in made]))
        # The tab that was in front loses its focus; those behind it are let alone.
        others = [drawn.count(view) for view in set(drawn) - set(made)]
        gui.true(sum(others) <= 2, "other views were drawn %s times" % others)
        gui.picture(title.lower())


def looks():
    """Of each tab how its views look at things."""
    found = {}
    for (name, _), layout in simple.GetLayouts().items():
        found[name] = sorted(
            (layout.GetViewLocation(view), view.GetProperty("InteractionMode").GetData(), view.ViewTime,
             tuple(round(x, 3) for x in view.GetActiveCamera().GetPosition()), round(view.GetActiveCamera().GetParallelScale(), 3))
            for view in simple.GetViewsInLayout(layout) if view.GetXMLName() == "RenderView")
    return found


def undo_and_redo_keep_cameras_mode_and_time():
    def asks():
        ask("What shape is red?")
    for what, title, work in (("asking", "Attention: What shape", asks), ("relevancy", "Relevancy: What shape", lambda: gui.press("actionLVLMRelevancy")),
                              ("comparing", "Compare", lambda: gui.press("actionLVLMCompare"))):
        before = looks()
        work()
        gui.wait(400)
        after = looks()
        gui.true(any(name.startswith(title) for name in after), "a tab of %s: %s" % (what, list(after)))
        gui.trigger("actionEditUndo")
        gui.wait(400)
        gui.equal(looks(), before, what + " undone")
        gui.trigger("actionEditRedo")
        gui.wait(400)
        gui.equal(looks(), after, what + " redone")
    gui.picture("compare-redone")


def linked_views_move_together():
    views = [view for view in views_of("Compare") if view.SMProxy.HasAnnotation(lvlm.cameras.GROUP)]
    gui.equal(len(views), 3, "linked views")
    scale = views[0].CameraParallelScale
    simple.SetActiveView(views[0])
    views[0].CameraParallelScale = scale / 2
    views[0].StillRender()
    gui.wait(300)
    gui.equal([view.GetActiveCamera().GetParallelScale() for view in views], [scale / 2] * 3, "all three came nearer")


def views_fit_again_when_their_size_changes():
    view = views_of("Heads")[1]
    simple.SetActiveView(view)
    gui.wait(300)
    scale, height = view.CameraParallelScale, view.ViewSize[1]
    gui.resize(1280, 1000)
    gui.wait_for(lambda: view.ViewSize[1] != height, "another size")
    gui.wait(500)
    width, height = view.ViewSize
    size = lvlm.views.picture_size(lvlm.find_traces()[0])
    rows = 2 * view.CameraParallelScale / height  # units a pixel
    room = (width - 24) * rows, (height - lvlm.views.caption_height(2) - lvlm.views.LEGEND_HEIGHT - 24) * rows
    gui.true(abs(min(room[0] / size[0], room[1] / size[1]) - 1) < 1e-6, "the picture fills the room: %s of %s" % (size, room))
    view.CameraParallelScale = scale / 3
    view.StillRender()
    gui.resize(1280, 800)
    gui.wait(500)
    gui.equal(view.GetActiveCamera().GetParallelScale(), scale / 3, "what the user has moved stays")
    gui.picture("resized")


def the_browser_shows_a_handful_of_entries():
    parts = [source for source in lvlm.pipeline.all_sources() if source.SMProxy.HasAnnotation(lvlm.pipeline.PART)]
    kinds = {lvlm.pipeline.xml_name(part) for part in parts}
    gui.true({"LVLMCaption", "LVLMBars", "LVLMOverlay", "Glyph"} <= kinds, "parts of views: %s" % kinds)
    # Two questions, their picture, the server, three presets; the outputs of filters that have several count, too.
    gui.true(gui.rows("pipelineBrowserDock/pipelineBrowser") <= 24, "%d rows" % gui.rows("pipelineBrowserDock/pipelineBrowser"))


def questions_are_listed_shown_compared_and_removed():
    gui.equal(gui.rows(HISTORY + "List"), 2, "questions")
    gui.raise_dock("LVLMQuestions")
    gui.wait(300)
    gui.picture("history")
    gui.click_item(HISTORY + "List", 0)
    gui.click(HISTORY + "Show")
    gui.wait(500)
    layout = simple.GetLayout(simple.GetActiveView())
    gui.true(lvlm.pipeline.servermanager.ProxyManager().GetProxyName("layouts", layout).startswith("Attention: What color"), "its tab")
    gui.click_item(HISTORY + "List", 0)
    gui.click(HISTORY + "Remove")
    gui.wait(500)
    gui.equal(gui.exists("LVLMMessage"), False, "a message")
    gui.equal([lvlm.question(trace) for trace in lvlm.find_traces()], ["What shape is red?"], "questions left")
    gui.true(not any("color" in name for name, _ in simple.GetLayouts()), "tabs left: %s" % list(simple.GetLayouts()))
    left = [source for source in lvlm.pipeline.all_sources() if "color" in lvlm.pipeline.name_of(source)]
    gui.equal(left, [], "sources left")
    gui.picture("removed")


def a_trace_opens_with_its_attention():
    data = lt.TraceData(rows=6, cols=8, layers=4, heads=3, answer=5, question=4, width=112, height=84)
    path = data.write(os.path.join(folder.name, "answer.lvlm"))
    gui.open_file("actionFileOpen", "FileOpenDialog", path, 0)
    gui.wait(300)
    gui.click("propertiesPanel/Accept")
    gui.wait(800)
    gui.equal(len(views_of("Attention: answer.lvlm")), 3, "views of its tab")
    gui.picture("opened")


def a_truncated_trace_says_why():
    whole = pathlib.Path(folder.name, "answer.lvlm").read_bytes()
    path = pathlib.Path(folder.name, "half.lvlm")
    path.write_bytes(whole[:len(whole) // 2])
    gui.open_file("actionFileOpen", "FileOpenDialog", str(path), 0)
    gui.wait(300)
    gui.click("propertiesPanel/Accept")
    gui.wait_for(lambda: gui.exists("LVLMMessage"), "a message")
    gui.true("truncated" in gui.prop("LVLMMessage", "text") and "half.lvlm" in gui.prop("LVLMMessage", "text"), gui.prop("LVLMMessage", "text"))
    gui.picture("truncated")
    gui.close("LVLMMessage")
    simple.Delete(simple.FindSource("half.lvlm"))


def a_picture_opens_in_its_own_colours():
    view = simple.CreateView("RenderView")
    simple.AssignViewToLayout(view, simple.CreateLayout("Mine"), 0)
    simple.SetActiveView(view)
    gui.open_file("actionFileOpen", "FileOpenDialog", os.path.join(folder.name, "mine.png"), 500)
    gui.wait(300)
    gui.click("propertiesPanel/Accept")
    gui.wait(800)
    shown = simple.GetDisplayProperties(simple.GetActiveSource(), view)
    gui.equal(shown.GetProperty("Representation").GetData(), "Picture", "how it is shown")
    gui.picture("picture")
    gui.press("actionLVLMAsk")
    gui.true("mine.png" in gui.prop(DIALOG + "Picture", "currentText"), "Ask is about it: " + gui.prop(DIALOG + "Picture", "currentText"))
    gui.close("LVLMAskDialog")


def a_new_causal_graph_leaves_the_tab_whole():
    trace = lvlm.find_traces()[0]
    view = simple.GetActiveView()
    simple.SetActiveSource(trace)
    gui.wait(300)
    before = len(simple.GetViews())
    gui.trigger("LVLMCausalGraph")
    gui.wait_for(lambda: simple.GetActiveSource().GetXMLName() == "LVLMCausalGraph", "the new filter")
    gui.click("propertiesPanel/Accept")
    gui.wait(800)
    gui.equal(len(simple.GetViews()), before, "views")
    gui.true(simple.GetActiveView() == view, "the same view")
    shown = simple.GetDisplayProperties(simple.GetActiveSource(), view)
    gui.equal(shown.GetProperty("MapScalars").GetData(), 0, "its colours are sent through a map")
    gui.picture("causal")


if __name__ == "__main__":
    gui.main(the_toolbar_is_whole_in_a_small_window, an_example_fills_its_question, picture_file_opens_the_file_dialog,
             a_failed_question_leaves_nothing, a_preset_draws_its_own_views_and_not_often, undo_and_redo_keep_cameras_mode_and_time,
             linked_views_move_together, views_fit_again_when_their_size_changes, the_browser_shows_a_handful_of_entries,
             questions_are_listed_shown_compared_and_removed, a_trace_opens_with_its_attention, a_truncated_trace_says_why,
             a_picture_opens_in_its_own_colours, a_new_causal_graph_leaves_the_tab_whole)
