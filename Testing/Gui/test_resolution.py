# SPDX-License-Identifier: Apache-2.0
"""The window on a screen of double resolution (QT_SCALE_FACTOR=2): legends whose numbers have room."""
import os
import tempfile

import gui_testing as gui
import lvlm_testing as lt
from paraview import simple

import lvlm

folder = tempfile.TemporaryDirectory()


def legends():
    """Of each legend in sight: the numbers inside, and both ends."""
    found = []
    for view in simple.GetViewsInLayout():
        for bar in view.Representations:
            if bar.SMProxy.GetXMLName() == "ScalarBarWidgetRepresentation" and bar.Visibility:
                points = bar.LookupTable.RGBPoints
                found.append((bar.UseCustomLabels, list(bar.CustomLabels), points[0], points[-4]))
    return found


def numbers_have_room():
    found = legends()
    gui.true(found, "legends are in sight")
    for custom, numbers, low, high in found:
        gui.equal(custom, 1, "numbers of our own")
        gui.true(1 <= len(numbers) <= 3, "numbers %s" % numbers)
        rest = (high - low) / 4
        gui.true(all(low + rest <= number <= high - rest for number in numbers), "%s between %g and %g" % (numbers, low, high))
        gui.true(all(len("%g" % number) <= 8 for number in numbers), "round numbers: %s" % numbers)
    return found


def legends_of_presets():
    trace = simple.LVLMTraceReader(FileName=lt.TraceData().write(os.path.join(folder.name, "trace.lvlm")))
    trace.UpdatePipeline()
    for show in (lvlm.show_attention, lvlm.show_heads, lvlm.show_layers):
        show(trace)
        gui.wait(500)
        numbers_have_room()
        gui.picture(show.__name__)


def another_token_has_other_numbers():
    lvlm.show_attention(simple.FindSource("LVLMTraceReader1"))
    gui.wait(500)
    before = numbers_have_room()
    scene = simple.GetAnimationScene()
    scene.AnimationTime = 1 if scene.AnimationTime != 1 else 2
    gui.wait(500)
    after = numbers_have_room()
    gui.true([legend[2:] for legend in before] != [legend[2:] for legend in after], "another range: %s" % after)


gui.main(legends_of_presets, another_token_has_other_numbers)
