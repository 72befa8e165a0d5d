# SPDX-License-Identifier: Apache-2.0
"""Pictures of the pipeline as files in memory, for pages and notebooks."""
import base64

import numpy as np
from paraview import servermanager
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkIOImage import vtkJPEGWriter, vtkPNGWriter

from . import pipeline


def heat_picture(trace, token):
    """The picture with the attention of an answer token over it, mean over layers and heads: RGB [height, width, 3], top row first."""
    with pipeline.temporary("LVLMAttentionMap", Input=trace, AnswerTokens=[token]) as heat:
        pipeline.update(heat, "the attention map")
        return picture_pixels(heat, ColorMap="Inferno")


def picture_pixels(source, **properties):
    """The picture that the model saw, or what LVLM Overlay makes of a map: RGB [height, width, 3], top row first."""
    with pipeline.temporary("LVLMOverlay", Input=source, **properties) as overlay:
        pipeline.update(overlay, "the picture")
        data = servermanager.Fetch(overlay)
    colors = vtk_to_numpy(data.GetPointData().GetArray("overlay"))
    if data.IsA("vtkImageData"):
        width, height, _ = data.GetDimensions()
        return colors.reshape(height, width, 3)[::-1]
    # The pieces of several ranks, put together as points without order.
    at = np.floor(vtk_to_numpy(data.GetPoints().GetData())[:, :2]).astype(int)
    pixels = np.zeros((*(at.max(axis=0)[::-1] + 1), 3), "u1")
    pixels[at[:, 1], at[:, 0]] = colors
    return pixels[::-1]


def _written(writer, pixels):
    height, width, _ = pixels.shape
    image = vtkImageData()
    image.SetDimensions(width, height, 1)
    array = numpy_to_vtk(np.ascontiguousarray(pixels[::-1]).reshape(-1, 3), deep=True)
    image.GetPointData().SetScalars(array)
    writer.SetInputData(image)
    writer.WriteToMemoryOn()
    writer.Write()
    return vtk_to_numpy(writer.GetResult()).tobytes()


def png(pixels):
    """RGB [height, width, 3] as a PNG file's bytes."""
    return _written(vtkPNGWriter(), pixels)


def jpeg(pixels, quality=90):
    """RGB [height, width, 3] as a JPEG file's bytes."""
    writer = vtkJPEGWriter()
    writer.SetQuality(quality)
    return _written(writer, pixels)


def data_url(kind, content):
    return "data:image/%s;base64,%s" % (kind, base64.b64encode(content).decode("ascii"))
