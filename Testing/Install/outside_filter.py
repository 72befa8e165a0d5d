# SPDX-License-Identifier: Apache-2.0
"""In pvpython: PLUGIN OUTSIDE TRACE. The filter from outside works on a trace that the plugin's reader opened."""
import json
import struct
import sys

import numpy as np
from paraview import servermanager, simple
from vtkmodules.util.numpy_support import vtk_to_numpy

plugin, outside, path = sys.argv[1:]
LAYERS = [0, -1]


def expected_share():
    """From the bytes of the file: `attention.answer` is [L, Hd, T, K]."""
    with open(path, "rb") as file:
        size, = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        body = file.read()
    entry = header["attention.answer"]
    kind = {"F32": "<f4", "F16": "<f2"}[entry["dtype"]]
    attention = np.frombuffer(body[slice(*entry["data_offsets"])], kind).reshape(entry["shape"]).astype("f8")
    image = [p for p, role in enumerate(json.loads(header["__metadata__"]["roles"])) if role == "image"]
    return attention[LAYERS][..., image].sum(-1).mean((0, 1))


# The outside plugin first: what it needs is found without the help of ours.
simple.LoadPlugin(outside, remote=False)
simple.LoadPlugin(plugin, remote=False)
trace = simple.LVLMTraceReader(FileName=path)
table = servermanager.Fetch(simple.OutsideImageShare(Input=trace, Layers=LAYERS))
share = vtk_to_numpy(table.GetRowData().GetArray("image_share"))
np.testing.assert_allclose(share, expected_share(), rtol=1e-5)
tokens = servermanager.Fetch(simple.LVLMTokens(Input=trace))
assert tokens.GetNumberOfRows() > len(share) > 0
print("outside filter: %s" % np.round(share, 4))
