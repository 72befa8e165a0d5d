#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes small pictures of many kinds to Testing/Data/image/formats and records what Pillow reads from them.

    python Testing/Golden/picture_goldens.py          (Pillow 13.0; ImageMagick's `convert` for two kinds of JPEG)

``formats.safetensors`` holds for each file u8 [H, W, 3], PIL's ``Image.open(path).convert("RGB")``, which is what Hugging
Face's models are shown. What Pillow cannot write (most kinds of BMP and TIFF, interlaced and deep PNG, layouts of GIF) is
put together here byte by byte.
"""

from __future__ import annotations

import io
import struct
import subprocess
import warnings
import zlib
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import save_file

OUT = Path(__file__).resolve().parents[1] / "Data" / "image"
WIDTH, HEIGHT = 21, 13  # neither is a multiple of 8: rows are padded, tiles and blocks are cut


def scene(channels: int, seed: int = 1, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Smooth gradients with a hard-edged box. u8 [H, W, channels]"""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    planes = [128 + 120 * np.sin((x * (c + 1) / width + y * (3 - c) / height) * 3 + seed) for c in range(channels)]
    picture = np.stack(planes, axis=-1)
    picture[height // 4 : height // 2, width // 3 : width // 2] = np.arange(channels) * 70 % 256
    return picture.astype(np.uint8)


RGB = Image.fromarray(scene(3))
RGBA = Image.fromarray(scene(4))
GREY = Image.fromarray(scene(1)[..., 0])
GREY_ALPHA = Image.fromarray(scene(2), "LA")
CMYK = Image.fromarray(scene(4, 2), "CMYK")
BITS = GREY.convert("1")
PALETTE = RGB.quantize(16)
DEEP = np.random.default_rng(5).integers(0, 65536, (HEIGHT, WIDTH, 4))  # 16 bits


def save(name: str, image: Image.Image, **options: object) -> None:
    image.save(OUT / "formats" / name, **options)


def write(name: str, content: bytes) -> None:
    (OUT / "formats" / name).write_bytes(content)


def packed(values: np.ndarray, bits: int, order: str = ">") -> bytes:
    """Rows of samples [H, N] of 1, 2, 4, 8 or 16 bits, each row padded to whole bytes."""
    if bits == 16:
        return values.astype(order + "u2").tobytes()
    if bits == 8:
        return values.astype(np.uint8).tobytes()
    shifts = np.arange(bits - 1, -1, -1)
    return np.packbits((values[..., None] >> shifts & 1).reshape(len(values), -1).astype(np.uint8), axis=1).tobytes()


# --- PNG ------------------------------------------------------------------------------------------------------------


def png(values: np.ndarray, bits: int, kind: int, interlaced: bool = False, extra: bytes = b"") -> bytes:
    """values: [H, W, channels]; kind: the colour type (0 grey, 2 RGB, 3 palette, 4 grey + alpha, 6 RGBA)."""
    height, width, channels = values.shape
    adam7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    rows = b""
    for x, y, dx, dy in adam7 if interlaced else ((0, 0, 1, 1),):
        part = values[y::dy, x::dx]
        if part.size:
            data = packed(part.reshape(len(part), -1), bits)
            size = len(data) // len(part)
            rows += b"".join(b"\0" + data[i * size : (i + 1) * size] for i in range(len(part)))
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, int(interlaced))
    chunks = png_chunk(b"IHDR", header) + extra + png_chunk(b"IDAT", zlib.compress(rows, 9)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def write_png() -> None:
    channels = {0: 1, 2: 3, 4: 2, 6: 4}
    for kind, count in channels.items():
        for bits in (1, 2, 4, 8, 16) if kind == 0 else (8, 16):
            values = DEEP[..., :count] >> (16 - bits)
            for interlaced in (False, True):
                write(f"grey{kind}_{bits}{'_interlaced' * interlaced}.png", png(values, bits, kind, interlaced))
    write("grey_little16.png", png(DEEP[..., :1] >> 7, 16, 0))  # some values below 256
    colours = bytes(np.random.default_rng(6).integers(0, 256, 48).tolist())
    for bits in (1, 2, 4, 8):
        palette = png_chunk(b"PLTE", colours[: 3 << min(bits, 4)]) + png_chunk(b"tRNS", b"\0\x80")
        write(f"palette_{bits}.png", png(DEEP[..., :1] % min(1 << bits, 16), bits, 3, extra=palette))
    write("palette_interlaced.png", png(DEEP[..., :1] % 16, 4, 3, True, png_chunk(b"PLTE", colours)))
    write("grey_transparent.png", png(scene(1), 8, 0, extra=png_chunk(b"tRNS", b"\0\x80")))
    write("grey16_transparent.png", png(DEEP[..., :1], 16, 0, extra=png_chunk(b"tRNS", b"\1\x80")))
    write("rgb_transparent.png", png(scene(3), 8, 2, extra=png_chunk(b"tRNS", b"\0\x80\0\x80\0\x80")))
    write("gamma.png", png(scene(3), 8, 2, extra=png_chunk(b"gAMA", struct.pack(">I", 100000)) + png_chunk(b"sBIT", b"\5\5\5")))
    save("animated.png", RGB, save_all=True, append_images=[Image.fromarray(scene(3, 4))])


# --- JPEG -----------------------------------------------------------------------------------------------------------


def write_jpeg() -> None:
    for name, image in (("rgb", RGB), ("grey", GREY), ("cmyk", CMYK)):
        save(f"{name}.jpg", image, quality=90)
        save(f"{name}_progressive.jpg", image, quality=60, progressive=True)
    for subsampling in (0, 1, 2):
        save(f"subsampling_{subsampling}.jpg", RGB, quality=80, subsampling=subsampling)
        save(f"subsampling_{subsampling}_progressive.jpg", RGB, quality=30, subsampling=subsampling, progressive=True)
    save("kept_rgb.jpg", RGB, quality=80, keep_rgb=True)
    save("restart.jpg", RGB, quality=80, restart_marker_blocks=1)
    save("rough.jpg", RGB, quality=5)
    content = io.BytesIO()
    CMYK.save(content, "jpeg", quality=85)
    ink = content.getvalue()
    adobe = ink.index(b"Adobe\0") + 11  # the byte that tells the transform
    write("ycck.jpg", ink[:adobe] + b"\2" + ink[adobe + 1 :])
    write("cmyk_unmarked.jpg", ink.replace(b"Adobe\0", b"Other\0"))
    write("trailing.jpg", (OUT / "formats" / "rgb.jpg").read_bytes() + b"appended" * 200)
    for factor in ("1x2", "4x1", "4x2", "1x4"):
        command = ["convert", "png:-", "-quality", "80", "-sampling-factor", factor, "jpg:-"]
        source = io.BytesIO()
        RGB.save(source, "png")
        write(f"factor_{factor}.jpg", subprocess.run(command, input=source.getvalue(), capture_output=True, check=True).stdout)


# --- BMP ------------------------------------------------------------------------------------------------------------


def bmp(rows: list[bytes], bits: int, *, compression: int = 0, palette: bytes = b"", masks: tuple[int, ...] = (), size: int = 40,
        top_down: bool = False, data: bytes = b"", colours: int = 0, width: int = WIDTH) -> bytes:  # fmt: skip
    """rows: the top one first, each without padding; `data` instead of them for run-length codes."""
    height = len(rows) or HEIGHT
    if size == 12:
        header = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        header = struct.pack("<IiiHHIIiiII", size, width, -height if top_down else height, 1, bits, compression, 0, 0, 0, colours, 0)
        header += struct.pack(f"<{len(masks)}I", *masks)
        header = header.ljust(size, b"\0")  # with 40 bytes the masks stand behind it
    lines = [row + b"\0" * (-len(row) % 4) for row in rows]
    body = data or b"".join(lines if top_down else lines[::-1])
    offset = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(body), 0, 0, offset) + header + palette + body


def rows_of(values: np.ndarray, bits: int) -> list[bytes]:
    data = packed(values, bits)
    size = len(data) // len(values)
    return [data[i * size : (i + 1) * size] for i in range(len(values))]


def write_bmp() -> None:
    for name, image in (("bits", BITS), ("grey", GREY), ("palette", PALETTE), ("rgb", RGB), ("rgba", RGBA)):
        save(f"pillow_{name}.bmp", image)
    indices = np.asarray(PALETTE).astype(int)
    colours = np.random.default_rng(7).integers(0, 256, (256, 4)).astype(np.uint8)
    for bits in (1, 4, 8):
        count = 1 << bits
        rows = rows_of(indices % count, bits)
        write(f"palette_{bits}.bmp", bmp(rows, bits, palette=colours[:count].tobytes()))
        write(f"palette_{bits}_os2.bmp", bmp(rows, bits, palette=colours[:count, :3].tobytes(), size=12))
        write(f"palette_{bits}_top_down.bmp", bmp(rows, bits, palette=colours[:count].tobytes(), top_down=True))
    write("palette_few.bmp", bmp(rows_of(indices, 8), 8, palette=colours[:16].tobytes(), colours=16))
    deep = [row.astype("<u2").tobytes() for row in DEEP[..., 0]]
    write("555.bmp", bmp(deep, 16))
    for name, masks in (("555", (0x7C00, 0x3E0, 0x1F)), ("565", (0xF800, 0x7E0, 0x1F))):
        for size in (40, 56, 108, 124):
            write(f"{name}_fields_{size}.bmp", bmp(deep, 16, compression=3, masks=(*masks, 0)[: 3 if size == 40 else 4], size=size))
    three, four = scene(3), scene(4)
    write("24_top_down.bmp", bmp([row.tobytes() for row in three], 24, top_down=True))
    write("24_os2.bmp", bmp([row.tobytes() for row in three], 24, size=12))
    write("32.bmp", bmp([row.tobytes() for row in four], 32))
    for name, masks in (("bgrx", (0xFF0000, 0xFF00, 0xFF, 0)), ("xbgr", (0xFF000000, 0xFF0000, 0xFF00, 0)), ("bgxr", (0xFF000000, 0xFF00, 0xFF, 0)),
                        ("abgr", (0xFF000000, 0xFF0000, 0xFF00, 0xFF)), ("rgba", (0xFF, 0xFF00, 0xFF0000, 0xFF000000)),
                        ("bgra", (0xFF0000, 0xFF00, 0xFF, 0xFF000000)), ("none", (0, 0, 0, 0))):  # fmt: skip
        write(f"32_{name}.bmp", bmp([row.tobytes() for row in four], 32, compression=3, masks=masks, size=108))
    palette = colours.tobytes()
    runs = b"".join(bytes((5, 7, 16, y, 0, 0)) for y in range(HEIGHT - 1)) + bytes((0, 5, 1, 2, 3, 4, 5, 0, 9, 200, 3, 9, 0, 0, 0, 1))
    write("runs8.bmp", bmp([], 8, compression=1, palette=palette, data=runs))
    jumps = bytes((3, 9, 0, 2, 4, 1, 2, 8, 0, 0)) + b"".join(bytes((21, y, 0, 0)) for y in range(HEIGHT - 2)) + b"\0\1"
    write("runs8_delta.bmp", bmp([], 8, compression=1, palette=palette, data=jumps))
    short = b"".join(bytes((9, y, 0, 0)) for y in range(HEIGHT)) + b"\0\1"
    write("runs8_short_rows.bmp", bmp([], 8, compression=1, palette=palette, data=short))
    halves = b"".join(bytes((7, 0x3C, 0, 5, 0x12, 0x34, 0x50, 0, 9, 0xA0 + y, 0, 0)) for y in range(HEIGHT)) + b"\0\1"
    write("runs4.bmp", bmp([], 4, compression=2, palette=palette[:64], data=halves))


# --- TIFF -----------------------------------------------------------------------------------------------------------


def tiff(samples: np.ndarray, photometric: int, *, bits: int = 8, order: str = "<", tile: tuple[int, int] | None = None, rows: int = 5,
         planar: bool = False, compression: int = 1, extras: tuple[int, ...] = (), tags: dict | None = None) -> bytes:  # fmt: skip
    """samples: [H, W, channels]; order: < or >; tile: its width and height, else strips of `rows` rows."""
    height, width, channels = samples.shape
    planes = [samples[..., c : c + 1] for c in range(channels)] if planar else [samples]
    blocks = []
    for plane in planes:
        across, down = tile or (width, rows)
        for y in range(0, height, down):
            for x in range(0, width, across):
                part = plane[y : y + down, x : x + across]
                if tile:
                    part = np.pad(part, ((0, down - part.shape[0]), (0, across - part.shape[1]), (0, 0)))
                data = packed(part.reshape(len(part), -1), bits, order)
                blocks.append(zlib.compress(data, 9) if compression == 8 else data)
    entries = {256: (4, [width]), 257: (4, [height]), 258: (3, [bits] * channels), 259: (3, [compression]), 262: (3, [photometric]),
               277: (3, [channels]), 284: (3, [2 if planar else 1])}  # fmt: skip
    if extras:
        entries[338] = (3, list(extras))
    if tile:
        entries |= {322: (4, [tile[0]]), 323: (4, [tile[1]])}
    else:
        entries[278] = (4, [rows])
    entries |= tags or {}
    position, offsets = 8, []
    for block in blocks:
        offsets.append(position)
        position += len(block)
    entries |= {324 if tile else 273: (4, offsets), 325 if tile else 279: (4, [len(b) for b in blocks])}
    return tiff_file(entries, b"".join(blocks), order)


def tiff_file(entries: dict, data: bytes, order: str) -> bytes:
    """The directory stands behind the data, its longer values behind it. entries: tag -> (type 3 or 4, values)"""
    data += b"\0" * (len(data) % 2)
    start = 8 + len(data)
    tail_at = start + 2 + 12 * len(entries) + 4
    directory, tail = struct.pack(order + "H", len(entries)), b""
    for tag in sorted(entries):
        kind, values = entries[tag]
        content = struct.pack(f"{order}{len(values)}{'H' if kind == 3 else 'I'}", *values)
        directory += struct.pack(order + "HHI", tag, kind, len(values))
        if len(content) <= 4:
            directory += content.ljust(4, b"\0")
        else:
            directory += struct.pack(order + "I", tail_at + len(tail))
            tail += content + b"\0" * (len(content) % 2)
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", start) + data + directory + b"\0" * 4 + tail


def write_tiff() -> None:
    for name, image in (("bits", BITS), ("grey", GREY), ("grey_alpha", GREY_ALPHA), ("palette", PALETTE), ("rgb", RGB), ("rgba", RGBA), ("cmyk", CMYK),
                        ("deep_grey", Image.fromarray(DEEP[..., 0].astype(np.uint16)))):  # fmt: skip
        for compression in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits"):
            save(f"{name}_{compression or 'raw'}.tif", image, **({"compression": compression} if compression else {}))
    for compression in ("group3", "group4"):
        save(f"bits_{compression}.tif", BITS, compression=compression)
    for name, image in (("rgb", RGB), ("grey", GREY)):
        save(f"{name}_jpeg.tif", image, compression="jpeg", quality=85)
    for name, image in (("rgb", RGB), ("deep_grey", Image.fromarray(DEEP[..., 0].astype(np.uint16)))):
        save(f"{name}_predictor.tif", image, compression="tiff_lzw", tiffinfo={317: 2})
    for orientation in range(1, 9):
        save(f"orientation_{orientation}.tif", RGB, tiffinfo={274: orientation})
    save("orientation_6_lzw.tif", RGB, compression="tiff_lzw", tiffinfo={274: 6})
    save("pages.tif", RGB, save_all=True, append_images=[Image.fromarray(scene(3, 4))])
    save("big.tif", RGB, big_tiff=True)
    for bits in (1, 2, 4, 8):
        grey = DEEP[..., :1] >> (16 - bits)
        for photometric in (0, 1):
            for compression in (1, 8):
                write(f"grey{bits}_{photometric}_{compression}.tif", tiff(grey, photometric, bits=bits, compression=compression))
        reversed_bits = {266: (3, [2])}  # the lowest bit of each byte first; the writer leaves them as they are
        write(f"grey{bits}_reversed.tif", tiff(grey, 1, bits=bits, tags=reversed_bits))
        colours = np.random.default_rng(8).integers(0, 65536, 3 << bits).tolist()
        write(f"palette{bits}.tif", tiff(DEEP[..., :1] >> (16 - bits), 3, bits=bits, tags={320: (3, colours)}, compression=8))
    write("grey16_white.tif", tiff(DEEP[..., :1] >> 7, 0, bits=16))
    for order, letter in (("<", "ii"), (">", "mm")):
        for compression in (1, 8):
            name = f"{letter}_{compression}.tif"
            write("grey16_" + name, tiff(DEEP[..., :1] >> 7, 1, bits=16, order=order, compression=compression))
            write("rgb16_" + name, tiff(DEEP[..., :3], 2, bits=16, order=order, compression=compression))
            write("rgba16_" + name, tiff(DEEP, 2, bits=16, order=order, compression=compression, extras=(2,)))
            write("premultiplied16_" + name, tiff(DEEP, 2, bits=16, order=order, compression=compression, extras=(1,)))
            write("cmyk16_" + name, tiff(DEEP, 5, bits=16, order=order, compression=compression))
            write("rgb_tiles_" + name, tiff(scene(3), 2, order=order, compression=compression, tile=(16, 16)))
            write("rgb_planes_" + name, tiff(scene(3), 2, order=order, compression=compression, planar=True))
    for compression in (1, 8):
        write(f"premultiplied_{compression}.tif", tiff(scene(4), 2, compression=compression, extras=(1,)))
        write(f"unspecified_{compression}.tif", tiff(scene(4), 2, compression=compression, extras=(0,)))
        write(f"five_channels_{compression}.tif", tiff(scene(5), 2, compression=compression, extras=(2, 0)))
        write(f"cmyk_extra_{compression}.tif", tiff(scene(5), 5, compression=compression, extras=(0,)))
        write(f"no_extras_{compression}.tif", tiff(scene(4), 2, compression=compression))
        write(f"lab_{compression}.tif", tiff(scene(3), 8, compression=compression))
        write(f"ycbcr_{compression}.tif", tiff(scene(3), 6, compression=compression, tags={530: (3, [1, 1])}))
    # 2 x 2 values of Y share a Cb and a Cr, and stand together with them.
    blocks = zlib.compress(np.random.default_rng(10).integers(60, 200, 10 * 6 * 6).astype(np.uint8).tobytes(), 9)
    entries = {256: (4, [20]), 257: (4, [12]), 258: (3, [8, 8, 8]), 259: (3, [8]), 262: (3, [6]), 273: (4, [8]), 277: (3, [3]),
               278: (4, [12]), 279: (4, [len(blocks)]), 530: (3, [2, 2])}  # fmt: skip
    write("ycbcr_subsampled.tif", tiff_file(entries, blocks, "<"))
    write("rgba_planes.tif", tiff(scene(4), 2, compression=8, planar=True, extras=(2,)))
    write("premultiplied_planes.tif", tiff(scene(4), 2, compression=8, planar=True, extras=(1,)))
    write("rgba_tiles_planes.tif", tiff(scene(4), 2, compression=8, planar=True, extras=(2,), tile=(16, 16)))
    write("rgb16_planes.tif", tiff(DEEP[..., :3], 2, bits=16, compression=8, planar=True))
    write("cmyk_planes.tif", tiff(scene(4), 5, compression=8, planar=True))
    write("grey_tiles.tif", tiff(scene(1), 1, compression=8, tile=(16, 32)))
    write("palette_alpha.tif", tiff(np.stack([DEEP[..., 0] % 256, DEEP[..., 1] % 256], -1), 3, compression=8, extras=(2,),
                                    tags={320: (3, np.random.default_rng(9).integers(0, 65536, 768).tolist())}))  # fmt: skip


# --- WebP and GIF ---------------------------------------------------------------------------------------------------


def write_webp() -> None:
    for name, image in (("rgb", RGB), ("rgba", RGBA)):
        save(f"{name}.webp", image, quality=70)
        save(f"{name}_lossless.webp", image, lossless=True)
        save(f"{name}_exact.webp", image, lossless=True, exact=True)
    others = [Image.fromarray(scene(4, seed)) for seed in (4, 5)]
    save("animated.webp", RGBA, save_all=True, append_images=others, duration=40)
    save("animated_lossless.webp", RGBA, save_all=True, append_images=others, lossless=True)
    content = (OUT / "formats" / "animated_lossless.webp").read_bytes()
    canvas = content.index(b"VP8X") + 12  # width - 1 and height - 1, 24 bits each
    frame = content.index(b"ANMF") + 8  # x / 2 and y / 2
    larger = (WIDTH + 7).to_bytes(3, "little") + (HEIGHT + 9).to_bytes(3, "little")
    moved = (3).to_bytes(3, "little") + (2).to_bytes(3, "little")
    write("animated_offset.webp", content[:canvas] + larger + content[canvas + 6 : frame] + moved + content[frame + 6 :])


def write_gif() -> None:
    save("palette.gif", PALETTE)
    save("plain.gif", PALETTE, interlace=0)
    save("grey.gif", GREY)
    save("bits.gif", BITS)
    save("transparent.gif", PALETTE, transparency=3)
    save("animated.gif", PALETTE, save_all=True, append_images=[Image.fromarray(scene(3, 4)).quantize(16)], duration=40)
    content = io.BytesIO()
    PALETTE.save(content, "gif", interlace=1)
    whole = content.getvalue()
    flags = whole[10]
    palette_end = 13 + (6 << (flags & 7))
    colours = whole[13:palette_end]
    at = whole.index(b"\x2c\0\0\0\0")  # the picture's descriptor
    screen = struct.pack("<HH", WIDTH + 5, HEIGHT + 4)
    descriptor = struct.pack("<BHHHH", 0x2C, 2, 3, WIDTH, HEIGHT)
    control = lambda index: b"\x21\xf9\4" + bytes((1, 0, 0, index)) + b"\0"  # noqa: E731
    rest = whole[at + 9 :]
    write("offset.gif", whole[:6] + screen + whole[10:palette_end] + descriptor + rest)
    write("offset_transparent.gif", b"GIF89a" + screen + whole[10:palette_end] + control(5) + descriptor + rest)
    local = bytes((rest[0] | 0x80 | (flags & 7),)) + colours[::-1]
    write("local.gif", whole[:palette_end] + whole[at : at + 9] + local + rest[1:])
    no_global = whole[:10] + bytes((flags & 0x70,)) + whole[11:13]
    write("only_local.gif", no_global + whole[at : at + 9] + local + rest[1:])
    write("no_palette.gif", no_global + whole[at:])
    write("small_screen.gif", whole[:6] + struct.pack("<HH", 5, 4) + whole[10:])


def write_pnm() -> None:
    for name, image in (("bits.pbm", BITS), ("grey.pgm", GREY), ("rgb.ppm", RGB), ("deep.pgm", Image.fromarray(DEEP[..., 0].astype(np.uint16)))):
        save(name, image)
    size = f"{WIDTH} # across\n{HEIGHT}\n"

    def text(values: np.ndarray) -> bytes:
        return "\n".join(" ".join(map(str, row)) for row in values.reshape(HEIGHT, -1).tolist()).encode() + b"\n"

    write("text.pbm", f"P1\n# bits\n{size}".encode() + text(DEEP[..., 0] % 2).replace(b" ", b""))
    write("text.pgm", f"P2\n{size}200\n".encode() + text(DEEP[..., 0] % 201))
    write("text.ppm", f"P3\n{size}255\n".encode() + text(scene(3)))
    write("text_deep.pgm", f"P2\n{size}1000\n".encode() + text(DEEP[..., 0] % 1001))
    write("few.pgm", f"P5 {WIDTH} {HEIGHT} 7\n".encode() + packed(DEEP[..., 0] % 8, 8))
    write("deep.ppm", f"P6 {WIDTH} {HEIGHT} 65535\n".encode() + packed(DEEP[..., :3].reshape(HEIGHT, -1), 16))
    write("twelve.ppm", f"P6 {WIDTH} {HEIGHT} 4095\n".encode() + packed(DEEP[..., :3].reshape(HEIGHT, -1) % 4096, 16))
    write("twelve.pgm", f"P5 {WIDTH} {HEIGHT} 4095\n".encode() + packed(DEEP[..., 0] % 4096, 16))


def main() -> None:
    (OUT / "formats").mkdir(parents=True, exist_ok=True)
    for writer in (write_png, write_jpeg, write_bmp, write_tiff, write_webp, write_gif, write_pnm):
        writer()
    warnings.simplefilter("ignore")
    files = sorted((OUT / "formats").iterdir())
    save_file({f.name: np.array(Image.open(f).convert("RGB")) for f in files}, OUT / "formats.safetensors")
    (OUT / "formats.safetensors").chmod(0o644)
    print(len(files), "files,", sum(f.stat().st_size for f in files), "bytes")


if __name__ == "__main__":
    main()
