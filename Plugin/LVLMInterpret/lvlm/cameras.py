# SPDX-License-Identifier: Apache-2.0
"""Where views look from: as large as caption and legend let it be, also after the view got another size.

How a view was fitted is kept as an annotation of its proxy, which undo and state files bring back with it. In the GUI
pqLVLMCameras calls refit() when a view got another size, and lets the views of a group move together.
"""
import json

from paraview import simple

MARGIN = 12  # pixels around a picture
FIT = "lvlm.fit"
GROUP = "lvlm.group"
CAMERA = ("Position", "FocalPoint", "ViewUp", "ParallelScale")


def text_scale(view):
    """How many pixels of the view a point of a font takes: 2 on a screen of double resolution."""
    return max(view.GetRenderWindow().GetDPI() / 72, 0.1)


def fit(view, bounds, top, bottom=0, margin=MARGIN, hang=False):
    """Looks straight down on `bounds` (left, right, low, high), as large as the view lets it between caption and legend, which take
    `top` and `bottom` pixels where the screen has a usual resolution.

    In the middle of the room that is left, or hanging from its top.
    """
    width, height = view.ViewSize
    left, right, low, high = bounds
    scale = text_scale(view)
    above, below, beside = scale * top, scale * bottom, scale * margin
    room = max(width - 2 * beside, 1), max(height - above - below - 2 * beside, 1)
    unit = max((right - left) / room[0], (high - low) / room[1])  # of the picture, a pixel of the view
    if hang:
        low = high - unit * room[1]
    centre = [(left + right) / 2, (low + high) / 2 + unit * (above - below) / 2]
    view.CameraParallelProjection = 1
    view.CameraParallelScale = unit * height / 2
    view.CameraPosition = [*centre, 1000]
    view.CameraFocalPoint = [*centre, 0]
    view.CameraViewUp = [0, 1, 0]
    view.CenterOfRotation = [*centre, 0]
    _keep(view, dict(bounds=list(bounds), top=top, bottom=bottom, margin=margin, hang=hang))


def look_aslant(view):
    """From the left and above; a little lower than the middle, where the legend is."""
    view.CameraPosition, view.CameraFocalPoint, view.CameraViewUp = [0, 0, 1], [0, 0, 0], [0, 1, 0]
    view.Update()
    view.ResetCamera()  # simple.ResetCamera would draw the view as well
    camera = view.GetActiveCamera()
    camera.Azimuth(-28)
    camera.Elevation(16)
    camera.OrthogonalizeViewUp()
    view.ResetCamera()
    camera.Dolly(1.12)
    camera.Pitch(-1.2)
    for name, value in (("Position", camera.GetPosition()), ("FocalPoint", camera.GetFocalPoint()), ("ViewUp", camera.GetViewUp())):
        setattr(view, "Camera" + name, value)
    _keep(view, None)


def group(views, name):
    """Moving in one of the views moves all of them."""
    for view in views:
        view.SMProxy.SetAnnotation(GROUP, name)


def _camera_of(view):
    camera = view.GetActiveCamera()
    return [*camera.GetPosition(), *camera.GetFocalPoint(), *camera.GetViewUp(), camera.GetParallelScale()]


def _mode_of(view):
    return view.GetProperty("InteractionMode").GetData()


def _keep(view, how):
    """How the view was fitted, at which size, and to which camera: another one is the user's. how: None is aslant."""
    kept = {"how": how, "mode": _mode_of(view), "size": list(view.ViewSize), "camera": _camera_of(view)}
    view.SMProxy.SetAnnotation(FIT, json.dumps(kept))


def refit():
    """Fits views again that have got another size, or a new camera from undo, unless the user has moved the camera."""
    for view in simple.GetRenderViews():
        text = view.SMProxy.GetAnnotation(FIT)
        if text is None:
            continue
        try:
            kept = json.loads(text)
            how, size, camera = kept["how"], kept["size"], kept["camera"]
        except (ValueError, KeyError, TypeError):  # of a state file that somebody edited
            continue
        now = _camera_of(view)
        new = now[0] == now[1] == 0 and now[3:6] == [0, 0, 0]  # where every camera starts
        if not new and (size == list(view.ViewSize) or now != camera):
            continue
        if _mode_of(view) != kept.get("mode"):
            view.InteractionMode = kept["mode"]
        look_aslant(view) if how is None else fit(view, **how)
        view.StillRender()
