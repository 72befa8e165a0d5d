# SPDX-License-Identifier: Apache-2.0
"""How long a preset takes from the click to the drawn tab in ParaView's own window, and a state file of all of them.

    OMP_WAIT_POLICY=passive python3 Testing/Gui/run_gui_test.py Testing/Benchmarks/window/measure.py \
      BUILD/lib/LVLMInterpret/LVLMInterpret.so BUILD/Testing/Gui/liblvlmGuiDriver.so

On the embedded model, an X server in software. Prints a row a preset: seconds by the clock, seconds of processor time (all
threads, Mesa's included), and how often views were drawn. The last row is a tab of five views with a map, a legend and a line of
text each, as many as Relevancy has, made by ParaView's own calls.
"""
import os
import pathlib
import tempfile
import time

import gui_testing as gui
from paraview import simple

import lvlm
import lvlm.views

PRESETS = ("Heads", "Gallery", "Layers", "Lens", "Relevancy", "Causality", "Attention", "Test", "Compare")
PICTURE = str(pathlib.Path(gui.__file__).resolve().parents[2] / "Models" / "TinyLlava" / "scenes" / "star_left_of_circle.png")
drawn = []


def watch_drawing():
    place = lvlm.views.Tab.place

    def watched_place(tab, view, cell):
        made = place(tab, view, cell)
        if view.GetXMLName() == "RenderView":
            view.GetRenderWindow().AddObserver("EndEvent", lambda *_: drawn.append(view))
        return made
    lvlm.views.Tab.place = watched_place


def timed(name, work):
    del drawn[:]
    begun, used = time.monotonic(), sum(os.times()[:2])
    work()
    gui.wait(1)
    print("%-12s %6.2f s  %6.2f s of processors  %3d drawings" % (
        name, time.monotonic() - begun, sum(os.times()[:2]) - used, len(drawn)), flush=True)


def presets():
    watch_drawing()
    lvlm.ask(PICTURE, "What color is the circle?")
    timed("ask", lambda: lvlm.ask(PICTURE, "What color is the star?"))
    trace = lvlm.find_traces()[-1]
    for name in PRESETS:
        simple.SetActiveSource(trace)
        gui.wait(500)
        timed(name, lambda action="actionLVLM" + name: gui.press(action))


def five_views():
    layout = simple.CreateLayout("ParaView alone")
    cells = [0]
    for _ in range(4):
        cell = cells.pop(0)
        layout.SplitHorizontal(cell, 0.5)
        cells += [2 * cell + 1, 2 * cell + 2]
    picture = simple.Wavelet(WholeExtent=[0, 24, 0, 24, 0, 0])
    text = simple.Text(Text="Where the model looked")
    for cell in cells:
        view = simple.CreateRenderView()
        layout.AssignView(cell, view)
        shown = simple.Show(picture, view)
        shown.Representation = "Surface"
        simple.ColorBy(shown, ("POINTS", "RTData"), separate=True)
        shown.SetScalarBarVisibility(view, True)
        simple.Show(text, view)
        simple.Render(view)


def paraview_alone():
    timed("five views", five_views)


def state_file():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "session.pvsm")
        simple.SaveState(path)
        simple.ResetSession()
        gui.wait(500)
        timed("state file", lambda: (simple.LoadState(path), gui.wait(1000)))


if __name__ == "__main__":
    gui.main(presets, state_file, paraview_alone)
