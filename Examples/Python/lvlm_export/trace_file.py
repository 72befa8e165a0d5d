# SPDX-License-Identifier: Apache-2.0
"""`.lvlm` files (Plugin/Documentation/trace-format.md), written without holding them in memory.

How long an answer gets is known when it ends, and with it the shape of every attention tensor. Rows are therefore written as they
come into a `RowStore`, a memory-mapped file beside the trace with room for the longest answer (sparse: what is not written takes
no disk); `write_trace` then copies the rows that there are into the trace, slab by slab.
"""

import json
import struct
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Iterable, Iterator

import numpy as np
import torch

from whole_files import replacing

# Name on the command line: name in the file, Torch's type, a NumPy type of the same bits.
PAYLOADS = {
    "f32": ("F32", torch.float32, np.dtype("<f4")),
    "f16": ("F16", torch.float16, np.dtype("<f2")),
    "bf16": ("BF16", torch.bfloat16, np.dtype("<u2")),
}
NAMES = {"float32": "F32", "float16": "F16", "uint8": "U8", "int64": "I64"}
COPY_BYTES = 16 << 20


class RowStore:
    """A tensor [slabs, heads, rows, columns] on disk, zero where nothing was written, whose rows and columns may turn out fewer."""

    def __init__(self, folder: Path, slabs: int, heads: int, rows: int, columns: int, payload: str):
        self.dtype, self.torch_type, numpy_type = PAYLOADS[payload]
        self.rows, self.columns = rows, columns
        path = folder / f"rows-{len(list(folder.iterdir()))}"
        try:
            self.data = np.memmap(path, numpy_type, "w+", shape=(slabs, heads, rows, columns))
        except OSError as error:
            raise OSError(error.errno, f"{error.strerror}: a tensor of shape {[slabs, heads, rows, columns]} in {payload}",
                          str(path)) from error

    def write(self, slab: int, row: int, values: torch.Tensor) -> None:
        """`values` [heads, n, S] as rows `row` to `row + n` of all heads; columns from S on stay 0."""
        _, n, columns = values.shape
        bits = values.detach().to("cpu", self.torch_type).contiguous()
        if self.torch_type == torch.bfloat16:
            bits = bits.view(torch.int16)
        self.data[slab, :, row:row + n, :columns] = bits.numpy().view(self.data.dtype)

    def crop(self, rows: int, columns: int) -> None:
        self.rows, self.columns = rows, columns

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self.data.shape[:2], self.rows, self.columns)

    def chunks(self) -> Iterator[bytes]:
        """The bytes of `shape` in C order, a few rows at a time."""
        step = max(1, COPY_BYTES // max(1, self.columns * self.data.itemsize))
        for slab in self.data:
            for head in slab:
                for row in range(0, self.rows, step):
                    yield head[row:min(row + step, self.rows), :self.columns].tobytes()


class Array:
    """A small tensor that is in memory already."""

    def __init__(self, values: np.ndarray):
        self.values = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
        self.dtype = NAMES[values.dtype.name]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    def chunks(self) -> Iterator[bytes]:
        yield self.values.tobytes()


@contextmanager
def scratch_folder(target: Path) -> Iterator[Path]:
    """A folder beside the trace, since that disk has to hold it anyway; gone when the work is done or has failed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
        yield Path(folder)


def _header(tensors: dict, metadata: dict[str, str]) -> bytes:
    entries, at = {"__metadata__": metadata}, 0
    for name, tensor in tensors.items():
        size = {"F32": 4, "F16": 2, "BF16": 2, "U8": 1, "I64": 8}[tensor.dtype]
        end = at + size * int(np.prod(tensor.shape, dtype=np.int64))
        entries[name] = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(entries, ensure_ascii=False).encode("utf-8", "replace")
    return text + b" " * (-len(text) % 8)  # so that the data begin aligned


def _write_all(file, chunks: Iterable[bytes]) -> int:
    return sum(file.write(chunk) for chunk in chunks)


def write_trace(target: Path, tensors: dict, metadata: dict[str, str]) -> None:
    """Writes `target` whole or not at all: under another name first, renamed when it is complete and on the disk."""
    widest_first = dict(sorted(tensors.items(), key=lambda item: {"I64": 0, "F32": 1, "U8": 3}.get(item[1].dtype, 2)))
    header = _header(widest_first, metadata)
    with replacing(target) as partial, open(partial, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        for tensor in widest_first.values():
            _write_all(file, tensor.chunks())
