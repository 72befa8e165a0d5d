# SPDX-License-Identifier: Apache-2.0
"""Pictures of the pipeline as files in memory, for pages and notebooks."""
import base64
from contextlib import ExitStack

import numpy as np
from paraview import servermanager
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkIOImage import vtkJPEGWriter, vtkPNGWriter

from . import pipeline
from .columns import Columns


def heat_picture(trace, token):
    """The picture with the attention of an answer token over it, mean over layers and heads: RGB [height, width, 3], top row first."""
    with pipeline.temporary("LVLMAttentionMap", Input=trace, AnswerTokens=[token]) as heat:
        pipeline.update(heat, "the attention map")
        return picture_pixels(heat, ColorMap="Inferno")


def picture_pixels(source, **properties):
    """The picture that the model saw, or what LVLM Overlay makes of a map: RGB [height, width, 3], top row first."""
    with pipeline.temporary("LVLMOverlay", Input=source, **properties) as overlay:
        pipeline.update(overlay, "the picture")
        return pixels_of(overlay, "overlay")


def pixels_of(source, array="picture"):
    """An image of the pipeline that has run, a point a pixel: RGB [height, width, 3], top row first."""
    if servermanager.ActiveConnection.GetNumberOfDataPartitions() > 1:
        return _joined_pixels(source, array)
    image = pipeline.fetch(source)
    width, height, _ = image.GetDimensions()
    return vtk_to_numpy(image.GetPointData().GetArray(array)).reshape(height, width, 3)[::-1]


def _joined_pixels(source, array):
    """The picture whose pieces several ranks have."""
    with ExitStack() as stack:
        placed = stack.enter_context(pipeline.temporary("Calculator", Input=source, Function="coords", ResultArrayName="place"))
        points = Columns(stack, placed, [array, "place"], "Points").fetch("the picture")
    at = np.floor(points["place"][:, :2]).astype(int)  # of the pixels' middles
    pixels = np.zeros((*(at.max(axis=0)[::-1] + 1), 3), "u1")
    pixels[at[:, 1], at[:, 0]] = points[array]
    return pixels[::-1]


def image_of(pixels):
    """RGB [height, width, 3], top row first, as VTK has it."""
    height, width, _ = pixels.shape
    image = vtkImageData()
    image.SetDimensions(width, height, 1)
    array = numpy_to_vtk(np.ascontiguousarray(pixels[::-1]).reshape(-1, 3), deep=True)
    image.GetPointData().SetScalars(array)
    return image


def written(writer, image):
    """A file's bytes."""
    writer.SetInputData(image)
    writer.WriteToMemoryOn()
    writer.Write()
    return vtk_to_numpy(writer.GetResult()).tobytes()


def png(pixels):
    """RGB [height, width, 3] as a PNG file's bytes."""
    return written(vtkPNGWriter(), image_of(pixels))


def jpeg(pixels, quality=90):
    """RGB [height, width, 3] as a JPEG file's bytes."""
    writer = vtkJPEGWriter()
    writer.SetQuality(quality)
    return written(writer, image_of(pixels))


def data_url(pixels, limit=0):
    """RGB [height, width, 3] as an address that holds it: a PNG file of up to `limit` bytes, else a JPEG file."""
    kind, content = "png", png(pixels) if limit else b""
    if not 0 < len(content) <= limit:
        kind, content = "jpeg", jpeg(pixels)
    return "data:image/%s;base64,%s" % (kind, base64.b64encode(content).decode("ascii"))
