# SPDX-License-Identifier: Apache-2.0
"""Draws the layer volume and a contour of it: pvbatch render_job.py TRACE FOLDER, on any number of ranks."""
import os
import sys

from paraview import simple

TRACE, FOLDER = sys.argv[1], sys.argv[2]
simple.LoadPlugin(os.environ["LVLM_PLUGIN"], remote=False, ns=None)
volume = simple.LVLMLayerVolume(Input=simple.LVLMTraceReader(FileName=TRACE))
volume.UpdatePipeline()
low, high = volume.PointData["attention"].GetRange()
for name in ("volume", "contour"):
    view = simple.CreateView("RenderView")
    view.ViewSize = [300, 240]
    view.OrientationAxesVisibility = 0
    if name == "volume":
        shown = simple.Show(volume, view)
        shown.SetRepresentationType("Volume")
        simple.ColorBy(shown, ("POINTS", "attention"))
    else:
        shown = simple.Show(simple.Contour(Input=volume, ContourBy=["POINTS", "attention"],
                                           Isosurfaces=[low + 0.15 * (high - low)]), view)
    view.CameraPosition, view.CameraFocalPoint = [160, 120, 260], [28, 15, 28]
    view.CameraViewUp = [0, 1, 0]
    simple.Render(view)
    simple.SaveScreenshot(os.path.join(FOLDER, name + ".png"), view, ImageResolution=[300, 240])
