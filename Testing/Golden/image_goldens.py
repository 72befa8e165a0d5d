#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws the pictures of Testing/Data/image and records what Hugging Face makes of them.

    python Testing/Golden/image_goldens.py          (transformers 4.46.3, Pillow 13.0)

Writes, all into Testing/Data/image:

* the pictures: odd-sized, grey, with alpha, palette, 1 bit, 16 bit, one pixel wide or high, EXIF-rotated;
* ``cases.json``: a list of {"picture", "config" (text of a preprocessor_config.json), "mode"} with the
  expected "size" and a 64-bit FNV-1a "hash" of the expected bytes, and the sum of the float values;
* ``goldens.safetensors``: for the cases with a "tensor" name N, ``N.seen`` u8 [H, W, 3] and
  ``N.pixel_values`` f32 [3, H, W]; ``picture.*`` u8 [H, W, 3] is what PIL reads from the file;
  ``resize.F.WxH`` is ``Image.resize((W, H), F)`` of ``resize.source``.

Pillow 13 changed the order of resize's two passes for pictures that lose many more rows than columns;
older ones give other bytes for a few of these cases.

CLIPImageProcessor guesses the channel axis from the shape and takes a picture that is 1 or 3 pixels
high for one with channels first; it is told ``channels_last`` here, which is what it means.
"""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import save_file
from transformers import CLIPImageProcessor

OUT = Path(__file__).resolve().parents[1] / "Data" / "image"
MODES = ("Default", "Crop", "Pad", "Resize")


def fnv1a(data: bytes) -> str:
    """64-bit FNV-1a in hexadecimal: enough to compare big results without keeping them."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def scene(width: int, height: int, channels: int, seed: int, noise: int = 60) -> np.ndarray:
    """Gradients, a hard-edged box and noise: something for every frequency. u8 [H, W, channels]"""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    planes = []
    for c in range(channels):
        plane = 128 + 100 * np.sin((x * (c + 1) / max(width, 2) + y * (3 - c) / max(height, 2)) * 3)
        plane[height // 4 : height // 2 + 1, width // 3 : width // 2 + 1] = 255 * (c % 2)
        planes.append(plane + rng.integers(-noise, noise + 1, (height, width)))
    return np.clip(np.stack(planes, axis=-1), 0, 255).astype(np.uint8)


def write_png16(path: Path, values: np.ndarray) -> None:
    """16-bit RGB PNG, which Pillow reads but does not write. values: u16 [H, W, 3]"""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def draw_pictures() -> list[str]:
    """Writes the pictures and returns their names."""

    def save(name: str, image: Image.Image, **options: object) -> None:
        image.save(OUT / name, **options)
        names.append(name)

    names: list[str] = []
    save("odd.png", Image.fromarray(scene(61, 37, 3, 1)))
    save("tall.png", Image.fromarray(scene(23, 97, 3, 2)))
    save("grey.png", Image.fromarray(scene(45, 44, 1, 3)[..., 0]))
    save("grey_alpha.png", Image.fromarray(scene(31, 20, 2, 4), "LA"))
    save("alpha.png", Image.fromarray(scene(50, 33, 4, 5)))
    palette = Image.fromarray(scene(64, 41, 3, 6)).quantize(16)
    save("palette.png", palette, transparency=3)
    save("bits.png", Image.fromarray(scene(17, 29, 1, 7)[..., 0]).convert("1"))
    save("one_wide.png", Image.fromarray(scene(1, 57, 3, 8)))
    save("one_high.png", Image.fromarray(scene(83, 1, 3, 9)))
    save("three_high.png", Image.fromarray(scene(301, 3, 3, 10)))
    save("single.png", Image.fromarray(scene(1, 1, 3, 11)))
    save("large.png", Image.fromarray(scene(523, 391, 3, 12, noise=1)))
    save("portrait.png", Image.fromarray(scene(41, 190, 3, 16)))
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate by 90 degrees", which nobody asked for
    save("exif.jpg", Image.fromarray(scene(40, 27, 3, 13)), exif=exif, quality=90)
    grey16 = scene(20, 30, 1, 14)[..., 0].astype(np.uint16) * 3
    save("grey16.png", Image.fromarray(grey16))
    colour16 = np.random.default_rng(15).integers(0, 65536, (13, 19, 3))
    write_png16(OUT / "colour16.png", colour16)
    names.append("colour16.png")
    return names


def expand_to_square(image: Image.Image, mean: list[float]) -> Image.Image:
    """LLaVA's padding: centred on a square of the mean colour, which is truncated to bytes."""
    edge = max(image.size)
    square = Image.new("RGB", (edge, edge), tuple(int(x * 255) for x in mean))
    square.paste(image, ((edge - image.width) // 2, (edge - image.height) // 2))
    return square


def process(image: Image.Image, config: dict, mode: str) -> tuple[np.ndarray, np.ndarray]:
    """Seen bytes [H, W, 3] and pixel values [3, H, W] by Hugging Face's own code."""
    processor = CLIPImageProcessor(**config)
    if mode in ("Crop", "Resize"):
        crop = processor.crop_size
        size = {"shortest_edge": max(crop.values())} if mode == "Crop" else crop
        processor = CLIPImageProcessor(
            **{**config, "size": size, "do_resize": True, "do_center_crop": mode == "Crop"}
        )
    if mode == "Pad":
        image = expand_to_square(image, processor.image_mean)
    options = {"input_data_format": "channels_last", "return_tensors": "np"}
    values = processor.preprocess(image, **options)["pixel_values"][0]
    seen = processor.preprocess(
        image, do_rescale=False, do_normalize=False, data_format="channels_last", **options
    )["pixel_values"][0]
    return seen, np.ascontiguousarray(values, dtype=np.float32)


SMALL = {"size": {"shortest_edge": 34}, "crop_size": {"height": 28, "width": 28}}
LLAVA = {"size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}}
MORE = [  # on odd.png, Default only
    {"size": {"shortest_edge": 21}, "crop_size": {"height": 28, "width": 40}},  # padded by zeros
    {"size": {"shortest_edge": 22}, "crop_size": {"height": 33, "width": 21}},
    {"size": {"height": 19, "width": 45}, "do_center_crop": False},
    {"size": {"height": 37, "width": 19}, "do_center_crop": False},  # rows are not resampled
    {"size": 30, "crop_size": 27},
    {"do_resize": False, "crop_size": 25},
    {**SMALL, "do_rescale": False},
    {**SMALL, "do_normalize": False},
    {**SMALL, "rescale_factor": 0.00784, "image_mean": [0.5, 0.4, 1.5], "image_std": [0.5, 2.0, -1]},
] + [{**SMALL, "resample": resample} for resample in range(6)]


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, np.ndarray] = {}
    cases: list[dict] = []

    def add(name: str, config: dict, mode: str, tensor: str = "") -> None:
        seen, values = process(Image.open(OUT / name).convert("RGB"), config, mode)
        case = {"picture": name, "mode": mode, "config": json.dumps(config)}
        case |= {"size": list(seen.shape[1::-1]), "hash": fnv1a(seen.tobytes())}
        case["sum"] = float(values.astype(np.float64).sum())
        if tensor:
            case["tensor"] = tensor
            tensors[tensor + ".seen"] = np.ascontiguousarray(seen)
            tensors[tensor + ".pixel_values"] = values
        cases.append(case)

    for name in draw_pictures():
        if name != "large.png":  # its bytes take part through the cases below
            tensors["picture." + name] = np.array(Image.open(OUT / name).convert("RGB"))
        for mode in MODES:
            add(name, SMALL, mode, f"{Path(name).stem}.{mode}")
            add(name, LLAVA, mode)
    for index, config in enumerate(MORE):
        add("odd.png", config, "Default", f"config{index}")

    source = Image.fromarray(scene(37, 23, 3, 20))
    tensors["resize.source"] = np.array(source)
    for resample in range(6):
        for size in ((50, 41), (9, 7), (37, 11), (13, 23), (71, 5), (29, 3), (3, 20), (1, 1), (37, 23)):
            resized = source.resize(size, resample)
            tensors[f"resize.{resample}.{size[0]}x{size[1]}"] = np.array(resized)
    save_file(tensors, OUT / "goldens.safetensors")
    (OUT / "goldens.safetensors").chmod(0o644)
    (OUT / "cases.json").write_text(json.dumps(cases, indent=1) + "\n")
    print(len(cases), "cases,", sum(f.stat().st_size for f in OUT.iterdir()), "bytes")


if __name__ == "__main__":
    main()
