# SPDX-License-Identifier: Apache-2.0
"""What the pvpython tests share: traces written with numpy alone, the plugin, captured errors.

The writer here knows nothing of the project's own code: the tests check that code against it.
"""
import json
import os
import struct
import sys
import tempfile
import unittest

import numpy as np

PLUGIN = os.environ["LVLM_PLUGIN"]
DTYPES = {"float32": "F32", "float16": "F16", "float64": "F64", "uint8": "U8", "int64": "I64"}


class BFloat16:
    """bfloat16 numbers: the upper halves of float32 bit patterns (truncated)."""

    def __init__(self, values):
        self.bits = (np.ascontiguousarray(values, "<f4").view("<u4") >> 16).astype("<u2")

    def to_float(self):
        return (self.bits.astype("<u4") << 16).view("<f4")


def write_safetensors(path, tensors, metadata):
    """The safetensors format by its specification."""
    header, blobs, at = {"__metadata__": metadata}, [], 0
    for name, value in tensors.items():
        if isinstance(value, BFloat16):
            dtype, array = "BF16", value.bits
        else:
            dtype, array = DTYPES[value.dtype.name], np.ascontiguousarray(value)
        blob = array.tobytes()
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [at, at + len(blob)]}
        at += len(blob)
        blobs.append(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def read_safetensors(path):
    """Tensors and metadata, for the types that the tests use."""
    with open(path, "rb") as file:
        header, data = json.loads(file.read(int.from_bytes(file.read(8), "little"))), file.read()
    metadata = header.pop("__metadata__", {})
    types = {name: dtype for dtype, name in DTYPES.items()}
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensors[name] = np.frombuffer(data[begin:end], types[entry["dtype"]]).reshape(entry["shape"])
    return tensors, metadata


def split_safetensors(path, folder):
    """Its tensors in two shards of about the same size, with the index that Hugging Face writes."""
    with open(path, "rb") as file:
        header, data = json.loads(file.read(int.from_bytes(file.read(8), "little"))), file.read()
    header.pop("__metadata__", None)
    weight_map, parts, at = {}, [({}, []), ({}, [])], [0, 0]
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = entry["data_offsets"]
        part = int(2 * begin >= len(data))
        parts[part][0][name] = {**entry, "data_offsets": [at[part], at[part] + end - begin]}
        parts[part][1].append(data[begin:end])
        at[part] += end - begin
        weight_map[name] = "model-0000%d-of-00002.safetensors" % (part + 1)
    for part, (entries, blobs) in enumerate(parts):
        text = json.dumps(entries).encode()
        with open(os.path.join(folder, "model-0000%d-of-00002.safetensors" % (part + 1)), "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))
    with open(os.path.join(folder, "model.safetensors.index.json"), "w", encoding="utf-8") as file:
        json.dump({"metadata": {"total_size": len(data)}, "weight_map": weight_map}, file)


class TraceData:
    """A made-up trace, kept as plain numpy arrays and strings."""

    def __init__(self, rows=3, cols=4, layers=3, heads=2, answer=5, question=6, width=56, height=30, seed=1):
        rng = np.random.default_rng(seed)
        self.rows, self.cols, self.heads, self.layers = rows, cols, heads, layers
        self.T, self.image_start = answer, 2
        self.roles = (["special", "system"] + ["image"] * (rows * cols) + ["question"] * question
                      + ["special"] + ["answer"] * answer)
        self.P = len(self.roles) - answer
        self.K = len(self.roles) - 1
        self.ids = rng.integers(0, 50, len(self.roles))
        self.ids[self.image_start:self.image_start + rows * cols] = 99
        self.tokens = ["▁w%d" % i for i in self.ids]
        logits = rng.normal(size=(layers, heads, answer, self.K)) * 2
        key, row = np.arange(self.K), np.arange(answer)[:, None]
        logits[..., key > self.P - 1 + row] = -np.inf
        weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
        self.attention = (weights / weights.sum(axis=-1, keepdims=True)).astype("<f4")
        self.image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        self.logprob = -rng.random(answer).astype("<f4")
        self.topk_id = rng.integers(0, 60, (answer, 3))
        self.topk_id[:, 0] = self.ids[self.P:]
        self.topk_logprob = np.sort(-rng.random((answer, 3)).astype("<f4"))[:, ::-1]

    @property
    def span(self):
        return slice(self.image_start, self.image_start + self.rows * self.cols)

    def positions(self, role):
        return [p for p in range(self.K) if self.roles[p] == role]

    def tensors(self):
        return {
            "image": self.image, "tokens.id": self.ids, "answer.logprob": self.logprob,
            "answer.topk_id": self.topk_id, "answer.topk_logprob": self.topk_logprob,
            "attention.answer": self.attention,
        }

    def more_tensors(self, seed=3):
        """The optional tensors that `tensors` leaves out, one of each kind of number."""
        rng, cells = np.random.default_rng(seed), self.rows * self.cols
        full = np.tril(rng.random((self.layers, self.heads, self.K, self.K)))
        return {
            "attention.full": (full / full.sum(axis=-1, keepdims=True)).astype("<f2"),
            "attention.full.layers": np.arange(self.layers),
            "attention.vision": BFloat16(rng.random((2, 3, 5, 5))),
            "relevancy.decoder": rng.random((self.T, self.K)).astype("<f4"),
            "relevancy.vision": rng.random((self.T, cells)).astype("<f4"),
            "relevancy.joint": rng.random((self.T, cells)).astype("<f4"),
            "relevancy.joint_token": rng.random((self.T, cells)).astype("<f4"),
        }

    def metadata(self):
        return {
            "format": "lvlm-trace", "version": "1", "model": "numpy", "prompt": "What is this?\n",
            "answer": "a test ✓", "tokens": json.dumps(self.tokens), "roles": json.dumps(self.roles),
            "prompt_length": str(self.P), "image_start": str(self.image_start),
            "grid": "%d,%d" % (self.rows, self.cols), "temperature": "0.2",
        }

    def write(self, path, tensors=None, metadata=None):
        """Writes the trace; None as a value takes a tensor or key away."""
        def merged(base, more):
            return {k: v for k, v in {**base, **(more or {})}.items() if v is not None}
        write_safetensors(path, merged(self.tensors(), tensors), merged(self.metadata(), metadata))
        return path


class Errors:
    """Collects what VTK reports while it is entered."""

    def __enter__(self):
        from vtkmodules.vtkCommonCore import vtkOutputWindow, vtkStringOutputWindow
        self.before = vtkOutputWindow.GetInstance()
        self.window = vtkStringOutputWindow()
        vtkOutputWindow.SetInstance(self.window)
        return self

    def __exit__(self, *_):
        from vtkmodules.vtkCommonCore import vtkOutputWindow
        self.text = self.window.GetOutput()
        vtkOutputWindow.SetInstance(self.before)


class TestCase(unittest.TestCase):
    """Loads the plugin once, gives each test an empty folder and a fresh session."""

    @classmethod
    def setUpClass(cls):
        from paraview import simple
        simple.LoadPlugin(PLUGIN, remote=False, ns=None)

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.addCleanup(self.reset)

    @staticmethod
    def reset():
        from paraview import simple
        simple.ResetSession()

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def reader(self, data=None, name="trace.lvlm", **written):
        """A reader of the trace `data`, written into the test's folder."""
        from paraview import simple
        path = (data or TraceData()).write(self.path(name), **written)
        return simple.LVLMTraceReader(FileName=path)

    def assertReports(self, work, *needles):
        """`work` must make VTK report an error that holds every needle."""
        with Errors() as errors:
            work()
        for needle in needles:
            self.assertIn(needle, errors.text)
        self.assertIn("ERR", errors.text)

    def assertRaisesText(self, work, *needles):
        """`work` must raise an lvlm.Error that holds every needle."""
        import lvlm
        with self.assertRaises(lvlm.Error) as caught:
            work()
        for needle in needles:
            self.assertIn(needle, str(caught.exception))


def fetch(proxy, port=0):
    """The VTK data object of a proxy's output."""
    from paraview import servermanager
    proxy.UpdatePipeline()
    # ParaView 6.1 joins what ranks have of a composite in a new object of its class, and knows no class but VTK's: of the only
    # rank that there is here it takes the trace as it is.
    alone = servermanager.ActiveConnection.GetNumberOfDataPartitions() == 1
    composite = proxy.GetDataInformation(port).IsCompositeDataSet()
    return servermanager.Fetch(proxy, 0 if alone and composite else None, idx=port)


def block(data, name):
    for index in range(data.GetNumberOfBlocks()):
        if data.GetMetaData(index).Get(data.NAME()) == name:
            return data.GetBlock(index)
    return None


def array(vtk_array):
    from vtkmodules.util.numpy_support import vtk_to_numpy
    return vtk_to_numpy(vtk_array)


def column(table, name):
    values = table.GetColumnByName(name)
    if values is None:
        raise KeyError(name)
    if values.IsA("vtkStringArray"):
        return [values.GetValue(i) for i in range(values.GetNumberOfValues())]
    return array(values)


def grid_cells(image, name="attention"):
    """Cell array as [rows, cols] with row 0 at the top of the picture."""
    cols, rows = image.GetDimensions()[0] - 1, image.GetDimensions()[1] - 1
    return array(image.GetCellData().GetArray(name)).reshape(rows, cols)[::-1]


def volume_points(image, name="attention"):
    """Point array as [planes, rows, cols] with row 0 at the top of the picture."""
    cols, rows, planes = image.GetDimensions()
    return array(image.GetPointData().GetArray(name)).reshape(planes, rows, cols)[:, ::-1]


def pixels(path):
    """A PNG picture as [rows, columns, channels] of whole numbers, the bottom row first."""
    from vtkmodules.vtkIOImage import vtkPNGReader
    reader = vtkPNGReader()
    reader.SetFileName(path)
    reader.Update()
    image = reader.GetOutput()
    width, height, _ = image.GetDimensions()
    return array(image.GetPointData().GetScalars()).reshape(height, width, -1).astype(int)


def main():
    """For `if __name__`: runs the file's tests and tells CTest how they went."""
    result = unittest.main(argv=sys.argv[:1], exit=False, verbosity=2).result
    sys.stdout.flush()
    sys.stderr.flush()
    good = result.wasSuccessful() and result.testsRun > 0
    os._exit(0 if good else 1)  # ParaView's own clean-up must not change the answer
